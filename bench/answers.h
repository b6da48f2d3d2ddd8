/* What benchmarks that write answers share: answers of full length, collected token by token. Include once a program.
 * Threads: events come on the engine's or the drafts' thread; bench_lock guards what they fill, until done. */
#ifndef XOE_BENCH_ANSWERS_H
#define XOE_BENCH_ANSWERS_H

#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "flow/writing.h"

enum { BENCH_TOKENS_MAX = 1024 };

struct bench_answer {
    xoe_writing *writing; /* NULL: free */
    bool done;
    size_t n, n_text;
    int64_t first_ns, last_ns; /* when the first and the last token came */
    int32_t token[BENCH_TOKENS_MAX];
    bool marked[BENCH_TOKENS_MAX];
    double expected[BENCH_TOKENS_MAX];
    char text[BENCH_TOKENS_MAX * 32];
};

static pthread_mutex_t bench_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t bench_changed = PTHREAD_COND_INITIALIZER;

/* Forbids every token that would end an answer; *n of them, freed with xoe_free. */
static inline xoe_logit_bias *bench_no_end(const xoe_engine *en, size_t *n)
{
    xoe_engine_info info;
    xoe_engine_get_info(en, &info);
    xoe_logit_bias *bias = xoe_malloc((size_t)info.n_vocab * sizeof *bias);
    XOE_ASSERT(bias);
    *n = 0;
    for (int32_t id = 0; id < info.n_vocab; id++)
        if (xoe_engine_is_eog(en, id)) bias[(*n)++] = (xoe_logit_bias){id, -1000};
    return bias;
}

static inline void bench_on_event(const xoe_event *ev, void *ud)
{
    struct bench_answer *a = ud;
    pthread_mutex_lock(&bench_lock);
    if (ev->kind == XOE_EVENT_TOKEN && a->n < BENCH_TOKENS_MAX && a->n_text + ev->n_bytes <= sizeof a->text) {
        a->last_ns = xoe_clock_mono_ns();
        if (!a->n) a->first_ns = a->last_ns;
        a->token[a->n] = ev->token;
        a->marked[a->n] = ev->marked;
        a->expected[a->n++] = ev->expected_score;
        memcpy(a->text + a->n_text, ev->bytes, ev->n_bytes);
        a->n_text += ev->n_bytes;
    } else if (ev->kind == XOE_EVENT_DONE) {
        a->done = true;
        pthread_cond_broadcast(&bench_changed);
    }
    pthread_mutex_unlock(&bench_lock);
}

/* Begin an answer. r without on_event and ud. */
static inline xoe_err bench_begin(struct bench_answer *a, xoe_engine *en, xoe_gen_request r, xoe_error *e)
{
    memset(a, 0, sizeof *a);
    r.on_event = bench_on_event;
    r.ud = a;
    return xoe_writing_start(&a->writing, en, &r, NULL, e);
}

/* The first of [n] answers that is done and not yet ended, after waiting for one; NULL: none is being written. */
static inline struct bench_answer *bench_wait(struct bench_answer *all, size_t n)
{
    struct bench_answer *found = NULL;
    bool any = true;
    pthread_mutex_lock(&bench_lock);
    while (!found && any) {
        any = false;
        for (size_t i = 0; i < n && !found; i++) {
            any = any || all[i].writing;
            if (all[i].writing && all[i].done) found = &all[i];
        }
        if (!found && any) pthread_cond_wait(&bench_changed, &bench_lock);
    }
    pthread_mutex_unlock(&bench_lock);
    return found;
}

static inline void bench_end(struct bench_answer *a)
{
    xoe_writing_close(a->writing);
    a->writing = NULL;
}

#endif
