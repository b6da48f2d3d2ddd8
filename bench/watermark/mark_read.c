/* Verdicts for bench/watermark: texts in, verdicts out, both a JSON object a line.
 *
 * A question: key (id in DATA/keys.json), and text (read as `xoe detect` reads it) or tokens, with weights
 * ([n_tokens], optional); scored: cut the tokens behind this many scored ones; spans: look for marked spans;
 * model: read the text with the model too; scores: give each token's. The verdict: log10_p, score, n_tokens, n_scored, detected, spans
 * [[first_char, end_char, log10_p], …] of texts. Usage: bench_mark_read MODEL.gguf DATA < questions > verdicts
 *
 * Threads: one. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "flow/detect.h"

enum { TOKENS_MAX = 1 << 16 };

static xoe_engine *en, *reader; /* the vocabulary alone; with weights, opened when first asked for */
static const char *model_path;
static xoe_keyring *ring;

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_mark_read: %s: %s\n", what, why);
    exit(1);
}

static json_t *verdict_json(const xoe_verdict *v, const xoe_text_span *spans)
{
    json_t *found = json_array();
    for (size_t i = 0; spans && i < v->n_spans; i++)
        json_array_append_new(found, json_pack("[I, I, f]", (json_int_t)spans[i].first_char, (json_int_t)spans[i].end_char,
                                               spans[i].log10_p));
    return json_pack("{s:f, s:f, s:I, s:I, s:b, s:o}", "log10_p", v->log10_p, "score", isfinite(v->score) ? v->score : 0, "n_tokens",
                     (json_int_t)v->n_tokens, "n_scored", (json_int_t)v->n_scored, "detected", v->detected, "spans", found);
}

static xoe_engine *with_weights(void)
{
    xoe_engine_opts o = XOE_ENGINE_OPTS_INIT;
    xoe_error e = XOE_ERROR_INIT;
    o.path = model_path;
    o.n_slots = 1;
    if (!reader && xoe_engine_open(&reader, &o, &e) != XOE_OK) die(model_path, e.msg);
    return reader;
}

static json_t *read_text(const json_t *q, const char *key)
{
    const json_t *text = json_object_get(q, "text");
    xoe_text_detect_opts o = {.spans = json_is_true(json_object_get(q, "spans")), .key_ids = &key, .n_key_ids = 1};
    xoe_text_verdict v;
    xoe_error e = XOE_ERROR_INIT;
    o.weights = json_is_true(json_object_get(q, "model"));
    if (xoe_detect_text(o.weights ? with_weights() : en, ring, json_string_value(text), json_string_length(text), &o, &v, &e) != XOE_OK) die("detect", e.msg);
    json_t *out = verdict_json(&v.v, v.spans);
    xoe_text_verdict_clear(&v);
    return out;
}

static void detect(const xoe_key *key, const int32_t *tokens, size_t n, const double *weights, xoe_verdict *v)
{
    xoe_error e = XOE_ERROR_INIT;
    xoe_detect_opts o = {.weights = weights};
    if (xoe_detect_tokens(&key->params, (const uint8_t(*)[XOE_MARK_KEY_BYTES])&key->bytes, 1, tokens, n, &o, v, &e) != XOE_OK) die("detect", e.msg);
}

static json_t *read_tokens(const json_t *q, const char *key_id)
{
    static int32_t tokens[TOKENS_MAX];
    static double weights[TOKENS_MAX];
    const json_t *given = json_object_get(q, "tokens"), *w = json_object_get(q, "weights"), *item;
    size_t n = json_array_size(given), most = (size_t)json_integer_value(json_object_get(q, "scored")), i;
    xoe_error e = XOE_ERROR_INIT;
    xoe_key key;
    xoe_verdict v;
    if (n > TOKENS_MAX || (w && json_array_size(w) != n)) die("tokens", "too many, or not as many weights");
    if (xoe_keyring_get(ring, key_id, &key, &e) != XOE_OK) die(key_id, e.msg);
    json_array_foreach(given, i, item) tokens[i] = (int32_t)json_integer_value(item);
    if (w) json_array_foreach(w, i, item) weights[i] = json_number_value(item);
    detect(&key, tokens, n, w ? weights : NULL, &v);
    json_t *scores = json_array();
    for (i = 0; i < n; i++)
        json_array_append_new(scores, isnan(v.token_scores[i]) ? json_null() : json_real((double)v.token_scores[i]));
    if (most && v.n_scored > most) {
        size_t seen = 0;
        for (i = 0; seen < most; i++)
            if (!isnan(v.token_scores[i])) seen++;
        xoe_verdict_clear(&v);
        detect(&key, tokens, i, w ? weights : NULL, &v);
    }
    json_t *out = verdict_json(&v, NULL);
    if (json_is_true(json_object_get(q, "scores")))
        json_object_set_new(out, "scores", scores);
    else
        json_decref(scores);
    xoe_verdict_clear(&v);
    return out;
}

int main(int argc, char **argv)
{
    xoe_engine_opts o = XOE_ENGINE_OPTS_INIT;
    xoe_error e = XOE_ERROR_INIT;
    char *line = NULL;
    size_t cap = 0;
    if (argc != 3) die("usage", "bench_mark_read MODEL.gguf DATA < questions > verdicts");
    o.path = model_path = argv[1];
    o.vocab_only = true;
    if (xoe_engine_open(&en, &o, &e) != XOE_OK) die(argv[1], e.msg);
    if (xoe_keyring_open(&ring, argv[2], &e) != XOE_OK) die(argv[2], e.msg);
    setvbuf(stdout, NULL, _IOLBF, 0); /* whoever stops this program keeps whole lines */
    while (getline(&line, &cap, stdin) > 0) {
        json_t *q = json_loads(line, 0, NULL);
        const char *key = json_string_value(json_object_get(q, "key"));
        if (!key) die("a question has no key", line);
        json_t *out = json_object_get(q, "text") ? read_text(q, key) : read_tokens(q, key);
        if (json_dumpf(out, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9)) || putchar('\n') == EOF) die("output", "cannot write");
        json_decref(out);
        json_decref(q);
    }
    free(line);
    xoe_keyring_close(ring);
    xoe_engine_close(reader);
    xoe_engine_close(en);
    return fflush(stdout) ? 1 : 0;
}
