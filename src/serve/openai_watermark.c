/* POST /v1/watermark: mark a finished text by rephrasing it; at once, or as a job that is fetched from
 * GET /v1/watermark/jobs/{id}. POST /v1/detect-watermark is in openai_detect.c. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ops/metrics.h"
#include "serve/json_in.h"
#include "serve/openai_handlers.h"
#include "serve/openai_mark.h"

static const char jobs_prefix[] = "/v1/watermark/jobs/";

typedef struct ask_watermark {
    const char *text, *user;
    size_t n;
    xoe_ask_mark mark;
    xoe_marking_request req;
} ask_watermark;

static xoe_err parse(xoe_arena *a, const char *body, size_t n, ask_watermark *out, xoe_error *e)
{
    json_t *j;
    double d;
    int64_t i;
    *out = (ask_watermark){0};
    xoe_err rc = xoe_json_body(a, body, n, &j, e);
    if (rc) return rc;
    xoe_fields f = xoe_fields_of(j, "", e);
    xoe_field_needed_text(&f, "text", XOE_TEXT_BYTES_MAX, &out->text, &out->n);
    xoe_field_text(&f, "user", 512, &out->user, NULL);
    xoe_field_text(&f, "key_id", XOE_KEY_ID_MAX - 1, &out->mark.key_id, NULL);
    xoe_field_text(&f, "scheme", 32, &out->mark.scheme, NULL);
    xoe_field_bool(&f, "async", &out->mark.async);
    xoe_field_bool(&f, "report", &out->req.measure);
    if (xoe_field_num(&f, "temperature", 0.1, 2, &d)) out->req.temperature = (float)d;
    if (xoe_field_num(&f, "top_p", 0.01, 1, &d)) out->req.top_p = (float)d;
    if (xoe_field_int(&f, "seed", INT64_MIN, INT64_MAX, &i)) {
        out->req.has_seed = true;
        out->req.seed = (uint64_t)i;
    }
    return f.rc;
}

json_t *xoe_marking_answer(const char *id, int64_t created_s, const char *model, const char *scheme,
                           const xoe_completion_result *r, const char *warning)
{
    xoe_answer_head h = {.id = id, .model = model};
    xoe_answer_mark m = {.mode = XOE_MARK_REPHRASE, .scheme = scheme, .warning = warning};
    const xoe_choice *c = &r->choices[0];
    json_t *j = json_pack("{s:s, s:s, s:I, s:s, s:f, s:o, s:o}", "id", id, "object", "watermark", "created",
                          (json_int_t)created_s, "model", model, "confidence", c->confidence < 0 ? 0.0 : c->confidence,
                          "chunks", xoe_answer_chunks(&c->rephrase), "usage", xoe_answer_usage(r, 1));
    if (j && xoe_answer_add_mark(j, &h, r, 1, &m)) {
        json_decref(j);
        return NULL;
    }
    return j;
}

static void client_gone(void *ud)
{
    xoe_cancel_fire(ud);
}

static void mark_now(xoe_server *s, xoe_http_req *r, xoe_marking_request *req, const xoe_key *key)
{
    char id[XOE_ANSWER_ID_MAX];
    xoe_completion_result result;
    xoe_engine *paraphraser;
    xoe_engine_info info;
    xoe_error e = XOE_ERROR_INIT;
    xoe_cancel *cancel = xoe_cancel_new();
    int64_t created_s = xoe_clock_wall_ms() / 1000;
    xoe_err rc = cancel ? XOE_OK : xoe_error_set(&e, XOE_ENOMEM, "no memory for the request");
    xoe_answer_id("wm-", id);
    req->request_id = id;
    req->priority = XOE_PRIORITY_INTERACTIVE;
    req->deadline_mono_ms = xoe_deadline_of(s, r);
    if (!rc) rc = xoe_app_paraphraser(s->app, &paraphraser, &e);
    if (!rc) {
        xoe_http_on_gone(r, client_gone, cancel);
        rc = xoe_marking_run(s->app, req, cancel, &result, &e);
        xoe_http_on_gone(r, NULL, NULL);
    }
    if (rc) {
        xoe_reply_error(r, &e);
    } else {
        xoe_engine_get_info(paraphraser, &info);
        xoe_reply_json(r, 200, xoe_marking_answer(id, created_s, info.name, xoe_scheme_name(key->params.scheme),
                                                  &result, xoe_app_paraphraser_warning(s->app)));
        xoe_metric_observe(XOE_M_E2E, (double)(xoe_clock_mono_ms() - xoe_http_accepted_mono_ms(r)) / 1e3);
        xoe_completion_result_clear(&result);
    }
    xoe_cancel_free(cancel);
}

static void mark_later(xoe_server *s, xoe_http_req *r, const xoe_marking_request *req)
{
    char id[XOE_MARK_JOB_ID_MAX];
    xoe_error e = XOE_ERROR_INIT;
    json_t *j = NULL;
    if (xoe_mark_jobs_submit(s->jobs, req, id, &e) || xoe_mark_jobs_get(s->jobs, id, req->user, &j, &e))
        xoe_reply_error(r, &e);
    else xoe_reply_json(r, 202, j);
}

void xoe_watermark_handler(xoe_http_req *r, void *ud)
{
    xoe_server *s = ud;
    size_t n;
    const char *body = xoe_http_body(r, &n);
    xoe_error e = XOE_ERROR_INIT;
    ask_watermark ask;
    xoe_key key = {0};
    xoe_err rc = parse(xoe_http_arena(r), body, n, &ask, &e);
    if (!rc) rc = xoe_mark_key_of(s->app->keyring, &ask.mark, xoe_app_rephrase_key(s->app, NULL), &key, &e);
    if (rc) {
        xoe_reply_error(r, &e);
        return;
    }
    ask.req.text = ask.text;
    ask.req.n = ask.n;
    ask.req.key_id = key.id;
    ask.req.user = xoe_user_of(r, ask.user);
    if (ask.mark.async) mark_later(s, r, &ask.req);
    else mark_now(s, r, &ask.req, &key);
    xoe_zero(&key, sizeof key);
}

void xoe_watermark_job_handler(xoe_http_req *r, void *ud)
{
    xoe_server *s = ud;
    const char *path = xoe_http_path(r);
    const char *id = strncmp(path, jobs_prefix, sizeof jobs_prefix - 1) ? "" : path + sizeof jobs_prefix - 1;
    xoe_error e = XOE_ERROR_INIT;
    json_t *j = NULL;
    if (xoe_mark_jobs_get(s->jobs, id, xoe_user_of(r, NULL), &j, &e)) xoe_reply_error(r, &e);
    else xoe_reply_json(r, 200, j);
}
