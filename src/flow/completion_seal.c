/* An answer becomes final here: our own detector reads it as the client will, the verdict decides what
 * we may say about its mark, and the audit row is made durable. Only then may the last byte go out.
 *
 * is_watermarked means: the mark was written, and this text can carry it. A text that was drawn with
 * the key but is too short, or whose tokens were nearly certain, is reported as unmarked with the
 * reason, because nobody could find the mark again. What it could carry is judged by the gain that
 * the writer expected (see xoe_pick), under the scheme's own law, not by luck: but a mark that the detector
 * did find is never denied.
 *
 * Thread: any; the request thread of the turn. */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "flow/completion_turn.h"
#include "ops/metrics.h"

static const char *judge(const xoe_seal *s, const xoe_text_verdict *v, double fpr)
{
    if (v->v.detected && (s->n_marked || !s->gain_known)) return "";
    if (!v->v.can_carry) return "too short";
    /* Tokens that the detector drops as repeated carry no gain; scale to those it scored. */
    if (s->gain_known) {
        double gain = s->n_marked ? s->gain / (double)s->n_marked * (double)v->v.n_scored : 0;
        double promised = 0;
        if (xoe_mark_predict(&s->key->params, v->v.n_scored, gain, 1, &promised, NULL) || promised > log10(fpr)) return "low entropy";
    }
    return "";
}

static void detect(const xoe_seal *s, xoe_choice *c, const char *text, size_t n)
{
    const char *ids[] = {s->key->id};
    double fpr = s->app->config->fpr;
    xoe_text_detect_opts opts = {.fpr = fpr, .key_ids = ids, .n_key_ids = 1};
    xoe_text_verdict v = {0};
    xoe_error why = XOE_ERROR_INIT;
    if (!n) {
        c->unmarked_reason = "empty";
        return;
    }
    if (xoe_detect_text(s->tokenizer, s->app->keyring, text, n, &opts, &v, &why)) {
        /* The answer is sound, only our own reading of it failed: say so, do not fail the request. */
        xoe_log(XOE_LOG_WARN, "completion", "own detector: %s", why.msg);
        c->confidence = -1;
        c->is_watermarked = s->n_marked > 0 || !s->gain_known;
        c->unmarked_reason = "";
        return;
    }
    c->log10_p = v.v.log10_p;
    c->confidence = v.v.confidence;
    c->unmarked_reason = judge(s, &v, fpr);
    c->is_watermarked = !*c->unmarked_reason;
    xoe_text_verdict_clear(&v);
}

void xoe_count_chunks(const xoe_rephrase_result *r)
{
    for (size_t i = 0; i < r->n_chunks; i++) {
        if (r->chunks[i].outcome == XOE_CHUNK_KEPT_PROTECTED) continue;
        xoe_metric_add(XOE_M_REPHRASE_CHUNKS, 1);
        if (r->chunks[i].outcome == XOE_CHUNK_KEPT_MEANING) xoe_metric_add(XOE_M_REPHRASE_REJECTED, 1);
    }
}

xoe_err xoe_seal_choice(const xoe_seal *s, xoe_choice *c, const char *text, size_t n,
                        const char *hashed, size_t n_hashed, xoe_error *e)
{
    char id[192], hash[XOE_SHA256_HEX];
    c->is_watermarked = false;
    c->confidence = -1;
    c->log10_p = 0;
    c->signal_expected = s->gain;
    c->unmarked_reason = s->key ? "" : s->why_unmarked;
    if (s->key) detect(s, c, text, n);

    if (s->app->audit) {
        snprintf(id, sizeof id, "%.160s#%d", s->request_id ? s->request_id : "", s->index);
        xoe_sha256_hex(hashed, n_hashed, hash);
        xoe_audit_row row = {.request_id = id, .user_id = s->user && *s->user ? s->user : "anonymous",
            .text_hash = hash, .is_watermarked = c->is_watermarked,
            .detection_confidence = c->confidence, .model_version = s->model,
            .key_id = c->is_watermarked ? s->key->id : ""};
        xoe_err rc = xoe_audit_append(s->app->audit, &row, e);
        if (rc) {
            xoe_metric_add(XOE_M_AUDIT_FAILURES, 1);
            xoe_log(XOE_LOG_ERROR, "audit", "row of %s not written: %s", id, e ? e->msg : "");
            return rc;
        }
        xoe_metric_add(XOE_M_AUDIT_ROWS, 1);
    }
    xoe_metric_add(XOE_M_GENERATIONS, 1);
    if (c->is_watermarked) xoe_metric_add(XOE_M_GENERATIONS_MARKED, 1);
    return XOE_OK;
}
