/* What the engine's tests on a real model (SmolLM2 135M) share: the engine, answers, requests. They
 * fail, not skip, without the model. */
#ifndef XOE_ENGINETEST_H
#define XOE_ENGINETEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../modelpath.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "engine/chat.h"

static xoe_engine *en;

struct answer {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool done, started;
    xoe_finish finish;
    int32_t tokens[2048];
    size_t n;
    xoe_buf text;
    float logprob[2048];
    double expected;
    int n_cached, n_marked;
    xoe_job *job;
    float top_sum;
};

static inline void on_event(const xoe_event *ev, void *ud)
{
    struct answer *a = ud;
    pthread_mutex_lock(&a->lock);
    if (ev->kind == XOE_EVENT_STARTED) {
        a->started = true;
        a->n_cached = ev->n_cached;
    } else if (ev->kind == XOE_EVENT_TOKEN) {
        a->logprob[a->n] = ev->logprob;
        a->tokens[a->n++] = ev->token;
        xoe_buf_add(&a->text, ev->bytes, ev->n_bytes);
        a->n_marked += ev->marked;
        if (ev->marked) a->expected += ev->expected_score;
        a->top_sum = 0;
        for (int i = 0; i < ev->n_top; i++)
            a->top_sum += expf(ev->top[i].logprob);
    } else {
        a->done = true;
        a->finish = ev->finish;
    }
    pthread_cond_broadcast(&a->cond);
    pthread_mutex_unlock(&a->lock);
}

static inline struct answer *answer_new(void)
{
    struct answer *a = calloc(1, sizeof *a);
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->cond, NULL);
    xoe_buf_init(&a->text, 1 << 20);
    return a;
}

static inline void answer_free(struct answer *a)
{
    xoe_job_close(a->job);
    xoe_buf_free(&a->text);
    free(a);
}

static inline int32_t *tokens_of(const char *text, size_t *n)
{
    int32_t *t;
    assert_int_equal(xoe_engine_tokenize(en, text, strlen(text), true, true, &t, n, NULL), XOE_OK);
    return t;
}

static inline xoe_gen_request request(const int32_t *t, size_t n, struct answer *a)
{
    return (xoe_gen_request){.size = sizeof(xoe_gen_request), .prompt = t, .n_prompt = n, .sampling = XOE_SAMPLING_INIT,
                             .max_tokens = 24, .n_probs = -1, .on_event = on_event, .ud = a,
                             .priority = XOE_PRIORITY_INTERACTIVE};
}

static inline void wait_done(struct answer *a)
{
    pthread_mutex_lock(&a->lock);
    while (!a->done)
        pthread_cond_wait(&a->cond, &a->lock);
    pthread_mutex_unlock(&a->lock);
}

static inline struct answer *run(xoe_gen_request r, struct answer *a)
{
    xoe_error e = XOE_ERROR_INIT;
    r.ud = a;
    xoe_err rc = xoe_engine_generate(en, &r, &a->job, &e);
    if (rc) print_message("%s\n", e.msg);
    assert_int_equal(rc, XOE_OK);
    wait_done(a);
    return a;
}

#define PROMPT "<|im_start|>user\nTell me about the sea.<|im_end|>\n<|im_start|>assistant\n"

static inline int setup(void **s)
{
    (void)s;
    char path[MODEL_PATH_BYTES];
    xoe_engine_opts o = XOE_ENGINE_OPTS_INIT;
    xoe_error e = XOE_ERROR_INIT;
    o.path = model_path(path, "SmolLM2-135M-Instruct.Q4_1.gguf");
    o.n_slots = 4;
    o.n_ctx_slot = 1024;
    o.queue_max = 4;
    if (xoe_engine_open(&en, &o, &e) != XOE_OK) {
        print_error("%s; pull it with: xoe models pull smollm2-135m-instruct\n", e.msg);
        return -1;
    }
    return 0;
}

static inline int teardown(void **s)
{
    (void)s;
    xoe_engine_close(en);
    return 0;
}

#endif
