/* What the tests of flow/ on a real model (SmolLM2 135M) share: the application in a folder of its own, requests,
 * what a client sees. They fail, not skip, without the model. */
#ifndef XOE_FLOWTEST_H
#define XOE_FLOWTEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../modelpath.h"
#include "base/buf.h"
#include "base/mem.h"
#include "flow/app_detect.h"
#include "flow/completion.h"
#include "flow/rephrase.h"

static xoe_config cfg;
static xoe_app *app;
static char dir[] = "/tmp/xoe-flow-XXXXXX";

static const xoe_chat_inputs sea = {
    .messages_json = "[{\"role\":\"user\",\"content\":\"Write three sentences about the sea.\"}]"};

/* The text, rephrased; fed so many bytes at a time. Cleared by the caller. */
static inline xoe_rephrase_result rephrased(const xoe_rephrase_opts *o, const char *text, size_t n, size_t at_a_time)
{
    xoe_error e = XOE_ERROR_INIT;
    xoe_rephraser *rp;
    xoe_rephrase_result r;
    assert_int_equal(xoe_rephraser_open(&rp, o, NULL, NULL, &e), XOE_OK);
    for (size_t at = 0; at < n; at += at_a_time)
        assert_int_equal(xoe_rephraser_feed(rp, text + at, n - at < at_a_time ? n - at : at_a_time, &e), XOE_OK);
    if (xoe_rephraser_finish(rp, &r, &e)) fail_msg("%s", e.msg);
    xoe_rephraser_close(rp);
    return r;
}

/* The active key. */
static inline xoe_key active_key(void)
{
    xoe_error e = XOE_ERROR_INIT;
    xoe_key key;
    assert_int_equal(xoe_keyring_get(app->keyring, NULL, &key, &e), XOE_OK);
    return key;
}

static inline int write_keys(const char *json)
{
    char path[64];
    snprintf(path, sizeof path, "%s/keys.json", dir);
    int fd = open(path, O_CREAT | O_WRONLY | O_EXCL, 0600);
    if (fd < 0) return -1;
    bool whole = write(fd, json, strlen(json)) == (ssize_t)strlen(json);
    return close(fd) || !whole ? -1 : 0;
}

/* keys: what DATA/keys.json holds; the same for every run, since what a model writes under a mark depends on it. */
static inline int open_app(const char *keys)
{
    char models[MODEL_PATH_BYTES];
    xoe_error e = XOE_ERROR_INIT;
    if (!mkdtemp(dir) || write_keys(keys) || xoe_config_load(&cfg, "/dev/null", &e)) goto bad;
    if (xoe_config_set(&cfg, "data", dir, "test", &e) || xoe_config_set(&cfg, "models-dir", model_path(models, ""), "test", &e) ||
        xoe_config_set(&cfg, "model", "smollm2-135m-instruct", "test", &e) || xoe_config_finish(&cfg, &e) ||
        xoe_app_open(&app, &cfg, XOE_APP_CHAT | XOE_APP_AUDIT, &e))
        goto bad;
    return 0;
bad:
    fprintf(stderr, "%s\n", e.msg);
    return -1;
}

/* A group's set-up: one gumbel key, "test". */
static inline int open_with_one_key(void **state)
{
    (void)state;
    return open_app("{\"version\":1,\"keys\":[{\"id\":\"test\",\"key\":\"000102030405060708090a0b0c0d0e0f"
                    "101112131415161718191a1b1c1d1e1f\",\"active\":true,\"created_ms\":1,\"retired_ms\":0,"
                    "\"scheme\":\"gumbel\",\"width\":3,\"shifts\":4,\"payload_bits\":0}]}");
}

static inline int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

