/* A chunk is given to the paraphraser, several times at once, since a small model seldom says the same: a batch of tries costs
 * hardly more time than one. What would go on copying the source is pressed down in sampling, in each try half as much as in the one before, but for
 * numbers, names and quotations, which must be copied. The tries are judged, the best first; of one that is refused, parts of its edits are judged,
 * since most of them are right. What is right lies in a pool (flow/rephrase_pool.h).
 *
 * Explored, a chunk has single words judged that could be others (flow/rephrase_words.h), then a round of tries drawn freely; from the pools of all
 * chunks the shift of the key is chosen (flow/rephrase_shift.h). Then it is finished: what is in the pool is put together into the text that scores most under that shift (a choice that only the text written here makes, so the
 * detector's null is untouched) and judged again as a whole; rounds follow, every other try drawn with the mark, told what went wrong where nothing was
 * right, until the chunk carries its share of a mark that can be found. Under a watermax key each try is itself the best of drafts, piece by piece
 * (flow/drafts.h), and is made alone. Thread: the rephraser's own. */
#include "flow/rephrase_chunk_impl.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "flow/meaning_model.h"
#include "flow/rephrase_candidate.h"
#include "flow/rephrase_prompt.h"
#include "flow/rephrase_try.h"
#include "flow/rephrase_words.h"

#define AVOID_STRENGTH 1.0f
#define WORD_MARGIN 0.5 /* log-odds: several words will stand together */
enum { AT_ONCE = 4, MAX_TRIES = 8, MAX_TRIES_MAX = 16, WORD_CHECKS_MAX = 12, TRY_CHECKS_MAX = 6 /* a round */, STEP_CHECKS_MAX = 8 };

struct round {
    xoe_try tries[AT_ONCE];
    xoe_candidate c[AT_ONCE]; /* [n] the different ones of them */
    int n_tries, n;
};

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

static xoe_err judge(xoe_chunk *w, xoe_candidate *c, xoe_chunk_report *report, xoe_error *e)
{
    xoe_err rc = xoe_candidate_judge(w->o, w->source, w->n, c, e);
    report->check_ms += c->verdict.ms;
    w->n_checks += !isnan(c->verdict.score); /* words are quickly looked at */
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
static xoe_err make(xoe_chunk *w, int most, const xoe_chunk_report *report, xoe_chunk_usage *usage, struct round *r, xoe_error *e)
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
        from.marked = w->marker && (at_once(o) == 1 || r->n_tries % 2 == 0);
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
static bool repeated(const xoe_chunk *w, const struct round *r, const char *s, size_t n)
{
    if ((n == w->n && !memcmp(s, w->source, n)) || xoe_pool_has(&w->pool, s, n)) return true;
    for (int i = 0; i < r->n; i++)
        if (n == r->c[i].n && !memcmp(s, r->c[i].text, n)) return true;
    return false;
}

/* A different one becomes a candidate. */
static void weigh(xoe_chunk *w, struct round *r, const xoe_try *t)
{
    if (repeated(w, r, t->rewrite, t->n_rewrite)) return;
    xoe_candidate *c = &r->c[r->n];
    *c = (xoe_candidate){.text = t->rewrite, .n = t->n_rewrite, .ended = t->finish == XOE_FINISH_STOP,
                            .gain = xoe_chunk_gain_of(t->rewrite, t->n_rewrite, w), .quality = t->n_tokens ? t->log_likelihood / (double)t->n_tokens : 0};
    if (w->o->on_try) {
        xoe_try_report report = {.source = w->source, .n_source = w->n, .before = w->before, .n_before = w->n_before, .rewrite = c->text,
                                 .n_rewrite = c->n, .ended = c->ended, .log10_p = strength(w->o, c->text, c->n), .quality = c->quality};
        if (!w->o->on_try(&report, w->o->try_ud)) return;
    }
    r->n++;
}

static xoe_err add_good(xoe_chunk *w, const xoe_candidate *c, xoe_chunk_report *report, xoe_error *e)
{
    if (!w->pool.n) note_verdict(report, &c->verdict); /* no reason to mind any more */
    return xoe_pool_add(&w->pool, c->text, c->n, c->gain, c->quality, &c->verdict) ? xoe_error_set(e, XOE_ENOMEM, "no memory for a rewrite") : XOE_OK;
}

static bool in_time(const xoe_chunk *w)
{
    return !w->until_mono_ms || xoe_clock_mono_ms() < w->until_mono_ms;
}

static bool may_check(const xoe_chunk *w)
{
    return w->n_checks < TRY_CHECKS_MAX && w->pool.n < XOE_POOL_MAX && (w->n_checks == 0 || in_time(w));
}

static xoe_err reads_well(const xoe_chunk *w, xoe_candidate *c, xoe_error *e)
{
    double worst = 0;
    for (int i = 0; i < w->pool.n; i++)
        worst = fmin(worst, w->pool.good[i].quality);
    return xoe_candidate_reads_well(w->o, w->source, w->n, worst, c, e);
}

/* What is right in a rewrite that was refused: the first half of its edits alone, the second alone, and of a half that is refused its halves. */
static xoe_err judge_parts(xoe_chunk *w, const xoe_blend *b, const xoe_blend_choice *whole, xoe_chunk_report *report, xoe_error *e)
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
        xoe_candidate c = {.ended = true};
        if (xoe_blend_write(b, &part, &text)) rc = xoe_error_set(e, XOE_ENOMEM, "no memory for a rewrite");
        c.text = xoe_buf_cstr(&text);
        c.n = text.len;
        if (rc == XOE_OK && !xoe_pool_has(&w->pool, c.text, c.n)) {
            rc = judge(w, &c, report, e);
            if (c.good) rc = reads_well(w, &c, e);
            if (c.good) c.gain = xoe_chunk_gain_of(c.text, c.n, w);
            if (rc == XOE_OK) rc = c.good ? add_good(w, &c, report, e) : judge_parts(w, b, &part, report, e);
        }
        xoe_buf_free(&text);
    }
    return rc;
}

