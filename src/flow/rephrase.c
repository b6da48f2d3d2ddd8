/* The rephraser: its own thread takes pieces from the source as soon as they are certain and explores the prose (flow/rephrase_chunk.h). When all
 * is explored, or so much that the rest will not tip the scales, it chooses the shift of the key and finishes piece after piece; code and the like
 * pass unchanged. The caller feeds; finish tells that nothing more comes and waits.
 *
 * State under the lock: the source so far and what is wanted of the thread. Everything else is the
 * thread's until it has ended. */
#include "flow/rephrase.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "flow/rephrase_chunk.h"
#include "flow/split.h"

#define ENOUGH_P 1e-5
#define EXPLORE_SHARE 0.6 /* of the time that there is */
#define GAIN_A_TOKEN_MIN 0.15 /* each part is to carry something: the text may be cut */
enum { TEXT_MAX = 64 << 20, WINDOW = 64 /* pieces */, RANKS = 16 /* shifts */, BEFORE_BYTES = 256, AIM_TOKENS = 30, BYTES_A_TOKEN = 4, UNKNOWN_CHUNKS = 8, MARGIN_MIN_MS = 500, MARGIN_MAX_MS = 20000 };

struct piece {
    char *text; /* a copy: the source may move while it grows */
    size_t n;
    xoe_chunk *chunk; /* NULL: kept as it is */
    xoe_chunk_report report;
};

struct xoe_rephraser {
    xoe_rephrase_opts opts;
    bool (*outer_canceled)(void *ud);
    void *outer_ud;
    void (*on_chunk)(const xoe_chunk_report *, const char *text, size_t n, void *ud);
    void *ud;
    pthread_t thread;
    bool has_thread;
    atomic_bool stop;

    pthread_mutex_t lock; /* guards source and final */
    pthread_cond_t more;
    xoe_buf source;
    bool final;

    /* the thread's own */
    xoe_buf out;
    xoe_chunk_report *chunks;
    size_t n_chunks, cap_chunks, n_prose;
    struct piece *pieces; /* [WINDOW] that wait for the shift to be chosen */
    size_t n_pieces;
    bool chosen;
    xoe_chunk_usage usage;
    xoe_err code;
    xoe_error error;
    int64_t start_ns;
};

static atomic_llong spent_us[2], spent_bytes[2]; /* [drafts] */

static bool canceled(void *ud)
{
    xoe_rephraser *r = ud;
    return atomic_load(&r->stop) || (r->outer_canceled && r->outer_canceled(r->outer_ud));
}

static xoe_err note_chunk(xoe_rephraser *r, const xoe_chunk_report *c)
{
    if (r->n_chunks == r->cap_chunks) {
        size_t cap = r->cap_chunks ? r->cap_chunks * 2 : 32;
        xoe_chunk_report *p = xoe_realloc(r->chunks, cap * sizeof *p);
        if (!p) return xoe_error_set(&r->error, XOE_ENOMEM, "no memory for the report");
        r->chunks = p;
        r->cap_chunks = cap;
    }
    r->chunks[r->n_chunks++] = *c;
    return XOE_OK;
}

/* What is left of the source from somewhere on; whole: nothing more comes. */
struct rest {
    size_t n;
    bool whole;
};

/* When a piece of n bytes has had its share of the time that is left. */
static int64_t share_of_time(const xoe_rephraser *r, size_t n, struct rest rest, double part)
{
    int64_t now = xoe_clock_mono_ms();
    double ms = part * (double)(r->opts.deadline_mono_ms - now);
    if (!r->opts.deadline_mono_ms) return 0;
    return now + (int64_t)(rest.whole ? ms * (double)n / (double)rest.n : ms / UNKNOWN_CHUNKS);
}

/* The gain over chance with which n tokens under this key are found at ENOUGH_P. */
static double gain_for(const xoe_mark_params *params, size_t n)
{
    double least = 0, most = 10 * (double)n, log10_p;
    for (int i = 0; i < 40; i++) {
        double gain = (least + most) / 2;
        if (xoe_mark_predict(params, n, gain, 1, &log10_p, NULL) == XOE_OK && log10_p > log10(ENOUGH_P))
            least = gain;
        else
            most = gain;
    }
    return most;
}

