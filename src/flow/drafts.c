/* The drafts of a piece are jobs of the engine that go on from the same text, drawn freely, each with a seed of its
 * own; the engine batches them and they share the cache of what is settled. The one whose score is the least likely
 * without the key stays, and its tokens go to the owner as if the engine had drawn them; the rest is forgotten.
 *
 * Why by p-value and not by the sum: under a random key every draft, short or long, is the best with the same
 * chance, so that a draft that ends the answer is not passed over, and over keys each token keeps its probability. A
 * draft without a scored token gets a random rank for the same reason.
 * What a piece promises is told without looking at the key: gains of two drafts differ by what only one of them has,
 * so with v = half the mean number of scored tokens that a pair does not share, the best of m gains about √v times
 * the mean largest of m normal draws.
 *
 * A seed reproduces an answer: seeds of drafts follow from it, and the jobs are one family of the engine, which uses
 * no cache but its own.
 * Invariants: a job is closed exactly once, after its DONE; DONE of the whole comes last. Threads: the drafts' own
 * thread runs all of this file but start, cancel and close; `mu` is taken before the engine's lock. */
#include "flow/drafts.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "flow/completion_notes.h"
#include "mark/stats.h"

enum { BUSY_WAIT_MS = 20 };

struct draft {
    xoe_drafts *owner;
    int index;
    xoe_job *job;             /* NULL: none is open */
    xoe_note done;
    xoe_note *first, **last;  /* its tokens */
    int32_t line[XOE_MARK_WIDTH_MAX + XOE_DRAFT_PIECE_MAX]; /* what stands before the draft, then the draft */
    bool scored[XOE_DRAFT_PIECE_MAX];
    size_t n, n_scored;
    double gain;
};

struct xoe_drafts {
    xoe_engine *en;
    xoe_gen_request r;        /* borrowed parts */
    xoe_gen_request owner;    /* on_event and ud of the owner; the rest as asked */
    xoe_marker *marker;
    int width, n_drafts, n_ctx;
    size_t piece, n_answer, max_tokens;
    int32_t *text;            /* [n_prompt + n_answer], and room for a draft */
    size_t n_prompt;
    xoe_rng rng;
    xoe_notes notes;
    struct draft drafts[XOE_DRAFTS_MAX];
    int n_open, n_drawn;
    bool told_start;
    xoe_finish bad;           /* canceled, deadline or error: NONE while all is well */
    xoe_error error;
    double queued_ms, prompt_ms;
    int64_t start_ns;
    pthread_t thread;

    pthread_mutex_t mu;       /* guards canceled, and every draft's job as cancel sees it */
    bool canceled;
};

/* Mean of the largest of m standard normal draws (Harter 1961, table 1). */
static double largest_of(int m)
{
    static const double mean[XOE_DRAFTS_MAX + 1] = {0, 0, 0.5642, 0.8463, 1.0294, 1.1630, 1.2672, 1.3522, 1.4236,
                                                    1.4850, 1.5388, 1.5864, 1.6292, 1.6680, 1.7034, 1.7359, 1.7660};
    return mean[m];
}

/* ---- jobs ---- */

static void on_event(const xoe_event *ev, void *ud)
{
    struct draft *f = ud;
    if (ev->kind == XOE_EVENT_DONE) xoe_notes_post_done(&f->owner->notes, f->index, ev, &f->done);
    else xoe_notes_post_event(&f->owner->notes, f->index, ev);
}

static bool is_canceled(xoe_drafts *d)
{
    pthread_mutex_lock(&d->mu);
    bool canceled = d->canceled;
    pthread_mutex_unlock(&d->mu);
    return canceled;
}

static void cancel_jobs(xoe_drafts *d)
{
    pthread_mutex_lock(&d->mu);
    for (int i = 0; i < d->n_drafts; i++)
        if (d->drafts[i].job) xoe_job_cancel(d->drafts[i].job);
    pthread_mutex_unlock(&d->mu);
}

static void spoil(xoe_drafts *d, xoe_finish bad, const xoe_error *why)
{
    if (d->bad) return;
    d->bad = bad;
    if (why) d->error = *why;
    cancel_jobs(d);
}

