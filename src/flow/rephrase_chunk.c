/* A chunk is given to the paraphraser, several times at once, since a small model seldom says the same: a batch of tries costs
 * hardly more time than one. What would go on copying the source is pressed down in sampling, in each try half as much as in the
 * one before, but for numbers, names and quotations, which must be copied. The tries of a round are judged from the best to the
 * worst, by the mark that their tokens carry under the key (a choice that only the text written here makes, so the detector's null
 * is untouched) and by their likelihood under the unmarked model; the first whose meaning is the source's stays. If there is none,
 * or it mostly copies and so carries little of the mark, another round follows, which is told what went wrong. Under a
 * watermax key each try is itself the best of drafts, piece by piece (flow/drafts.h), and is made alone.
 * Thread: the rephraser's own. */
#include "flow/rephrase_chunk.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "flow/meaning.h"
#include "flow/meaning_model.h"
#include "flow/quoted.h"
#include "flow/rephrase_prompt.h"
#include "flow/rephrase_try.h"

#define COPIED_MAX 0.6
#define AVOID_STRENGTH 1.0f
enum { MARK_ENOUGH = 4 /* −log10 p */, AT_ONCE = 4, MAX_TRIES = 8, BEFORE_MAX = 240 /* bytes */ };

/* The source's tokens, with gaps where copying is right: numbers, words with a capital, quotations, code.
 * Returns NULL without memory. */
static int32_t *to_avoid(const xoe_engine *en, const char *source, size_t n_source, const int32_t *tokens, size_t n)
{
    int32_t *out = xoe_malloc(n * sizeof *out);
    bool gap = false;
    size_t first = 0, quoted_end = 0; /* bytes of the source */
    for (size_t i = 0; out && i < n; i++) {
        char s[64];
        size_t whole = xoe_engine_token_bytes(en, tokens[i], false, s, sizeof s), len = whole < sizeof s ? whole : sizeof s, at = 0;
        bool begins = len == 0 || !isalnum((unsigned char)s[0]); /* a word begins, or none is here */
        while (at + 1 < len && !isalnum((unsigned char)s[at]) && (unsigned char)s[at] < 0x80)
            at++;
        bool strong = len > at && (isdigit((unsigned char)s[at]) || isupper((unsigned char)s[at]));
        gap = strong || (gap && !begins);
        for (size_t k = first < quoted_end ? quoted_end : first; k < first + whole && k < n_source; k++) {
            size_t q = xoe_quoted_at(source + k, n_source - k).n;
            if (q) quoted_end = k + q, k = quoted_end - 1;
        }
        out[i] = gap || first < quoted_end ? XOE_AVOID_GAP : tokens[i];
        first += whole;
    }
    return out;
}

/* The chunk, what stands before it in the result, its tokens, and the best so far. */
struct work {
    const char *source, *before;
    size_t n, n_before;
    int32_t *tokens, *avoid; /* [n_tokens]; avoid: as to_avoid makes it */
    size_t n_tokens;
    uint64_t seed;
    xoe_buf best;
    double best_worth;
};

/* A try that has come to its end, and what it is worth if its meaning is right. */
struct candidate {
    xoe_try t;
    double log10_p, quality, copied, worth;
};

/* The end of the paragraph so far, from a word's beginning. */
static void note_before(struct work *w, const xoe_buf *out)
{
    size_t from = out->len > BEFORE_MAX ? out->len - BEFORE_MAX : 0, end = out->len;
    for (bool cut = from > 0; cut && from < end; from++)
        cut = !isspace((unsigned char)out->data[from]);
    while (end > from && out->data[end - 1] == ' ')
        end--;
    for (size_t i = from; i < end; i++)
        if (out->data[i] == '\n') from = i + 1;
    w->before = end > from ? out->data + from : "";
    w->n_before = end - from;
}

static double strength(const xoe_rephrase_opts *o, const char *s, size_t n)
{
    int32_t *tokens;
    size_t n_tokens;
    xoe_verdict v;
    double log10_p = 0;
    if (xoe_engine_tokenize(o->paraphraser, s, n, false, false, &tokens, &n_tokens, NULL) != XOE_OK) return 0;
    const uint8_t(*key)[XOE_MARK_KEY_BYTES] = (const uint8_t(*)[XOE_MARK_KEY_BYTES])o->key.bytes;
    if (n_tokens && xoe_detect_tokens(&o->key.params, key, 1, tokens, n_tokens, NULL, &v, NULL) == XOE_OK) {
        log10_p = v.log10_p;
        xoe_verdict_clear(&v);
    }
    xoe_tokens_free(tokens);
    return log10_p;
}