/* It, or what of it is right, into the pool. */
static xoe_err sift(xoe_chunk *w, xoe_candidate *c, xoe_chunk_report *report, xoe_error *e)
{
    xoe_blend edits;
    xoe_blend_choice all;
    xoe_err rc = judge(w, c, report, e);
    if (rc != XOE_OK) return rc;
    if (c->good) return add_good(w, c, report, e);
    if (!w->pool.n) note_verdict(report, &c->verdict);
    xoe_blend_init(&edits, w->source, w->n);
    return c->ended && xoe_blend_add(&edits, c->text, c->n, &all) ? judge_parts(w, &edits, &all, report, e) : XOE_OK;
}

static xoe_err keep(xoe_chunk *w, const xoe_candidate *c, bool blended, xoe_chunk_report *report, xoe_error *e)
{
    note_verdict(report, &c->verdict);
    report->quality = c->quality;
    report->blended = blended;
    w->best_gain = c->gain;
    xoe_buf_reset(&w->best);
    return xoe_buf_add(&w->best, c->text, c->n) ? xoe_error_set(e, XOE_ENOMEM, "no memory for a rewrite") : XOE_OK;
}

static bool is_right(const xoe_chunk *w)
{
    return w->pool.n || w->best.len;
}

/* A try under a key that needs drafts is the best of many already. */
static bool carries_enough(const xoe_chunk *w)
{
    return is_right(w) && (at_once(w->o) == 1 || w->best_gain >= w->o->gain_a_token * (double)w->n_tokens);
}

/* Is it right? Then it stays. */
static xoe_err try_blend(xoe_chunk *w, const xoe_buf *text, double gain, bool *good, xoe_chunk_report *report, xoe_error *e)
{
    xoe_candidate c = {.text = text->data, .n = text->len, .ended = true, .gain = gain};
    xoe_err rc = judge(w, &c, report, e);
    if (rc == XOE_OK && c.good) rc = reads_well(w, &c, e);
    *good = rc == XOE_OK && c.good;
    if (*good) return keep(w, &c, true, report, e);
    if (!*c.verdict.reason) c.verdict.reason = "it does not read well";
    if (rc == XOE_OK && !is_right(w)) note_verdict(report, &c.verdict);
    return rc;
}

