/* A generating request from its parsed form to its last byte, whole or streamed.
 *
 * The HTTP answer begins when the model has read the prompt (the first piece): what goes wrong before
 * that has a proper status. What goes wrong later in a stream is an error event, without a finish_reason
 * and without [DONE]. Finish chunks go out after xoe_completion_run returned, that is, after the audit
 * rows are durable. Several prompts are run one after the other, their choices numbered through.
 * Thread: the request's; the cancel flag is fired by the loop thread when the client goes away. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "ops/metrics.h"
#include "serve/openai_delta.h"
#include "serve/openai_handlers.h"
#include "serve/openai_mark.h"
#include "serve/sse.h"

typedef struct run {
    xoe_server *server;
    xoe_http_req *r;
    const xoe_ask *ask;
    xoe_engine *engine;
    xoe_cancel *cancel;
    xoe_answer_head head;
    xoe_answer_mark mark;
    xoe_key key;                    /* key id and scheme; wiped */
    xoe_completion_request request;
    xoe_completion_result *results; /* [n_prompts] in the arena */
    size_t n_results;
    xoe_delta *deltas;              /* [n_choices] in the arena */
    size_t *chars;                  /* [n_choices] characters sent (completions) */
    int first_index;                /* of the prompt that runs */
    bool streaming;                 /* the HTTP answer has begun */
    bool first_seen;
    char id[XOE_ANSWER_ID_MAX], fingerprint[32], job[XOE_MARK_JOB_ID_MAX];
} run;

static void client_gone(void *ud)
{
    xoe_cancel_fire(ud);
}

static void observe_first_token(run *x)
{
    if (x->first_seen) return;
    x->first_seen = true;
    xoe_metric_observe(XOE_M_TTFT, (double)(xoe_clock_mono_ms() - xoe_http_accepted_mono_ms(x->r)) / 1e3);
}

/* ---- stream ---- */

static int send_delta(run *x, int index, json_t *delta, const xoe_completion_piece *p)
{
    return xoe_sse_json(x->r, xoe_answer_chunk(&x->head, index, delta, NULL, 0, p->logprobs, p->n_logprobs, 0, NULL));
}

static int sink_chat(run *x, int index, const xoe_completion_piece *p)
{
    xoe_delta *d = &x->deltas[index];
    json_t *delta = xoe_delta_role(d);
    if (delta && xoe_sse_json(x->r, xoe_answer_chunk(&x->head, index, delta, NULL, 0, NULL, 0, 0, NULL))) return -1;
    delta = NULL;
    if (p->message_json) {
        json_t *message = json_loads(p->message_json, 0, NULL);
        delta = xoe_delta_message(d, message, p->final);
        json_decref(message);
    } else if (p->n) {
        delta = xoe_delta_text(d, p->text, p->n);
    }
    if (!delta && !p->n_logprobs) return 0;
    observe_first_token(x);
    return send_delta(x, index, delta, p);
}

static int sink_text(run *x, int index, const xoe_completion_piece *p)
{
    if (!p->n && !p->n_logprobs) return 0;
    observe_first_token(x);
    size_t offset = x->chars[index];
    x->chars[index] += xoe_utf8_count(p->text, p->n);
    return xoe_sse_json(x->r, xoe_answer_chunk(&x->head, index, NULL, p->text, p->n, p->logprobs, p->n_logprobs,
                                               offset, NULL));
}

static int sink(const xoe_completion_piece *p, void *ud)
{
    run *x = ud;
    int index = x->first_index + p->index;
    if (!x->streaming) {
        x->streaming = true;
        xoe_sse_begin(x->r);
    }
    return x->ask->is_chat ? sink_chat(x, index, p) : sink_text(x, index, p);
}

static void end_stream(run *x)
{
    int index = 0, last = 0, rc = 0;
    for (size_t i = 0; i < x->n_results; i++)
        last += x->results[i].n;
    for (size_t i = 0; i < x->n_results; i++)
        for (int k = 0; k < x->results[i].n && !rc; k++, index++) {
            json_t *c = xoe_answer_chunk(&x->head, index, NULL, "", 0, NULL, 0, 0,
                                         x->results[i].choices[k].finish_reason);
            if (c && index == last - 1 && xoe_answer_add_mark(c, &x->head, x->results, x->n_results, &x->mark)) {
                json_decref(c);
                c = NULL;
            }
            rc = xoe_sse_json(x->r, c);
        }
    if (!rc && x->ask->include_usage)
        rc = xoe_sse_json(x->r, xoe_answer_usage_chunk(&x->head, x->results, x->n_results));
    if (rc) xoe_http_stream_end(x->r);
    else xoe_sse_done(x->r);
}

