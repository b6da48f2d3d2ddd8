/* A chunk is given to the paraphraser, several times at once, since a small model seldom says the same: a batch of tries costs
 * hardly more time than one. Every other try is drawn with the mark, the others freely, for variety. What would go on copying the source is pressed
 * down in sampling, in each try half as much as in the one before, but for numbers, names and quotations, which must be copied. They
 * are judged by mark and likelihood, the best first; of one that is refused, parts of its edits are judged, since most of them are right. What is
 * right is put together into the text that scores most under the key (flow/rephrase_pool.h; a choice that only the text written here makes, so the
 * detector's null is untouched), judged again as a whole. Rounds follow, told what went wrong where nothing was right, until the chunk carries its
 * share of a mark that can be found. Under a watermax key each try is itself the best of drafts, piece by piece
 * (flow/drafts.h), and is made alone. Thread: the rephraser's own. */
#include "flow/rephrase_chunk.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "flow/meaning.h"
#include "flow/meaning_model.h"
#include "flow/quoted.h"
#include "flow/rephrase_pool.h"
#include "flow/rephrase_prompt.h"
#include "flow/rephrase_try.h"

#define AVOID_STRENGTH 1.0f
#define QUALITY_LOSS 0.2 /* nats a token */
#define GAIN_FULL 20.0   /* score over chance */
#define GAIN_A_TOKEN 0.3 /* what a chunk should carry: 200 tokens with so much are found at 1e-4 */
enum { AT_ONCE = 4, MAX_TRIES = 12, MAX_TRIES_MAX = 16, CHECKS_MAX = 8 /* a round */, BEFORE_MAX = 240 /* bytes */ };

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

/* The chunk, what stands before it in the result, its tokens, and what came of it so far. */
struct work {
    const xoe_rephrase_opts *o;
    const char *source, *before;
    size_t n, n_before;
    int32_t *tokens, *avoid; /* [n_tokens]; avoid: as to_avoid makes it */
    size_t n_tokens;
    uint64_t seed;
    xoe_marker *marker;
    int32_t *settled;        /* [n_settled], and room for a chunk: the tokens of the result so far */
    size_t n_settled, cap_settled;
    char gap[16];            /* white space that the result ends with */
    xoe_pool pool;           /* what was found right */
    xoe_buf best;            /* what stays; empty: none yet */
    double best_gain;
    int n_checks;            /* in this round */
    int64_t until_mono_ms;   /* then its share of the time is over; 0: there is no end */
};

/* A try that has come to its end. */
struct candidate {
    const char *text;
    size_t n;
    bool ended, good;
    double gain, quality;
    xoe_meaning verdict;
};