/* What a token from here on should gain: what the whole text needs, less what is there. */
static xoe_err aim(xoe_rephraser *r, size_t left)
{
    int32_t *tokens;
    size_t n, n_left = left / BYTES_A_TOKEN + 1;
    double gain = 0;
    xoe_marker *m = NULL;
    xoe_err rc = xoe_engine_tokenize(r->opts.paraphraser, xoe_buf_cstr(&r->out), r->out.len, false, false, &tokens, &n, &r->error);
    if (rc != XOE_OK) return rc;
    rc = xoe_marker_open(&m, &r->opts.key.params, r->opts.key.bytes, r->opts.shift, 0, &r->error);
    if (rc == XOE_OK) rc = xoe_marker_draft_gain(m, tokens, 0, n, &gain, NULL, &r->error);
    r->opts.gain_a_token = fmax(GAIN_A_TOKEN_MIN, (gain_for(&r->opts.key.params, n + n_left) - gain) / (double)n_left);
    xoe_marker_close(m);
    xoe_tokens_free(tokens);
    return rc;
}

/* As many tokens as detection is to see of a piece that stays as it is. */
static xoe_err kept_variants(const xoe_rephraser *r, const struct piece *p, xoe_variants *out, xoe_error *e)
{
    int32_t *tokens;
    size_t n;
    xoe_err rc = xoe_engine_tokenize(r->opts.paraphraser, p->text, p->n, false, false, &tokens, &n, e);
    if (rc != XOE_OK) return rc;
    if (xoe_variants_add(out, tokens, 0, n, 0, 0)) rc = xoe_error_set(e, XOE_ENOMEM, "no memory to choose a shift");
    xoe_tokens_free(tokens);
    return rc;
}

static bool shift_matters(const xoe_rephraser *r)
{
    return r->opts.key.params.n_shifts > 1;
}

/* What the waiting pieces promise under one shift. */
static xoe_err prospect(xoe_rephraser *r, const xoe_variants *parts, uint32_t shift, double *total)
{
    xoe_marker *m = NULL;
    *total = 0;
    xoe_err rc = xoe_marker_open(&m, &r->opts.key.params, r->opts.key.bytes, shift, 0, &r->error);
    for (size_t i = 0; i < r->n_pieces && rc == XOE_OK; i++) {
        double gain;
        rc = r->pieces[i].chunk ? xoe_chunk_prospect(r->pieces[i].chunk, m, &gain, &r->error) : xoe_variants_gain(&parts[i], m, &gain, &r->error);
        *total += gain;
    }
    xoe_marker_close(m);
    return rc;
}

/* Among the shifts that look best where edits are taken to add up, the one under which they do. */
static xoe_err choose(xoe_rephraser *r)
{
    xoe_variants parts[WINDOW] = {{0}};
    uint32_t shifts[RANKS];
    size_t n_shifts = 0;
    double most = -INFINITY;
    xoe_err rc = XOE_OK;
    for (size_t i = 0; i < r->n_pieces && rc == XOE_OK; i++)
        rc = r->pieces[i].chunk ? xoe_chunk_variants(r->pieces[i].chunk, &parts[i], &r->error) : kept_variants(r, &r->pieces[i], &parts[i], &r->error);
    if (rc == XOE_OK) rc = xoe_rank_shifts(&r->opts.key.params, r->opts.key.bytes, parts, r->n_pieces, RANKS, shifts, &n_shifts, &r->error);
    for (size_t k = 0; k < n_shifts && rc == XOE_OK; k++) {
        double total;
        rc = prospect(r, parts, shifts[k], &total);
        if (total > most) r->opts.shift = shifts[k], most = total;
    }
    for (size_t i = 0; i < r->n_pieces; i++)
        xoe_variants_clear(&parts[i]);
    r->chosen = true;
    return rc;
}

static xoe_err finish_piece(xoe_rephraser *r, struct piece *p, struct rest rest)
{
    xoe_chunk_report *c = &p->report;
    xoe_err rc = XOE_OK;
    c->out_first = r->out.len;
    if (p->chunk) {
        rc = aim(r, rest.n);
        if (rc == XOE_OK) rc = xoe_chunk_finish(p->chunk, &r->out, share_of_time(r, p->n, rest, 1), c, &r->usage, &r->error);
    } else if (xoe_buf_add(&r->out, p->text, p->n)) {
        rc = xoe_error_set(&r->error, XOE_ENOMEM, "no memory for the rewritten text");
    }
    if (rc != XOE_OK) return rc;
    c->out_end = r->out.len;
    if (p->chunk) {
        bool drafts = xoe_scheme_needs_drafts(r->opts.key.params.scheme);
        atomic_fetch_add(&spent_us[drafts], (long long)(c->ms * 1e3));
        atomic_fetch_add(&spent_bytes[drafts], (long long)p->n);
    }
    rc = note_chunk(r, c);
    if (rc == XOE_OK && r->on_chunk) r->on_chunk(c, r->out.data + c->out_first, c->out_end - c->out_first, r->ud);
    return rc;
}