static xoe_err submit(xoe_drafts *d, struct draft *f, xoe_error *e)
{
    xoe_job *job;
    xoe_gen_request g = d->r;
    g.prompt = d->text;
    g.n_prompt = d->n_prompt + d->n_answer;
    g.n_written = d->n_answer;
    g.max_tokens = (int)(d->max_tokens - d->n_answer < d->piece ? d->max_tokens - d->n_answer : d->piece);
    g.sampling.seed = xoe_rng_u64(&d->rng);
    g.on_event = on_event;
    g.ud = f;
    f->n = 0;
    f->first = NULL;
    f->last = &f->first;
    for (size_t k = 1; k <= XOE_MARK_WIDTH_MAX; k++)
        f->line[XOE_MARK_WIDTH_MAX - k] = k <= d->n_answer ? d->text[g.n_prompt - k] : -1;
    xoe_err rc;
    bool begun = d->n_answer || f->index; /* then it waits for a place instead of failing */
    while ((rc = xoe_engine_generate(d->en, &g, &job, e)) == XOE_EBUSY && begun) {
        struct timespec pause = {0, BUSY_WAIT_MS * 1000000};
        if (is_canceled(d) || (g.deadline_mono_ms && xoe_clock_mono_ms() >= g.deadline_mono_ms)) break;
        nanosleep(&pause, NULL);
    }
    if (rc) return rc;
    d->n_open++;
    pthread_mutex_lock(&d->mu);
    f->job = job;
    if (d->canceled) xoe_job_cancel(job);
    pthread_mutex_unlock(&d->mu);
    return XOE_OK;
}

static void close_job(xoe_drafts *d, struct draft *f)
{
    pthread_mutex_lock(&d->mu);
    xoe_job *job = f->job;
    f->job = NULL;
    pthread_mutex_unlock(&d->mu);
    xoe_job_close(job);
    d->n_open--;
}

/* ---- events ---- */

static void tell_start(xoe_drafts *d, const xoe_note *note)
{
    if (d->told_start) return;
    d->told_start = true;
    xoe_event ev = {.kind = XOE_EVENT_STARTED, .n_prompt = note->n_prompt, .n_cached = note->n_cached};
    d->owner.on_event(&ev, d->owner.ud);
}

static void take_done(xoe_drafts *d, struct draft *f)
{
    close_job(d, f);
    d->n_drawn += f->done.n_drawn;
    if (!d->n_answer && f->index == 0) {
        d->queued_ms = f->done.queued_ms;
        d->prompt_ms = f->done.prompt_ms;
    }
    if (f->done.finish != XOE_FINISH_STOP && f->done.finish != XOE_FINISH_LENGTH) spoil(d, f->done.finish, &f->done.error);
}

/* Until every draft of the piece has ended. */
static void collect(xoe_drafts *d)
{
    while (d->n_open) {
        bool lost = false;
        xoe_note *list = xoe_notes_take(&d->notes, &lost), *next;
        xoe_error e = XOE_ERROR_INIT;
        if (lost) {
            xoe_error_set(&e, XOE_ENOMEM, "no memory for the answer's tokens");
            spoil(d, XOE_FINISH_ERROR, &e);
        }
        for (xoe_note *note = list; note; note = next) {
            struct draft *f = &d->drafts[note->choice];
            next = note->next;
            if (note->kind == XOE_NOTE_DONE) {
                take_done(d, f);
            } else if (note->kind == XOE_NOTE_TOKEN && f->n < d->piece) {
                f->line[XOE_MARK_WIDTH_MAX + f->n++] = note->token;
                note->next = NULL;
                *f->last = note;
                f->last = &note->next;
            } else {
                if (note->kind == XOE_NOTE_STARTED) tell_start(d, note);
                xoe_free(note);
            }
        }
    }
}

/* ---- the choice ---- */

/* Scored tokens of a that b does not have: another context or another token. */
static size_t alone(const xoe_drafts *d, const struct draft *a, const struct draft *b)
{
    size_t w = (size_t)d->width, n = 0;
    for (size_t i = 0; i < a->n; i++) {
        bool shared = false;
        const int32_t *gram = a->line + XOE_MARK_WIDTH_MAX + i - w;
        if (!a->scored[i]) continue;
        for (size_t k = 0; k < b->n && !shared; k++)
            shared = b->scored[k] && !memcmp(gram, b->line + XOE_MARK_WIDTH_MAX + k - w, (w + 1) * sizeof *gram);
        n += !shared;
    }
    return n;
}

