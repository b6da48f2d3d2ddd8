/* Bump allocator over a list of blocks; large requests get a block of their own. */
#include "base/arena.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK_BYTES = 16 * 1024, ALIGN = 16 };

struct block {
    struct block *next;
    size_t used, size;
    _Alignas(ALIGN) unsigned char data[];
};
struct cleanup {
    struct cleanup *next;
    void (*fn)(void *);
    void *p;
};
struct xoe_arena {
    struct block *head;
    struct cleanup *cleanups;
    size_t total, max;
};

xoe_arena *xoe_arena_new(size_t max_bytes)
{
    xoe_arena *a = xoe_calloc(1, sizeof *a);
    if (a) a->max = max_bytes ? max_bytes : (size_t)64 << 20;
    return a;
}

void xoe_arena_free(xoe_arena *a)
{
    if (!a) return;
    for (struct cleanup *c = a->cleanups; c; c = c->next)
        c->fn(c->p);
    for (struct block *b = a->head, *next; b; b = next) {
        next = b->next;
        xoe_free(b);
    }
    xoe_free(a);
}

void *xoe_arena_alloc(xoe_arena *a, size_t n)
{
    if (n > SIZE_MAX / 2) return NULL;
    n = (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (n == 0) n = ALIGN;
    struct block *b = a->head;
    if (!b || b->size - b->used < n) {
        size_t size = n > BLOCK_BYTES ? n : BLOCK_BYTES;
        if (size > a->max - a->total) return NULL;
        b = xoe_malloc(sizeof *b + size);
        if (!b) return NULL;
        b->used = 0;
        b->size = size;
        b->next = a->head;
        a->head = b;
        a->total += size;
    }
    void *p = b->data + b->used;
    b->used += n;
    memset(p, 0, n);
    return p;
}

char *xoe_arena_strndup(xoe_arena *a, const char *s, size_t n)
{
    char *p = xoe_arena_alloc(a, n + 1);
    if (p && n) memcpy(p, s, n);
    return p;
}

char *xoe_arena_printf(xoe_arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *p = n < 0 ? NULL : xoe_arena_alloc(a, (size_t)n + 1);
    if (!p) return NULL;
    va_start(ap, fmt);
    vsnprintf(p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return p;
}

int xoe_arena_defer(xoe_arena *a, void (*fn)(void *), void *p)
{
    struct cleanup *c = xoe_arena_alloc(a, sizeof *c);
    if (!c) return -1;
    c->fn = fn;
    c->p = p;
    c->next = a->cleanups;
    a->cleanups = c;
    return 0;
}
