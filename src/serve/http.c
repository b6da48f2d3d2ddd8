/* The server object: the listening socket, libwebsockets' context, running and draining.
 *
 * We listen ourselves and hand accepted sockets to libwebsockets: so an address in use or a bad host is
 * told exactly, port 0 works, and the backlog is ours. */
#include "serve/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "serve/http_loop.h"

enum { CONNS_MAX = 16384, WEEK_S = 7 * 24 * 3600 };

static const struct lws_protocols protocols[] = {
    {.name = "http", .callback = xoe_loop_callback, .rx_buffer_size = 65536},
    {.name = "listen", .callback = xoe_loop_listen_callback},
    {.name = "hangup", .callback = xoe_loop_hangup_callback},
    {0},
};

static void on_lws_log(int level, const char *line)
{
    (void)level;
    xoe_log(XOE_LOG_DEBUG, "lws", "%s", line);
}

static xoe_err listen_on(xoe_http_server *s, xoe_error *e)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *list = NULL;
    char port[8];
    int one = 1;
    xoe_err rc = XOE_OK;
    snprintf(port, sizeof port, "%d", s->opts.port);
    int code = getaddrinfo(s->host, port, &hints, &list);
    if (code) return xoe_error_set(e, XOE_EINVAL, "cannot listen on %s: %s", s->host, gai_strerror(code));
    s->listen_fd = socket(list->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->listen_fd < 0) {
        rc = xoe_error_errno(e, XOE_EIO, "cannot make a socket");
        goto out;
    }
    setsockopt(s->listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(s->listen_fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* accepted sockets inherit it */
    if (bind(s->listen_fd, list->ai_addr, list->ai_addrlen) || listen(s->listen_fd, 1024)) {
        if (errno == EADDRINUSE)
            rc = xoe_error_set(e, XOE_EEXIST, "port %d is in use; take another with --port N (0 takes any free one)", s->opts.port);
        else if (errno == EACCES)
            rc = xoe_error_set(e, XOE_EPERM, "port %d needs more rights; take one above 1023 with --port N", s->opts.port);
        else
            rc = xoe_error_errno(e, XOE_EIO, "cannot listen on %s port %d", s->host, s->opts.port);
        goto out;
    }
    struct sockaddr_storage a;
    socklen_t n = sizeof a;
    if (getsockname(s->listen_fd, (struct sockaddr *)&a, &n) == 0)
        s->port = ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port : ((struct sockaddr_in *)&a)->sin_port);
out:
    freeaddrinfo(list);
    return rc;
}

/* Raise the limit of open files as far as it goes; returns how many of them connections may take. */
static int connections_max(void)
{
    struct rlimit r;
    rlim_t want = 65536, spare = 128;
    if (getrlimit(RLIMIT_NOFILE, &r)) return 256;
    if (r.rlim_cur < want) {
        r.rlim_cur = r.rlim_max < want ? r.rlim_max : want;
        if (setrlimit(RLIMIT_NOFILE, &r) && getrlimit(RLIMIT_NOFILE, &r)) return 256;
    }
    rlim_t n = r.rlim_cur > 2 * spare ? r.rlim_cur - spare : r.rlim_cur / 2;
    return n > CONNS_MAX ? CONNS_MAX : (int)n;
}

static xoe_err start_lws(xoe_http_server *s, xoe_error *e)
{
    struct lws_context_creation_info info = {0};
    s->conns_max = connections_max();
    lws_set_log_level(LLL_ERR | LLL_WARN, on_lws_log);
    info.port = CONTEXT_PORT_NO_LISTEN;
    info.protocols = protocols;
    info.user = s;
    info.gid = (__typeof__(info.gid))-1; /* stay who we are; an int in older libwebsockets */
    info.uid = (__typeof__(info.uid))-1;
    info.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS;
    info.max_http_header_pool = CONNS_MAX; /* made on demand: one a connection that sends its head */
    info.max_http_header_data = 8192;
    info.pt_serv_buf_size = 65536;
    info.fd_limit_per_thread = 20000;
    info.timeout_secs = WEEK_S; /* our tick sets the deadlines */
    info.keepalive_timeout = WEEK_S;
    s->lws = lws_create_context(&info);
    if (!s->lws) return xoe_error_set(e, XOE_EINTERNAL, "libwebsockets does not start");
    s->vhost = lws_create_vhost(s->lws, &info);
    if (!s->vhost) return xoe_error_set(e, XOE_EINTERNAL, "libwebsockets does not start");
    lws_sock_file_fd_type fd = {.filefd = s->listen_fd};
    if (!lws_adopt_descriptor_vhost(s->vhost, LWS_ADOPT_RAW_FILE_DESC, fd, "listen", NULL)) {
        s->listen_fd = -1; /* closed by the failed adoption */
        return xoe_error_set(e, XOE_EINTERNAL, "libwebsockets does not take the listening socket");
    }
    fd.filefd = s->hangup_fd = epoll_create1(EPOLL_CLOEXEC);
    if (s->hangup_fd < 0 || !lws_adopt_descriptor_vhost(s->vhost, LWS_ADOPT_RAW_FILE_DESC, fd, "hangup", NULL))
        return xoe_error_set(e, XOE_EINTERNAL, "cannot watch for clients that leave");
    return XOE_OK;
}