/* Of what is right, the source too, the one that gains most stays, or the blend, if that is right as well. */
static xoe_err settle(xoe_chunk *w, xoe_chunk_report *report, xoe_error *e)
{
    const xoe_pool_entry *best = xoe_pool_best(&w->pool);
    xoe_buf text;
    xoe_err rc = XOE_OK;
    bool good;
    if (!best) return XOE_OK;
    if (best->gain > w->best_gain) {
        xoe_candidate c = {.text = best->text.data, .n = best->text.len, .gain = best->gain, .quality = best->quality, .verdict = best->verdict};
        rc = keep(w, &c, false, report, e);
    }
    xoe_buf_init(&text, 1 << 20);
    double gain = xoe_pool_blend(&w->pool, xoe_chunk_gain_of, w, &text);
    if (rc == XOE_OK && text.len && gain > w->best_gain) rc = try_blend(w, &text, gain, &good, report, e);
    xoe_buf_free(&text);
    return rc;
}

/* Steps from the best text on, each judged. */
static xoe_err search(xoe_chunk *w, xoe_chunk_report *report, xoe_error *e)
{
    xoe_buf text;
    xoe_err rc = XOE_OK;
    w->n_checks = 0;
    xoe_buf_init(&text, 1 << 20);
    bool known = xoe_search_start(&w->search, w->best.len ? w->best.data : w->source, w->best.len ? w->best.len : w->n, w->best_gain);
    while (rc == XOE_OK && known && !carries_enough(w) && w->n_checks < STEP_CHECKS_MAX && in_time(w) && xoe_search_next(&w->search, xoe_chunk_gain_of, w, &text)) {
        bool good;
        rc = try_blend(w, &text, w->search.step_gain, &good, report, e);
        if (rc == XOE_OK) xoe_search_judged(&w->search, good);
    }
    xoe_buf_free(&text);
    return rc;
}

/* One round of tries. Before the shift is known what is right in them goes into the pool; then their edits are what is searched. */
static xoe_err do_round(xoe_chunk *w, int most, xoe_chunk_report *report, xoe_chunk_usage *usage, xoe_error *e)
{
    struct round r = {.n = 0};
    int n_good = w->pool.n;
    xoe_err rc = make(w, most, report, usage, &r, e);
    report->tries += r.n_tries;
    for (int i = 0; i < r.n_tries && rc == XOE_OK; i++)
        weigh(w, &r, &r.tries[i]);
    qsort(r.c, (size_t)r.n, sizeof *r.c, xoe_candidate_by_worth);
    w->n_checks = 0;
    for (int i = 0; i < r.n && rc == XOE_OK; i++) {
        bool apart = r.c[i].ended && xoe_search_add(&w->search, r.c[i].text, r.c[i].n);
        if ((!w->marker || !apart || at_once(w->o) == 1) && may_check(w)) rc = sift(w, &r.c[i], report, e);
    }
    if (rc == XOE_OK && w->marker && w->pool.n > n_good) rc = settle(w, report, e); /* else it would come out the same */
    if (rc == XOE_OK && w->marker && at_once(w->o) > 1) rc = search(w, report, e);
    for (int i = 0; i < r.n_tries; i++)
        xoe_try_clear(&r.tries[i]);
    return rc;
}

/* One word changed: into the pool, if it is right. What there is no time to judge is searched later. */
static xoe_err judge_word(xoe_chunk *w, const xoe_word_choice *word, double quality, xoe_chunk_report *report, xoe_error *e)
{
    xoe_buf text;
    xoe_err rc = XOE_OK;
    bool refused = false;
    xoe_buf_init(&text, 1 << 20);
    xoe_buf_add(&text, w->source, word->first);
    xoe_buf_puts(&text, word->text);
    if (xoe_buf_add(&text, w->source + word->end, w->n - word->end)) rc = xoe_error_set(e, XOE_ENOMEM, "no memory for a rewrite");
    xoe_candidate c = {.text = xoe_buf_cstr(&text), .n = text.len, .ended = true, .margin = WORD_MARGIN, .quality = quality - word->loss / (double)w->n_tokens};
    if (rc == XOE_OK && w->n_checks < WORD_CHECKS_MAX && w->pool.n < XOE_POOL_MAX && in_time(w)) {
        rc = judge(w, &c, report, e);
        refused = !c.good;
        c.gain = xoe_chunk_gain_of(c.text, c.n, w);
        if (rc == XOE_OK && !refused) rc = add_good(w, &c, report, e);
    }
    if (rc == XOE_OK && !refused) xoe_search_add(&w->search, c.text, c.n);
    xoe_buf_free(&text);
    return rc;
}

