/* Server-sent events over one HTTP answer. Thread: the handler's. */
#ifndef XOE_SERVE_SSE_H
#define XOE_SERVE_SSE_H

#include <jansson.h>
#include "base/buf.h"
#include "serve/http.h"

void xoe_sse_begin(xoe_http_req *r);
/* Append "data: <compact JSON>\n\n". 0, or −1: no memory or over the buffer's limit. */
int xoe_sse_format(xoe_buf *out, const json_t *j);
/* Send one event; j is taken over, NULL counts as out of memory. −1: the client is gone, or no memory. */
int xoe_sse_json(xoe_http_req *r, json_t *j);
/* "data: [DONE]" and the end. */
void xoe_sse_done(xoe_http_req *r);

#endif
