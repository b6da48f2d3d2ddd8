/* A request as its handler sees it, and the answer on its way to the loop.
 *
 * The handler's thread appends bytes to r->out under r->lock and wakes the loop; the loop takes them in
 * its writeable callback. Invariants: r->conn is NULL once the client is gone; `ended` is set once; the
 * on_gone callback runs at most once and never after xoe_http_on_gone(r, NULL) returned. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "ops/metrics.h"
#include "serve/http_internal.h"

xoe_http_req *xoe_http_req_new(xoe_http_server *s)
{
    xoe_http_req *r = xoe_calloc(1, sizeof *r);
    if (!r) return NULL;
    r->arena = xoe_arena_new(0);
    if (!r->arena) {
        xoe_free(r);
        return NULL;
    }
    r->server = s;
    r->refs = 1;
    r->keep_alive = true;
    r->accepted_ms = xoe_clock_mono_ms();
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->space, NULL);
    xoe_buf_init(&r->body, s->opts.max_body_bytes);
    xoe_buf_init(&r->out, XOE_HTTP_ANSWER_BYTES);
    return r;
}

void xoe_http_req_unref(xoe_http_req *r)
{
    pthread_mutex_lock(&r->lock);
    int refs = --r->refs;
    pthread_mutex_unlock(&r->lock);
    if (refs) return;
    xoe_buf_free(&r->body);
    xoe_buf_free(&r->out);
    xoe_arena_free(r->arena);
    pthread_cond_destroy(&r->space);
    pthread_mutex_destroy(&r->lock);
    xoe_free(r);
}

void xoe_http_wake(xoe_http_req *r)
{
    xoe_http_server *s = r->server;
    bool first = false;
    pthread_mutex_lock(&s->lock);
    if (!r->ready) {
        pthread_mutex_lock(&r->lock);
        r->refs++;
        pthread_mutex_unlock(&r->lock);
        r->ready = true;
        first = s->ready == NULL;
        r->next_ready = s->ready;
        s->ready = r;
    }
    pthread_mutex_unlock(&s->lock);
    if (first) lws_cancel_service(s->lws);
}

static xoe_metric class_of(int status)
{
    static const xoe_metric classes[] = {XOE_M_HTTP_UNANSWERED, XOE_M_HTTP_UNANSWERED, XOE_M_HTTP_2XX,
                                         XOE_M_HTTP_3XX,        XOE_M_HTTP_4XX,        XOE_M_HTTP_5XX};
    return classes[status >= 200 && status < 600 ? status / 100 : 0];
}

static void log_once(xoe_http_req *r, const char *end)
{
    if (r->logged) return;
    r->logged = true;
    atomic_fetch_sub(&r->server->in_flight, 1);
    xoe_metric_add(class_of(r->status), 1);
    xoe_log(XOE_LOG_INFO, "http", "%s %s %d %lldms %zuB %s id=%s", r->method, r->path ? r->path : "?", r->status,
            (long long)(xoe_clock_mono_ms() - r->accepted_ms), r->sent, end, r->id);
}

void xoe_http_req_gone(xoe_http_req *r)
{
    void (*fn)(void *) = NULL;
    void *ud = NULL;
    pthread_mutex_lock(&r->lock);
    r->conn = NULL;
    log_once(r, r->ended && r->out.len == 0 ? "done" : "gone");
    if (r->on_gone && !(r->ended && r->out.len == 0)) {
        fn = r->on_gone;
        ud = r->on_gone_ud;
        r->on_gone = NULL;
        r->calling = true;
    }
    pthread_cond_broadcast(&r->space);
    pthread_mutex_unlock(&r->lock);
    if (fn) {
        fn(ud);
        pthread_mutex_lock(&r->lock);
        r->calling = false;
        pthread_cond_broadcast(&r->space);
        pthread_mutex_unlock(&r->lock);
    }
    xoe_http_req_unref(r);
}

/* ---- reading ---- */

