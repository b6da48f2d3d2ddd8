/* The worker: one thread that owns a llama.cpp context and runs all its jobs.
 *
 * A step is one llama_decode: one token of each running answer and a piece of the prompts that wait, so
 * a long prompt delays a running answer, and a short prompt that comes, by one piece at most (schedule.c says
 * how long that is, by the rate at which this machine computes prompts). Each slot is one sequence with its own stream of the key-value cache: attention then
 * reads only the slot's own tokens (a unified cache makes each of 8 answers read all 8). When a job
 * ends, its slot keeps the cache; the next job starts with the longest prefix that any slot shares with
 * its prompt (schedule.c places it), and a job whose prompt is being computed for another one just now
 * waits for that, so that n answers to one prompt compute it once.
 *
 * Seeded jobs are exact: the kernels round differently for pieces of different length, so their
 * prompt is computed afresh in pieces of n_prefill, whatever was cached. Those of one family take prefixes
 * from each other, always from the slot that shares most, so that what they continue was computed by the
 * same steps each time.
 *
 * Invariants: slot->cache[0, n_cache) is what sequence slot->seq holds; DONE is delivered once, before
 * job->done is set; the lock is never held across a llama.cpp call or a callback. */
#include "engine/internal.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/compute.h"
#include "engine/logits.h"
#include "engine/schedule.h"

enum {
    SLOTS_MAX = 256, /* llama.cpp's limit of sequences */
    RATE_FROM = 32,  /* prompt tokens from which on a step tells the rate of prompts */
};
#define RATE_GAIN 0.3 /* weight of the newest step in that rate */

void xoe_batch_add(struct llama_batch *b, int32_t token, int pos, int seq, bool logits)
{
    int i = b->n_tokens++;
    b->token[i] = token;
    b->pos[i] = pos;
    b->n_seq_id[i] = 1;
    b->seq_id[i][0] = seq;
    b->logits[i] = logits;
}

int xoe_worker_decode(xoe_engine *en, struct llama_batch batch, xoe_priority priority, bool encode)
{
    int cores = xoe_compute_acquire(en->n_threads, priority);
    llama_set_n_threads(en->ctx, cores, cores);
    int code = encode ? llama_encode(en->ctx, batch) : llama_decode(en->ctx, batch);
    if (code == 0) llama_synchronize(en->ctx);
    xoe_compute_release(cores);
    return code;
}

/* ---- the end of a job ---- */

static void mark_done(xoe_engine *en, xoe_job *j, bool failed, bool canceled)
{
    pthread_mutex_lock(&en->lock);
    j->done = true;
    if (failed)
        en->stats.jobs_failed++;
    else if (canceled)
        en->stats.jobs_canceled++;
    else
        en->stats.jobs_done++;
    pthread_cond_broadcast(&en->finished);
    pthread_mutex_unlock(&en->lock);
}

static double ms_between(int64_t from_ns, int64_t to_ns)
{
    return from_ns && to_ns > from_ns ? (double)(to_ns - from_ns) * 1e-6 : 0;
}

/* slot: NULL when the job never ran. */
static void end_job(xoe_engine *en, xoe_job *j, const xoe_slot *slot, xoe_finish finish, const xoe_error *error)
{
    int64_t now = xoe_clock_mono_ns();
    if (j->kind == XOE_JOB_GENERATE) {
        xoe_event ev = {.kind = XOE_EVENT_DONE, .finish = finish, .error = error};
        ev.n_prompt = (int)j->n_prompt;
        if (slot) {
            ev.n_cached = slot->n_cached;
            ev.n_predicted = ev.n_drawn = (int)(slot->n_answer - j->n_written);
            ev.queued_ms = ms_between(j->queued_ns, slot->start_ns);
            ev.prompt_ms = ms_between(slot->start_ns, slot->first_ns ? slot->first_ns : now);
            ev.predicted_ms = ms_between(slot->first_ns, now);
        } else {
            ev.queued_ms = ms_between(j->queued_ns, now);
        }
        j->on_event(&ev, j->ud);
    } else if (finish == XOE_FINISH_CANCELED) {
        xoe_error_set(&j->error, XOE_ECANCELED, "canceled");
    } else if (finish == XOE_FINISH_DEADLINE) {
        xoe_error_set(&j->error, XOE_EDEADLINE, "deadline exceeded");
    } else if (error) {
        j->error = *error;
    }
    mark_done(en, j, finish == XOE_FINISH_ERROR, finish == XOE_FINISH_CANCELED);
}

