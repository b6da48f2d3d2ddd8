/* The event loop's callbacks: connections, request heads and bodies, writing answers.
 *
 * All of this runs on the loop thread, which never computes and never waits. Answers are plain HTTP/1.1
 * bytes made by http_request.c; lws carries them. libwebsockets 4.1 does not decode chunked request
 * bodies, so a body needs a Content-Length (411 otherwise).
 *
 * Deadlines: a connection without a request at work (idle, sending its head or body) has one; the
 * one-second tick closes those that passed it. So a sender of 10 bytes a second goes, however patient. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/text.h"
#include "ops/metrics.h"
#include "serve/http_loop.h"

enum { WRITE_BYTES = 64 * 1024, DISCARD_MAX = 64 << 20, CONNS_MAX = 16384 };

static int64_t idle_ms(const xoe_http_server *s)
{
    return (int64_t)(s->opts.idle_timeout_s > 0 ? s->opts.idle_timeout_s : 30) * 1000;
}

/* ---- connections ---- */

static void conn_accept(xoe_http_server *s)
{
    for (;;) {
        int fd = accept4(s->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EINTR) continue;
            return; /* EAGAIN; out of descriptors: the tick frees idle ones */
        }
        xoe_conn *c = s->n_conns < CONNS_MAX ? xoe_calloc(1, sizeof *c) : NULL;
        if (!c) {
            close(fd);
            continue;
        }
        int one = 1;
        setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &one, sizeof one); /* see http_pipeline.c */
        lws_get_peer_simple_fd(fd, c->peer, sizeof c->peer);
        struct lws *wsi = lws_adopt_socket_vhost(s->vhost, fd); /* closes fd when it fails */
        if (!wsi) {
            xoe_free(c);
            continue;
        }
        lws_set_opaque_user_data(wsi, c);
        c->wsi = wsi;
        c->deadline_ms = xoe_clock_mono_ms() + idle_ms(s);
        c->read_before = -1;
        c->next = s->conns;
        if (s->conns) s->conns->prev = c;
        s->conns = c;
        s->n_conns++;
        xoe_metric_set(XOE_M_HTTP_CONNECTIONS, s->n_conns);
    }
}

static void conn_drop_request(xoe_conn *c)
{
    xoe_http_req *r = c->req;
    c->req = NULL;
    if (r) xoe_http_req_gone(r);
}

static void forget_hangup(xoe_http_server *s, xoe_conn *c)
{
    int fd = lws_get_socket_fd(c->wsi);
    if (fd >= 0) epoll_ctl(s->hangup_fd, EPOLL_CTL_DEL, fd, NULL); /* a closed one has left by itself */
    c->watched = false;
}

static void conn_destroy(xoe_http_server *s, xoe_conn *c)
{
    lws_set_opaque_user_data(c->wsi, NULL);
    conn_drop_request(c);
    if (c->watched) forget_hangup(s, c);
    if (c->prev)
        c->prev->next = c->next;
    else
        s->conns = c->next;
    if (c->next) c->next->prev = c->prev;
    s->n_conns--;
    xoe_metric_set(XOE_M_HTTP_CONNECTIONS, s->n_conns);
    xoe_free(c);
}


/* ---- clients that leave ----
 * While a handler works, libwebsockets does not read the socket, so it would not see the client go. An
 * epoll set does: it holds the sockets of requests at work and reports a hang-up only. */

static void watch_hangup(xoe_http_server *s, xoe_conn *c)
{
    struct epoll_event ev = {.events = EPOLLRDHUP | EPOLLONESHOT, .data.ptr = c};
    int fd = lws_get_socket_fd(c->wsi), op = c->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (fd >= 0 && epoll_ctl(s->hangup_fd, op, fd, &ev) == 0) c->watched = true;
}

/* While a handler works, bytes that wait behind its request would keep the loop spinning, so they are not
 * read. lws holds back writing too then (4.1.6), so reading is on again while there is something to write. */
static void read_on(struct lws *wsi, bool on)
{
    lws_rx_flow_control(wsi, on);
}

/* lws closes the connection at its next turn. It forgets that order when it finds bytes behind a complete
 * body (lws_read_h1() clears the timeout then), so such bytes are not read any more. */
