/* A chunk is given to the paraphraser with an instruction; its answer carries the mark. What would go on
 * copying the source is pressed down in sampling, but for numbers, names and quotations, which must be
 * copied. A try must pass the meaning check; one that does not is followed by another, which is told what
 * went wrong and pressed half as much. One that passes but mostly copies its source carries little of the
 * mark, so another one is made and the best kept: by the mark that its tokens carry under the key (a choice
 * that only the text written here makes, so the detector's null is untouched) and by its likelihood under
 * the unmarked model. Under a watermax key each try is itself the best of drafts, piece by piece
 * (flow/drafts.h).
 * Thread: the rephraser's own; a try's tokens come from the engine's thread through a small mailbox. */
#include "flow/rephrase_chunk.h"

#include <ctype.h>
#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "flow/chat_tokens.h"
#include "flow/meaning.h"
#include "flow/meaning_model.h"
#include "flow/queue_pause.h"
#include "flow/quoted.h"

#define COPIED_MAX 0.6
#define AVOID_STRENGTH 1.0f
enum { LIST_MAX = 300, AVOID_WIDTH = 4, MARK_ENOUGH = 4 /* −log10 p */, MAX_TRIES = 4 };

static const char instruction[] =
    "You rephrase text. Say the same in other words and with another sentence structure. Keep every fact, number, unit, name, negation and "
    "quotation, and keep the language. Answer with the rephrased text only.";

struct try {
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    xoe_buf text;
    size_t n_tokens;
    double log_likelihood; /* of the tokens, under the model without mark, temperature and truncation */
    bool done;
    xoe_finish finish;
    int n_prompt, n_predicted;
    xoe_error error;
};

static void on_event(const xoe_event *ev, void *ud)
{
    struct try *t = ud;
    pthread_mutex_lock(&t->lock);
    if (ev->kind == XOE_EVENT_TOKEN) {
        xoe_buf_add(&t->text, ev->bytes, ev->n_bytes);
        t->n_tokens++;
        t->log_likelihood += (double)ev->logprob;
    } else if (ev->kind == XOE_EVENT_DONE) {
        t->done = true;
        t->finish = ev->finish;
        t->n_prompt = ev->n_prompt;
        t->n_predicted = ev->n_predicted;
        if (ev->error) t->error = *ev->error;
        pthread_cond_broadcast(&t->changed);
    }
    pthread_mutex_unlock(&t->lock);
}

/* What to tell the next try, by a part of the last one's reason; lists: name what must be kept too. */
static const struct hint {
    const char *part, *text;
    bool lists;
} hints[] = {
    {"number", " Keep all its numbers exactly.", true},
    {"unit", " Keep all its numbers and units exactly.", false},
    {"name", " Keep all its names exactly, and add none.", true},
    {"negation", " Keep each \"not\", \"no\" and \"never\".", false},
    {"roles", " Keep who does what to whom.", false},
    {"opposite", " Do not turn anything into its opposite.", false},
    {"quotation", " Keep what stands in quotation marks word by word.", false},
    {"code", " Keep what stands in backticks as it is.", false},
    {"address", " Keep addresses as they are.", false},
    {"language", " Keep its language.", false},
    {"too long", " Keep about its length.", false},
    {"too short", " Keep about its length, and leave nothing out.", false},
    {"layout", " Write it as one paragraph.", false},
    {"meaning", " Stay close to its meaning: who does what to whom, when and why.", false},
    {"", "", false},
};

static const struct hint *hint_for(const char *reason)
{
    const struct hint *h = hints;
    while (!strstr(reason, h->part))
        h++;
    return h;
}

static xoe_err render(const xoe_engine *en, const char *source, size_t n, const char *last_reason, int32_t **tokens, size_t *n_tokens, xoe_error *e)
{
    const struct hint *h = hint_for(last_reason);
    xoe_buf keep;
    xoe_buf_init(&keep, LIST_MAX);
    if (h->lists) xoe_meaning_must_keep(source, n, &keep);
    bool listed = keep.len && !keep.failed; /* a list too long is none */
    json_t *m = json_pack("[{s:s, s:s}, {s:s, s:o}]", "role", "system", "content", instruction, "role", "user", "content",
                          json_sprintf("Rephrase this text.%s%s%s%s\n\n%.*s", h->text, listed ? " These words must be in it: " : "",
                                       listed ? xoe_buf_cstr(&keep) : "", listed ? "." : "", (int)n, source));
    xoe_buf_free(&keep);
    char *text = m ? json_dumps(m, JSON_COMPACT) : NULL;
    xoe_err rc = text ? xoe_chat_tokens(en, text, tokens, n_tokens, e) : xoe_error_set(e, XOE_ENOMEM, "no memory for a prompt");
    free(text);
    json_decref(m);
    return rc;
}

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