/* ---- the turn ---- */

static xoe_err prepare(run *x, xoe_error *e)
{
    const xoe_ask *ask = x->ask;
    xoe_arena *arena = xoe_http_arena(x->r);
    xoe_engine_info info;
    size_t n_prompts = ask->is_chat ? 1 : ask->n_prompts, n_choices = n_prompts * (size_t)ask->n;
    xoe_err rc = xoe_mark_mode_of(x->server->config, ask, &x->mark.mode, e);
    if (rc) return rc;
    const char *usual = x->mark.mode == XOE_MARK_REPHRASE ? xoe_app_rephrase_key(x->server->app, NULL) : NULL;
    if (x->mark.mode != XOE_MARK_OFF && (rc = xoe_mark_key_of(x->server->app->keyring, &ask->mark, usual, &x->key, e)))
        return rc;
    if ((rc = xoe_app_model(x->server->app, ask->model, false, &x->engine, e))) return rc;
    x->results = xoe_arena_alloc(arena, n_prompts * sizeof *x->results);
    x->deltas = xoe_arena_alloc(arena, n_choices * sizeof *x->deltas);
    x->chars = xoe_arena_alloc(arena, n_choices * sizeof *x->chars);
    if (!x->results || !x->deltas || !x->chars || !(x->cancel = xoe_cancel_new()))
        return xoe_error_set(e, XOE_ENOMEM, "no memory for the request");
    xoe_engine_get_info(x->engine, &info);
    xoe_answer_id(ask->is_chat ? "chatcmpl-" : "cmpl-", x->id);
    xoe_answer_fingerprint(&info, x->fingerprint);
    x->head = (xoe_answer_head){.id = x->id, .created_s = xoe_clock_wall_ms() / 1000, .model = info.name,
        .fingerprint = x->fingerprint, .is_chat = ask->is_chat, .engine = x->engine};
    x->mark.scheme = x->mark.mode == XOE_MARK_OFF ? "" : xoe_scheme_name(x->key.params.scheme);
    x->mark.warning = "";
    return XOE_OK;
}

static xoe_err describe_cost(run *x, xoe_error *e)
{
    xoe_engine *paraphraser;
    bool drafts = x->mark.mode != XOE_MARK_OFF && xoe_scheme_needs_drafts(x->key.params.scheme);
    double n_drafts = drafts ? (double)x->server->config->watermax_drafts : 1;
    if (x->mark.mode == XOE_MARK_GENERATE && xoe_writing_drafts(&x->key.params, &x->ask->sampling)) {
        x->mark.expected_factor = n_drafts;
        x->mark.factor_basis = "drafts";
    }
    if (x->mark.mode != XOE_MARK_REPHRASE) return XOE_OK;
    xoe_err rc = xoe_app_paraphraser(x->server->app, &paraphraser, e);
    if (rc) return rc;
    x->mark.expected_factor = xoe_marking_cost_factor(x->engine, paraphraser, n_drafts, &x->mark.factor_basis);
    x->mark.warning = xoe_app_paraphraser_warning(x->server->app);
    if (!*x->mark.warning && x->mark.expected_factor > 1.5)
        x->mark.warning = "the paraphraser is not much cheaper than the model: expect a rephrased answer to take "
                          "more than 1.5 times as long; watermark.mode generate costs nothing under a key of another scheme than watermax";
    return XOE_OK;
}

/* Without tools a format is a plain grammar: JSON and nothing around it. With tools the template joins
 * both, and its parser takes the answer apart again. */
static xoe_err grammar_of_format(run *x, xoe_error *e)
{
    const xoe_ask *ask = x->ask;
    char *gbnf = NULL;
    if (ask->is_chat && ask->chat.tools_json) return XOE_OK;
    if (!ask->json_schema && !ask->any_json) return XOE_OK;
    xoe_err rc = xoe_json_schema_to_grammar(ask->json_schema, &gbnf, e);
    if (rc) return rc;
    x->request.sampling.grammar = xoe_arena_strndup(xoe_http_arena(x->r), gbnf, strlen(gbnf));
    xoe_free(gbnf);
    return x->request.sampling.grammar ? XOE_OK : xoe_error_set(e, XOE_ENOMEM, "no memory for the grammar");
}