static void conn_kill(xoe_conn *c)
{
    c->kill = true;
    read_on(c->wsi, false);
    lws_set_timeout(c->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
}

void xoe_loop_tick(xoe_http_server *s)
{
    int64_t now = xoe_clock_mono_ms();
    for (xoe_conn *c = s->conns; c; c = c->next)
        if (c->kill || (c->deadline_ms && now > c->deadline_ms)) conn_kill(c);
}

static void on_hangups(xoe_http_server *s)
{
    struct epoll_event ev[64];
    int n = epoll_wait(s->hangup_fd, ev, 64, 0);
    for (int i = 0; i < n; i++) {
        xoe_conn *c = ev[i].data.ptr;
        if (!c->req) continue; /* between requests: libwebsockets reads and sees it */
        conn_drop_request(c);
        conn_kill(c);
    }
}

/* ---- request heads ---- */

static bool sane_id(const char *s)
{
    size_t n = 0;
    for (; s[n]; n++)
        if (n >= 128 || !(isalnum((unsigned char)s[n]) || strchr("._-", s[n]))) return false;
    return n > 0;
}

static void make_id(xoe_http_req *r, struct lws *wsi)
{
    unsigned char rnd[12];
    int n = lws_hdr_custom_length(wsi, "x-request-id:", 13);
    if (n > 0 && n <= 128 && lws_hdr_custom_copy(wsi, r->id, sizeof r->id, "x-request-id:", 13) > 0 && sane_id(r->id)) return;
    if (xoe_random_bytes(rnd, sizeof rnd)) memset(rnd, 0, sizeof rnd);
    memcpy(r->id, "req-", 4);
    xoe_hex(rnd, sizeof rnd, r->id + 4);
}

static char *copy_header(xoe_http_req *r, struct lws *wsi, enum lws_token_indexes t)
{
    int n = lws_hdr_total_length(wsi, t);
    if (n <= 0) return NULL;
    char *p = xoe_arena_alloc(r->arena, (size_t)n + 1);
    if (!p || lws_hdr_copy(wsi, p, n + 1, t) < 0) return NULL;
    return p;
}

static void read_query(xoe_http_req *r, struct lws *wsi)
{
    char part[1024];
    while (r->n_query < 32) {
        int n = lws_hdr_copy_fragment(wsi, part, sizeof part, WSI_TOKEN_HTTP_URI_ARGS, r->n_query);
        if (n < 0) return;
        r->query[r->n_query] = xoe_arena_strndup(r->arena, part, (size_t)n);
        if (!r->query[r->n_query]) return;
        r->n_query++;
    }
}

static const char *method_of(struct lws *wsi)
{
    static const struct {
        enum lws_token_indexes token;
        const char *name;
    } methods[] = {{WSI_TOKEN_GET_URI, "GET"},       {WSI_TOKEN_POST_URI, "POST"},     {WSI_TOKEN_OPTIONS_URI, "OPTIONS"},
                   {WSI_TOKEN_HEAD_URI, "HEAD"},     {WSI_TOKEN_DELETE_URI, "DELETE"}, {WSI_TOKEN_PUT_URI, "PUT"},
                   {WSI_TOKEN_PATCH_URI, "PATCH"}};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (lws_hdr_total_length(wsi, methods[i].token) > 0) return methods[i].name;
    return "";
}

/* The pseudonym of a client: of its key, or of its address. Also the rate limit's key. */
static uint64_t set_user(xoe_http_req *r, const char *secret, const char *peer)
{
    unsigned char h[32];
    uint64_t id;
    char hex[33];
    if (secret)
        xoe_sha256(secret, strlen(secret), h);
    else
        xoe_sha256(peer, strlen(peer), h);
    memcpy(&id, h, sizeof id);
    xoe_hex(h, 8, hex);
    snprintf(r->user, sizeof r->user, "%s-%s", secret ? "key" : "addr", hex);
    return id;
}

static xoe_err authorize(xoe_http_server *s, xoe_http_req *r, struct lws *wsi, const char *peer, uint64_t *client, xoe_error *e)
{
    const char *header = copy_header(r, wsi, WSI_TOKEN_HTTP_AUTHORIZATION), *secret = NULL;
    unsigned char h[32];
    if (header && !strncasecmp(header, "Bearer ", 7)) secret = header + 7;
    bool asked = s->opts.api_key && s->opts.api_key[0];
    bool good = false;
    if (asked && secret) {
        xoe_sha256(secret, strlen(secret), h);
        good = xoe_ct_equal(h, s->key_hash, sizeof h);
    }
    *client = set_user(r, good ? secret : NULL, peer);
    if (!asked || good || r->route->open) return XOE_OK;
    return xoe_error_set(e, XOE_EAUTH, secret ? "the API key is wrong" : "this server asks for an API key; send it as: Authorization: Bearer KEY");
}

static bool is_prefix(const xoe_http_route *t)
{
    size_t n = strlen(t->path);
    return n && t->path[n - 1] == '*';
}

static bool route_matches(const xoe_http_route *t, const char *path)
{
    return is_prefix(t) ? !strncmp(t->path, path, strlen(t->path) - 1) : !strcmp(t->path, path);
}

/* Exact paths first: where one exists for another method only, a prefix route does not hide the 405. */
static xoe_err find_route(xoe_http_server *s, xoe_http_req *r, xoe_error *e)
{
    char allow[64] = "";
    const char *method = r->head ? "GET" : r->method;
    for (int prefix = 0; prefix < 2 && !allow[0]; prefix++)
        for (size_t i = 0; i < s->opts.n_routes; i++) {
            const xoe_http_route *t = &s->opts.routes[i];
            if (is_prefix(t) != (prefix == 1) || !route_matches(t, r->path)) continue;
            if (!strcmp(t->method, method)) {
                r->route = t;
                return XOE_OK;
            }
            size_t used = strlen(allow);
            if (!prefix) snprintf(allow + used, sizeof allow - used, "%s%s", used ? ", " : "", t->method);
        }
    if (!allow[0])
        return xoe_error_set(e, XOE_ENOTFOUND, "there is nothing at %s; docs are at /openapi.json", r->path);
    xoe_http_set_header(r, "allow", allow);
    return xoe_error_set(e, XOE_EMETHOD, "%s takes %s, not %s", r->path, allow, r->method);
}

/* Content-Length into *n. Errors: not a number, too large, missing where a body must come. */
static xoe_err read_length(xoe_http_server *s, xoe_http_req *r, struct lws *wsi, size_t *n, bool *fatal, xoe_error *e)
{
    const char *text = copy_header(r, wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH), *te = copy_header(r, wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING);
    *n = 0;
    *fatal = true;
    if (te) return xoe_error_set(e, XOE_EUNSUPPORTED, "chunked request bodies are not taken; send a Content-Length");
    if (!text) {
        if (!strcmp(r->method, "GET") || r->head || !strcmp(r->method, "OPTIONS") || !strcmp(r->method, "DELETE")) return XOE_OK;
        return xoe_error_set(e, XOE_EINVAL, "a %s needs a Content-Length", r->method);
    }
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || text[digits] || digits > 15) return xoe_error_set(e, XOE_EINVAL, "bad Content-Length");
    *n = (size_t)strtoull(text, NULL, 10);
    if (*n <= s->opts.max_body_bytes) return XOE_OK;
    *fatal = *n > DISCARD_MAX;
    return xoe_error_set(e, XOE_ETOOBIG, "the body has %zu bytes; at most %zu are taken", *n, s->opts.max_body_bytes);
}

