/* Connections: accepting them, their deadlines, seeing them go.
 *
 * A connection has a deadline, which the one-second tick enforces, unless a handler is at work and what it wrote
 * has left. While it is to send (idle, in its head or body) the deadline does not move, so a sender of 10 bytes a
 * second goes, however patient. While it is to take an answer it moves on only when the client took enough of it:
 * the kernel counts acknowledged bytes, since a write that fits the socket's buffer tells nothing.
 *
 * When no more can be accepted (descriptors, our own limit) the listening socket is not watched until a
 * connection goes or the tick comes: clients wait in the backlog, and the loop does not spin. Our limit leaves
 * descriptors for files. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "ops/metrics.h"
#include "serve/http_loop.h"

enum { TAKE_BYTES_PER_S = 1024, TELL_FULL_MS = 60000, LISTEN_TICK_US = 1000000 };

/* ---- accepting ---- */

static void accept_pause(xoe_http_server *s, const char *why)
{
    int64_t now = xoe_clock_mono_ms();
    s->accept_paused = true;
    lws_rx_flow_control(s->listen_wsi, 0);
    if (s->told_full_ms && now - s->told_full_ms < TELL_FULL_MS) return;
    s->told_full_ms = now;
    xoe_log(XOE_LOG_WARN, "http", "%d connections are open and no more can be taken (%s); new ones wait until one ends; `ulimit -n` sets the limit",
            s->n_conns, why);
}

static void accept_resume(xoe_http_server *s)
{
    if (!s->accept_paused) return;
    s->accept_paused = false;
    lws_rx_flow_control(s->listen_wsi, 1);
}

static bool passing(int error) /* of accept: try the next one; Linux also reports what the network did */
{
    return error == EINTR || error == ECONNABORTED || error == EPROTO || error == ENETDOWN || error == EHOSTDOWN ||
           error == EHOSTUNREACH || error == ENETUNREACH || error == ENOPROTOOPT || error == EOPNOTSUPP || error == ENONET;
}

static void conn_add(xoe_http_server *s, int fd)
{
    xoe_conn *c = xoe_calloc(1, sizeof *c);
    int one = 1;
    if (!c) {
        close(fd);
        return;
    }
    setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &one, sizeof one); /* see http_pipeline.c */
    lws_get_peer_simple_fd(fd, c->peer, sizeof c->peer);
    struct lws *wsi = lws_adopt_socket_vhost(s->vhost, fd); /* closes fd when it fails */
    if (!wsi) {
        xoe_free(c);
        return;
    }
    lws_set_opaque_user_data(wsi, c);
    c->wsi = wsi;
    c->read_before = -1;
    xoe_conn_must_send(s, c);
    c->next = s->conns;
    if (s->conns) s->conns->prev = c;
    s->conns = c;
    s->n_conns++;
    xoe_metric_set(XOE_M_HTTP_CONNECTIONS, s->n_conns);
}

static void accept_all(xoe_http_server *s)
{
    for (;;) {
        if (s->n_conns >= s->conns_max) {
            accept_pause(s, "the limit");
            return;
        }
        int fd = accept4(s->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            conn_add(s, fd);
        } else if (!passing(errno)) {
            if (errno != EAGAIN) accept_pause(s, strerror(errno));
            return;
        }
    }
}

void xoe_conn_drop_request(xoe_conn *c)
{
    xoe_http_req *r = c->req;
    c->req = NULL;
    if (r) xoe_http_req_gone(r);
}

void xoe_conn_destroy(xoe_http_server *s, xoe_conn *c)
{
    int fd = lws_get_socket_fd(c->wsi);
    lws_set_opaque_user_data(c->wsi, NULL);
    xoe_conn_drop_request(c);
    if (c->watched && fd >= 0) epoll_ctl(s->hangup_fd, EPOLL_CTL_DEL, fd, NULL); /* a closed one has left by itself */
    if (c->prev)
        c->prev->next = c->next;
    else
        s->conns = c->next;
    if (c->next) c->next->prev = c->prev;
    s->n_conns--;
    xoe_metric_set(XOE_M_HTTP_CONNECTIONS, s->n_conns);
    xoe_free(c);
    accept_resume(s);
}

/* While a handler works, bytes that wait behind its request would keep the loop spinning, so they are not
 * read. lws holds back writing too then (4.1.6), so reading is on again while there is something to write. */
void xoe_conn_read(xoe_conn *c, bool on)
{
    lws_rx_flow_control(c->wsi, on);
}

/* lws closes the connection at its next turn. It forgets that order when it finds bytes behind a complete
 * body (lws_read_h1() clears the timeout then), so such bytes are not read any more. */