static void drop_pieces(xoe_rephraser *r)
{
    while (r->n_pieces) {
        struct piece *p = &r->pieces[--r->n_pieces];
        xoe_chunk_close(p->chunk);
        xoe_free(p->text);
    }
}

/* All that waits, in order. rest: of the source after it. */
static xoe_err finish_pieces(xoe_rephraser *r, struct rest rest)
{
    xoe_err rc = r->chosen || !shift_matters(r) ? XOE_OK : choose(r);
    for (size_t i = 0; i < r->n_pieces; i++)
        rest.n += r->pieces[i].n;
    for (size_t i = 0; i < r->n_pieces && rc == XOE_OK; i++) {
        rc = finish_piece(r, &r->pieces[i], rest);
        rest.n -= r->pieces[i].n;
    }
    drop_pieces(r);
    return rc;
}

/* A piece is taken over (text too); prose is explored, as long as the shift is open. before: what stands before it in the source. */
static xoe_err add_piece(xoe_rephraser *r, char *text, size_t n, bool prose, size_t first, const char *before, struct rest rest)
{
    struct piece *p = &r->pieces[r->n_pieces++];
    *p = (struct piece){.text = text, .n = n,
                        .report = {.source_first = first, .source_end = first + n, .outcome = XOE_CHUNK_KEPT_PROTECTED, .reason = "", .method = "",
                                   .meaning = NAN, .similarity = NAN, .length_ratio = 1, .copied = NAN, .quality = NAN, .source_nll = NAN, .rewrite_nll = NAN}};
    if (!prose) return XOE_OK;
    xoe_err rc = xoe_chunk_open(&p->chunk, &r->opts, text, n, r->n_prose++, &p->report, &r->error);
    if (rc == XOE_OK && !r->chosen && shift_matters(r))
        rc = xoe_chunk_explore(p->chunk, before, strlen(before), share_of_time(r, n, rest, EXPLORE_SHARE), &p->report, &r->usage, &r->error);
    return rc;
}

static void *rephraser_main(void *arg)
{
    xoe_rephraser *r = arg;
    size_t goal = (size_t)(r->opts.chunk_tokens > 0 ? r->opts.chunk_tokens : AIM_TOKENS) * BYTES_A_TOKEN, at = 0;
    bool line_start = true;
    while (r->code == XOE_OK) {
        char *copy = NULL, before[BEFORE_BYTES + 1];
        struct rest rest;
        xoe_piece p = {0, false};
        pthread_mutex_lock(&r->lock);
        for (;;) {
            bool over = r->final && at == r->source.len;
            if (over || canceled(r)) break;
            p = xoe_split_next(xoe_buf_cstr(&r->source) + at, r->source.len - at, line_start, r->final, goal);
            if (p.n) break;
            pthread_cond_wait(&r->more, &r->lock);
        }
        if (p.n) copy = xoe_strndup(r->source.data + at, p.n);
        size_t n_before = at < BEFORE_BYTES ? at : BEFORE_BYTES;
        while (n_before && ((unsigned char)r->source.data[at - n_before] & 0xc0) == 0x80) /* not from within a character */
            n_before--;
        memcpy(before, xoe_buf_cstr(&r->source) + at - n_before, n_before);
        before[n_before] = 0;
        rest = (struct rest){r->source.len - at, r->final};
        pthread_mutex_unlock(&r->lock);
        if (!p.n) {
            r->code = canceled(r) ? xoe_error_set(&r->error, XOE_ECANCELED, "canceled") : finish_pieces(r, rest);
            break;
        }
        r->code = copy ? add_piece(r, copy, p.n, p.prose, at, before, rest) : xoe_error_set(&r->error, XOE_ENOMEM, "no memory to rephrase");
        at += p.n;
        rest.n -= p.n;
        line_start = copy && copy[p.n - 1] == '\n';
        if (r->code == XOE_OK && (r->chosen || !shift_matters(r) || r->n_pieces == WINDOW)) r->code = finish_pieces(r, rest);
    }
    drop_pieces(r);
    return NULL;
}