void xoe_worker_end_slot(xoe_engine *en, xoe_slot *s, xoe_finish finish, const xoe_error *error)
{
    xoe_job *j = s->job;
    s->job = NULL;
    s->used = ++en->clock;
    end_job(en, j, s, finish, error);
}

static bool over(const xoe_job *j, xoe_finish *why)
{
    if (atomic_load(&j->cancel)) {
        *why = XOE_FINISH_CANCELED;
        return true;
    }
    if (j->deadline_ms && xoe_clock_mono_ms() >= j->deadline_ms) {
        *why = XOE_FINISH_DEADLINE;
        return true;
    }
    return false;
}

/* ---- admission ---- */

void xoe_worker_cut_cache(xoe_engine *en, xoe_slot *s, size_t n)
{
    llama_memory_t mem = llama_get_memory(en->ctx);
    if (s->n_cache == n && n > 0) return;
    if (n == 0 || !llama_memory_seq_rm(mem, s->seq, (llama_pos)n, -1)) {
        llama_memory_seq_rm(mem, s->seq, -1, -1);
        n = 0;
    }
    s->n_cache = n;
}

/* Tokens of its prompt that a job can take from a cache: the last is computed for its logits. */
static size_t reusable(const xoe_job *j)
{
    if (j->exact && !j->family) return 0;
    return j->kind == XOE_JOB_SCORE ? j->n_prefix - 1 : j->n_prompt - 1;
}

/* May j use what the slot holds? Exact jobs use their family's only. */
static bool usable(const xoe_slot *s, const xoe_job *j)
{
    return !j->exact || s->family == j->family;
}

/* Is a running job, of no lower priority, about to compute a prefix that j needs and no cache has? */
static bool prefix_is_coming(const xoe_engine *en, const xoe_job *j)
{
    size_t most = reusable(j), now = 0, soon = 0;
    for (int i = 0; i < en->n_slots; i++) {
        const xoe_slot *s = &en->slots[i];
        if (!usable(s, j)) continue;
        size_t n = xoe_common_prefix(s->cache, s->n_cache, j->prompt, most);
        if (n > now) now = n;
        if (!s->job || s->answering || s->job->priority < j->priority) continue;
        n = xoe_common_prefix(s->job->prompt, s->job->n_prompt, j->prompt, most);
        if (n > soon) soon = n;
    }
    return soon >= now + XOE_WAIT_MIN;
}

/* A free slot for the job (there is one); *shared: the tokens of its cache to keep. */
static xoe_slot *choose_slot(xoe_engine *en, const xoe_job *j, size_t *shared)
{
    xoe_slot_view view[SLOTS_MAX];
    for (int i = 0; i < en->n_slots; i++) {
        const xoe_slot *s = &en->slots[i];
        view[i] = (xoe_slot_view){.busy = s->job != NULL, .n_cache = s->n_cache, .used = s->used,
                                  .shared = usable(s, j) ? xoe_common_prefix(s->cache, s->n_cache, j->prompt, reusable(j)) : 0};
    }
    xoe_placement at = xoe_place(view, en->n_slots, j->exact ? 1 : XOE_COPY_MIN);
    xoe_slot *s = &en->slots[at.slot];
    if (at.donor >= 0) {
        const xoe_slot *donor = &en->slots[at.donor];
        xoe_worker_cut_cache(en, s, 0);
        llama_memory_seq_cp(llama_get_memory(en->ctx), donor->seq, s->seq, -1, -1);
        memcpy(s->cache, donor->cache, donor->n_cache * sizeof *s->cache);
        s->n_cache = donor->n_cache;
    }
    *shared = at.shared;
    return s;
}