/* Wait for the answer; passes a cancellation on. */
static void wait_done(const xoe_rephrase_opts *o, struct try *t, xoe_writing *writing)
{
    bool told = false;
    pthread_mutex_lock(&t->lock);
    while (!t->done) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 50 * 1000000;
        if (until.tv_nsec >= 1000000000) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000;
        }
        pthread_cond_timedwait(&t->changed, &t->lock, &until);
        if (told || t->done || !o->canceled || !o->canceled(o->ud)) continue;
        told = true;
        pthread_mutex_unlock(&t->lock);
        xoe_writing_cancel(writing);
        pthread_mutex_lock(&t->lock);
    }
    pthread_mutex_unlock(&t->lock);
}

/* The best so far, and the source with its tokens. */
struct work {
    const char *source;
    size_t n;
    int32_t *tokens, *avoid; /* [n_tokens]; avoid: as to_avoid makes it */
    size_t n_tokens;
    int n_refused; /* tries */
    xoe_buf best;
    double best_worth;
};

/* After a refusal the next try has half the pressure: nearer to the source fewer slips are made. A cooler one would make fewer
 * too, and carry hardly a mark. */
static void sampling(const xoe_rephrase_opts *o, int n_refused, uint64_t seed, xoe_sampling *s)
{
    float pressure = o->avoid_strength < 0 ? 0 : o->avoid_strength > 0 ? o->avoid_strength : AVOID_STRENGTH;
    s->temperature = o->temperature > 0 ? o->temperature : 1.0f;
    s->top_p = o->top_p > 0 ? o->top_p : 0.95f;
    s->has_seed = true;
    s->seed = seed;
    s->avoid_width = AVOID_WIDTH;
    s->avoid_strength = ldexpf(pressure, -n_refused);
}

static xoe_err generate(const xoe_rephrase_opts *o, const struct work *w, const int32_t *prompt, size_t n_prompt, uint64_t seed, struct try *t, xoe_error *e)
{
    xoe_writing *writing;
    xoe_gen_request r = {.size = sizeof r, .prompt = prompt, .n_prompt = n_prompt, .sampling = XOE_SAMPLING_INIT, .n_probs = 0,
                         .mark = &o->key.params, .mark_key = o->key.bytes, .mark_shift = o->shift, .priority = o->priority,
                         .deadline_mono_ms = o->deadline_mono_ms, .on_event = on_event, .ud = t};
    sampling(o, w->n_refused, seed, &r.sampling);
    r.reuse_prefix = true; /* the instruction is the same for every chunk */
    r.sampling.avoid = w->avoid;
    r.sampling.n_avoid = w->n_tokens;
    r.max_tokens = (int)(w->n_tokens * 2 + 40);
    xoe_err rc;
    while ((rc = xoe_writing_start(&writing, o->paraphraser, &r, &o->drafts, e)) == XOE_EBUSY)
        if ((rc = xoe_queue_pause(o->deadline_mono_ms, o->canceled, o->ud, e))) break;
    if (rc != XOE_OK) return rc;
    wait_done(o, t, writing);
    xoe_writing_close(writing);
    if (t->finish == XOE_FINISH_CANCELED) return xoe_error_set(e, XOE_ECANCELED, "canceled");
    if (t->finish == XOE_FINISH_DEADLINE) return xoe_error_set(e, XOE_EDEADLINE, "the time for rephrasing is over");
    if (t->finish == XOE_FINISH_ERROR) {
        if (e) *e = t->error;
        return t->error.code;
    }
    return XOE_OK;
}

