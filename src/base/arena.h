/* Arena: memory of one request, freed whole, with cleanup handlers run in reverse order.
 * Thread: one owner at a time. Nothing long-lived may keep a pointer into it. */
#ifndef XOE_BASE_ARENA_H
#define XOE_BASE_ARENA_H

#include <stddef.h>

typedef struct xoe_arena xoe_arena;

xoe_arena *xoe_arena_new(size_t max_bytes); /* NULL: no memory. max_bytes 0: 64 MiB */
void xoe_arena_free(xoe_arena *a);          /* takes NULL */
void *xoe_arena_alloc(xoe_arena *a, size_t n); /* zeroed, 16-byte aligned; NULL at the limit */
char *xoe_arena_strndup(xoe_arena *a, const char *s, size_t n);
char *xoe_arena_printf(xoe_arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Run fn(p) when the arena is freed. Returns 0, or -1 at the limit (fn was not kept). */
int xoe_arena_defer(xoe_arena *a, void (*fn)(void *p), void *p);

#endif