static void start(xoe_engine *en, xoe_slot *s, xoe_job *j, size_t shared)
{
    xoe_worker_cut_cache(en, s, shared);
    s->job = j;
    s->n_done = s->n_cache;
    s->n_cached = (int)s->n_cache;
    s->family = j->family;
    s->answering = false;
    s->n_answer = j->n_written;
    if (j->n_written) memcpy(s->answer, j->prompt + j->n_prompt - j->n_written, j->n_written * sizeof *s->answer);
    s->start_ns = xoe_clock_mono_ns();
    s->first_ns = 0;
}

/* Take the best waiting job out of the queue; jobs that are over leave through *dead. */
static xoe_job *take_next(xoe_engine *en, bool any_slot, xoe_job **dead)
{
    xoe_job **best = NULL;
    double best_rank = 0;
    int64_t now = xoe_clock_mono_ns();
    xoe_finish why;
    for (xoe_job **at = &en->queue; *at;) {
        xoe_job *j = *at;
        if (over(j, &why)) {
            *at = j->next;
            j->next = *dead;
            *dead = j;
            en->n_queue--;
            continue;
        }
        double rank = xoe_prompt_rank((int)j->priority, j->n_prompt, now - j->queued_ns, en->prompt_rate);
        if ((!best || rank < best_rank) && !prefix_is_coming(en, j)) {
            best = at;
            best_rank = rank;
        }
        at = &j->next;
    }
    if (!best || !any_slot) return NULL;
    xoe_job *j = *best;
    *best = j->next;
    j->next = NULL;
    en->n_queue--;
    return j;
}

static int count_busy(const xoe_engine *en)
{
    int n = 0;
    for (int i = 0; i < en->n_slots; i++)
        n += en->slots[i].job != NULL;
    return n;
}

/* Fill free slots; wait while there is nothing to do. False: stop. */
static bool admit(xoe_engine *en)
{
    for (;;) {
        xoe_job *dead = NULL, *j = NULL;
        int busy = count_busy(en);
        pthread_mutex_lock(&en->lock);
        while (!en->stop && busy == 0 && !en->queue) {
            en->stats.processing = 0;
            pthread_cond_wait(&en->wake, &en->lock);
        }
        bool stop = en->stop;
        if (!stop) j = take_next(en, busy < en->n_slots, &dead);
        en->stats.processing = busy + (j != NULL);
        pthread_mutex_unlock(&en->lock);
        while (dead) {
            xoe_job *next = dead->next;
            xoe_finish why = XOE_FINISH_CANCELED;
            over(dead, &why);
            end_job(en, dead, NULL, why, NULL);
            dead = next;
        }
        if (stop) return false;
        if (!j) {
            if (busy) return true;
            continue;
        }
        if (en->embeddings) {
            xoe_error err = XOE_ERROR_INIT;
            xoe_err rc = xoe_worker_embed(en, j, &err);
            end_job(en, j, NULL, rc == XOE_OK ? XOE_FINISH_STOP : XOE_FINISH_ERROR, rc == XOE_OK ? NULL : &err);
            continue;
        }
        size_t shared = 0;
        xoe_slot *s = choose_slot(en, j, &shared);
        start(en, s, j, shared);
    }
}

/* ---- one step ---- */

static void add_answers(xoe_engine *en, int *n_answers)
{
    for (int i = 0; i < en->n_slots; i++)
        *n_answers += en->slots[i].job && en->slots[i].answering;
}

