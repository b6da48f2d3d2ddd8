/* A mark lives in the tokens of the model that wrote it. The chat model and the paraphraser may have
 * different vocabularies; a text is then read in both, and the better p-value is doubled (Bonferroni:
 * the two readings are of one text, so not independent). */
#include "flow/app_detect.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void xoe_verdict_correct(xoe_text_verdict *t, double fpr, double tries)
{
    xoe_verdict *v = &t->v;
    v->log10_p = fmin(0, v->log10_p + log10(tries));
    v->p_value = fmin(1, v->p_value * tries);
    v->confidence = fpr / (fpr + v->p_value);
    v->detected = v->log10_p <= log10(fpr);
    for (size_t i = 0; i < v->n_spans; i++) {
        if (v->spans) v->spans[i].log10_p = fmin(0, v->spans[i].log10_p + log10(tries));
        if (t->spans) t->spans[i].log10_p = fmin(0, t->spans[i].log10_p + log10(tries));
    }
}

/* Same size and the same bytes at places spread over it. */
static bool same_vocabulary(const xoe_engine *a, const xoe_engine *b)
{
    enum { STRIDE = 997 };
    xoe_engine_info ia, ib;
    char ba[64], bb[64];
    xoe_engine_get_info(a, &ia);
    xoe_engine_get_info(b, &ib);
    if (ia.n_vocab != ib.n_vocab) return false;
    for (int32_t id = 0; id < ia.n_vocab; id += STRIDE) {
        size_t na = xoe_engine_token_bytes(a, id, true, ba, sizeof ba);
        size_t nb = xoe_engine_token_bytes(b, id, true, bb, sizeof bb);
        if (na != nb || memcmp(ba, bb, na < sizeof ba ? na : sizeof ba)) return false;
    }
    return true;
}

static void name_of(const xoe_engine *en, char *out)
{
    xoe_engine_info info;
    xoe_engine_get_info(en, &info);
    snprintf(out, XOE_MODEL_NAME_MAX, "%s", info.name);
}

/* The paraphraser's reading beside the first one; the better of both stays in out. */
static xoe_err second_reading(xoe_app *app, xoe_engine *en, const char *text, size_t n,
                              const xoe_text_detect_opts *opts, xoe_text_verdict *out, char *model_out, xoe_error *e)
{
    double fpr = opts->fpr > 0 ? opts->fpr : 1e-3;
    xoe_text_verdict second = {0};
    xoe_text_detect_opts o = *opts;
    o.weights = false; /* of this one only the vocabulary may be there */
    xoe_err rc = xoe_detect_text(en, app->keyring, text, n, &o, &second, e);
    if (rc) {
        xoe_text_verdict_clear(out);
        return rc;
    }
    if (second.v.log10_p < out->v.log10_p) {
        xoe_text_verdict_clear(out);
        *out = second;
        name_of(en, model_out);
    } else {
        xoe_text_verdict_clear(&second);
    }
    xoe_verdict_correct(out, fpr, 2);
    return XOE_OK;
}

/* The stored calibration, and whether it is of a detection like this one. */
static xoe_err tell_calibration(xoe_app *app, const xoe_text_detect_opts *opts, xoe_text_verdict *v, xoe_error *e)
{
    char keys[65];
    size_t n_keys;
    if (opts->scheme) return XOE_OK; /* it is of the keyring */
    xoe_calibration_load(&v->calibration, app->config->data);
    if (!v->calibration.made_ms) return XOE_OK;
    xoe_err rc = xoe_calibration_keys(app->keyring, opts->key_ids, opts->n_key_ids, keys, &n_keys, e);
    if (rc == XOE_OK) xoe_calibration_compare(&v->calibration, keys, v->vocabularies);
    return rc;
}

xoe_err xoe_app_detect(xoe_app *app, const char *model, const char *text, size_t n,
                       const xoe_text_detect_opts *opts, xoe_text_verdict *out, char *model_out, xoe_error *e)
{
    xoe_engine *en = NULL, *other = NULL;
    char vocabularies[XOE_VOCABULARIES_MAX];
    bool every = (!model || !*model) && !opts->scheme;
    xoe_err rc = xoe_app_model(app, model, false, &en, e);
    if (rc) return rc;
    name_of(en, model_out);
    snprintf(vocabularies, sizeof vocabularies, "%s", model_out);
    rc = xoe_detect_text(en, app->keyring, text, n, opts, out, e);
    if (!rc && every && !xoe_app_paraphrase_tokenizer(app, &other, NULL) && other != en && !same_vocabulary(en, other)) {
        char name[XOE_MODEL_NAME_MAX];
        name_of(other, name);
        snprintf(vocabularies, sizeof vocabularies, "%s, %s", model_out, name);
        rc = second_reading(app, other, text, n, opts, out, model_out, e);
    }
    xoe_app_release(app, en);
    if (rc) return rc;
    memcpy(out->vocabularies, vocabularies, sizeof vocabularies);
    rc = tell_calibration(app, opts, out, e);
    if (rc) xoe_text_verdict_clear(out);
    return rc;
}
