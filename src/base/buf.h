/* A growing byte buffer that must be given a maximum. After a failed append the buffer is marked
 * `failed` and later appends do nothing, so a writer checks once at the end. Thread: one owner. */
#ifndef XOE_BASE_BUF_H
#define XOE_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

typedef struct xoe_buf {
    char *data; /* NUL-terminated when len > 0; NULL when nothing was appended */
    size_t len, cap, max;
    bool failed;
} xoe_buf;

void xoe_buf_init(xoe_buf *b, size_t max_bytes);
void xoe_buf_free(xoe_buf *b);
void xoe_buf_reset(xoe_buf *b); /* keeps the memory */
int xoe_buf_add(xoe_buf *b, const void *p, size_t n); /* 0, or -1: limit or memory */
int xoe_buf_puts(xoe_buf *b, const char *s);
int xoe_buf_putc(xoe_buf *b, char c);
int xoe_buf_printf(xoe_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void xoe_buf_consume(xoe_buf *b, size_t n); /* drop the first n bytes */
const char *xoe_buf_cstr(const xoe_buf *b); /* "" when empty */

#endif
