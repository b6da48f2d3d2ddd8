/* Post-hoc marking as one turn: the same seal (detector, audit row) as an answer of our own, so that a
 * marked text is final only when its row is durable. */
#include "flow/marking.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "flow/completion_turn.h"

static bool canceled(void *ud)
{
    return xoe_cancel_fired(ud);
}

static xoe_err rephrase(xoe_app *app, const xoe_marking_request *r, xoe_engine *paraphraser, const xoe_key *key,
                        xoe_cancel *cancel, xoe_rephrase_result *out, xoe_error *e)
{
    uint64_t seed = r->seed;
    xoe_rephraser *rp = NULL;
    if (!r->has_seed && xoe_random_bytes(&seed, sizeof seed)) seed = (uint64_t)xoe_clock_mono_ns();
    xoe_rephrase_opts o = {.paraphraser = paraphraser, .judge = app->judge, .embedder = app->embed, .key = *key,
        .seed = seed, .temperature = r->temperature,
        .top_p = r->top_p, .measure = r->measure, .drafts = xoe_draft_plan_of(app->config), .priority = r->priority, .deadline_mono_ms = r->deadline_mono_ms,
        .canceled = cancel ? canceled : NULL, .ud = cancel};
    xoe_err rc = xoe_rephraser_open(&rp, &o, r->on_chunk, r->chunk_ud, e);
    xoe_zero(&o.key, sizeof o.key);
    if (!rc) rc = xoe_rephraser_feed(rp, r->text, r->n, e);
    if (!rc) rc = xoe_rephraser_finish(rp, out, e);
    xoe_rephraser_close(rp);
    return rc;
}

xoe_err xoe_marking_run(xoe_app *app, const xoe_marking_request *req, xoe_cancel *cancel,
                        xoe_completion_result *out, xoe_error *e)
{
    xoe_choice *c = &out->choices[0];
    xoe_engine *paraphraser;
    xoe_engine_info info;
    xoe_key key = {0};
    int64_t start = xoe_clock_mono_ns();
    bool rewritten = false;
    *out = (xoe_completion_result){.n = 1};
    c->finish_reason = "stop";
    xoe_err rc = xoe_keyring_get(app->keyring, xoe_app_rephrase_key(app, req->key_id), &key, e);
    if (rc || (rc = xoe_app_paraphraser(app, &paraphraser, e)) ||
        (rc = rephrase(app, req, paraphraser, &key, cancel, &c->rephrase, e)))
        goto out;
    xoe_count_chunks(&c->rephrase);
    c->original = xoe_strndup(req->text, req->n);
    c->n_original = req->n;
    c->n = c->rephrase.n;
    c->text = xoe_strndup(c->rephrase.text ? c->rephrase.text : "", c->n);
    if (!c->original || !c->text) {
        rc = xoe_error_set(e, XOE_ENOMEM, "no memory for the text");
        goto out;
    }
    for (size_t i = 0; i < c->rephrase.n_chunks; i++)
        rewritten = rewritten || c->rephrase.chunks[i].outcome == XOE_CHUNK_REWRITTEN;
    snprintf(out->key_id, sizeof out->key_id, "%s", key.id);
    out->prompt_tokens = c->rephrase.n_prompt_tokens;
    out->completion_tokens = c->rephrase.n_predicted_tokens;
    xoe_engine_get_info(paraphraser, &info);
    xoe_seal s = {.app = app, .tokenizer = paraphraser, .request_id = req->request_id, .user = req->user,
        .model = info.name, .key = rewritten ? &key : NULL, .why_unmarked = "no rewrite kept the meaning"};
    int64_t before = xoe_clock_mono_ns();
    rc = xoe_seal_choice(&s, c, c->text, c->n, c->text, c->n, e);
    out->mark_ms = (double)(xoe_clock_mono_ns() - before) / 1e6;
    out->total_ms = (double)(xoe_clock_mono_ns() - start) / 1e6;
    out->predicted_ms = c->rephrase.ms;
out:
    xoe_zero(&key, sizeof key);
    if (rc) xoe_completion_result_clear(out);
    return rc;
}

double xoe_marking_cost_factor(xoe_engine *base, xoe_engine *paraphraser, double n_drafts, const char **basis)
{
    enum { ENOUGH_TOKENS = 64, BYTES_A_TOKEN = 4 };
    const double work = 19; /* a sentence takes four to eight tries and some thirty readings: 19.5 measured (0.5B answers, 1.5B paraphraser) */
    xoe_engine_stats st;
    xoe_engine_info b, p;
    double us = xoe_rephrase_us_a_byte(n_drafts > 1);
    xoe_engine_get_stats(base, &st);
    *basis = "measured";
    if (us > 0 && st.predicted_tokens >= ENOUGH_TOKENS && st.predicted_s > 0)
        return 1 + us * 1e-6 * BYTES_A_TOKEN * (double)st.predicted_tokens / st.predicted_s;
    xoe_engine_get_info(base, &b);
    xoe_engine_get_info(paraphraser, &p);
    *basis = "model size"; /* decoding reads every weight once a step */
    return 1 + work * n_drafts * (b.n_bytes ? (double)p.n_bytes / (double)b.n_bytes : 1);
}