/* Take off white space, an announcement ("Here is the rephrased text:") and quotes around the whole. */
static void strip(const char **s, size_t *n, const char *source)
{
    static const char *const openings[] = {"here is", "here's", "sure", "certainly", "rephrased text:", "rephrased:", "rewritten text:"};
    while (*n && isspace((unsigned char)**s))
        ++*s, --*n;
    const char *line = memchr(*s, '\n', *n);
    for (size_t i = 0; line && i < sizeof openings / sizeof openings[0]; i++)
        if (*n > strlen(openings[i]) && !strncasecmp(*s, openings[i], strlen(openings[i])) && line > *s && line[-1] == ':') {
            *n -= (size_t)(line + 1 - *s);
            *s = line + 1;
            break;
        }
    while (*n && isspace((unsigned char)**s))
        ++*s, --*n;
    while (*n && isspace((unsigned char)(*s)[*n - 1]))
        --*n;
    if (*n > 2 && **s == '"' && (*s)[*n - 1] == '"' && source[0] != '"') {
        ++*s;
        *n -= 2;
    }
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
static xoe_err judge(const xoe_rephrase_opts *o, const char *source, size_t n, const struct try *t, const char *s, size_t m, xoe_meaning *v, xoe_error *e)
{
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
static double worth(double log10_p, double quality)
{
    return fmin(-log10_p, MARK_ENOUGH) / MARK_ENOUGH + quality;
}

/* One try, into w->best when it is good and better. *enough: no other is needed. */
static xoe_err try_once(const xoe_rephrase_opts *o, struct work *w, uint64_t seed, xoe_chunk_report *report, xoe_chunk_usage *usage, bool *enough, xoe_error *e)
{
    struct try t = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    int32_t *prompt = NULL;
    size_t n_prompt = 0;
    xoe_meaning v;
    xoe_buf_init(&t.text, 1 << 20);
    xoe_err rc = render(o->paraphraser, w->source, w->n, report->reason, &prompt, &n_prompt, e);
    if (rc == XOE_OK) rc = generate(o, w, prompt, n_prompt, seed, &t, e);
    report->tries++;
    usage->n_prompt_tokens += t.n_prompt;
    usage->n_predicted_tokens += t.n_predicted;
    const char *s = xoe_buf_cstr(&t.text);
    size_t m = t.text.len;
    strip(&s, &m, w->source);
    if (rc == XOE_OK) rc = judge(o, w->source, w->n, &t, s, m, &v, e);
    if (rc != XOE_OK) goto out;
    report->check_ms += v.ms;
    if (*v.reason) {
        w->n_refused++;
        if (w->best.len == 0) note_verdict(report, &v);
        goto out;
    }
    double log10_p = strength(o, s, m), quality = t.n_tokens ? t.log_likelihood / (double)t.n_tokens : 0, copied = xoe_copied_share(w->source, w->n, s, m);
    *enough = copied <= COPIED_MAX;
    if (w->best.len && worth(log10_p, quality) <= w->best_worth) goto out;
    w->best_worth = worth(log10_p, quality);
    xoe_buf_reset(&w->best);
    if (xoe_buf_add(&w->best, s, m)) rc = xoe_error_set(e, XOE_ENOMEM, "no memory for a rewrite");
    note_verdict(report, &v);
    report->log10_p = log10_p;
    report->quality = quality;
    report->copied = copied;
out:
    xoe_buf_free(&t.text);
    xoe_tokens_free(prompt);
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
    struct work w = {.source = source, .n = n};
    int most = o->max_tries > 0 ? o->max_tries : MAX_TRIES;
    bool enough = false;
    xoe_buf_init(&w.best, 1 << 20);
    report->outcome = XOE_CHUNK_KEPT_MEANING;
    xoe_err rc = xoe_engine_tokenize(o->paraphraser, source, n, false, false, &w.tokens, &w.n_tokens, e);
    if (rc == XOE_OK && !(w.avoid = to_avoid(o->paraphraser, source, n, w.tokens, w.n_tokens))) rc = xoe_error_set(e, XOE_ENOMEM, "no memory to rephrase");
    for (int i = 0; i < most && !enough && rc == XOE_OK; i++)
        rc = try_once(o, &w, o->seed + index * 16 + (uint64_t)i, report, usage, &enough, e);
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
