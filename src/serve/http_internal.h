/* What the files of the transport share. */
#ifndef XOE_SERVE_HTTP_INTERNAL_H
#define XOE_SERVE_HTTP_INTERNAL_H

#include <libwebsockets.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "ops/ratelimit.h"
#include "serve/http.h"

enum {
    XOE_HTTP_STREAM_BYTES = 1 << 20,  /* a stream's writer blocks above this */
    XOE_HTTP_ANSWER_BYTES = 256 << 20, /* no answer is larger */
    XOE_HTTP_HEADERS_MAX = 12,
};

typedef struct xoe_conn xoe_conn;

/* A request: held by its connection while that lives, and by the handler while it runs. */
struct xoe_http_req {
    xoe_http_server *server;
    xoe_arena *arena;
    const xoe_http_route *route;
    char method[8];
    char *path;
    char *query[32];
    int n_query;
    char *content_type, *if_none_match;
    char id[136], user[40];
    xoe_buf body;
    int64_t accepted_ms;
    bool keep_alive, head, http10;

    pthread_mutex_t lock; /* guards what follows; nothing is taken inside */
    pthread_cond_t space;
    int refs;
    xoe_conn *conn; /* NULL: the client is gone */
    xoe_buf out;
    bool begun, ended, logged, calling;
    int status;
    size_t sent;
    char *header_names[XOE_HTTP_HEADERS_MAX], *header_values[XOE_HTTP_HEADERS_MAX];
    int n_headers;
    void (*on_gone)(void *ud);
    void *on_gone_ud;

    struct xoe_http_req *next;       /* in the pool's queue */
    struct xoe_http_req *next_ready; /* in the loop's list of requests with something to write */
    bool ready;                      /* guarded by the server's lock */
};

struct xoe_http_server {
    xoe_http_opts opts;
    char *host;
    int port, listen_fd, hangup_fd; /* hangup_fd: an epoll of sockets whose request is at work */
    unsigned char key_hash[32];
    struct lws_context *lws;
    struct lws_vhost *vhost;
    struct lws *listen_wsi;
    xoe_conn *conns; /* this and what follows: loop thread */
    int n_conns, conns_max;
    bool accept_paused;
    int64_t told_full_ms; /* when it was last logged that no more connections can be taken */
    xoe_ratelimit *limit, *detect_limit, *auth_limit; /* auth_limit: wrong keys of an address */
    unsigned char *chunk; /* loop thread: LWS_PRE + a write */
    atomic_bool stopping;
    atomic_bool closed;
    atomic_int in_flight; /* requests not yet answered */

    pthread_mutex_t lock; /* guards the queue and the ready list */
    pthread_cond_t work;
    xoe_http_req *queue, **queue_tail, *ready;
    int n_queue, n_idle, n_threads;
    pthread_t *threads;
    bool quit;
};

/* http_request.c */
xoe_http_req *xoe_http_req_new(xoe_http_server *s);
void xoe_http_req_unref(xoe_http_req *r);
void xoe_http_req_gone(xoe_http_req *r); /* the connection is no more; loop thread */
void xoe_http_wake(xoe_http_req *r);     /* there is something to write */
/* http_pool.c */
xoe_err xoe_http_pool_start(xoe_http_server *s, xoe_error *e);
void xoe_http_pool_stop(xoe_http_server *s);
bool xoe_http_pool_give(xoe_http_server *s, xoe_http_req *r); /* false: full */

#endif
