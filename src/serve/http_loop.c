/* The event loop's callbacks for requests: from head and body to a handler, from its answer to the socket.
 *
 * All of this runs on the loop thread, which never computes and never waits. Answers are plain HTTP/1.1
 * bytes made by http_request.c; lws carries them. Bodies come with a Content-Length, or chunked: lws 4.1 hands
 * chunked ones on undecoded and does not know where they end, so we decode (http_chunked.c), and the connection
 * closes after the answer. A refused body is read to its end first, or the client might never see the answer;
 * not when it is endless, or when the client asked before sending it (Expect: 100-continue). */
#include <string.h>

#include "ops/metrics.h"
#include "serve/http_loop.h"

enum { WRITE_BYTES = 64 * 1024 };

/* ---- from head to handler ---- */

static void preflight(xoe_http_req *r)
{
    xoe_http_set_header(r, "access-control-allow-methods", "GET, POST, OPTIONS");
    xoe_http_set_header(r, "access-control-allow-headers", "authorization, *"); /* OpenAI's client sends many x-… */
    xoe_http_set_header(r, "access-control-max-age", "600");
    xoe_http_reply(r, 204, NULL, "", 0);
}

/* The request is complete: to a handler, or answered here. */
static void dispatch(xoe_http_server *s, xoe_conn *c)
{
    xoe_http_req *r = c->req;
    xoe_error e = XOE_ERROR_INIT;
    c->dispatched = true;
    xoe_conn_may_rest(c);
    xoe_conn_read(c, false);
    xoe_conn_watch(s, c);
    if (c->refusing) {
        xoe_http_reply_error(r, &c->refuse);
    } else if (xoe_head_is_preflight(r)) {
        preflight(r);
    } else if (atomic_load(&s->stopping) && !r->route->loop) {
        xoe_error_set(&e, XOE_EUNAVAILABLE, "the server is shutting down; try again in a moment");
        xoe_http_reply_error(r, &e);
    } else if (r->route->loop) {
        r->route->handler(r, s->opts.ud);
    } else if (!xoe_http_pool_give(s, r)) {
        xoe_metric_add(XOE_M_QUEUE_REFUSED, 1);
        xoe_error_set(&e, XOE_EBUSY, "too many requests are waiting; try again in a moment");
        xoe_http_reply_error(r, &e);
    }
}

static void note_refusal(xoe_conn *c, const xoe_error *e)
{
    if (c->refusing) return;
    c->refusing = true;
    c->refuse = *e;
}

/* A body is to come behind a pipelined head: see http_pipeline.c. */
static bool is_pipelined_body(const xoe_conn *c, const xoe_http_req *r, struct lws *wsi)
{
    if (c->read_before < 0) return false;
    if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) <= 0 && !xoe_head_may_have_body(r)) return false;
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

static int say_continue(xoe_http_server *s, struct lws *wsi)
{
    static const char go[] = "HTTP/1.1 100 Continue\r\n\r\n";
    memcpy(s->chunk + LWS_PRE, go, sizeof go - 1);
    return lws_write(wsi, s->chunk + LWS_PRE, sizeof go - 1, LWS_WRITE_HTTP) < 0 ? -1 : 0;
}