static xoe_err judge_words(xoe_chunk *w, xoe_chunk_report *report, xoe_error *e)
{
    xoe_word_choice words[XOE_WORD_CHOICES_MAX];
    size_t n;
    double quality;
    w->has_words = true;
    w->n_checks = 0;
    xoe_err rc = xoe_words_find(w->o, w->before, w->n_before, w->source, w->n, w->tokens, w->n_tokens, w->until_mono_ms, words, &n, &quality, e);
    for (size_t i = 0; i < n && rc == XOE_OK; i++)
        rc = judge_word(w, &words[i], quality, report, e);
    return rc;
}

/* For the report only: where the engine has no room for it now, it is left out. */
static xoe_err measure(const xoe_rephrase_opts *o, const char *source, size_t n, const char *rewrite, size_t m, xoe_chunk_report *r, xoe_error *e)
{
    xoe_err rc = xoe_text_nll(o->judge, source, n, o->priority, &r->source_nll, e);
    if (rc == XOE_OK) rc = xoe_text_nll(o->judge, rewrite, m, o->priority, &r->rewrite_nll, e);
    return rc == XOE_EBUSY ? XOE_OK : rc;
}

/* What stands before the chunk, as tokens, and room for the chunk after them. */
static xoe_err place(xoe_chunk *w, const char *text, size_t n, xoe_error *e)
{
    int32_t *tokens = NULL;
    size_t n_text = n;
    w->before = xoe_rephrase_before(text, n, &w->n_before);
    while (n && isspace((unsigned char)text[n - 1]) && n_text - n + 1 < sizeof w->gap)
        n--;
    memcpy(w->gap, text + n, n_text - n);
    w->gap[n_text - n] = 0;
    w->n_settled = 0;
    xoe_err rc = n ? xoe_engine_tokenize(w->o->paraphraser, text, n, false, false, &tokens, &w->n_settled, e) : XOE_OK;
    if (rc != XOE_OK) return rc;
    xoe_free(w->settled);
    w->cap_settled = w->n_settled + 4 * w->n_tokens + 64;
    w->settled = xoe_malloc(w->cap_settled * sizeof *w->settled);
    if (!w->settled)
        rc = xoe_error_set(e, XOE_ENOMEM, "no memory to rephrase");
    else if (w->n_settled)
        memcpy(w->settled, tokens, w->n_settled * sizeof *tokens);
    xoe_tokens_free(tokens);
    return rc;
}

xoe_err xoe_chunk_open(xoe_chunk **out, const xoe_rephrase_opts *o, const char *source, size_t n, size_t index, xoe_chunk_report *report, xoe_error *e)
{
    xoe_chunk *w = *out = xoe_calloc(1, sizeof *w);
    if (!w) return xoe_error_set(e, XOE_ENOMEM, "no memory to rephrase");
    w->o = o;
    w->source = source;
    w->n = n;
    w->seed = o->seed + index * MAX_TRIES_MAX;
    xoe_buf_init(&w->best, 1 << 20);
    xoe_pool_init(&w->pool, source, n);
    xoe_search_init(&w->search, source, n);
    report->outcome = XOE_CHUNK_KEPT_MEANING;
    report->reason = "the paraphraser only copies";
    xoe_err rc = xoe_engine_tokenize(o->paraphraser, source, n, false, false, &w->tokens, &w->n_tokens, e);
    if (rc == XOE_OK && !(w->avoid = xoe_try_avoid(o->paraphraser, source, n, w->tokens, w->n_tokens))) rc = xoe_error_set(e, XOE_ENOMEM, "no memory to rephrase");
    return rc;
}

void xoe_chunk_close(xoe_chunk *w)
{
    if (!w) return;
    xoe_buf_free(&w->best);
    xoe_pool_clear(&w->pool);
    xoe_search_clear(&w->search);
    xoe_marker_close(w->marker);
    xoe_free(w->settled);
    xoe_free(w->avoid);
    xoe_tokens_free(w->tokens);
    xoe_free(w);
}