/* What the best of these drafts gains over keys, about. */
static double promise(const xoe_drafts *d)
{
    size_t apart = 0;
    for (int i = 0; i < d->n_drafts; i++)
        for (int k = 0; k < d->n_drafts; k++)
            if (i != k) apart += alone(d, &d->drafts[i], &d->drafts[k]);
    double pairs = 0.5 * d->n_drafts * (d->n_drafts - 1);
    return sqrt(0.5 * (double)apart / pairs) * largest_of(d->n_drafts);
}

static xoe_err choose(xoe_drafts *d, struct draft **best, xoe_error *e)
{
    double least = INFINITY;
    int32_t *answer = d->text + d->n_prompt;
    for (int i = 0; i < d->n_drafts; i++) {
        struct draft *f = &d->drafts[i];
        memcpy(answer + d->n_answer, f->line + XOE_MARK_WIDTH_MAX, f->n * sizeof *answer);
        xoe_err rc = xoe_marker_draft_gain(d->marker, answer, d->n_answer, f->n, &f->gain, f->scored, e);
        if (rc) return rc;
        f->n_scored = 0;
        for (size_t k = 0; k < f->n; k++)
            f->n_scored += f->scored[k];
        double n = (double)f->n_scored, u = xoe_rng_uniform(&d->rng);
        double ln_p = f->n_scored ? xoe_ln_gamma_tail(f->n_scored, fmax(0, n + f->gain)) : log(1 - u);
        if (ln_p < least) {
            least = ln_p;
            *best = f;
        }
    }
    return XOE_OK;
}

static void keep(xoe_drafts *d, const struct draft *f)
{
    double each = f->n_scored ? promise(d) / (double)f->n_scored : 0;
    size_t i = 0;
    memcpy(d->text + d->n_prompt + d->n_answer, f->line + XOE_MARK_WIDTH_MAX, f->n * sizeof *d->text);
    d->n_answer += f->n;
    for (const xoe_note *note = f->first; note; note = note->next, i++) {
        xoe_event ev = {.kind = XOE_EVENT_TOKEN, .token = note->token, .bytes = note->bytes, .n_bytes = note->n_bytes,
                        .logprob = note->logprob, .top = note->top, .n_top = note->n_top, .marked = f->scored[i],
                        .expected_score = f->scored[i] ? each : 0};
        d->owner.on_event(&ev, d->owner.ud);
    }
}

/* One piece. NONE: another may follow. */
static xoe_finish write_piece(xoe_drafts *d)
{
    xoe_error e = XOE_ERROR_INIT;
    struct draft *best = NULL;
    xoe_finish finish = XOE_FINISH_NONE;
    for (int i = d->n_open; i < d->n_drafts && !d->bad; i++) /* the very first was submitted by start */
        if (submit(d, &d->drafts[i], &e)) spoil(d, XOE_FINISH_ERROR, &e);
    collect(d);
    if (!d->bad && choose(d, &best, &e)) spoil(d, XOE_FINISH_ERROR, &e);
    if (d->bad) {
        finish = d->bad;
    } else {
        keep(d, best);
        bool full = d->n_answer >= d->max_tokens || best->n < d->piece || d->n_prompt + d->n_answer >= (size_t)d->n_ctx;
        if (best->done.finish == XOE_FINISH_STOP) finish = XOE_FINISH_STOP;
        else if (full) finish = XOE_FINISH_LENGTH;
    }
    for (int i = 0; i < d->n_drafts; i++) {
        xoe_notes_release(d->drafts[i].first);
        d->drafts[i].first = NULL;
    }
    return finish;
}

static void *write_all(void *arg)
{
    xoe_drafts *d = arg;
    xoe_finish finish;
    do
        finish = write_piece(d);
    while (!finish);
    if (finish == XOE_FINISH_ERROR && d->error.code == XOE_EBUSY) /* it waited for a place until then */
        finish = is_canceled(d) ? XOE_FINISH_CANCELED : XOE_FINISH_DEADLINE;
    double ms = (double)(xoe_clock_mono_ns() - d->start_ns) * 1e-6 - d->queued_ms - d->prompt_ms;
    xoe_event ev = {.kind = XOE_EVENT_DONE, .finish = finish, .n_prompt = (int)d->n_prompt, .n_predicted = (int)d->n_answer,
                    .n_drawn = d->n_drawn, .queued_ms = d->queued_ms, .prompt_ms = d->prompt_ms, .predicted_ms = fmax(ms, 0),
                    .error = finish == XOE_FINISH_ERROR ? &d->error : NULL};
    d->owner.on_event(&ev, d->owner.ud);
    return NULL;
}