/* v->reason is "" when the rewrite is good. */
static xoe_err judge(const xoe_rephrase_opts *o, const char *source, size_t n, const xoe_try *t, xoe_meaning *v, xoe_error *e)
{
    const char *s = t->rewrite;
    size_t m = t->n_rewrite;
    *v = (xoe_meaning){.reason = "", .method = "", .similarity = NAN, .score = NAN};
    if (t->finish == XOE_FINISH_LENGTH)
        v->reason = "the paraphraser did not end";
    else if (memchr(s, '\n', m) && !memchr(source, '\n', n))
        v->reason = "the rewrite has another layout";
    else if (!xoe_utf8_valid(s, m))
        v->reason = "the rewrite is not UTF-8";
    if (*v->reason) return XOE_OK;
    xoe_meaning_opts mo = {.embedder = o->embedder, .model = o->paraphraser, .priority = o->priority, .deadline_mono_ms = o->deadline_mono_ms};
    return xoe_meaning_check(&mo, source, n, s, m, v, e);
}

static void note_verdict(xoe_chunk_report *r, const xoe_meaning *v)
{
    r->reason = v->reason;
    r->method = v->method;
    r->meaning = v->score;
    r->similarity = v->similarity;
}

/* What is kept among good tries: a nat a token more likely is worth as much as the mark at its full. */
static void weigh(const xoe_rephrase_opts *o, const struct work *w, struct candidate *c)
{
    const xoe_try *t = &c->t;
    c->log10_p = strength(o, t->rewrite, t->n_rewrite);
    c->quality = t->n_tokens ? t->log_likelihood / (double)t->n_tokens : 0;
    c->copied = xoe_copied_share(w->source, w->n, t->rewrite, t->n_rewrite);
    c->worth = fmin(-c->log10_p, MARK_ENOUGH) / MARK_ENOUGH + c->quality;
}

/* Start up to `most` tries at once and wait for all; *n: how many there are, to be cleared also after an error. */
static xoe_err make(const xoe_rephrase_opts *o, const struct work *w, int most, const xoe_chunk_report *report, xoe_chunk_usage *usage,
                    struct candidate *c, int *n, xoe_error *e)
{
    float pressure = o->avoid_strength < 0 ? 0 : o->avoid_strength > 0 ? o->avoid_strength : AVOID_STRENGTH;
    struct xoe_try_from from = {.avoid = w->avoid, .n_avoid = w->n_tokens, .max_tokens = (int)(w->n_tokens * 2 + 40)};
    int32_t *prompt = NULL;
    xoe_error own = XOE_ERROR_INIT;
    xoe_err rc = xoe_rephrase_prompt(o->paraphraser, w->before, w->n_before, w->source, w->n, report->reason, &prompt, &from.n_prompt, &own);
    from.prompt = prompt;
    for (*n = 0; *n < most && rc == XOE_OK; ++*n) {
        from.seed = w->seed + (uint64_t)(report->tries + *n);
        from.avoid_strength = ldexpf(pressure, -((report->tries + *n) % AT_ONCE));
        from.patient = *n == 0;
        rc = xoe_try_start(&c[*n].t, o, &from, &own);
    }
    if (rc == XOE_EBUSY) { /* others want their places too: fewer tries then */
        xoe_try_clear(&c[--*n].t);
        rc = XOE_OK;
    } else if (rc != XOE_OK && e && own.code) {
        *e = own;
    }
    for (int i = 0; i < *n && rc == XOE_OK; i++) {
        rc = xoe_try_wait(&c[i].t, o, w->source, e);
        usage->n_prompt_tokens += c[i].t.n_prompt;
        usage->n_predicted_tokens += c[i].t.n_predicted;
        if (rc == XOE_OK) weigh(o, w, &c[i]);
    }
    xoe_tokens_free(prompt);
    return rc;
}

/* Under one key and shift tries that begin alike go on alike: the same text need not be judged twice. */
static void drop_repeated(struct candidate *c, int n)
{
    for (int i = 1; i < n; i++)
        for (int k = 0; k < i; k++)
            if (c[i].t.n_rewrite == c[k].t.n_rewrite && !memcmp(c[i].t.rewrite, c[k].t.rewrite, c[i].t.n_rewrite)) c[i].worth = -INFINITY;
}

static struct candidate *most_worth(struct candidate *c, int n)
{
    struct candidate *best = NULL;
    for (int i = 0; i < n; i++)
        if (isfinite(c[i].worth) && (!best || c[i].worth > best->worth)) best = &c[i];
    return best;
}

