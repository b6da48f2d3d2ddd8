/* POST /v1/detect-watermark: whose mark a text carries, and how sure that is. The route is authenticated
 * and rate-limited by the transport, because scores are an oracle for whoever wants to spoof or scrub.
 *
 * A mark lives in the tokens of the model that wrote it. The chat model and the paraphraser may have
 * different vocabularies; both are tried then, and the better p-value is doubled (Bonferroni). */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "flow/detect.h"
#include "ops/metrics.h"
#include "serve/json_in.h"
#include "serve/openai_handlers.h"

enum { KEY_IDS_MAX = 64 };

typedef struct ask_detect {
    const char *text, *model;
    size_t n;
    double threshold, fpr;
    bool spans, tokens;
    const char *key_ids[KEY_IDS_MAX];
    size_t n_key_ids;
} ask_detect;

static void parse_key_ids(xoe_fields *f, ask_detect *out)
{
    const json_t *v = xoe_field_array(f, "key_ids");
    size_t n = json_array_size(v);
    if (n > KEY_IDS_MAX)
        xoe_fields_fail(f, XOE_EINVAL, "key_ids", "key_ids has %zu entries; at most %d are taken", n, KEY_IDS_MAX);
    else if (v && !n) xoe_fields_fail(f, XOE_EINVAL, "key_ids", "key_ids must not be empty; leave it out for all keys");
    for (size_t i = 0; i < n && !f->rc; i++) {
        const char *id = json_string_value(json_array_get(v, i));
        if (!id) xoe_fields_fail(f, XOE_EINVAL, "key_ids", "key_ids must be an array of strings");
        else out->key_ids[out->n_key_ids++] = id;
    }
}

static xoe_err parse(xoe_arena *a, const char *body, size_t n, double default_fpr, ask_detect *out, xoe_error *e)
{
    json_t *j;
    *out = (ask_detect){.threshold = 0.5, .fpr = default_fpr, .spans = true};
    xoe_err rc = xoe_json_body(a, body, n, &j, e);
    if (rc) return rc;
    xoe_fields f = xoe_fields_of(j, "", e);
    if (!xoe_field_text(&f, "text", XOE_TEXT_BYTES_MAX, &out->text, &out->n))
        xoe_fields_fail(&f, XOE_EINVAL, "text", "text is required");
    else if (!out->n) xoe_fields_fail(&f, XOE_EINVAL, "text", "text must not be empty");
    xoe_field_text(&f, "model", 256, &out->model, NULL);
    xoe_field_num(&f, "threshold", 0, 1, &out->threshold);
    xoe_field_num(&f, "fpr", 1e-15, 0.5, &out->fpr);
    xoe_field_bool(&f, "spans", &out->spans);
    xoe_field_bool(&f, "tokens", &out->tokens);
    parse_key_ids(&f, out);
    return f.rc;
}

/* The p-value of the better of two tries. */
static void correct(xoe_verdict *v, double fpr, double tries)
{
    v->log10_p = fmin(0, v->log10_p + log10(tries));
    v->p_value = fmin(1, v->p_value * tries);
    v->confidence = fpr / (fpr + v->p_value);
    v->detected = v->log10_p <= log10(fpr);
    for (size_t i = 0; i < v->n_spans; i++)
        v->spans[i].log10_p = fmin(0, v->spans[i].log10_p + log10(tries));
}

static bool same_vocabulary(const xoe_engine *a, const xoe_engine *b)
{
    xoe_engine_info ia, ib;
    char ba[64], bb[64];
    xoe_engine_get_info(a, &ia);
    xoe_engine_get_info(b, &ib);
    if (ia.n_vocab != ib.n_vocab) return false;
    for (int32_t id = 0; id < ia.n_vocab; id += 997) {
        size_t na = xoe_engine_token_bytes(a, id, true, ba, sizeof ba);
        size_t nb = xoe_engine_token_bytes(b, id, true, bb, sizeof bb);
        if (na != nb || memcmp(ba, bb, na < sizeof ba ? na : sizeof ba)) return false;
    }
    return true;
}

/* Both verdicts as one; what is not kept is cleared. True: the second is the better one. */
static bool keep_better(xoe_text_verdict *out, xoe_text_verdict *second, double fpr)
{
    bool better = second->v.log10_p < out->v.log10_p;
    if (better) {
        xoe_text_verdict_clear(out);
        *out = *second;
    } else {
        xoe_text_verdict_clear(second);
    }
    correct(&out->v, fpr, 2);
    for (size_t i = 0; i < out->v.n_spans && out->spans; i++)
        out->spans[i].log10_p = fmin(0, out->spans[i].log10_p + log10(2));
    return better;
}

/* model: [XOE_MODEL_NAME_MAX] whose vocabulary gave the verdict. */
static xoe_err detect(xoe_server *s, const ask_detect *ask, xoe_text_verdict *out, char *model, xoe_error *e)
{
    xoe_text_detect_opts opts = {.fpr = ask->fpr, .spans = ask->spans, .tokens = ask->tokens,
        .key_ids = ask->n_key_ids ? ask->key_ids : NULL, .n_key_ids = ask->n_key_ids};
    xoe_engine *en = NULL, *other = NULL;
    xoe_engine_info info;
    xoe_text_verdict second = {0};
    xoe_err rc = xoe_app_model(s->app, ask->model, false, &en, e);
    if (rc) return rc;
    rc = xoe_detect_text(en, s->app->keyring, ask->text, ask->n, &opts, out, e);
    xoe_engine_get_info(en, &info);
    if (!rc && !ask->model && !xoe_app_paraphrase_tokenizer(s->app, &other, NULL) && other != en &&
        !same_vocabulary(en, other)) {
        rc = xoe_detect_text(other, s->app->keyring, ask->text, ask->n, &opts, &second, e);
        if (rc) xoe_text_verdict_clear(out);
        else if (keep_better(out, &second, ask->fpr)) xoe_engine_get_info(other, &info);
    }
    snprintf(model, XOE_MODEL_NAME_MAX, "%s", info.name);
    xoe_app_release(s->app, en);
    return rc;
}

void xoe_detect_handler(xoe_http_req *r, void *ud)
{
    xoe_server *s = ud;
    size_t n;
    const char *body = xoe_http_body(r, &n);
    char model[XOE_MODEL_NAME_MAX] = "";
    xoe_error e = XOE_ERROR_INIT;
    ask_detect ask;
    xoe_text_verdict v = {0};
    xoe_err rc = parse(xoe_http_arena(r), body, n, s->config->fpr, &ask, &e);
    if (!rc) rc = detect(s, &ask, &v, model, &e);
    if (rc) {
        xoe_reply_error(r, &e);
        return;
    }
    xoe_metric_add(XOE_M_DETECTIONS, 1);
    char *text = xoe_text_verdict_json(&v, ask.tokens);
    json_t *j = text ? json_loads(text, 0, NULL) : NULL;
    if (j) {
        json_object_set_new(j, "detected", json_boolean(v.v.confidence >= ask.threshold));
        json_object_set_new(j, "threshold", json_real(ask.threshold));
        json_object_set_new(j, "model", json_string(model));
    }
    xoe_free(text);
    xoe_text_verdict_clear(&v);
    xoe_reply_json(r, 200, j);
}