/* ---- dispatch ---- */

static void refuse(xoe_http_req *r, const xoe_error *e)
{
    xoe_http_reply_error(r, e);
}

static void preflight(xoe_http_req *r)
{
    xoe_http_set_header(r, "access-control-allow-methods", "GET, POST, DELETE, OPTIONS");
    xoe_http_set_header(r, "access-control-allow-headers", "authorization, content-type, x-request-id");
    xoe_http_set_header(r, "access-control-max-age", "600");
    xoe_http_reply(r, 204, NULL, "", 0);
}

/* The request is complete: to a handler, or answered here. */
static void dispatch(xoe_http_server *s, xoe_conn *c)
{
    xoe_http_req *r = c->req;
    xoe_error e = XOE_ERROR_INIT;
    c->deadline_ms = 0;
    c->dispatched = true;
    lws_set_timeout(c->wsi, NO_PENDING_TIMEOUT, 0);
    read_on(c->wsi, false);
    watch_hangup(s, c);
    if (c->refusing) {
        refuse(r, &c->refuse);
    } else if (!strcmp(r->method, "OPTIONS") && s->opts.cors_origin && s->opts.cors_origin[0]) {
        preflight(r);
    } else if (atomic_load(&s->stopping) && !r->route->loop) {
        xoe_error_set(&e, XOE_EUNAVAILABLE, "the server is shutting down; try again in a moment");
        refuse(r, &e);
    } else if (r->route->loop) {
        r->route->handler(r, s->opts.ud);
    } else if (!xoe_http_pool_give(s, r)) {
        xoe_metric_add(XOE_M_QUEUE_REFUSED, 1);
        xoe_error_set(&e, XOE_EBUSY, "too many requests are waiting; try again in a moment");
        refuse(r, &e);
    }
}

static void note_refusal(xoe_conn *c, const xoe_error *e)
{
    c->refusing = true;
    c->refuse = *e;
}

