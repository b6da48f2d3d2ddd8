/* What an answer says about its mark: the fields of Xoe's completion contract, taken from the first
 * choice at the top level and from each choice in its own "watermark" object. */
#include <math.h>
#include <stdio.h>

#include "serve/openai_answer.h"

double xoe_answer_signal(const xoe_choice *c)
{
    return c->is_watermarked && c->log10_p < 0 ? -c->log10_p : 0;
}

static json_t *real_or_null(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

json_t *xoe_answer_chunks(const xoe_rephrase_result *r)
{
    json_t *a = json_array();
    for (size_t i = 0; i < r->n_chunks; i++) {
        const xoe_chunk_report *c = &r->chunks[i];
        json_array_append_new(a, json_pack("{s:s, s:s, s:s, s:o, s:[I,I], s:[I,I], s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:i, s:f, s:f}", "outcome",
            xoe_chunk_outcome_name(c->outcome), "reason", c->reason ? c->reason : "", "method", c->method ? c->method : "",
            "meaning_score", real_or_null(c->meaning), "source_bytes",
            (json_int_t)c->source_first, (json_int_t)c->source_end, "result_bytes", (json_int_t)c->out_first,
            (json_int_t)c->out_end, "similarity", real_or_null(c->similarity), "length_ratio",
            real_or_null(c->length_ratio), "log10_p", real_or_null(c->log10_p), "copied", real_or_null(c->copied),
            "quality", real_or_null(c->quality), "perplexity_change", real_or_null(xoe_chunk_perplexity_change(c)), "blended", (int)c->blended, "tries", c->tries,
            "ms", c->ms, "check_ms", c->check_ms));
    }
    return a;
}

static json_t *timings(const xoe_completion_result *r, size_t n)
{
    double queued = 0, prompt = 0, predicted = 0, mark = 0, rephrase = 0, total = 0;
    int tokens = 0;
    for (size_t i = 0; i < n; i++) {
        queued += r[i].queued_ms;
        prompt += r[i].prompt_ms;
        predicted += r[i].predicted_ms;
        mark += r[i].mark_ms;
        total += r[i].total_ms;
        tokens += r[i].completion_tokens;
        for (int k = 0; k < r[i].n; k++)
            rephrase += r[i].choices[k].rephrase.ms;
    }
    return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "queued_ms", queued, "prompt_ms", prompt,
                     "first_token_ms", n ? r[0].first_token_ms : 0.0, "predicted_ms", predicted, "mark_ms", mark, "rephrase_ms", rephrase,
                     "total_ms", total, "tokens_per_second", predicted > 0 ? tokens * 1000.0 / predicted : 0.0);
}

static json_t *metadata(const xoe_answer_head *h, const xoe_completion_result *r, size_t n,
                        const xoe_answer_mark *m)
{
    static const char *const modes[] = {"generate", "rephrase", "off"};
    const xoe_choice *c = n && r[0].n ? &r[0].choices[0] : NULL;
    char type[64] = "none";
    if (m->mode != XOE_MARK_OFF) snprintf(type, sizeof type, "%.40s", m->scheme);
    json_t *j = json_pack("{s:s, s:s, s:s, s:s, s:o}", "watermark_type", type, "mode", modes[m->mode], "model",
                          h->model, "key_id", m->mode == XOE_MARK_OFF || !n ? "" : r[0].key_id, "timings",
                          timings(r, n));
    if (c) {
        json_object_set_new(j, "unmarked_reason", json_string(c->unmarked_reason ? c->unmarked_reason : ""));
        json_object_set_new(j, "confidence", real_or_null(c->confidence < 0 ? 0 : c->confidence));
        json_object_set_new(j, "log10_p", real_or_null(c->log10_p));
        if (c->rephrase.n_chunks) json_object_set_new(j, "chunks", xoe_answer_chunks(&c->rephrase));
    }
    int kept = 0, drawn = 0;
    for (size_t i = 0; i < n; i++) {
        kept += r[i].completion_tokens;
        drawn += r[i].drawn_tokens;
    }
    if (m->mode == XOE_MARK_GENERATE && drawn > kept) json_object_set_new(j, "drawn_tokens", json_integer(drawn));
    if (m->expected_factor > 0)
        json_object_set_new(j, "expected_cost", json_pack("{s:f, s:s}", "factor", m->expected_factor, "basis",
                                                          m->factor_basis));
    if (m->warning && *m->warning) json_object_set_new(j, "warning", json_string(m->warning));
    if (m->job) json_object_set_new(j, "watermark_job", json_string(m->job));
    return j;
}

int xoe_answer_add_mark(json_t *answer, const xoe_answer_head *h, const xoe_completion_result *r, size_t n,
                        const xoe_answer_mark *m)
{
    const xoe_choice *c = n && r[0].n ? &r[0].choices[0] : NULL;
    bool marked = c && m->mode != XOE_MARK_OFF && !m->job;
    int rc = json_object_set_new(answer, "original", c ? json_stringn(c->original, c->n_original) : json_null());
    rc |= json_object_set_new(answer, "watermarked", marked ? json_stringn(c->text, c->n) : json_null());
    rc |= json_object_set_new(answer, "watermark_signal", json_real(c ? xoe_answer_signal(c) : 0));
    rc |= json_object_set_new(answer, "is_watermarked", json_boolean(c && c->is_watermarked));
    rc |= json_object_set_new(answer, "metadata", metadata(h, r, n, m));
    return rc ? -1 : 0;
}