xoe_err xoe_http_open(xoe_http_server **out, const xoe_http_opts *opts, xoe_error *e)
{
    *out = NULL;
    xoe_http_server *s = xoe_calloc(1, sizeof *s);
    if (!s) return xoe_error_set(e, XOE_ENOMEM, "no memory for the server");
    s->opts = *opts;
    s->listen_fd = s->hangup_fd = -1;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->work, NULL);
    s->host = xoe_strdup(opts->host ? opts->host : "127.0.0.1");
    s->chunk = xoe_malloc(LWS_PRE + 65536 + 16);
    s->limit = xoe_ratelimit_new(opts->rate_per_minute);
    s->detect_limit = xoe_ratelimit_new(opts->detect_rate_per_minute);
    s->auth_limit = xoe_ratelimit_new(opts->auth_failures_per_minute);
    if (opts->api_key) xoe_sha256(opts->api_key, strlen(opts->api_key), s->key_hash);
    xoe_err rc = s->host && s->chunk && s->limit && s->detect_limit && s->auth_limit ? XOE_OK : xoe_error_set(e, XOE_ENOMEM, "no memory for the server");
    if (rc == XOE_OK) rc = listen_on(s, e);
    if (rc == XOE_OK) rc = start_lws(s, e);
    if (rc == XOE_OK) rc = xoe_http_pool_start(s, e);
    if (rc != XOE_OK) {
        xoe_http_close(s);
        return rc;
    }
    *out = s;
    return XOE_OK;
}

int xoe_http_port(const xoe_http_server *s)
{
    return s->port;
}

void xoe_http_stop(xoe_http_server *s)
{
    atomic_store(&s->stopping, true);
    lws_cancel_service(s->lws); /* a write to a pipe */
}

bool xoe_http_draining(const xoe_http_server *s)
{
    return atomic_load(&s->stopping);
}

xoe_err xoe_http_run(xoe_http_server *s, int drain_ms, xoe_error *e)
{
    int64_t until = 0;
    for (;;) {
        if (lws_service(s->lws, 0) < 0) return xoe_error_set(e, XOE_EINTERNAL, "the event loop failed");
        if (!atomic_load(&s->stopping)) continue;
        int64_t now = xoe_clock_mono_ms();
        if (!until) {
            until = now + drain_ms;
            xoe_log(XOE_LOG_INFO, "http", "draining: %d requests in flight, at most %d ms", atomic_load(&s->in_flight), drain_ms);
        }
        if (now >= until || (atomic_load(&s->in_flight) == 0 && !xoe_conns_untaken(s))) return XOE_OK;
    }
}

void xoe_http_close(xoe_http_server *s)
{
    if (!s) return;
    for (xoe_conn *c = s->conns; c; c = c->next) { /* handlers that still run are told to end */
        xoe_http_req *r = c->req;
        c->req = NULL;
        if (r) xoe_http_req_gone(r);
    }
    xoe_http_pool_stop(s);
    if (s->lws) {
        xoe_loop_flush(s);
        lws_context_destroy(s->lws);
    } else if (s->listen_fd >= 0) {
        close(s->listen_fd);
    }
    xoe_ratelimit_free(s->limit);
    xoe_ratelimit_free(s->detect_limit);
    xoe_ratelimit_free(s->auth_limit);
    xoe_free(s->chunk);
    xoe_free(s->host);
    pthread_cond_destroy(&s->work);
    pthread_mutex_destroy(&s->lock);
    xoe_free(s);
}