static int most_tries(const xoe_rephrase_opts *o)
{
    return o->max_tries <= 0 ? MAX_TRIES : o->max_tries < MAX_TRIES_MAX ? o->max_tries : MAX_TRIES_MAX;
}

static xoe_err next_round(xoe_chunk *w, xoe_chunk_report *report, xoe_chunk_usage *usage, xoe_error *e)
{
    int left = most_tries(w->o) - report->tries;
    return do_round(w, left < at_once(w->o) ? left : at_once(w->o), report, usage, e);
}

/* What is right so far stays, else the source; other chunks go on. */
static xoe_err give_up(const xoe_chunk *w, xoe_err rc, xoe_chunk_report *report)
{
    if (rc != XOE_ELIMIT && rc != XOE_EDEADLINE) return rc;
    if (!is_right(w)) report->reason = rc == XOE_ELIMIT ? "the sentence is too long to rewrite" : "no time was left to rewrite it";
    return XOE_OK;
}

xoe_err xoe_chunk_explore(xoe_chunk *w, const char *before, size_t n_before, int64_t until_mono_ms, xoe_chunk_report *report, xoe_chunk_usage *usage,
                          xoe_error *e)
{
    int64_t t0 = xoe_clock_mono_ns();
    w->until_mono_ms = until_mono_ms;
    xoe_err rc = place(w, before, n_before, e);
    if (rc == XOE_OK && at_once(w->o) > 1 && in_time(w)) {
        rc = judge_words(w, report, e);
        if (rc == XOE_OK && in_time(w)) rc = next_round(w, report, usage, e);
        rc = give_up(w, rc, report);
    }
    report->ms += (double)(xoe_clock_mono_ns() - t0) * 1e-6;
    return rc;
}

/* The rest of the rounds, under the shift that is chosen. */
static xoe_err improve(xoe_chunk *w, xoe_chunk_report *report, xoe_chunk_usage *usage, xoe_error *e)
{
    w->best_gain = xoe_chunk_gain_of(w->source, w->n, w);
    xoe_pool_weigh(&w->pool, xoe_chunk_gain_of, w);
    xoe_err rc = w->has_words || at_once(w->o) == 1 || !in_time(w) ? XOE_OK : judge_words(w, report, e);
    w->n_checks = 0;
    if (rc == XOE_OK) rc = settle(w, report, e);
    if (rc == XOE_OK) rc = search(w, report, e);
    while (rc == XOE_OK && report->tries < most_tries(w->o) && (!report->tries || in_time(w)) && !carries_enough(w))
        rc = next_round(w, report, usage, e);
    return give_up(w, rc, report);
}

xoe_err xoe_chunk_finish(xoe_chunk *w, xoe_buf *out, int64_t until_mono_ms, xoe_chunk_report *report, xoe_chunk_usage *usage, xoe_error *e)
{
    const xoe_rephrase_opts *o = w->o;
    int64_t t0 = xoe_clock_mono_ns();
    w->until_mono_ms = until_mono_ms;
    xoe_err rc = place(w, xoe_buf_cstr(out), out->len, e);
    if (rc == XOE_OK) rc = xoe_marker_open(&w->marker, &o->key.params, o->key.bytes, o->shift, 0, e);
    if (rc == XOE_OK) rc = improve(w, report, usage, e);
    if (rc != XOE_OK) return rc;
    if (is_right(w)) report->outcome = w->best.len ? XOE_CHUNK_REWRITTEN : XOE_CHUNK_FITS;
    const char *text = w->best.len ? w->best.data : w->source;
    size_t n = w->best.len ? w->best.len : w->n;
    report->length_ratio = (double)n / (double)w->n;
    if (is_right(w)) report->log10_p = strength(o, text, n);
    if (w->best.len) {
        report->copied = xoe_copied_share(w->source, w->n, text, n);
        if (o->measure) rc = measure(o, w->source, w->n, text, n, report, e);
    }
    if (rc == XOE_OK && xoe_buf_add(out, text, n)) rc = xoe_error_set(e, XOE_ENOMEM, "no memory for the rewritten text");
    report->ms += (double)(xoe_clock_mono_ns() - t0) * 1e-6;
    return rc;
}
