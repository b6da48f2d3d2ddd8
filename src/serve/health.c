/* What operators and probes ask. Nothing here waits: the engine's statistics are behind a short lock. */
#include "serve/health.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "ops/metrics.h"
#include "serve/server.h"

static void reply_json(xoe_http_req *r, int status, json_t *j)
{
    char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;
    if (text) {
        xoe_http_reply(r, status, "application/json", text, strlen(text));
    } else {
        xoe_error e = XOE_ERROR_INIT;
        xoe_error_set(&e, XOE_ENOMEM, "no memory for the answer");
        xoe_http_reply_error(r, &e);
    }
    free(text);
    json_decref(j);
}

void xoe_health_handler(xoe_http_req *r, void *ud)
{
    xoe_server *s = ud;
    xoe_engine_info info;
    xoe_engine_stats st;
    bool draining = xoe_http_draining(xoe_http_req_server(r));
    xoe_engine_get_info(s->app->chat, &info);
    xoe_engine_get_stats(s->app->chat, &st);
    reply_json(r, 200,
               json_pack("{s:s, s:s, s:b, s:s, s:b, s:s, s:I, s:{s:i, s:i, s:i}, s:[]}", "status", draining ? "draining" : "ok", "version",
                         xoe_version(), "watermarking_enabled", strcmp(s->config->watermark, "off") != 0, "watermark_mode",
                         s->config->watermark, "enforce", s->config->enforce, "model", info.name, "uptime_s",
                         (json_int_t)((xoe_clock_wall_ms() - s->app->started_wall_ms) / 1000), "slots", "total", info.n_slots, "processing",
                         st.processing, "waiting", st.deferred, "breakers"));
}

void xoe_livez_handler(xoe_http_req *r, void *ud)
{
    (void)ud;
    xoe_http_reply(r, 200, "text/plain", "ok\n", 3);
}

void xoe_readyz_handler(xoe_http_req *r, void *ud)
{
    (void)ud;
    if (xoe_http_draining(xoe_http_req_server(r))) {
        xoe_http_set_header(r, "retry-after", "5");
        xoe_http_reply(r, 503, "text/plain", "draining\n", 9);
    } else {
        xoe_http_reply(r, 200, "text/plain", "ready\n", 6);
    }
}

static void engine_metrics(xoe_buf *b, xoe_engine *en)
{
    xoe_engine_stats st;
    xoe_engine_get_stats(en, &st);
    xoe_metrics_sample(b, "llamacpp:prompt_tokens_total", "counter", "Prompt tokens computed", NULL, (double)st.prompt_tokens);
    xoe_metrics_sample(b, "llamacpp:tokens_predicted_total", "counter", "Tokens generated", NULL, (double)st.predicted_tokens);
    xoe_metrics_sample(b, "llamacpp:prompt_seconds_total", "counter", "Time in calls that computed mostly prompts", NULL, st.prompt_s);
    xoe_metrics_sample(b, "llamacpp:tokens_predicted_seconds_total", "counter", "Time in calls that generated mostly", NULL, st.predicted_s);
    xoe_metrics_sample(b, "llamacpp:requests_processing", "gauge", "Requests in slots", NULL, st.processing);
    xoe_metrics_sample(b, "llamacpp:requests_deferred", "gauge", "Requests waiting for a slot", NULL, st.deferred);
    xoe_metrics_sample(b, "llamacpp:n_decode_total", "counter", "llama_decode calls", NULL, (double)st.decode_calls);
    xoe_metrics_sample(b, "llamacpp:n_busy_slots_per_decode", "gauge", "Mean busy slots a decode call", NULL,
                       st.decode_calls ? (double)st.busy_slots_sum / (double)st.decode_calls : 0);
    xoe_metrics_sample(b, "xoe_jobs_canceled_total", "counter", "Jobs canceled, mostly by clients that left", NULL, (double)st.jobs_canceled);
    xoe_metrics_sample(b, "xoe_jobs_failed_total", "counter", "Jobs failed", NULL, (double)st.jobs_failed);
}

void xoe_metrics_handler(xoe_http_req *r, void *ud)
{
    xoe_server *s = ud;
    xoe_buf b;
    xoe_buf_init(&b, 1 << 20);
    xoe_metrics_print(&b);
    engine_metrics(&b, s->app->chat);
    xoe_http_reply(r, 200, "text/plain; version=0.0.4; charset=utf-8", xoe_buf_cstr(&b), b.len);
    xoe_buf_free(&b);
}
