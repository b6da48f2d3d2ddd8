/* Puts the server together: the port first (a port in use is told at once, before models load), then the
 * models, then the routes are served until a signal, then what runs may end.
 *
 * The signal handler only tells the transport to stop, which is async-signal-safe; a second signal ends
 * the process at once. Audit rows that were acknowledged are durable by then. */
#include "serve/server.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "serve/health.h"
#include "serve/openai_handlers.h"
#include "serve/pages.h"

enum { DRAIN_MS = 30000, SPARE_THREADS = 8, THREADS_MAX = 512, HTTP_QUEUE = 64 };

static const xoe_http_route routes[] = {
    {.method = "POST", .path = "/v1/chat/completions", .handler = xoe_chat_completions_handler},
    {.method = "POST", .path = "/v1/completions", .handler = xoe_completions_handler},
    {.method = "POST", .path = "/v1/embeddings", .handler = xoe_embeddings_handler},
    {.method = "GET", .path = "/v1/models", .handler = xoe_models_handler},
    {.method = "GET", .path = "/v1/models/*", .handler = xoe_model_handler},
    {.method = "POST", .path = "/v1/detect-watermark", .handler = xoe_detect_handler, .detector = true},
    {.method = "POST", .path = "/v1/watermark", .handler = xoe_watermark_handler},
    {.method = "GET", .path = "/v1/watermark/jobs/*", .handler = xoe_watermark_job_handler},
    {.method = "GET", .path = "/health", .handler = xoe_health_handler, .open = true, .loop = true},
    {.method = "GET", .path = "/livez", .handler = xoe_livez_handler, .open = true, .loop = true},
    {.method = "GET", .path = "/readyz", .handler = xoe_readyz_handler, .open = true, .loop = true},
    {.method = "GET", .path = "/metrics", .handler = xoe_metrics_handler, .open = true, .loop = true},
    {.method = "GET", .path = "/*", .handler = xoe_pages_handler, .open = true, .loop = true},
};

static _Atomic(xoe_http_server *) running;
static atomic_int n_signals;

static void on_signal(int sig)
{
    xoe_http_server *http = atomic_load(&running);
    if (atomic_fetch_add(&n_signals, 1) || !http) _exit(128 + sig);
    xoe_http_stop(http);
}

static void catch_signals(void (*handler)(int))
{
    struct sigaction sa = {.sa_handler = handler};
    sigemptyset(&sa.sa_mask);
    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGINT, &sa, NULL);
    if (handler != SIG_DFL) {
        struct sigaction ignore = {.sa_handler = SIG_IGN};
        sigemptyset(&ignore.sa_mask);
        sigaction(SIGPIPE, &ignore, NULL);
    }
}

static void url_of(const xoe_config *cfg, int port, char out[160])
{
    const char *host = cfg->host;
    if (!strcmp(host, "0.0.0.0") || !*host) host = "127.0.0.1";
    if (!strcmp(host, "::")) host = "::1";
    bool ipv6 = strchr(host, ':') != NULL;
    snprintf(out, 160, "http://%s%.100s%s:%d", ipv6 ? "[" : "", host, ipv6 ? "]" : "", port);
}

/* Every generation may wait in the engine's queue on a thread of its own, and a few threads are left for
 * what does not generate: the engine, not the transport, refuses what is too much. */
static int thread_count(const xoe_config *cfg)
{
    int64_t n = cfg->slots + cfg->queue + SPARE_THREADS;
    return n > THREADS_MAX ? THREADS_MAX : (int)n;
}

static xoe_err listen_on(xoe_server *s, xoe_error *e)
{
    const xoe_config *c = s->config;
    xoe_http_opts o = {.host = c->host, .port = (int)c->port, .api_key = c->api_key, .cors_origin = c->cors_origin,
        .max_body_bytes = (size_t)c->max_body_bytes, .n_threads = thread_count(c), .queue_max = HTTP_QUEUE,
        .rate_per_minute = (int)c->rate_per_minute, .detect_rate_per_minute = (int)c->detect_rate_per_minute,
        .auth_failures_per_minute = (int)c->auth_failures_per_minute, .idle_timeout_s = (int)c->idle_timeout_s, .write_timeout_s = (int)c->write_timeout_s,
        .routes = routes, .n_routes = sizeof routes / sizeof routes[0], .ud = s};
    return xoe_http_open(&s->http, &o, e);
}

xoe_err xoe_serve_run(const xoe_config *cfg, void (*ready)(const char *url, void *ud), void *ud, xoe_error *e)
{
    xoe_server s = {.config = cfg};
    char url[160];
    xoe_log_level level;
    if (!xoe_log_level_parse(cfg->log_level, &level)) xoe_log_set_level(level);
    xoe_err rc = listen_on(&s, e);
    if (rc) return rc;
    if ((rc = xoe_app_open(&s.app, cfg, XOE_APP_CHAT | XOE_APP_EMBED | XOE_APP_AUDIT, e)) ||
        (rc = xoe_mark_jobs_open(&s.jobs, s.app, e)))
        goto out;
    atomic_store(&n_signals, 0);
    atomic_store(&running, s.http);
    catch_signals(on_signal);
    url_of(cfg, xoe_http_port(s.http), url);
    xoe_log(XOE_LOG_INFO, "serve", "listening on %s", url);
    if (ready) ready(url, ud);
    rc = xoe_http_run(s.http, DRAIN_MS, e);
    atomic_store(&running, NULL);
    catch_signals(SIG_DFL);
    xoe_log(XOE_LOG_INFO, "serve", "stopped");
out:
    xoe_http_close(s.http); /* before the app: no handler runs after it */
    xoe_mark_jobs_close(s.jobs);
    xoe_app_close(s.app);
    return rc;
}
