/* Request bodies in HTTP/1.1's chunked coding (RFC 9112, 7.1). Thread: one owner. */
#ifndef XOE_SERVE_HTTP_CHUNKED_H
#define XOE_SERVE_HTTP_CHUNKED_H

#include "base/buf.h"

typedef struct xoe_chunked { /* zero before the first byte */
    int state;
    size_t left, line;
} xoe_chunked;

typedef enum xoe_chunked_is { XOE_CHUNKED_MORE, XOE_CHUNKED_WHOLE, XOE_CHUNKED_BAD } xoe_chunked_is;

/* Take n bytes as they came; the data in them is appended to out (NULL: dropped), which marks itself failed when
 * it is too much. What follows the end is ignored. */
xoe_chunked_is xoe_chunked_take(xoe_chunked *c, const char *p, size_t n, xoe_buf *out);

#endif