static int on_head(xoe_http_server *s, xoe_conn *c, struct lws *wsi)
{
    xoe_error e = XOE_ERROR_INIT;
    size_t length = 0;
    bool fatal = false;
    if (c->req || c->kill) return -1; /* a second head before the first was answered */
    xoe_http_req *r = xoe_http_req_new(s);
    if (!r) return -1;
    r->conn = c;
    c->req = r;
    c->refusing = c->dispatched = false;
    xoe_conn_must_send(s, c);
    atomic_fetch_add(&s->in_flight, 1);
    if (xoe_head_read(r, wsi)) return -1;
    if (is_pipelined_body(c, r, wsi)) {
        xoe_error_set(&e, XOE_EINVAL, "a request with a body must wait for the answer to the one before it; send it again");
        return refuse_and_close(s, r, wsi, &e);
    }
    xoe_err rc = xoe_head_framing(r, wsi, &length, &c->is_chunked, &fatal, &e);
    if (rc == XOE_OK && !xoe_head_is_preflight(r)) rc = xoe_head_admit(r, wsi, c->peer, &e);
    if (rc != XOE_OK) note_refusal(c, &e);
    bool asks = (length || c->is_chunked) && xoe_head_expects_continue(wsi);
    bool now = c->refusing && (fatal || asks); /* the body, if any, is not waited for */
    if (now || c->is_chunked) r->keep_alive = false;
    c->chunked = (xoe_chunked){0};
    if (now || (length == 0 && !c->is_chunked)) {
        dispatch(s, c);
        return 0;
    }
    return asks ? say_continue(s, wsi) : 0;
}

static int on_body(xoe_http_server *s, xoe_conn *c, const char *p, size_t n)
{
    if (c->kill || (!c->req && !c->dispatched)) return -1;
    if (c->dispatched) return 0;
    xoe_buf *body = &c->req->body;
    if (!c->is_chunked) return c->refusing ? 0 : xoe_buf_add(body, p, n);
    xoe_error e = XOE_ERROR_INIT;
    xoe_chunked_is is = xoe_chunked_take(&c->chunked, p, n, c->refusing ? NULL : body);
    if (is == XOE_CHUNKED_BAD) {
        xoe_error_set(&e, XOE_EINVAL, "the chunked body is malformed");
        note_refusal(c, &e);
    } else if (body->failed) {
        xoe_error_set(&e, XOE_ETOOBIG, "the body has more than %zu bytes", s->opts.max_body_bytes);
        note_refusal(c, &e);
    }
    if (is != XOE_CHUNKED_MORE) dispatch(s, c);
    return 0;
}

static int on_body_end(xoe_http_server *s, xoe_conn *c) /* also told for "Content-Length: 0" */
{
    if (c->kill) return -1;
    if (c->dispatched) return 0;
    if (!c->req || c->is_chunked) return -1; /* lws gives up a chunked body at 100 MB */
    dispatch(s, c);
    return 0;
}

/* ---- writing ---- */

/* The answer has left; what libwebsockets still held too. */
static int end_request(xoe_http_server *s, xoe_conn *c, struct lws *wsi, bool keep)
{
    xoe_conn_drop_request(c);
    if (!keep) return xoe_conn_linger(s, c) ? 0 : -1;
    c->read_before = xoe_http_bytes_read(lws_get_socket_fd(wsi));
    if (c->read_before < 0) return -1; /* half closed, or a kernel that cannot tell */
    xoe_conn_must_send(s, c);
    return lws_http_transaction_completed(wsi) ? -1 : 0;
}

static int on_writeable(xoe_http_server *s, xoe_conn *c, struct lws *wsi)
{
    xoe_http_req *r = c->req;
    if (c->kill) return -1;
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
    if (more || lws_partial_buffered(wsi)) {
        lws_callback_on_writable(wsi);
        return 0;
    }
    if (over) return end_request(s, c, wsi, keep);
    xoe_conn_may_rest(c);
    xoe_conn_read(c, false);
    return 0;
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
            xoe_conn_must_take(s, r->conn);
            xoe_conn_read(r->conn, true);
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
        return c ? on_body(s, c, in, len) : -1;
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        return c ? on_body_end(s, c) : -1;
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return c ? on_writeable(s, c, wsi) : -1;
    case LWS_CALLBACK_CLOSED_HTTP:
        if (c) xoe_conn_drop_request(c);
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        if (c) xoe_conn_destroy(s, c);
        return 0;
    case LWS_CALLBACK_EVENT_WAIT_CANCELLED:
        if (s) xoe_loop_flush(s);
        return 0;
    default:
        return 0;
    }
}