const char *xoe_http_method(const xoe_http_req *r)
{
    return r->method;
}
const char *xoe_http_path(const xoe_http_req *r)
{
    return r->path;
}
const char *xoe_http_query(const xoe_http_req *r, const char *name)
{
    size_t n = strlen(name);
    for (int i = 0; i < r->n_query; i++)
        if (!strncmp(r->query[i], name, n) && (r->query[i][n] == '=' || r->query[i][n] == 0))
            return r->query[i][n] ? r->query[i] + n + 1 : "";
    return NULL;
}
const char *xoe_http_header(const xoe_http_req *r, const char *name)
{
    if (!strcmp(name, "content-type")) return r->content_type;
    if (!strcmp(name, "if-none-match")) return r->if_none_match;
    return NULL;
}
const char *xoe_http_body(const xoe_http_req *r, size_t *n)
{
    *n = r->body.len;
    return xoe_buf_cstr(&r->body);
}
const char *xoe_http_request_id(const xoe_http_req *r)
{
    return r->id;
}
const char *xoe_http_user(const xoe_http_req *r)
{
    return r->user;
}
xoe_arena *xoe_http_arena(xoe_http_req *r)
{
    return r->arena;
}
int64_t xoe_http_accepted_mono_ms(const xoe_http_req *r)
{
    return r->accepted_ms;
}
xoe_http_server *xoe_http_req_server(const xoe_http_req *r)
{
    return r->server;
}

bool xoe_http_gone(const xoe_http_req *r)
{
    xoe_http_req *w = (xoe_http_req *)r; /* the lock is no part of the value */
    pthread_mutex_lock(&w->lock);
    bool gone = r->conn == NULL;
    pthread_mutex_unlock(&w->lock);
    return gone;
}

void xoe_http_on_gone(xoe_http_req *r, void (*fn)(void *ud), void *ud)
{
    bool now = false;
    pthread_mutex_lock(&r->lock);
    while (r->calling)
        pthread_cond_wait(&r->space, &r->lock);
    if (fn && !r->conn)
        now = true;
    else {
        r->on_gone = fn;
        r->on_gone_ud = ud;
    }
    pthread_mutex_unlock(&r->lock);
    if (now) fn(ud);
}

/* ---- answering ---- */

static const char *reason_of(int status)
{
    switch (status) {
    case 200: return "OK";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 429: return "Too Many Requests";
    case 499: return "Client Closed Request";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    default: return status < 500 ? "Error" : "Internal Server Error";
    }
}

void xoe_http_set_header(xoe_http_req *r, const char *name, const char *value)
{
    if (strpbrk(name, "\r\n:") || strpbrk(value, "\r\n")) return; /* no header splitting */
    pthread_mutex_lock(&r->lock);
    char *n = xoe_arena_strndup(r->arena, name, strlen(name)), *v = xoe_arena_strndup(r->arena, value, strlen(value));
    int i = 0;
    while (i < r->n_headers && strcasecmp(r->header_names[i], name))
        i++;
    if (n && v && i < XOE_HTTP_HEADERS_MAX) { /* one name, one value: the last */
        r->header_names[i] = n;
        r->header_values[i] = v;
        if (i == r->n_headers) r->n_headers++;
    }
    pthread_mutex_unlock(&r->lock);
}

static bool is_bodiless(int status)
{
    return status == 204 || status == 304;
}

/* Status line and headers; length < 0: chunked. r->lock is held. */
static void put_head(xoe_http_req *r, int status, const char *content_type, long long length)
{
    char date[40];
    time_t t = time(NULL);
    struct tm tm;
    gmtime_r(&t, &tm);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    r->status = status;
    if (length < 0 && r->http10) r->keep_alive = false; /* ends by closing */
    xoe_buf_printf(&r->out, "HTTP/1.1 %d %s\r\ndate: %s\r\nx-request-id: %s\r\n", status, reason_of(status), date, r->id);
    if (content_type) xoe_buf_printf(&r->out, "content-type: %s\r\n", content_type);
    if (length >= 0 && !is_bodiless(status)) xoe_buf_printf(&r->out, "content-length: %lld\r\n", length);
    if (length < 0 && !r->http10) xoe_buf_puts(&r->out, "transfer-encoding: chunked\r\n");
    if (r->server->opts.cors_origin && r->server->opts.cors_origin[0])
        xoe_buf_printf(&r->out, "access-control-allow-origin: %s\r\nvary: origin\r\naccess-control-expose-headers: x-request-id, retry-after\r\n", r->server->opts.cors_origin);
    for (int i = 0; i < r->n_headers; i++)
        xoe_buf_printf(&r->out, "%s: %s\r\n", r->header_names[i], r->header_values[i]);
    xoe_buf_puts(&r->out, r->keep_alive ? "\r\n" : "connection: close\r\n\r\n");
}

