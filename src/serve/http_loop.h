/* What the files of the event loop share. Everything here runs on the loop thread only. */
#ifndef XOE_SERVE_HTTP_LOOP_H
#define XOE_SERVE_HTTP_LOOP_H

#include "serve/http_chunked.h"
#include "serve/http_internal.h"

/* A connection. */
struct xoe_conn {
    struct lws *wsi;
    xoe_http_req *req;
    xoe_conn *prev, *next;
    int64_t deadline_ms; /* 0: none: a handler is at work and what it wrote has left */
    bool writing;        /* the deadline is for the client to take what waits */
    int64_t taken;       /* bytes that it had taken when that deadline was set */
    int64_t read_before; /* bytes read when the last answer ended; −1: this is the first request */
    char peer[64];
    xoe_chunked chunked; /* of the body, when is_chunked */
    xoe_error refuse;
    bool is_chunked, refusing, kill, lingers, watched, dispatched;
};

/* ---- http_conn.c: connections come, wait, and go ---- */
int xoe_loop_listen_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len);
int xoe_loop_hangup_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len);
void xoe_conn_drop_request(xoe_conn *c);
void xoe_conn_destroy(xoe_http_server *s, xoe_conn *c);
/* Tell when the client hangs up, although nothing is read from it. */
void xoe_conn_watch(xoe_http_server *s, xoe_conn *c);
void xoe_conn_read(xoe_conn *c, bool on);
/* Set the deadline: the client must send; must take what waits; need do nothing. */
void xoe_conn_must_send(const xoe_http_server *s, xoe_conn *c);
void xoe_conn_must_take(const xoe_http_server *s, xoe_conn *c);
void xoe_conn_may_rest(xoe_conn *c);
/* After the last answer: close when the client has taken it. false: it has, close now. */
bool xoe_conn_linger(xoe_http_server *s, xoe_conn *c);
/* Some client has not taken all of an answer yet. */
bool xoe_conns_untaken(const xoe_http_server *s);

/* ---- http_head.c: what a request's head says, and whether it may ---- */
int xoe_head_read(xoe_http_req *r, struct lws *wsi); /* −1: close */
/* How long the body is; errors: not told, told wrongly, too long. *fatal: its end is not known or too far away. */
xoe_err xoe_head_framing(xoe_http_req *r, struct lws *wsi, size_t *n, bool *chunked, bool *fatal, xoe_error *e);
/* Find the route, check the key, take from the rate limits. */
xoe_err xoe_head_admit(xoe_http_req *r, struct lws *wsi, const char *peer, xoe_error *e);
bool xoe_head_is_preflight(const xoe_http_req *r);
bool xoe_head_may_have_body(const xoe_http_req *r);
bool xoe_head_expects_continue(struct lws *wsi);

/* ---- http_loop.c: from head to handler, from answer to socket ---- */
int xoe_loop_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len);
void xoe_loop_flush(xoe_http_server *s);

/* ---- http_pipeline.c ---- */
/* Bytes that have been read from the connected TCP socket fd; −1: unknown. */
int64_t xoe_http_bytes_read(int fd);

#endif