/* How many prompt tokens each slot computes in this step. */
static void plan_prompts(const xoe_engine *en, int n_answers, int take[])
{
    int used = 0, room = en->n_batch - n_answers, n_step = xoe_prompt_step(en->prompt_rate, en->n_prefill, n_answers > 0);
    int64_t now = xoe_clock_mono_ns();
    for (int i = 0; i < en->n_slots; i++)
        take[i] = 0;
    for (;;) {
        int best = -1;
        double best_rank = 0;
        for (int i = 0; i < en->n_slots; i++) {
            const xoe_slot *s = &en->slots[i];
            if (!s->job || s->answering || s->job->kind != XOE_JOB_GENERATE || take[i]) continue;
            double rank = xoe_prompt_rank((int)s->job->priority, s->job->n_prompt - s->n_done,
                                          now - s->job->queued_ns, en->prompt_rate);
            if (best < 0 || rank < best_rank) {
                best = i;
                best_rank = rank;
            }
        }
        if (best < 0) return;
        const xoe_slot *s = &en->slots[best];
        int piece = xoe_prompt_piece(s->job->n_prompt - s->n_done, used, en->n_prefill, n_step, room, s->job->exact);
        if (!piece) return;
        take[best] = piece;
        used += piece;
    }
}

static void fill_batch(xoe_engine *en, const int take[])
{
    struct llama_batch *b = &en->batch;
    b->n_tokens = 0;
    for (int i = 0; i < en->n_slots; i++) { /* in order of sequence: streams are split in runs */
        xoe_slot *s = &en->slots[i];
        s->batch_index = -1;
        if (!s->job) continue;
        if (s->answering) {
            s->batch_index = b->n_tokens;
            s->cache[s->n_cache] = s->last;
            xoe_batch_add(b, s->last, (int)s->n_cache++, s->seq, true);
        }
        for (int k = 0; k < take[i]; k++) {
            int32_t id = s->job->prompt[s->n_done++];
            bool last = s->n_done == s->job->n_prompt;
            if (last) s->batch_index = b->n_tokens;
            s->cache[s->n_cache] = id;
            xoe_batch_add(b, id, (int)s->n_cache++, s->seq, last);
        }
    }
}

static bool shown(const xoe_engine *en, const xoe_job *j, int32_t id)
{
    if (!llama_vocab_is_control(en->vocab, id)) return true;
    for (size_t i = 0; i < j->n_preserved; i++)
        if (j->preserved[i] == id) return true;
    return false;
}

static void send_token(xoe_engine *en, xoe_slot *s, const xoe_sampled *got, const float *logits)
{
    xoe_job *j = s->job;
    xoe_token_prob top[64];
    xoe_event ev = {.kind = XOE_EVENT_TOKEN, .token = got->id, .bytes = en->piece, .marked = got->marked,
                    .expected_score = got->expected};
    if (shown(en, j, got->id)) ev.n_bytes = xoe_engine_token_bytes(en, got->id, true, en->piece, en->piece_cap);
    XOE_ASSERT(ev.n_bytes <= en->piece_cap);
    if (j->n_probs >= 0) {
        int k = j->n_probs < 64 ? j->n_probs : 64;
        ev.logprob = xoe_logprobs(logits, en->n_vocab, got->id, top, k);
        ev.top = top;
        ev.n_top = k;
    }
    j->on_event(&ev, j->ud);
}

/* Sample the slot's next token and tell it; ends the job when it is the last. */
static void advance(xoe_engine *en, xoe_slot *s)
{
    xoe_job *j = s->job;
    float *logits = llama_get_logits_ith(en->ctx, s->batch_index);
    if (!s->answering) {
        s->answering = true;
        s->first_ns = xoe_clock_mono_ns();
        xoe_event ev = {.kind = XOE_EVENT_STARTED, .n_prompt = (int)j->n_prompt, .n_cached = s->n_cached};
        j->on_event(&ev, j->ud);
    }
    float *work = logits;
    if (j->n_probs >= 0) { /* the sampler changes logits in place */
        memcpy(en->row, logits, (size_t)en->n_vocab * sizeof *logits);
        work = en->row;
    }
    xoe_sampled got = xoe_sampler_sample(j->sampler, work, s->answer, s->n_answer);
    if (got.id < 0 || llama_vocab_is_eog(en->vocab, got.id)) {
        xoe_worker_end_slot(en, s, XOE_FINISH_STOP, NULL);
        return;
    }
    s->answer[s->n_answer++] = got.id;
    s->last = got.id;
    send_token(en, s, &got, logits);
    if ((int)(s->n_answer - j->n_written) >= j->max_tokens || s->n_cache >= (size_t)en->n_ctx_slot)
        xoe_worker_end_slot(en, s, XOE_FINISH_LENGTH, NULL);
}