static xoe_err keep(struct work *w, const struct candidate *c, const xoe_meaning *v, xoe_chunk_report *report, xoe_error *e)
{
    w->best_worth = c->worth;
    xoe_buf_reset(&w->best);
    note_verdict(report, v);
    report->log10_p = c->log10_p;
    report->quality = c->quality;
    report->copied = c->copied;
    return xoe_buf_add(&w->best, c->t.rewrite, c->t.n_rewrite) ? xoe_error_set(e, XOE_ENOMEM, "no memory for a rewrite") : XOE_OK;
}

/* One round, its best good try into w->best when that is better. *enough: no other is needed. */
static xoe_err do_round(const xoe_rephrase_opts *o, struct work *w, int most, xoe_chunk_report *report, xoe_chunk_usage *usage, bool *enough, xoe_error *e)
{
    struct candidate c[AT_ONCE], *next;
    bool found = w->best.len > 0;
    int n;
    xoe_err rc = make(o, w, most, report, usage, c, &n, e);
    report->tries += n;
    if (rc == XOE_OK) drop_repeated(c, n);
    while (rc == XOE_OK && (next = most_worth(c, n)) && !(w->best.len && next->worth <= w->best_worth)) {
        xoe_meaning v;
        rc = judge(o, w->source, w->n, &next->t, &v, e);
        if (rc != XOE_OK) break;
        report->check_ms += v.ms;
        if (!*v.reason) {
            rc = keep(w, next, &v, report, e);
            *enough = next->copied <= COPIED_MAX;
            break;
        }
        if (!found) note_verdict(report, &v);
        next->worth = -INFINITY;
    }
    for (int i = 0; i < n; i++)
        xoe_try_clear(&c[i].t);
    return rc;
}

/* For the report only: where the engine has no room for it now, it is left out. */
static xoe_err measure(const xoe_rephrase_opts *o, const char *source, size_t n, const char *rewrite, size_t m, xoe_chunk_report *r, xoe_error *e)
{
    xoe_err rc = xoe_text_nll(o->paraphraser, source, n, o->priority, &r->source_nll, e);
    if (rc == XOE_OK) rc = xoe_text_nll(o->paraphraser, rewrite, m, o->priority, &r->rewrite_nll, e);
    return rc == XOE_EBUSY ? XOE_OK : rc;
}

xoe_err xoe_rephrase_chunk(const xoe_rephrase_opts *o, const char *source, size_t n, size_t index, xoe_buf *out, xoe_chunk_report *report,
                           xoe_chunk_usage *usage, xoe_error *e)
{
    int64_t t0 = xoe_clock_mono_ns();
    struct work w = {.source = source, .n = n, .seed = o->seed + index * 16};
    int most = o->max_tries > 0 ? o->max_tries : MAX_TRIES, at_once = xoe_scheme_needs_drafts(o->key.params.scheme) ? 1 : AT_ONCE;
    bool enough = false;
    xoe_buf_init(&w.best, 1 << 20);
    report->outcome = XOE_CHUNK_KEPT_MEANING;
    xoe_err rc = xoe_engine_tokenize(o->paraphraser, source, n, false, false, &w.tokens, &w.n_tokens, e);
    if (rc == XOE_OK && !(w.avoid = to_avoid(o->paraphraser, source, n, w.tokens, w.n_tokens))) rc = xoe_error_set(e, XOE_ENOMEM, "no memory to rephrase");
    note_before(&w, out);
    while (report->tries < most && !enough && rc == XOE_OK)
        rc = do_round(o, &w, most - report->tries < at_once ? most - report->tries : at_once, report, usage, &enough, e);
    if (rc == XOE_OK && w.best.len) {
        report->outcome = XOE_CHUNK_REWRITTEN;
        xoe_buf_add(out, w.best.data, w.best.len);
        report->length_ratio = (double)w.best.len / (double)n;
        if (o->measure) rc = measure(o, source, n, w.best.data, w.best.len, report, e);
    } else if (rc == XOE_OK) {
        xoe_buf_add(out, source, n);
        report->length_ratio = 1;
    }
    if (rc == XOE_OK && out->failed) rc = xoe_error_set(e, XOE_ENOMEM, "no memory for the rewritten text");
    report->ms = (double)(xoe_clock_mono_ns() - t0) * 1e-6;
    xoe_buf_free(&w.best);
    xoe_free(w.avoid);
    xoe_tokens_free(w.tokens);
    return rc;
}