struct round {
    xoe_try tries[AT_ONCE];
    struct candidate c[AT_ONCE]; /* [n] the different ones of them */
    int n_tries, n;
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

/* By how much the tokens of this text, after those of the result so far, score over chance under the writer's own shift. */
static double gain_of(const char *s, size_t n, void *ud)
{
    struct work *w = ud;
    xoe_buf text;
    int32_t *tokens = NULL;
    size_t n_tokens = 0;
    double gain = 0;
    xoe_buf_init(&text, 1 << 20);
    xoe_buf_puts(&text, w->gap);
    if (!xoe_buf_add(&text, s, n) && xoe_engine_tokenize(w->o->paraphraser, text.data, text.len, false, false, &tokens, &n_tokens, NULL) == XOE_OK &&
        w->n_settled + n_tokens <= w->cap_settled) {
        memcpy(w->settled + w->n_settled, tokens, n_tokens * sizeof *tokens);
        if (xoe_marker_draft_gain(w->marker, w->settled, w->n_settled, n_tokens, &gain, NULL, NULL) != XOE_OK) gain = 0;
    }
    xoe_tokens_free(tokens);
    xoe_buf_free(&text);
    return gain;
}

/* Fills in c->verdict and c->good. */
static xoe_err judge(struct work *w, struct candidate *c, xoe_chunk_report *report, xoe_error *e)
{
    const xoe_rephrase_opts *o = w->o;
    xoe_meaning *v = &c->verdict;
    xoe_err rc = XOE_OK;
    *v = (xoe_meaning){.reason = "", .method = "", .similarity = NAN, .score = NAN};
    if (!c->ended)
        v->reason = "the paraphraser did not end";
    else if (memchr(c->text, '\n', c->n) && !memchr(w->source, '\n', w->n))
        v->reason = "the rewrite has another layout";
    else if (!xoe_utf8_valid(c->text, c->n))
        v->reason = "the rewrite is not UTF-8";
    if (!*v->reason) {
        xoe_meaning_opts mo = {.embedder = o->embedder, .model = o->judge, .priority = o->priority, .deadline_mono_ms = o->deadline_mono_ms};
        rc = xoe_meaning_check(&mo, w->source, w->n, c->text, c->n, v, e);
        report->check_ms += v->ms;
        w->n_checks += !isnan(v->score); /* words are quickly looked at */
    }
    c->good = rc == XOE_OK && !*v->reason;
    return rc;
}

static void note_verdict(xoe_chunk_report *r, const xoe_meaning *v)
{
    r->reason = v->reason;
    r->method = v->method;
    r->meaning = v->score;
    r->similarity = v->similarity;
}

/* Under a key that drafts carry a try is as much work as several, and made alone. */
static int at_once(const xoe_rephrase_opts *o)
{
    return xoe_scheme_needs_drafts(o->key.params.scheme) ? 1 : AT_ONCE;
}

/* Start up to `most` tries at once and wait for all; r->n_tries: how many there are, to be cleared also after an error. */
static xoe_err make(struct work *w, int most, const xoe_chunk_report *report, xoe_chunk_usage *usage, struct round *r, xoe_error *e)
{
    const xoe_rephrase_opts *o = w->o;
    float pressure = o->avoid_strength < 0 ? 0 : o->avoid_strength > 0 ? o->avoid_strength : AVOID_STRENGTH;
    struct xoe_try_from from = {.avoid = w->avoid, .n_avoid = w->n_tokens, .max_tokens = (int)(w->n_tokens * 2 + 40)};
    int32_t *prompt = NULL;
    xoe_error own = XOE_ERROR_INIT;
    xoe_err rc = xoe_rephrase_prompt(o->paraphraser, w->before, w->n_before, w->source, w->n, report->reason, &prompt, &from.n_prompt, &own);
    from.prompt = prompt;
    for (r->n_tries = 0; r->n_tries < most && rc == XOE_OK; r->n_tries++) {
        from.seed = w->seed + (uint64_t)(report->tries + r->n_tries);
        from.avoid_strength = ldexpf(pressure, -((report->tries + r->n_tries) % AT_ONCE));
        from.marked = at_once(o) == 1 || r->n_tries % 2 == 0;
        from.patient = r->n_tries == 0;
        rc = xoe_try_start(&r->tries[r->n_tries], o, &from, &own);
    }
    if (rc == XOE_EBUSY) { /* others want their places too: fewer tries then */
        xoe_try_clear(&r->tries[--r->n_tries]);
        rc = XOE_OK;
    } else if (rc != XOE_OK && e && own.code) {
        *e = own;
    }
    for (int i = 0; i < r->n_tries && rc == XOE_OK; i++) {
        rc = xoe_try_wait(&r->tries[i], o, w->source, e);
        usage->n_prompt_tokens += r->tries[i].n_prompt;
        usage->n_predicted_tokens += r->tries[i].n_predicted;
    }
    xoe_tokens_free(prompt);
    return rc;
}

/* A copy of the source carries nothing. Under one key and shift tries that begin alike go on alike: the same text need not be judged twice. */
static bool repeated(const struct work *w, const struct round *r, const char *s, size_t n)
{
    if ((n == w->n && !memcmp(s, w->source, n)) || xoe_pool_has(&w->pool, s, n)) return true;
    for (int i = 0; i < r->n; i++)
        if (n == r->c[i].n && !memcmp(s, r->c[i].text, n)) return true;
    return false;
}

/* A different one becomes a candidate. */
static void weigh(struct work *w, struct round *r, const xoe_try *t)
{
    if (repeated(w, r, t->rewrite, t->n_rewrite)) return;
    struct candidate *c = &r->c[r->n];
    *c = (struct candidate){.text = t->rewrite, .n = t->n_rewrite, .ended = t->finish == XOE_FINISH_STOP,
                            .gain = gain_of(t->rewrite, t->n_rewrite, w), .quality = t->n_tokens ? t->log_likelihood / (double)t->n_tokens : 0};
    if (w->o->on_try) {
        xoe_try_report report = {.source = w->source, .n_source = w->n, .before = w->before, .n_before = w->n_before, .rewrite = c->text,
                                 .n_rewrite = c->n, .ended = c->ended, .log10_p = strength(w->o, c->text, c->n), .quality = c->quality};
        if (!w->o->on_try(&report, w->o->try_ud)) return;
    }
    r->n++;
}

/* In this order they are judged: a nat a token more likely is worth as much as a gain of 20, the mark of a strong chunk. */
static int by_worth(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    double more = fmin(y->gain, GAIN_FULL) / GAIN_FULL + y->quality - fmin(x->gain, GAIN_FULL) / GAIN_FULL - x->quality;
    return more > 0 ? 1 : more < 0 ? -1 : 0;
}

static xoe_err add_good(struct work *w, const struct candidate *c, xoe_error *e)
{
    return xoe_pool_add(&w->pool, c->text, c->n, c->gain, c->quality, &c->verdict) ? xoe_error_set(e, XOE_ENOMEM, "no memory for a rewrite") : XOE_OK;
}

static bool in_time(const struct work *w)
{
    return !w->until_mono_ms || xoe_clock_mono_ms() < w->until_mono_ms;
}

static bool may_check(const struct work *w)
{
    return w->n_checks < CHECKS_MAX && w->pool.n < XOE_POOL_MAX && (w->n_checks == 0 || in_time(w));
}

/* Edits that do not go together make a text less likely, as a rewrite, than what was really written, or have a word that nobody expects. */
static xoe_err reads_well(const struct work *w, struct candidate *c, xoe_error *e)
{
    double surprises, worst = 0;
    xoe_err rc = xoe_meaning_likelihood(w->o->paraphraser, w->source, w->n, c->text, c->n, w->o->priority, w->o->deadline_mono_ms, &c->quality, &surprises, e);
    for (int i = 0; i < w->pool.n; i++)
        worst = fmin(worst, w->pool.good[i].quality);
    c->good = rc == XOE_OK && surprises == 0 && (worst == 0 || c->quality >= worst - QUALITY_LOSS);
    return rc;
}

/* What is right in a rewrite that was refused: the first half of its edits alone, the second alone, and of a half that is refused its halves. */
static xoe_err judge_parts(struct work *w, const xoe_blend *b, const xoe_blend_choice *whole, xoe_chunk_report *report, xoe_error *e)
{
    size_t at[XOE_BLEND_EDITS_MAX], n = 0;
    xoe_err rc = XOE_OK;
    for (size_t i = 0; i < b->n_edits; i++)
        if (whole->on[i]) at[n++] = i; /* in the order of the text */
    for (int half = 0; half < 2 && n >= 2 && may_check(w) && rc == XOE_OK; half++) {
        xoe_blend_choice part = {0};
        xoe_buf text;
        for (size_t i = half ? n / 2 : 0; i < (half ? n : n / 2); i++)
            part.on[at[i]] = true;
        xoe_buf_init(&text, 1 << 20);
        struct candidate c = {.ended = true};
        if (xoe_blend_write(b, &part, &text)) rc = xoe_error_set(e, XOE_ENOMEM, "no memory for a rewrite");
        c.text = xoe_buf_cstr(&text);
        c.n = text.len;
        if (rc == XOE_OK && !xoe_pool_has(&w->pool, c.text, c.n)) {
            rc = judge(w, &c, report, e);
            if (c.good) rc = reads_well(w, &c, e);
            if (c.good) c.gain = gain_of(c.text, c.n, w);
            if (rc == XOE_OK) rc = c.good ? add_good(w, &c, e) : judge_parts(w, b, &part, report, e);
        }
        xoe_buf_free(&text);
    }
    return rc;
}

/* It, or what of it is right, into the pool. */
static xoe_err sift(struct work *w, struct candidate *c, xoe_chunk_report *report, xoe_error *e)
{
    xoe_blend edits;
    xoe_blend_choice all;
    xoe_err rc = judge(w, c, report, e);
    if (rc != XOE_OK) return rc;
    if (c->good) return add_good(w, c, e);
    if (!w->pool.n) note_verdict(report, &c->verdict);
    xoe_blend_init(&edits, w->source, w->n);
    return c->ended && xoe_blend_add(&edits, c->text, c->n, &all) ? judge_parts(w, &edits, &all, report, e) : XOE_OK;
}

static xoe_err keep(struct work *w, const struct candidate *c, bool blended, xoe_chunk_report *report, xoe_error *e)
{
    note_verdict(report, &c->verdict);
    report->quality = c->quality;
    report->blended = blended;
    w->best_gain = c->gain;
    xoe_buf_reset(&w->best);
    return xoe_buf_add(&w->best, c->text, c->n) ? xoe_error_set(e, XOE_ENOMEM, "no memory for a rewrite") : XOE_OK;
}

/* Of what is right, the one that gains most stays, or the blend, if that is right too. */
static xoe_err settle(struct work *w, xoe_chunk_report *report, xoe_error *e)
{
    const xoe_pool_entry *best = xoe_pool_best(&w->pool);
    xoe_buf text;
    xoe_err rc = XOE_OK;
    if (!best) return XOE_OK;
    if (!w->best.len || best->gain > w->best_gain) {
        struct candidate c = {.text = best->text.data, .n = best->text.len, .gain = best->gain, .quality = best->quality, .verdict = best->verdict};
        rc = keep(w, &c, false, report, e);
    }
    xoe_buf_init(&text, 1 << 20);
    struct candidate blended = {.ended = true, .gain = xoe_pool_blend(&w->pool, gain_of, w, &text)};
    blended.text = xoe_buf_cstr(&text);
    blended.n = text.len;
    if (rc == XOE_OK && blended.n && blended.gain > w->best_gain) {
        rc = judge(w, &blended, report, e);
        if (rc == XOE_OK && blended.good) rc = reads_well(w, &blended, e);
        if (rc == XOE_OK && blended.good) rc = keep(w, &blended, true, report, e);
    }
    xoe_buf_free(&text);
    return rc;
}

/* One round of tries; what is right in them into the pool, and what stays of that into w->best. */
static xoe_err do_round(struct work *w, int most, xoe_chunk_report *report, xoe_chunk_usage *usage, xoe_error *e)
{
    struct round r = {.n = 0};
    int n_good = w->pool.n;
    xoe_err rc = make(w, most, report, usage, &r, e);
    report->tries += r.n_tries;
    for (int i = 0; i < r.n_tries && rc == XOE_OK; i++)
        weigh(w, &r, &r.tries[i]);
    qsort(r.c, (size_t)r.n, sizeof *r.c, by_worth);
    w->n_checks = 0;
    for (int i = 0; i < r.n && may_check(w) && rc == XOE_OK; i++)
        rc = sift(w, &r.c[i], report, e);
    if (rc == XOE_OK && w->pool.n > n_good) rc = settle(w, report, e); /* else it would come out the same */
    for (int i = 0; i < r.n_tries; i++)
        xoe_try_clear(&r.tries[i]);
    return rc;
}

/* For the report only: where the engine has no room for it now, it is left out. */
static xoe_err measure(const xoe_rephrase_opts *o, const char *source, size_t n, const char *rewrite, size_t m, xoe_chunk_report *r, xoe_error *e)
{
    xoe_err rc = xoe_text_nll(o->judge, source, n, o->priority, &r->source_nll, e);
    if (rc == XOE_OK) rc = xoe_text_nll(o->judge, rewrite, m, o->priority, &r->rewrite_nll, e);
    return rc == XOE_EBUSY ? XOE_OK : rc;
}

/* The result so far as tokens, and room for this chunk after them. */
static xoe_err prepare(struct work *w, const xoe_buf *out, xoe_error *e)
{
    const xoe_rephrase_opts *o = w->o;
    size_t n_out = out->len;
    int32_t *tokens = NULL;
    while (n_out && isspace((unsigned char)out->data[n_out - 1]) && out->len - n_out + 1 < sizeof w->gap)
        n_out--;
    memcpy(w->gap, xoe_buf_cstr(out) + n_out, out->len - n_out);
    xoe_err rc = xoe_engine_tokenize(o->paraphraser, w->source, w->n, false, false, &w->tokens, &w->n_tokens, e);
    if (rc == XOE_OK && n_out) rc = xoe_engine_tokenize(o->paraphraser, out->data, n_out, false, false, &tokens, &w->n_settled, e);
    if (rc == XOE_OK) rc = xoe_marker_open(&w->marker, &o->key.params, o->key.bytes, o->shift, 0, e);
    if (rc != XOE_OK) goto done;
    w->cap_settled = w->n_settled + 4 * w->n_tokens + 64;
    w->settled = xoe_malloc(w->cap_settled * sizeof *w->settled);
    w->avoid = to_avoid(o->paraphraser, w->source, w->n, w->tokens, w->n_tokens);
    if (!w->settled || !w->avoid)
        rc = xoe_error_set(e, XOE_ENOMEM, "no memory to rephrase");
    else if (n_out)
        memcpy(w->settled, tokens, w->n_settled * sizeof *tokens);
done:
    xoe_tokens_free(tokens);
    return rc;
}

static void clear(struct work *w)
{
    xoe_buf_free(&w->best);
    xoe_pool_clear(&w->pool);
    xoe_marker_close(w->marker);
    xoe_free(w->settled);
    xoe_free(w->avoid);
    xoe_tokens_free(w->tokens);
}

/* A try under a key that needs drafts is the best of many already. */
static bool carries_enough(const struct work *w)
{
    return w->best.len && (at_once(w->o) == 1 || w->best_gain >= GAIN_A_TOKEN * (double)w->n_tokens);
}

xoe_err xoe_rephrase_chunk(const xoe_rephrase_opts *o, const char *source, size_t n, size_t index, int64_t until_mono_ms, xoe_buf *out, xoe_chunk_report *report,
                           xoe_chunk_usage *usage, xoe_error *e)
{
    int64_t t0 = xoe_clock_mono_ns();
    struct work w = {.o = o, .source = source, .n = n, .seed = o->seed + index * MAX_TRIES_MAX, .until_mono_ms = until_mono_ms};
    int most = o->max_tries <= 0 ? MAX_TRIES : o->max_tries < MAX_TRIES_MAX ? o->max_tries : MAX_TRIES_MAX;
    xoe_buf_init(&w.best, 1 << 20);
    xoe_pool_init(&w.pool, source, n);
    report->outcome = XOE_CHUNK_KEPT_MEANING;
    report->reason = "the paraphraser only copies";
    xoe_err rc = prepare(&w, out, e);
    note_before(&w, out);
    while (rc == XOE_OK && report->tries < most && (!report->tries || in_time(&w)) && !carries_enough(&w))
        rc = do_round(&w, most - report->tries < at_once(o) ? most - report->tries : at_once(o), report, usage, e);
    if (rc == XOE_ELIMIT || rc == XOE_EDEADLINE) { /* what is right so far stays, else the source; the rest goes on */
        if (!w.best.len) report->reason = rc == XOE_ELIMIT ? "the sentence is too long to rewrite" : "no time was left to rewrite it";
        rc = XOE_OK;
    }
    if (rc == XOE_OK && w.best.len) {
        report->outcome = XOE_CHUNK_REWRITTEN;
        xoe_buf_add(out, w.best.data, w.best.len);
        report->log10_p = strength(o, w.best.data, w.best.len);
        report->copied = xoe_copied_share(source, n, w.best.data, w.best.len);
        report->length_ratio = (double)w.best.len / (double)n;
        if (o->measure) rc = measure(o, source, n, w.best.data, w.best.len, report, e);
    } else if (rc == XOE_OK) {
        xoe_buf_add(out, source, n);
        report->length_ratio = 1;
    }
    if (rc == XOE_OK && out->failed) rc = xoe_error_set(e, XOE_ENOMEM, "no memory for the rewritten text");
    report->ms = (double)(xoe_clock_mono_ns() - t0) * 1e-6;
    clear(&w);
    return rc;
}
