/* The event loop's callbacks, for http.c. */
#ifndef XOE_SERVE_HTTP_LOOP_H
#define XOE_SERVE_HTTP_LOOP_H

#include "serve/http_internal.h"

int xoe_loop_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len);
int xoe_loop_listen_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len);
int xoe_loop_hangup_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len);
void xoe_loop_tick(xoe_http_server *s);
void xoe_loop_flush(xoe_http_server *s);
/* http_pipeline.c: bytes that have been read from the connected TCP socket fd; −1: unknown. */
int64_t xoe_http_bytes_read(int fd);

#endif