/* A body is to come behind a pipelined head: see http_pipeline.c. */
static bool is_pipelined_body(const xoe_conn *c, const xoe_http_req *r, struct lws *wsi)
{
    if (c->read_before < 0) return false;
    if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) <= 0 && strcmp(r->method, "POST") && strcmp(r->method, "PUT") &&
        strcmp(r->method, "PATCH"))
        return false;
    return xoe_http_bytes_read(lws_get_socket_fd(wsi)) <= c->read_before; /* unknown: −1 */
}

/* Answer and close from within the head's callback; the answer is one small write. */
static int refuse_and_close(xoe_http_server *s, xoe_http_req *r, struct lws *wsi, const xoe_error *e)
{
    r->keep_alive = false;
    xoe_http_reply_error(r, e);
    pthread_mutex_lock(&r->lock);
    size_t n = r->out.len < WRITE_BYTES ? r->out.len : WRITE_BYTES;
    memcpy(s->chunk + LWS_PRE, xoe_buf_cstr(&r->out), n);
    xoe_buf_consume(&r->out, n);
    r->sent += n;
    pthread_mutex_unlock(&r->lock);
    lws_write(wsi, s->chunk + LWS_PRE, n, LWS_WRITE_HTTP);
    return -1;
}

static int on_head(xoe_http_server *s, xoe_conn *c, struct lws *wsi)
{
    xoe_error e = XOE_ERROR_INIT;
    size_t length = 0;
    bool fatal = false;
    uint64_t client = 0;
    char *uri;
    int uri_len;
    if (c->req) return -1; /* a second head before the first was answered */
    xoe_http_req *r = xoe_http_req_new(s);
    if (!r) return -1;
    r->conn = c;
    c->req = r;
    c->refusing = c->dispatched = false;
    c->deadline_ms = xoe_clock_mono_ms() + idle_ms(s);
    atomic_fetch_add(&s->in_flight, 1);
    snprintf(r->method, sizeof r->method, "%s", method_of(wsi));
    r->head = !strcmp(r->method, "HEAD");
    char *version = copy_header(r, wsi, WSI_TOKEN_HTTP), *connection = copy_header(r, wsi, WSI_TOKEN_CONNECTION);
    r->http10 = version && strstr(version, "1.0");
    r->keep_alive = !r->http10 && !(connection && strcasestr(connection, "close"));
    make_id(r, wsi);
    if (lws_http_get_uri_and_method(wsi, &uri, &uri_len) < 0) return -1;
    r->path = xoe_arena_strndup(r->arena, uri, (size_t)uri_len);
    if (!r->path) return -1;
    read_query(r, wsi);
    r->content_type = copy_header(r, wsi, WSI_TOKEN_HTTP_CONTENT_TYPE);
    r->if_none_match = copy_header(r, wsi, WSI_TOKEN_HTTP_IF_NONE_MATCH);
    if (is_pipelined_body(c, r, wsi)) {
        xoe_error_set(&e, XOE_EINVAL, "a request with a body must wait for the answer to the one before it; send it again");
        return refuse_and_close(s, r, wsi, &e);
    }
    xoe_err rc = read_length(s, r, wsi, &length, &fatal, &e);
    if (rc != XOE_OK) {
        note_refusal(c, &e);
        if (fatal) r->keep_alive = false;
    } else if (!strcmp(r->method, "OPTIONS") && s->opts.cors_origin && s->opts.cors_origin[0]) {
        rc = XOE_OK;
    } else if ((rc = find_route(s, r, &e)) != XOE_OK || (rc = authorize(s, r, wsi, c->peer, &client, &e)) != XOE_OK) {
        note_refusal(c, &e);
    } else if (!r->route->open) {
        int wait = xoe_ratelimit_take(s->limit, client, xoe_clock_mono_ms());
        if (!wait && r->route->detector) wait = xoe_ratelimit_take(s->detect_limit, client, xoe_clock_mono_ms());
        if (wait) {
            char text[16];
            snprintf(text, sizeof text, "%d", wait);
            xoe_http_set_header(r, "retry-after", text);
            xoe_error_set(&e, XOE_ERATE, "too many requests from this client; wait %d s", wait);
            note_refusal(c, &e);
        }
    }
    if (length == 0 || (c->refusing && fatal)) {
        dispatch(s, c);
        return 0;
    }
    char *expect = copy_header(r, wsi, WSI_TOKEN_HTTP_EXPECT);
    if (expect && strcasestr(expect, "100-continue")) {
        static const char go[] = "HTTP/1.1 100 Continue\r\n\r\n";
        memcpy(s->chunk + LWS_PRE, go, sizeof go - 1);
        if (lws_write(wsi, s->chunk + LWS_PRE, sizeof go - 1, LWS_WRITE_HTTP) < 0) return -1;
    }
    return 0;
}

