/* POST /v1/detect-watermark: whose mark a text carries, and how sure that is. The route is authenticated
 * and rate-limited by the transport, because scores are an oracle for whoever wants to spoof or scrub.
 */
#include "base/mem.h"
#include "flow/app_detect.h"
#include "ops/metrics.h"
#include "serve/json_in.h"
#include "serve/openai_handlers.h"

enum { KEY_IDS_MAX = 64 };

typedef struct ask_detect {
    const char *text, *model;
    size_t n;
    double threshold, fpr;
    bool spans, tokens, weights;
    xoe_mark_test test;
    const char *key_ids[KEY_IDS_MAX];
    size_t n_key_ids;
    bool has_scheme;
    xoe_named_scheme scheme;
} ask_detect;

/* A string as it is, a number or list as its JSON text; NULL: of another type. */
static const char *text_of(xoe_arena *a, const json_t *v)
{
    if (json_is_string(v)) return json_string_value(v);
    return json_is_number(v) || json_is_array(v) ? xoe_json_text(a, v) : NULL;
}

static void parse_scheme(xoe_arena *a, xoe_fields *f, ask_detect *out)
{
    const json_t *o = xoe_field_object(f, "scheme");
    const char *name = NULL;
    if (!o) return;
    xoe_fields sub = xoe_fields_of(o, "scheme.", f->e);
    if (!xoe_field_text(&sub, "name", 64, &name, NULL)) xoe_fields_fail(&sub, XOE_EINVAL, "name", "scheme.name is required");
    if (!sub.rc) sub.rc = xoe_named_scheme_start(&out->scheme, name, f->e);
    for (unsigned i = 0; i < XOE_NAMED_N_FIELDS && !sub.rc; i++) {
        const char *field = xoe_named_field_name((xoe_named_field)i);
        const json_t *v = xoe_field_any(&sub, field);
        const char *text = v ? text_of(a, v) : NULL;
        if (v && !text) xoe_fields_fail(&sub, XOE_EINVAL, field, "scheme.%s must be a string or a number", field);
        else if (v) sub.rc = xoe_named_scheme_set(&out->scheme, (xoe_named_field)i, text, f->e);
    }
    f->rc = sub.rc;
    out->has_scheme = !f->rc;
    if (out->has_scheme && out->n_key_ids)
        xoe_fields_fail(f, XOE_EINVAL, "key_ids", "key_ids name keys of the keyring; with scheme the key is in scheme.key");
}

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

static void parse_test(xoe_fields *f, ask_detect *out)
{
    const char *name;
    if (!xoe_field_choice(f, "test", "sum|gof|both", &name)) return;
    out->test = *name == 's' ? XOE_TEST_SUM : *name == 'g' ? XOE_TEST_GOF : XOE_TEST_BOTH;
}

static xoe_err parse(xoe_arena *a, const char *body, size_t n, double default_fpr, ask_detect *out, xoe_error *e)
{
    json_t *j;
    *out = (ask_detect){.threshold = 0.5, .fpr = default_fpr, .spans = true};
    xoe_err rc = xoe_json_body(a, body, n, &j, e);
    if (rc) return rc;
    xoe_fields f = xoe_fields_of(j, "", e);
    xoe_field_needed_text(&f, "text", XOE_TEXT_BYTES_MAX, &out->text, &out->n);
    xoe_field_text(&f, "model", 256, &out->model, NULL);
    xoe_field_num(&f, "threshold", 0, 1, &out->threshold);
    xoe_field_num(&f, "fpr", 1e-15, 0.5, &out->fpr);
    xoe_field_bool(&f, "spans", &out->spans);
    xoe_field_bool(&f, "tokens", &out->tokens);
    xoe_field_bool(&f, "weights", &out->weights);
    parse_test(&f, out);
    parse_key_ids(&f, out);
    parse_scheme(a, &f, out);
    return f.rc;
}

void xoe_detect_handler(xoe_http_req *r, void *ud)
{
    xoe_server *s = ud;
    size_t n;
    const char *body = xoe_http_body(r, &n);
    char model[XOE_MODEL_NAME_MAX];
    xoe_error e = XOE_ERROR_INIT;
    ask_detect ask;
    xoe_text_verdict v = {0};
    xoe_err rc = parse(xoe_http_arena(r), body, n, s->config->fpr, &ask, &e);
    xoe_text_detect_opts opts = {.fpr = ask.fpr, .spans = ask.spans, .tokens = ask.tokens, .weights = ask.weights, .test = ask.test,
        .key_ids = ask.n_key_ids ? ask.key_ids : NULL, .n_key_ids = ask.n_key_ids,
        .scheme = ask.has_scheme ? &ask.scheme : NULL};
    if (!rc) rc = xoe_app_detect(s->app, ask.model, ask.text, ask.n, &opts, &v, model, &e);
    xoe_named_scheme_wipe(&ask.scheme);
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