static void conn_kill(xoe_conn *c)
{
    c->kill = true;
    xoe_conn_read(c, false);
    lws_set_timeout(c->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
}

/* ---- deadlines ---- */

/* Bytes that the client has acknowledged. */
static int64_t bytes_taken(const xoe_conn *c)
{
    struct tcp_info t;
    socklen_t size = sizeof t;
    if (getsockopt(lws_get_socket_fd(c->wsi), IPPROTO_TCP, TCP_INFO, &t, &size)) return 0;
    return size < offsetof(struct tcp_info, tcpi_bytes_acked) + sizeof t.tcpi_bytes_acked ? 0 : (int64_t)t.tcpi_bytes_acked;
}

static int write_timeout_s(const xoe_http_server *s)
{
    return s->opts.write_timeout_s > 0 ? s->opts.write_timeout_s : 60;
}

void xoe_conn_must_send(const xoe_http_server *s, xoe_conn *c)
{
    c->writing = false;
    c->deadline_ms = xoe_clock_mono_ms() + (int64_t)(s->opts.idle_timeout_s > 0 ? s->opts.idle_timeout_s : 30) * 1000;
}

void xoe_conn_must_take(const xoe_http_server *s, xoe_conn *c)
{
    if (c->writing) return;
    c->writing = true;
    c->taken = bytes_taken(c);
    c->deadline_ms = xoe_clock_mono_ms() + (int64_t)write_timeout_s(s) * 1000;
}

void xoe_conn_may_rest(xoe_conn *c)
{
    c->writing = false;
    c->deadline_ms = 0;
}

static bool is_late(const xoe_http_server *s, xoe_conn *c, int64_t now)
{
    if (!c->deadline_ms || now <= c->deadline_ms) return false;
    if (!c->writing || bytes_taken(c) - c->taken < (int64_t)write_timeout_s(s) * TAKE_BYTES_PER_S) return true;
    c->writing = false;
    xoe_conn_must_take(s, c);
    return false;
}

static bool has_untaken(const xoe_conn *c)
{
    int n = 0;
    return !c->kill && ioctl(lws_get_socket_fd(c->wsi), SIOCOUTQ, &n) == 0 && n > 0;
}

bool xoe_conns_untaken(const xoe_http_server *s)
{
    for (const xoe_conn *c = s->conns; c; c = c->next)
        if (has_untaken(c)) return true;
    return false;
}

/* A close while bytes of the client are unread destroys what it has not taken yet, and a process that ends does
 * so too where its network ends with it. */
bool xoe_conn_linger(xoe_http_server *s, xoe_conn *c)
{
    if (!has_untaken(c)) return false;
    c->lingers = true;
    shutdown(lws_get_socket_fd(c->wsi), SHUT_WR);
    xoe_conn_must_take(s, c);
    xoe_conn_read(c, false);
    xoe_conn_watch(s, c);
    return true;
}

static void tick(xoe_http_server *s)
{
    int64_t now = xoe_clock_mono_ms();
    for (xoe_conn *c = s->conns; c; c = c->next)
        if (c->kill || is_late(s, c, now) || (c->lingers && !has_untaken(c))) conn_kill(c);
    accept_resume(s);
}

/* ---- clients that leave ----
 * While a handler works, libwebsockets does not read the socket, so it would not see the client go. An
 * epoll set does: it holds the sockets of requests at work and reports a hang-up only. */

void xoe_conn_watch(xoe_http_server *s, xoe_conn *c)
{
    struct epoll_event ev = {.events = EPOLLRDHUP | EPOLLONESHOT, .data.ptr = c};
    int fd = lws_get_socket_fd(c->wsi), op = c->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (fd >= 0 && epoll_ctl(s->hangup_fd, op, fd, &ev) == 0) c->watched = true;
}

static void on_hangups(xoe_http_server *s)
{
    struct epoll_event ev[64];
    int n = epoll_wait(s->hangup_fd, ev, 64, 0);
    for (int i = 0; i < n; i++) {
        xoe_conn *c = ev[i].data.ptr;
        if (!c->req && !c->lingers) continue; /* between requests: libwebsockets reads and sees it */
        xoe_conn_drop_request(c);
        conn_kill(c);
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
        s->listen_wsi = wsi;
        lws_set_timer_usecs(wsi, LISTEN_TICK_US);
        return 0;
    case LWS_CALLBACK_RAW_RX_FILE:
        accept_all(s);
        return 0;
    case LWS_CALLBACK_TIMER:
        tick(s);
        lws_set_timer_usecs(wsi, LISTEN_TICK_US);
        return 0;
    case LWS_CALLBACK_RAW_CLOSE_FILE: /* with the context */
        s->accept_paused = false;
        return 0;
    default:
        return 0;
    }
}
