/* The rephraser: its own thread takes pieces from the source as soon as they are certain, rewrites the prose
 * and passes the rest on, in order. The caller feeds; finish tells that nothing more comes and waits.
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

enum { TEXT_MAX = 64 << 20, AIM_TOKENS = 30, BYTES_A_TOKEN = 4, UNKNOWN_CHUNKS = 8, MARGIN_MIN_MS = 500, MARGIN_MAX_MS = 20000 };

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

/* When a chunk has had its share of the time that is left; left: bytes of the source from it on, 0: unknown. */
static int64_t share_of_time(const xoe_rephraser *r, size_t n, size_t left)
{
    int64_t now = xoe_clock_mono_ms(), ms = r->opts.deadline_mono_ms - now;
    if (!r->opts.deadline_mono_ms) return 0;
    return now + (left ? (int64_t)((double)ms * (double)n / (double)left) : ms / UNKNOWN_CHUNKS);
}

/* One piece of the source, [at, at + n): a copy, since the source may move while it grows. */
static xoe_err do_piece(xoe_rephraser *r, const char *piece, size_t at, xoe_piece p, size_t left)
{
    xoe_chunk_report c = {.source_first = at, .source_end = at + p.n, .out_first = r->out.len, .outcome = XOE_CHUNK_KEPT_PROTECTED, .reason = "",
                          .method = "", .meaning = NAN, .similarity = NAN, .length_ratio = 1, .copied = NAN, .quality = NAN, .source_nll = NAN,
                          .rewrite_nll = NAN};
    xoe_err rc = XOE_OK;
    if (p.prose)
        rc = xoe_rephrase_chunk(&r->opts, piece, p.n, r->n_prose++, share_of_time(r, p.n, left), &r->out, &c, &r->usage, &r->error);
    else if (xoe_buf_add(&r->out, piece, p.n))
        rc = xoe_error_set(&r->error, XOE_ENOMEM, "no memory for the rewritten text");
    c.out_end = r->out.len;
    if (rc == XOE_OK && p.prose) {
        bool drafts = xoe_scheme_needs_drafts(r->opts.key.params.scheme);
        atomic_fetch_add(&spent_us[drafts], (long long)(c.ms * 1e3));
        atomic_fetch_add(&spent_bytes[drafts], (long long)p.n);
    }
    if (rc == XOE_OK) rc = note_chunk(r, &c);
    if (rc == XOE_OK && r->on_chunk) r->on_chunk(&c, r->out.data + c.out_first, c.out_end - c.out_first, r->ud);
    return rc;
}

static void *rephraser_main(void *arg)
{
    xoe_rephraser *r = arg;
    size_t aim = (size_t)(r->opts.chunk_tokens > 0 ? r->opts.chunk_tokens : AIM_TOKENS) * BYTES_A_TOKEN, at = 0;
    bool line_start = true;
    while (r->code == XOE_OK) {
        char *copy = NULL;
        size_t left = 0;
        xoe_piece p = {0, false};
        pthread_mutex_lock(&r->lock);
        for (;;) {
            bool over = r->final && at == r->source.len;
            if (over || canceled(r)) break;
            p = xoe_split_next(xoe_buf_cstr(&r->source) + at, r->source.len - at, line_start, r->final, aim);
            if (p.n) break;
            pthread_cond_wait(&r->more, &r->lock);
        }
        if (p.n) copy = xoe_strndup(r->source.data + at, p.n);
        if (r->final) left = r->source.len - at;
        pthread_mutex_unlock(&r->lock);
        if (!p.n) {
            if (canceled(r)) r->code = xoe_error_set(&r->error, XOE_ECANCELED, "canceled");
            break;
        }
        r->code = copy ? do_piece(r, copy, at, p, left) : xoe_error_set(&r->error, XOE_ENOMEM, "no memory to rephrase");
        at += p.n;
        line_start = copy && copy[p.n - 1] == '\n';
        xoe_free(copy);
    }
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