static xoe_err build_request(run *x, xoe_error *e)
{
    const xoe_ask *ask = x->ask;
    xoe_completion_request *q = &x->request;
    *q = (xoe_completion_request){.engine = x->engine, .request_id = x->id, .user = xoe_user_of(x->r, ask->user),
        .sampling = ask->sampling, .n = ask->n, .max_tokens = ask->max_tokens, .n_probs = ask->n_probs,
        .echo = ask->echo, .n_stop = ask->n_stop, .mark_mode = x->mark.mode, .payload = ask->mark.payload,
        .priority = XOE_PRIORITY_INTERACTIVE, .deadline_mono_ms = xoe_deadline_of(x->server, x->r)};
    memcpy(q->stop, ask->stop, sizeof q->stop);
    if (x->mark.mode != XOE_MARK_OFF) q->key_id = x->key.id;
    if (ask->mark.async) q->mark_mode = XOE_MARK_OFF; /* the rewrite is a job of its own */
    if (ask->is_chat) q->chat = &ask->chat;
    return grammar_of_format(x, e);
}

/* Several prompts: each its own turn with its own ids in the audit log. */
static xoe_err run_prompt(run *x, size_t i, xoe_error *e)
{
    xoe_completion_request q = x->request;
    if (!x->ask->is_chat) {
        const xoe_prompt *p = &x->ask->prompts[i];
        q.prompt = p->text;
        q.n_prompt = p->text ? p->n : 0;
        q.prompt_tokens = p->tokens;
        q.n_prompt_tokens = p->tokens ? p->n : 0;
        if (i) {
            q.request_id = xoe_arena_printf(xoe_http_arena(x->r), "%s.%zu", x->id, i);
            if (!q.request_id) return xoe_error_set(e, XOE_ENOMEM, "no memory for the request");
        }
    }
    x->first_index = (int)i * x->ask->n;
    xoe_err rc = xoe_completion_run(x->server->app, &q, x->cancel, x->ask->stream ? sink : NULL, x,
                                    &x->results[i], e);
    if (rc) {
        if (x->ask->is_chat && !strcmp(e->param, "prompt")) snprintf(e->param, sizeof e->param, "messages");
        return rc;
    }
    x->n_results = i + 1;
    if (!x->first_seen) {
        x->first_seen = true;
        xoe_metric_observe(XOE_M_TTFT, x->results[i].first_token_ms / 1e3);
    }
    return XOE_OK;
}

static xoe_err start_job(run *x, xoe_error *e)
{
    const xoe_choice *c = &x->results[0].choices[0];
    if (!x->ask->mark.async || !c->n || c->has_tool_calls) return XOE_OK;
    xoe_marking_request m = {.user = x->request.user, .text = c->text, .n = c->n, .key_id = x->key.id,
        .has_seed = x->ask->sampling.has_seed, .seed = x->ask->sampling.seed, .priority = XOE_PRIORITY_BATCH};
    xoe_err rc = xoe_mark_jobs_submit(x->server->jobs, &m, x->job, e);
    if (!rc) x->mark.job = x->job;
    return rc;
}

static void fail(run *x, xoe_error *e)
{
    if (!e->code) e->code = XOE_EINTERNAL;
    if (!x->streaming) {
        xoe_reply_error(x->r, e);
        return;
    }
    if (e->code != XOE_ECANCELED) xoe_sse_json(x->r, xoe_answer_error(e));
    xoe_http_stream_end(x->r);
}

void xoe_openai_run(xoe_server *s, xoe_http_req *r, const xoe_ask *ask)
{
    run x = {.server = s, .r = r, .ask = ask};
    xoe_error e = XOE_ERROR_INIT;
    int64_t accepted_ms = xoe_http_accepted_mono_ms(r);
    xoe_err rc = prepare(&x, &e);
    if (!rc) rc = describe_cost(&x, &e);
    if (!rc) rc = build_request(&x, &e);
    if (!rc) {
        size_t n_prompts = ask->is_chat ? 1 : ask->n_prompts;
        xoe_http_on_gone(r, client_gone, x.cancel);
        for (size_t i = 0; i < n_prompts && !rc; i++)
            rc = run_prompt(&x, i, &e);
        xoe_http_on_gone(r, NULL, NULL);
    }
    if (!rc) rc = start_job(&x, &e);
    if (rc) fail(&x, &e);
    else if (ask->stream) end_stream(&x);
    else xoe_reply_json(r, 200, xoe_answer_full(&x.head, x.results, x.n_results, &x.mark));
    if (!rc) xoe_metric_observe(XOE_M_E2E, (double)(xoe_clock_mono_ms() - accepted_ms) / 1e3);
    for (size_t i = 0; i < x.n_results; i++)
        xoe_completion_result_clear(&x.results[i]);
    xoe_cancel_free(x.cancel);
    xoe_app_release(s->app, x.engine);
    xoe_zero(&x.key, sizeof x.key);
}