/* ---- the handle ---- */

static void release(xoe_drafts *d)
{
    xoe_marker_close(d->marker);
    xoe_notes_free(&d->notes);
    pthread_mutex_destroy(&d->mu);
    xoe_free(d->text);
    xoe_free(d);
}

static xoe_err prepare(xoe_drafts *d, const xoe_gen_request *r, xoe_error *e)
{
    static atomic_uint_fast64_t families;
    xoe_engine_info info;
    uint64_t seed = r->sampling.seed;
    xoe_engine_get_info(d->en, &info);
    d->n_ctx = info.n_ctx_slot;
    if (!r->mark || !r->mark_key || r->n_written) return xoe_error_set(e, XOE_EINVAL, "drafts need a mark, and start an answer");
    xoe_mark_params p = *r->mark;
    xoe_err rc = xoe_mark_params_resolve(&p, e);
    if (!rc) rc = xoe_marker_open(&d->marker, &p, r->mark_key, r->mark_shift, r->mark_payload, e);
    if (rc) return rc;
    d->width = p.width;
    d->max_tokens = r->max_tokens > 0 ? (size_t)r->max_tokens : (size_t)d->n_ctx;
    size_t room = r->n_prompt > (size_t)d->n_ctx ? r->n_prompt : (size_t)d->n_ctx;
    d->text = xoe_malloc((room + d->piece) * sizeof *d->text);
    if (!d->text) return xoe_error_set(e, XOE_ENOMEM, "no memory for a request");
    memcpy(d->text, r->prompt, r->n_prompt * sizeof *d->text);
    if (!r->sampling.has_seed && xoe_random_bytes(&seed, sizeof seed)) return xoe_error_set(e, XOE_EINTERNAL, "the system gives no randomness");
    xoe_rng_seed(&d->rng, seed);
    d->r.mark = NULL;
    d->r.mark_key = NULL;
    d->r.reuse_prefix = r->reuse_prefix || !r->sampling.has_seed;
    d->r.sampling.has_seed = true;
    d->r.family = atomic_fetch_add(&families, 1) + 1;
    return XOE_OK;
}

xoe_err xoe_drafts_start(xoe_drafts **out, xoe_engine *en, const xoe_gen_request *r, int n_drafts, int piece, xoe_error *e)
{
    *out = NULL;
    if (n_drafts < 2 || n_drafts > XOE_DRAFTS_MAX || piece < 1 || piece > XOE_DRAFT_PIECE_MAX)
        return xoe_error_set(e, XOE_EINVAL, "%d drafts of %d tokens: it must be 2 to %d drafts of 1 to %d", n_drafts, piece,
                             XOE_DRAFTS_MAX, XOE_DRAFT_PIECE_MAX);
    xoe_drafts *d = xoe_calloc(1, sizeof *d);
    if (!d) return xoe_error_set(e, XOE_ENOMEM, "no memory for a request");
    pthread_mutex_init(&d->mu, NULL);
    xoe_notes_init(&d->notes);
    d->en = en;
    d->r = d->owner = *r;
    d->n_drafts = n_drafts;
    d->piece = (size_t)piece;
    d->n_prompt = r->n_prompt;
    d->start_ns = xoe_clock_mono_ns();
    for (int i = 0; i < n_drafts; i++) {
        d->drafts[i].owner = d;
        d->drafts[i].index = i;
    }
    xoe_err rc = prepare(d, r, e);
    if (!rc) rc = submit(d, &d->drafts[0], e); /* here, so that what is wrong with the request is told at once */
    if (rc) {
        release(d);
        return rc;
    }
    if (pthread_create(&d->thread, NULL, write_all, d)) {
        d->told_start = true; /* the owner hears nothing of what failed to start */
        cancel_jobs(d);
        collect(d);
        xoe_notes_release(d->drafts[0].first);
        release(d);
        return xoe_error_set(e, XOE_EUNAVAILABLE, "no thread for the drafts; try again");
    }
    *out = d;
    return XOE_OK;
}

void xoe_drafts_cancel(xoe_drafts *d)
{
    pthread_mutex_lock(&d->mu);
    d->canceled = true;
    pthread_mutex_unlock(&d->mu);
    cancel_jobs(d);
}

void xoe_drafts_close(xoe_drafts *d)
{
    if (!d) return;
    pthread_join(d->thread, NULL);
    release(d);
}
