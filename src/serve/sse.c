/* One event is one write, so that a proxy never sees half a line for long. Compact JSON holds no raw line
 * break, hence one data line is enough. */
#include "serve/sse.h"

#include <stdlib.h>
#include <string.h>

enum { EVENT_BYTES_MAX = 64 << 20 };

void xoe_sse_begin(xoe_http_req *r)
{
    xoe_http_set_header(r, "cache-control", "no-cache");
    xoe_http_set_header(r, "x-accel-buffering", "no");
    xoe_http_stream_begin(r, 200, "text/event-stream");
}

static int append(const char *p, size_t n, void *ud)
{
    return xoe_buf_add(ud, p, n);
}

int xoe_sse_format(xoe_buf *out, const json_t *j)
{
    if (xoe_buf_puts(out, "data: ") || json_dump_callback(j, append, out, JSON_COMPACT)) return -1;
    return xoe_buf_puts(out, "\n\n");
}

int xoe_sse_json(xoe_http_req *r, json_t *j)
{
    xoe_buf b;
    xoe_buf_init(&b, EVENT_BYTES_MAX);
    int rc = j ? xoe_sse_format(&b, j) : -1;
    if (!rc) rc = xoe_http_stream_write(r, b.data, b.len);
    xoe_buf_free(&b);
    json_decref(j);
    return rc;
}

void xoe_sse_done(xoe_http_req *r)
{
    static const char done[] = "data: [DONE]\n\n";
    xoe_http_stream_write(r, done, sizeof done - 1);
    xoe_http_stream_end(r);
}
