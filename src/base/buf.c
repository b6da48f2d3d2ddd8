/* Growth doubles up to the maximum; one byte is always kept for the closing NUL. Thread: one owner. */
#include "base/buf.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void xoe_buf_init(xoe_buf *b, size_t max_bytes)
{
    *b = (xoe_buf){.max = max_bytes};
}

void xoe_buf_free(xoe_buf *b)
{
    xoe_free(b->data);
    *b = (xoe_buf){.max = b->max};
}

void xoe_buf_reset(xoe_buf *b)
{
    b->len = 0;
    b->failed = false;
    if (b->data) b->data[0] = 0;
}

static int reserve(xoe_buf *b, size_t n)
{
    if (b->failed) return -1;
    if (n > b->max - b->len) goto fail;
    size_t need = b->len + n + 1;
    if (need > b->cap) {
        size_t cap = b->cap ? b->cap * 2 : 256;
        if (cap < need) cap = need;
        if (cap > b->max + 1) cap = b->max + 1;
        char *p = xoe_realloc(b->data, cap);
        if (!p) goto fail;
        b->data = p;
        b->cap = cap;
    }
    return 0;
fail:
    b->failed = true;
    return -1;
}

int xoe_buf_add(xoe_buf *b, const void *p, size_t n)
{
    if (reserve(b, n)) return -1;
    if (n) memcpy(b->data + b->len, p, n);
    b->len += n;
    b->data[b->len] = 0;
    return 0;
}

int xoe_buf_puts(xoe_buf *b, const char *s)
{
    return xoe_buf_add(b, s, strlen(s));
}

int xoe_buf_putc(xoe_buf *b, char c)
{
    return xoe_buf_add(b, &c, 1);
}

int xoe_buf_printf(xoe_buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0 || reserve(b, (size_t)n)) {
        b->failed = true;
        return -1;
    }
    va_start(ap, fmt);
    vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)n;
    return 0;
}

void xoe_buf_consume(xoe_buf *b, size_t n)
{
    XOE_ASSERT(n <= b->len);
    b->len -= n;
    if (b->len) memmove(b->data, b->data + n, b->len);
    if (b->data) b->data[b->len] = 0;
}

const char *xoe_buf_cstr(const xoe_buf *b)
{
    return b->len ? b->data : "";
}