static inline int teardown(void **s)
{
    (void)s;
    xoe_app_close(app);
    xoe_config_free(&cfg);
    return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline xoe_completion_request request(const char *id, int max_tokens)
{
    xoe_completion_request q = {.engine = app->chat, .request_id = id, .user = "u", .chat = &sea,
        .sampling = XOE_SAMPLING_INIT, .max_tokens = max_tokens, .n_probs = -1};
    q.sampling.has_seed = true;
    q.sampling.seed = 11;
    return q;
}

typedef struct seen {
    xoe_buf text[XOE_N_MAX];
    int n_logprobs, pieces, stop_after;
} seen;

static inline int collect(const xoe_completion_piece *p, void *ud)
{
    seen *s = ud;
    xoe_buf_add(&s->text[p->index], p->text, p->n);
    s->n_logprobs += p->n_logprobs;
    return s->stop_after && ++s->pieces >= s->stop_after ? -1 : 0;
}

static inline void seen_init(seen *s)
{
    *s = (seen){0};
    for (int i = 0; i < XOE_N_MAX; i++)
        xoe_buf_init(&s->text[i], 1 << 20);
}

static inline void seen_free(seen *s)
{
    for (int i = 0; i < XOE_N_MAX; i++)
        xoe_buf_free(&s->text[i]);
}

static inline void run(const xoe_completion_request *q, seen *s, xoe_completion_result *r)
{
    xoe_error e = XOE_ERROR_INIT;
    xoe_err rc = xoe_completion_run(app, q, NULL, s ? collect : NULL, s, r, &e);
    if (rc) fail_msg("%s: %s", xoe_err_name(rc), e.msg);
}

/* An answer without end: the end tokens are forbidden. */
static xoe_logit_bias no_end[2] = {{2, -100}, {0, -100}};

static inline xoe_completion_request endless(const char *id, int max_tokens)
{
    xoe_completion_request q = request(id, max_tokens);
    q.sampling.logit_bias = no_end;
    q.sampling.n_logit_bias = 2;
    return q;
}

/* What stands `at` bytes into q's answer as a stop string of the same request ends it there, for the stream too. */
static inline void stop_cuts(xoe_completion_request q, size_t at)
{
    xoe_completion_result whole, cut;
    char stop[8];
    seen s;
    seen_init(&s);
    run(&q, NULL, &whole);
    memcpy(stop, whole.choices[0].text + at, 5); /* across tokens, most likely */
    stop[5] = 0;
    q.request_id = "stopped";
    q.stop[0] = stop;
    q.n_stop = 1;
    run(&q, &s, &cut);
    const xoe_choice *c = &cut.choices[0];
    assert_int_equal(c->n, strstr(whole.choices[0].text, stop) - whole.choices[0].text);
    assert_memory_equal(c->text, whole.choices[0].text, c->n);
    assert_string_equal(xoe_buf_cstr(&s.text[0]), c->text);
    assert_string_equal(c->finish_reason, "stop");
    assert_true(cut.completion_tokens < whole.completion_tokens);
    seen_free(&s);
    xoe_completion_result_clear(&whole);
    xoe_completion_result_clear(&cut);
}

static inline void *fire_soon(void *c)
{
    usleep(500000);
    xoe_cancel_fire(c);
    return NULL;
}

/* Another thread cancels q after half a second; then a request is tried with what was fired before. */
static inline void cancel_ends(const xoe_completion_request *q)
{
    xoe_completion_result r;
    xoe_error e = XOE_ERROR_INIT;
    pthread_t t;
    xoe_cancel *c = xoe_cancel_new();
    assert_int_equal(pthread_create(&t, NULL, fire_soon, c), 0);
    assert_int_equal(xoe_completion_run(app, q, c, NULL, NULL, &r, &e), XOE_ECANCELED);
    pthread_join(t, NULL);
    assert_int_equal(xoe_completion_run(app, q, c, NULL, NULL, &r, &e), XOE_ECANCELED);
    xoe_cancel_free(c);
}

static inline void client_leaves(const xoe_completion_request *q, int after_pieces)
{
    xoe_completion_result r;
    xoe_error e = XOE_ERROR_INIT;
    seen s;
    seen_init(&s);
    s.stop_after = after_pieces;
    assert_int_equal(xoe_completion_run(app, q, NULL, collect, &s, &r, &e), XOE_ECANCELED);
    seen_free(&s);
}

/* The n-th allocation fails, for some n: no crash, nothing left over for `after` to find. */
static inline void out_of_memory(int max_tokens, long most, void (*after)(void))
{
    for (long n = 1; n < most; n += 3) {
        xoe_completion_request q = request("oom", max_tokens);
        xoe_completion_result r;
        xoe_error e;
        xoe_mem_fail_at(n);
        xoe_err rc = xoe_completion_run(app, &q, NULL, NULL, NULL, &r, &e);
        xoe_mem_fail_at(0);
        if (!rc) xoe_completion_result_clear(&r);
        if (after) after();
    }
}

#endif
