/* Counted allocator with one fault point. Counters are atomics: no lock on the hot path. */
#include "base/mem.h"

#include <openssl/crypto.h>
#include <stdatomic.h>
#include <stdio.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <stdlib.h>
#include <string.h>

static atomic_long live, calls, fail_in;

void xoe_assert_failed(const char *cond, const char *file, int line)
{
    fprintf(stderr, "xoe: invariant violated: %s (%s:%d)\n", cond, file, line);
    abort();
}

static int must_fail(void)
{
    atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
    if (atomic_load_explicit(&fail_in, memory_order_relaxed) == 0) return 0;
    return atomic_fetch_sub(&fail_in, 1) == 1;
}

void *xoe_malloc(size_t n)
{
    if (must_fail()) return NULL;
    void *p = malloc(n ? n : 1);
    if (p) atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
    return p;
}

void *xoe_calloc(size_t n, size_t size)
{
    if (must_fail()) return NULL;
    void *p = calloc(n ? n : 1, size ? size : 1);
    if (p) atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
    return p;
}

void *xoe_realloc(void *p, size_t n)
{
    if (!p) return xoe_malloc(n);
    if (must_fail()) return NULL;
    return realloc(p, n ? n : 1);
}

char *xoe_strndup(const char *s, size_t n)
{
    char *p = xoe_malloc(n + 1);
    if (!p) return NULL;
    if (n) memcpy(p, s, n);
    p[n] = 0;
    return p;
}

char *xoe_strdup(const char *s)
{
    return xoe_strndup(s, strlen(s));
}

void xoe_free(void *p)
{
    if (!p) return;
    atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
    free(p);
}

void xoe_zero(void *p, size_t n)
{
    OPENSSL_cleanse(p, n);
}

void xoe_mem_fail_at(long n)
{
    atomic_store(&fail_in, n);
}
long xoe_mem_live(void)
{
    return atomic_load(&live);
}
long xoe_mem_calls(void)
{
    return atomic_load(&calls);
}

void xoe_mem_steady(void)
{
#ifdef __GLIBC__
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_MMAP_THRESHOLD, 256 * 1024); /* setting it also stops it from growing */
    mallopt(M_TRIM_THRESHOLD, 1024 * 1024);
#endif
}
