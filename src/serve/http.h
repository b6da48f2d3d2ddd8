/* HTTP transport over libwebsockets: one event-loop thread that never computes, a bounded pool of
 * request threads that run handlers (which may block), server-sent events, disconnects, limits.
 * Knows nothing of OpenAI or models. */
#ifndef XOE_SERVE_HTTP_H
#define XOE_SERVE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "xoe/error.h"

typedef struct xoe_http_server xoe_http_server;
typedef struct xoe_http_req xoe_http_req;

/* Runs on a request thread. Must end the request by reply, or stream_begin … stream_end. */
typedef void (*xoe_http_handler)(xoe_http_req *req, void *ud);

typedef struct xoe_http_route {
    const char *method; /* "GET", "POST" … */
    const char *path;   /* exact, or a prefix when it ends with '*' */
    xoe_http_handler handler;
    bool open;          /* no API key asked (health, page) */
    bool loop;          /* handler is tiny and never blocks: runs on the loop thread, so that it
                           answers when all request threads are busy */
    bool detector;      /* counts against detect_rate_per_minute */
} xoe_http_route;

typedef struct xoe_http_opts {
    const char *host;
    int port;                   /* 0: any free one */
    const char *api_key;        /* NULL or "": none asked */
    const char *cors_origin;    /* NULL or "": none */
    size_t max_body_bytes;
    int n_threads;              /* request threads = most requests in flight */
    int queue_max;              /* accepted and waiting for a request thread */
    int rate_per_minute, detect_rate_per_minute; /* a client address or key; 0: no limit */
    int auth_failures_per_minute; /* wrong keys of an address before it must wait; 0: no limit */
    int idle_timeout_s;         /* keep-alive and unfinished requests; default 30 */
    int write_timeout_s;        /* for the client to take what waits, at least 1 KiB a second of it; default 60 */
    const xoe_http_route *routes; /* [n_routes], borrowed */
    size_t n_routes;
    void *ud;                   /* for handlers */
} xoe_http_opts;

/* Binds; errors: XOE_EEXIST (port in use: says which and how to take another), XOE_EPERM, XOE_EIO. */
xoe_err xoe_http_open(xoe_http_server **out, const xoe_http_opts *opts, xoe_error *e);
int xoe_http_port(const xoe_http_server *s);
/* Serve until xoe_http_stop; then drain: no new requests (503), running ones end and clients
 * take what was answered, at most drain_ms. */
xoe_err xoe_http_run(xoe_http_server *s, int drain_ms, xoe_error *e);
void xoe_http_stop(xoe_http_server *s); /* async-signal-safe */
bool xoe_http_draining(const xoe_http_server *s);
void xoe_http_close(xoe_http_server *s);

/* ---- request (valid until the handler ended it) ---- */
const char *xoe_http_method(const xoe_http_req *r);
const char *xoe_http_path(const xoe_http_req *r);
const char *xoe_http_query(const xoe_http_req *r, const char *name); /* decoded; NULL: absent */
const char *xoe_http_header(const xoe_http_req *r, const char *name); /* lower case; NULL: absent */
const char *xoe_http_body(const xoe_http_req *r, size_t *n);
const char *xoe_http_request_id(const xoe_http_req *r); /* x-request-id in and out; "req-…" */
const char *xoe_http_user(const xoe_http_req *r);       /* pseudonym of key or address */
xoe_arena *xoe_http_arena(xoe_http_req *r);
xoe_http_server *xoe_http_req_server(const xoe_http_req *r);
int64_t xoe_http_accepted_mono_ms(const xoe_http_req *r);

/* ---- answer (thread: the handler's; the first call that ends it wins) ---- */
void xoe_http_set_header(xoe_http_req *r, const char *name, const char *value);
void xoe_http_reply(xoe_http_req *r, int status, const char *content_type, const void *body, size_t n);
/* OpenAI-shaped error {"error":{message,type,param,code}}; Retry-After with 429 and 503. */
void xoe_http_reply_error(xoe_http_req *r, const xoe_error *e);
void xoe_http_stream_begin(xoe_http_req *r, int status, const char *content_type);
/* −1: the client is gone, stop. Blocks while the client is slow and its buffer (1 MiB) is full. */
int xoe_http_stream_write(xoe_http_req *r, const void *p, size_t n);
void xoe_http_stream_end(xoe_http_req *r);
bool xoe_http_gone(const xoe_http_req *r);
/* fn(ud) runs once on the loop thread when the client goes away before the end (at once if it has
 * gone). Set to NULL before ud dies; returns only when no call is running. */
void xoe_http_on_gone(xoe_http_req *r, void (*fn)(void *ud), void *ud);

#endif
