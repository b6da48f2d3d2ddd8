/* The one counted allocator of long-lived memory. Tests make the n-th call fail. Thread: safe. */
#ifndef XOE_BASE_MEM_H
#define XOE_BASE_MEM_H

#include <stddef.h>

/* An invariant that stays on in release: prints and aborts. */
#define XOE_ASSERT(cond)                                                                           \
    ((cond) ? (void)0 : xoe_assert_failed(#cond, __FILE__, __LINE__))
void xoe_assert_failed(const char *cond, const char *file, int line) __attribute__((noreturn));

void *xoe_malloc(size_t n);            /* NULL when out of memory or told to fail; n == 0 gives 1 byte */
void *xoe_calloc(size_t n, size_t size);
void *xoe_realloc(void *p, size_t n);  /* p stays valid on failure */
char *xoe_strdup(const char *s);
char *xoe_strndup(const char *s, size_t n); /* copies n bytes, adds NUL */
void xoe_free(void *p);
void xoe_zero(void *p, size_t n);      /* wipe a secret; never optimised away */

/* For a server that runs for long: without it glibc lets every thread keep a heap of its own, raises the size
 * from which memory goes back to the system at once, and grows with the number of requests. Call first. */
void xoe_mem_steady(void);

/* Tests: make the call number n from now (1 = next) fail, once; 0 turns it off. */
void xoe_mem_fail_at(long n);
long xoe_mem_live(void);  /* allocations alive */
long xoe_mem_calls(void); /* allocation calls so far */

#endif