xoe_err xoe_rephraser_open(xoe_rephraser **out, const xoe_rephrase_opts *opts,
                           void (*on_chunk)(const xoe_chunk_report *, const char *text, size_t n, void *ud), void *ud, xoe_error *e)
{
    *out = NULL;
    if (!opts->paraphraser) return xoe_error_set(e, XOE_EUNAVAILABLE, "there is no model to rephrase with; pull one with: xoe models pull");
    xoe_rephraser *r = xoe_calloc(1, sizeof *r);
    if (!r) return xoe_error_set(e, XOE_ENOMEM, "no memory to rephrase");
    r->opts = *opts;
    r->pieces = xoe_calloc(WINDOW, sizeof *r->pieces);
    if (!r->pieces) {
        xoe_free(r);
        return xoe_error_set(e, XOE_ENOMEM, "no memory to rephrase");
    }
    if (!r->opts.judge) r->opts.judge = opts->paraphraser;
    r->outer_canceled = opts->canceled;
    r->outer_ud = opts->ud;
    r->opts.canceled = canceled;
    r->opts.ud = r;
    r->on_chunk = on_chunk;
    r->ud = ud;
    r->start_ns = xoe_clock_mono_ns();
    if (opts->deadline_mono_ms) { /* a little time is left for what comes after */
        int64_t margin = (opts->deadline_mono_ms - xoe_clock_mono_ms()) / 10;
        r->opts.deadline_mono_ms -= margin < MARGIN_MIN_MS ? MARGIN_MIN_MS : margin > MARGIN_MAX_MS ? MARGIN_MAX_MS : margin;
    }
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->more, NULL);
    xoe_buf_init(&r->source, TEXT_MAX);
    xoe_buf_init(&r->out, 2 * (size_t)TEXT_MAX);
    if (pthread_create(&r->thread, NULL, rephraser_main, r)) {
        xoe_rephraser_close(r);
        return xoe_error_set(e, XOE_EINTERNAL, "cannot start a thread to rephrase");
    }
    r->has_thread = true;
    *out = r;
    return XOE_OK;
}

xoe_err xoe_rephraser_feed(xoe_rephraser *r, const char *text, size_t n, xoe_error *e)
{
    pthread_mutex_lock(&r->lock);
    int failed = xoe_buf_add(&r->source, text, n);
    pthread_cond_signal(&r->more);
    pthread_mutex_unlock(&r->lock);
    return failed ? xoe_error_set(e, XOE_ETOOBIG, "the text to rephrase is larger than %d MB", TEXT_MAX >> 20) : XOE_OK;
}

static void join(xoe_rephraser *r)
{
    if (!r->has_thread) return;
    pthread_mutex_lock(&r->lock);
    r->final = true;
    pthread_cond_signal(&r->more);
    pthread_mutex_unlock(&r->lock);
    pthread_join(r->thread, NULL);
    r->has_thread = false;
}

xoe_err xoe_rephraser_finish(xoe_rephraser *r, xoe_rephrase_result *out, xoe_error *e)
{
    *out = (xoe_rephrase_result){0};
    join(r);
    if (r->code != XOE_OK) {
        if (e) *e = r->error;
        return r->code;
    }
    out->text = xoe_strndup(xoe_buf_cstr(&r->out), r->out.len);
    if (!out->text) return xoe_error_set(e, XOE_ENOMEM, "no memory for the rewritten text");
    out->n = r->out.len;
    out->chunks = r->chunks;
    out->n_chunks = r->n_chunks;
    r->chunks = NULL;
    r->n_chunks = 0;
    out->n_prompt_tokens = r->usage.n_prompt_tokens;
    out->n_predicted_tokens = r->usage.n_predicted_tokens;
    out->shift = r->opts.shift;
    out->ms = (double)(xoe_clock_mono_ns() - r->start_ns) * 1e-6;
    return XOE_OK;
}

void xoe_rephraser_close(xoe_rephraser *r)
{
    if (!r) return;
    atomic_store(&r->stop, true);
    join(r);
    xoe_zero(&r->opts.key, sizeof r->opts.key);
    xoe_buf_free(&r->source);
    xoe_buf_free(&r->out);
    xoe_free(r->chunks);
    xoe_free(r->pieces);
    pthread_cond_destroy(&r->more);
    pthread_mutex_destroy(&r->lock);
    xoe_free(r);
}

double xoe_rephrase_us_a_byte(bool drafts)
{
    enum { ENOUGH_BYTES = 1000 };
    long long bytes = atomic_load(&spent_bytes[drafts]);
    return bytes >= ENOUGH_BYTES ? (double)atomic_load(&spent_us[drafts]) / (double)bytes : NAN;
}

const char *xoe_chunk_outcome_name(xoe_chunk_outcome o)
{
    switch (o) {
    case XOE_CHUNK_REWRITTEN: return "rewritten";
    case XOE_CHUNK_FITS: return "fits";
    case XOE_CHUNK_KEPT_MEANING: return "kept";
    case XOE_CHUNK_KEPT_PROTECTED: return "protected";
    }
    return "kept";
}

double xoe_chunk_perplexity_change(const xoe_chunk_report *c)
{
    return exp(c->rewrite_nll - c->source_nll);
}

void xoe_rephrase_result_clear(xoe_rephrase_result *r)
{
    if (!r) return;
    xoe_free(r->text);
    xoe_free(r->chunks);
    *r = (xoe_rephrase_result){0};
}
