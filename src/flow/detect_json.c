/* A verdict as JSON: POST /v1/detect-watermark and `xoe detect --json`. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "flow/detect.h"

static json_t *number_or_null(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

static const char *note(const xoe_text_verdict *v, const char **verdict)
{
    if (v->v.detected) {
        *verdict = "marked";
        return "the text carries the mark of this key: by chance alone a text scores like this with probability p_value";
    }
    if (!v->v.can_carry) {
        *verdict = "cannot_carry";
        return "too little to judge: the text is too short or repeats itself too much to carry a mark that could be found";
    }
    *verdict = "not_marked";
    return "no mark of the keys looked for was found; text written with low entropy, at temperature 0 or edited heavily can "
           "lose its mark, so this is not proof that a person wrote it";
}

char *xoe_text_verdict_json(const xoe_text_verdict *v, bool with_tokens)
{
    const char *verdict, *why = note(v, &verdict);
    json_t *spans = json_array(), *tokens;
    for (size_t i = 0; v->spans && i < v->v.n_spans; i++)
        json_array_append_new(spans, json_pack("{s:I, s:I, s:f}", "start", (json_int_t)v->spans[i].first_char, "end", (json_int_t)v->spans[i].end_char,
                                               "log10_p", v->spans[i].log10_p));
    json_t *j = json_pack("{s:b, s:s, s:f, s:f, s:f, s:o, s:o, s:I, s:I, s:o, s:o, s:s, s:f, s:s, s:o}", "detected", v->v.detected, "verdict", verdict,
                          "confidence", v->v.confidence, "p_value", v->v.p_value, "log10_p", v->v.log10_p, "score", number_or_null(v->v.score),
                          "green_fraction", number_or_null(v->v.green_fraction), "n_tokens", (json_int_t)v->v.n_tokens, "n_scored",
                          (json_int_t)v->v.n_scored, "spans", spans, "key_id", *v->key_id ? json_string(v->key_id) : json_null(), "method", v->method, "fpr", v->fpr, "note", why,
                          "weak_key_note", v->v.weak_key_note ? json_string(v->v.weak_key_note) : json_null());
    if (!j) return NULL;
    json_object_set_new(j, "weighted", json_boolean(v->weighted));
    json_object_set_new(j, "calibration", xoe_calibration_json(&v->calibration));
    if (with_tokens) {
        tokens = json_array();
        for (size_t i = 0; i < v->n_tokens; i++)
            json_array_append_new(tokens, json_pack("{s:I, s:I, s:o}", "start", (json_int_t)v->tokens[i].first_char, "end",
                                                    (json_int_t)v->tokens[i].end_char, "score", number_or_null((double)v->tokens[i].score)));
        json_object_set_new(j, "tokens", tokens);
    }
    char *text = json_dumps(j, JSON_COMPACT), *copy = text ? xoe_strdup(text) : NULL;
    free(text);
    json_decref(j);
    return copy;
}