void xoe_worker_fail(xoe_engine *en, int code)
{
    xoe_error err = XOE_ERROR_INIT;
    xoe_error_set(&err, XOE_EINTERNAL, "the model failed to compute (llama.cpp code %d)", code);
    xoe_log(XOE_LOG_ERROR, "engine", "%s: decode failed with code %d", en->name, code);
    for (int i = 0; i < en->n_slots; i++) {
        xoe_slot *s = &en->slots[i];
        if (!s->job) continue;
        xoe_worker_cut_cache(en, s, 0);
        xoe_worker_end_slot(en, s, XOE_FINISH_ERROR, &err);
    }
}

void xoe_worker_note(xoe_engine *en, int n_prompt, int n_answers, double seconds)
{
    pthread_mutex_lock(&en->lock);
    xoe_engine_stats *st = &en->stats;
    st->decode_calls++;
    st->prompt_tokens += (uint64_t)n_prompt;
    st->predicted_tokens += (uint64_t)n_answers;
    st->busy_slots_sum += (uint64_t)count_busy(en);
    *(n_prompt > n_answers ? &st->prompt_s : &st->predicted_s) += seconds;
    pthread_mutex_unlock(&en->lock);
    if (n_prompt >= RATE_FROM && seconds > 0) en->prompt_rate += RATE_GAIN * (n_prompt / seconds - en->prompt_rate);
}

static xoe_priority highest_priority(const xoe_engine *en)
{
    xoe_priority p = XOE_PRIORITY_BATCH;
    for (int i = 0; i < en->n_slots; i++)
        if (en->slots[i].job && en->slots[i].job->priority > p) p = en->slots[i].job->priority;
    return p;
}

static void step(xoe_engine *en)
{
    int take[SLOTS_MAX], n_answers = 0;
    xoe_finish why;
    for (int i = 0; i < en->n_slots; i++) {
        xoe_slot *s = &en->slots[i];
        if (s->job && over(s->job, &why)) xoe_worker_end_slot(en, s, why, NULL);
    }
    add_answers(en, &n_answers);
    xoe_worker_score(en, n_answers);
    xoe_worker_read(en);
    plan_prompts(en, n_answers, take);
    fill_batch(en, take);
    if (en->batch.n_tokens == 0) return;
    int64_t t0 = xoe_clock_mono_ns();
    int code = xoe_worker_decode(en, en->batch, highest_priority(en), false);
    xoe_worker_note(en, en->batch.n_tokens - n_answers, n_answers, (double)(xoe_clock_mono_ns() - t0) * 1e-9);
    if (code) {
        xoe_worker_fail(en, code);
        return;
    }
    for (int i = 0; i < en->n_slots; i++)
        if (en->slots[i].job && en->slots[i].batch_index >= 0) advance(en, &en->slots[i]);
}

static void end_all(xoe_engine *en)
{
    for (int i = 0; i < en->n_slots; i++)
        if (en->slots && en->slots[i].job) xoe_worker_end_slot(en, &en->slots[i], XOE_FINISH_CANCELED, NULL);
    for (;;) {
        pthread_mutex_lock(&en->lock);
        xoe_job *j = en->queue;
        if (j) {
            en->queue = j->next;
            en->n_queue--;
        }
        pthread_mutex_unlock(&en->lock);
        if (!j) return;
        end_job(en, j, NULL, XOE_FINISH_CANCELED, NULL);
    }
}

void *xoe_worker_main(void *engine)
{
    xoe_engine *en = engine;
    while (admit(en))
        step(en);
    end_all(en);
    return NULL;
}
