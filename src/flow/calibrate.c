/* Each passage is one test of the null hypothesis "this text does not depend on our keys". Under it a share of
 * at most fpr of the passages has p ≤ fpr; more than that, beyond chance, means that the corpus holds marked
 * text or that the detector is wrong. Passages of one corpus are tests of different PRF values, so their counts
 * are binomial. Thread: any. */
#include "flow/calibrate.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "flow/app_detect.h"
#include "xoe/version.h"

typedef struct run {
    xoe_app *app;
    const xoe_calibrate_opts *o;
    xoe_text_detect_opts detect;
    xoe_calibration *out;
    size_t n_alarms[XOE_CALIBRATION_LEVELS];
} run;

static xoe_err one_passage(void *ud, const char *text, size_t n, xoe_error *e)
{
    run *r = ud;
    xoe_text_verdict v;
    char model[XOE_MODEL_NAME_MAX];
    xoe_err rc = xoe_app_detect(r->app, NULL, text, n, &r->detect, &v, model, e);
    if (rc != XOE_OK) return rc;
    for (int i = 0; i < XOE_CALIBRATION_LEVELS; i++)
        r->n_alarms[i] += v.v.log10_p <= log10(r->out->level[i].fpr);
    r->out->n_too_short += !v.v.can_carry && !v.v.detected;
    memcpy(r->out->vocabularies, v.vocabularies, sizeof v.vocabularies);
    xoe_text_verdict_clear(&v);
    return XOE_OK;
}

static void progress(void *ud, const xoe_corpus_stats *so_far, unsigned long long n_bytes_in_all)
{
    const run *r = ud;
    if (r->o->on_progress) r->o->on_progress(r->o->ud, so_far->n_bytes, n_bytes_in_all);
}

xoe_err xoe_calibrate(xoe_app *app, const xoe_calibrate_opts *o, xoe_calibration *out, xoe_error *e)
{
    size_t words = o->words ? o->words : XOE_CALIBRATE_WORDS;
    run r = {.app = app, .o = o, .detect = {.spans = true}, .out = out};
    if (o->key_id) {
        r.detect.key_ids = &o->key_id;
        r.detect.n_key_ids = 1;
    }
    *out = (xoe_calibration){.words = words, .made_ms = xoe_clock_wall_ms()};
    snprintf(out->version, sizeof out->version, "%s", xoe_version());
    xoe_calibration_levels(out, r.n_alarms); /* the nominal rates */
    xoe_err rc = xoe_calibration_keys(app->keyring, r.detect.key_ids, r.detect.n_key_ids, out->keys, &out->n_keys, e);
    const xoe_corpus_visitor v = {one_passage, progress, &r};
    if (rc == XOE_OK) rc = xoe_corpus_walk(o->folder, words, &v, &out->corpus, e);
    if (rc == XOE_OK && !out->corpus.n_passages)
        rc = xoe_error_set(e, XOE_EINVAL, "no file of the corpus has a passage of %zu words; take shorter ones or longer texts", words / 2);
    if (rc == XOE_OK) xoe_calibration_levels(out, r.n_alarms);
    return rc;
}