void xoe_http_reply(xoe_http_req *r, int status, const char *content_type, const void *body, size_t n)
{
    pthread_mutex_lock(&r->lock);
    bool first = !r->begun && !r->ended;
    if (first) {
        put_head(r, status, content_type, (long long)n);
        if (!r->head && !is_bodiless(status)) xoe_buf_add(&r->out, body, n);
        r->begun = r->ended = true;
    }
    pthread_mutex_unlock(&r->lock);
    if (first) xoe_http_wake(r);
}

static const char *code_of(const xoe_error *e)
{
    if (e->code == XOE_ENOTFOUND && !strcmp(e->param, "model")) return "model_not_found";
    if (e->code == XOE_ELIMIT && (!strcmp(e->param, "messages") || !strcmp(e->param, "prompt"))) return "context_length_exceeded";
    if (e->code == XOE_EAUTH) return "invalid_api_key";
    if (e->code == XOE_ERATE || e->code == XOE_EBUSY) return "rate_limit_exceeded";
    if (e->code == XOE_EINVAL) return e->param[0] ? "invalid_value" : NULL;
    return xoe_err_label(e->code);
}

void xoe_http_reply_error(xoe_http_req *r, const xoe_error *e)
{
    json_t *j = json_pack("{s:{s:s%,s:s,s:o,s:s?}}", "error", "message", e->msg, strlen(e->msg), "type", xoe_err_openai_type(e->code),
                          "param", e->param[0] ? json_string(e->param) : json_null(), "code", code_of(e));
    char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;
    static const char fallback[] = "{\"error\":{\"message\":\"internal error\",\"type\":\"server_error\",\"param\":null,\"code\":\"internal\"}}";
    int status = xoe_err_http_status(e->code);
    if ((status == 429 || status == 503)) {
        bool has = false;
        pthread_mutex_lock(&r->lock);
        for (int i = 0; i < r->n_headers; i++)
            has = has || !strcmp(r->header_names[i], "retry-after");
        pthread_mutex_unlock(&r->lock);
        if (!has) xoe_http_set_header(r, "retry-after", status == 429 ? "2" : "5");
    }
    xoe_http_reply(r, status, "application/json", text ? text : fallback, strlen(text ? text : fallback));
    free(text);
    json_decref(j);
}

void xoe_http_stream_begin(xoe_http_req *r, int status, const char *content_type)
{
    pthread_mutex_lock(&r->lock);
    bool first = !r->begun;
    if (first) {
        r->begun = true;
        put_head(r, status, content_type, -1);
    }
    pthread_mutex_unlock(&r->lock);
    if (first) xoe_http_wake(r);
}

/* Wait until the loop has taken enough; a client that takes nothing is cut off by its deadline (http_conn.c).
 * r->lock is held. −1: gone. */
static int wait_for_space(xoe_http_req *r)
{
    while (r->conn && r->out.len > XOE_HTTP_STREAM_BYTES)
        pthread_cond_wait(&r->space, &r->lock);
    return r->conn ? 0 : -1;
}

int xoe_http_stream_write(xoe_http_req *r, const void *p, size_t n)
{
    if (n == 0) return 0;
    pthread_mutex_lock(&r->lock);
    int rc = r->begun && !r->ended ? wait_for_space(r) : -1;
    if (rc == 0 && !r->head) {
        if (!r->http10) xoe_buf_printf(&r->out, "%zx\r\n", n);
        xoe_buf_add(&r->out, p, n);
        if (!r->http10) xoe_buf_puts(&r->out, "\r\n");
        if (r->out.failed) rc = -1;
    }
    pthread_mutex_unlock(&r->lock);
    if (rc == 0) xoe_http_wake(r);
    return rc;
}

void xoe_http_stream_end(xoe_http_req *r)
{
    pthread_mutex_lock(&r->lock);
    bool first = r->begun && !r->ended;
    if (first) {
        if (!r->http10 && !r->head) xoe_buf_puts(&r->out, "0\r\n\r\n");
        r->ended = true;
    }
    pthread_mutex_unlock(&r->lock);
    if (first) xoe_http_wake(r);
}