/* ---- writing ---- */

static int on_writeable(xoe_http_server *s, xoe_conn *c, struct lws *wsi)
{
    xoe_http_req *r = c->req;
    if (!r) return 0;
    pthread_mutex_lock(&r->lock);
    size_t n = r->out.len < WRITE_BYTES ? r->out.len : WRITE_BYTES;
    bool failed = r->out.failed;
    memcpy(s->chunk + LWS_PRE, xoe_buf_cstr(&r->out), n);
    xoe_buf_consume(&r->out, n);
    bool more = r->out.len > 0, over = r->ended && !more, keep = r->keep_alive;
    r->sent += n;
    pthread_cond_broadcast(&r->space);
    pthread_mutex_unlock(&r->lock);
    if (failed) return -1;
    if (n && lws_write(wsi, s->chunk + LWS_PRE, n, LWS_WRITE_HTTP) < (int)n) return -1;
    if (more || lws_partial_buffered(wsi))
        lws_callback_on_writable(wsi);
    else if (!over)
        read_on(wsi, false);
    if (!over) return 0;
    c->req = NULL;
    xoe_http_req_gone(r);
    if (!keep) return -1;
    c->read_before = xoe_http_bytes_read(lws_get_socket_fd(wsi));
    if (c->read_before < 0) return -1; /* half closed, or a kernel that cannot tell */
    c->deadline_ms = xoe_clock_mono_ms() + idle_ms(s);
    return lws_http_transaction_completed(wsi) ? -1 : 0;
}

/* Requests that have something to write. */
void xoe_loop_flush(xoe_http_server *s)
{
    pthread_mutex_lock(&s->lock);
    while (s->ready) {
        xoe_http_req *r = s->ready;
        s->ready = r->next_ready;
        r->ready = false;
        pthread_mutex_unlock(&s->lock);
        if (r->conn) { /* conn changes on this thread only */
            read_on(r->conn->wsi, true);
            lws_callback_on_writable(r->conn->wsi);
        }
        xoe_http_req_unref(r);
        pthread_mutex_lock(&s->lock);
    }
    pthread_mutex_unlock(&s->lock);
}

int xoe_loop_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
    (void)user;
    struct lws_context *ctx = lws_get_context(wsi);
    xoe_http_server *s = ctx ? lws_context_user(ctx) : NULL;
    xoe_conn *c = wsi && s ? lws_get_opaque_user_data(wsi) : NULL;
    switch ((int)reason) {
    case LWS_CALLBACK_HTTP:
        return c ? on_head(s, c, wsi) : -1;
    case LWS_CALLBACK_HTTP_BODY:
        if (!c || c->kill || (!c->req && !c->dispatched)) return -1;
        if (!c->refusing && !c->dispatched && xoe_buf_add(&c->req->body, in, len)) return -1;
        return 0;
    case LWS_CALLBACK_HTTP_BODY_COMPLETION: /* also told for "Content-Length: 0" */
        if (!c || c->kill) return -1;
        if (c->dispatched) return 0;
        if (!c->req) return -1;
        dispatch(s, c);
        return 0;
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return c ? on_writeable(s, c, wsi) : -1;
    case LWS_CALLBACK_CLOSED_HTTP:
        if (c) conn_drop_request(c);
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        if (c) conn_destroy(s, c);
        return 0;
    case LWS_CALLBACK_EVENT_WAIT_CANCELLED:
        if (s) xoe_loop_flush(s);
        return 0;
    default:
        return 0;
    }
}

int xoe_loop_hangup_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
    (void)user;
    (void)in;
    (void)len;
    if (reason == LWS_CALLBACK_RAW_RX_FILE) on_hangups(lws_context_user(lws_get_context(wsi)));
    return 0;
}

/* The listening socket, and the tick. */
int xoe_loop_listen_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
    (void)user;
    (void)in;
    (void)len;
    xoe_http_server *s = wsi ? lws_context_user(lws_get_context(wsi)) : NULL;
    switch ((int)reason) {
    case LWS_CALLBACK_RAW_ADOPT_FILE:
        lws_set_timer_usecs(wsi, LWS_USEC_PER_SEC);
        return 0;
    case LWS_CALLBACK_RAW_RX_FILE:
        conn_accept(s);
        return 0;
    case LWS_CALLBACK_TIMER:
        xoe_loop_tick(s);
        lws_set_timer_usecs(wsi, LWS_USEC_PER_SEC);
        return 0;
    default:
        return 0;
    }
}
