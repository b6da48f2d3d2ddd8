/* The engine on a real model (SmolLM2 135M): determinism, seeds, prefix reuse, cancel, deadline, queue,
 * limits, grammar, log-probabilities, the mark, scoring. Fails, not skips, without the model. */
#include "enginetest.h"

static void test_greedy_is_deterministic(void **s)
{
    (void)s;
    size_t n;
    int32_t *t = tokens_of(PROMPT, &n);
    struct answer *a = answer_new(), *b = answer_new();
    xoe_gen_request r = request(t, n, a);
    r.sampling.temperature = 0;
    run(r, a);
    run(r, b);
    assert_int_equal(a->n, 24);
    assert_int_equal(a->finish, XOE_FINISH_LENGTH);
    assert_memory_equal(a->tokens, b->tokens, a->n * sizeof(int32_t));
    assert_true(b->n_cached > (int)n / 2); /* the prefix was reused */
    answer_free(a);
    answer_free(b);
    xoe_tokens_free(t);
}

static void test_seed_reproduces(void **s)
{
    (void)s;
    size_t n, m;
    int32_t *t = tokens_of(PROMPT, &n), *u = tokens_of("Something else entirely, at some length.", &m);
    struct answer *a = answer_new(), *b = answer_new(), *c = answer_new(), *d = answer_new();
    xoe_gen_request r = request(t, n, a), other = request(u, m, c);
    r.sampling.has_seed = true;
    r.sampling.seed = 7;
    r.max_tokens = 60;
    run(r, a);
    run(other, c);
    run(r, b);
    assert_int_equal(a->n, b->n);
    assert_memory_equal(a->tokens, b->tokens, a->n * sizeof(int32_t));
    assert_int_equal(b->n_cached, 0);
    r.sampling.seed = 8;
    run(r, d);
    assert_true(d->n != a->n || memcmp(a->tokens, d->tokens, a->n * sizeof(int32_t)));
    answer_free(a);
    answer_free(b);
    answer_free(c);
    answer_free(d);
    xoe_tokens_free(t);
    xoe_tokens_free(u);
}

static void test_cancel_and_deadline(void **s)
{
    (void)s;
    size_t n;
    int32_t *t = tokens_of(PROMPT, &n);
    struct answer *a = answer_new(), *b = answer_new();
    xoe_gen_request r = request(t, n, a);
    r.max_tokens = 1000;
    r.sampling.logit_bias = (xoe_logit_bias[]){{2, -100}}; /* <|im_end|> */
    r.sampling.n_logit_bias = 1;
    assert_int_equal(xoe_engine_generate(en, &r, &a->job, NULL), XOE_OK);
    pthread_mutex_lock(&a->lock);
    while (!a->n)
        pthread_cond_wait(&a->cond, &a->lock);
    pthread_mutex_unlock(&a->lock);
    xoe_job_cancel(a->job);
    wait_done(a);
    assert_int_equal(a->finish, XOE_FINISH_CANCELED);
    assert_true(a->n < 500);
    r.deadline_mono_ms = xoe_clock_mono_ms() + 300;
    run(r, b);
    assert_int_equal(b->finish, XOE_FINISH_DEADLINE);
    answer_free(a);
    answer_free(b);
    xoe_tokens_free(t);
}

static void test_limits(void **s)
{
    (void)s;
    xoe_error e = XOE_ERROR_INIT;
    xoe_engine_info info;
    xoe_engine_get_info(en, &info);
    int32_t *t = calloc((size_t)info.n_ctx_slot + 1, sizeof *t);
    struct answer *a = answer_new();
    xoe_gen_request r = request(t, (size_t)info.n_ctx_slot, a);
    xoe_job *job;
    assert_int_equal(xoe_engine_generate(en, &r, &job, &e), XOE_ELIMIT);
    assert_non_null(strstr(e.msg, "1024"));
    r.n_prompt = 0;
    assert_int_equal(xoe_engine_generate(en, &r, &job, &e), XOE_EINVAL);
    t[0] = info.n_vocab;
    r.n_prompt = 1;
    assert_int_equal(xoe_engine_generate(en, &r, &job, &e), XOE_EINVAL);
    t[0] = 1;
    r.sampling.grammar = "root ::= (";
    assert_int_equal(xoe_engine_generate(en, &r, &job, &e), XOE_EINVAL);
    answer_free(a);
    free(t);
}

static void test_queue_is_bounded(void **s)
{
    (void)s;
    size_t n;
    int32_t *t = tokens_of(PROMPT, &n);
    struct answer *a[16];
    int refused = 0, made = 0;
    for (int i = 0; i < 16; i++) {
        a[i] = answer_new();
        xoe_gen_request r = request(t, n, a[i]);
        r.max_tokens = 40;
        xoe_err rc = xoe_engine_generate(en, &r, &a[i]->job, NULL);
        if (rc == XOE_EBUSY) {
            refused++;
            answer_free(a[i--]);
            break;
        }
        assert_int_equal(rc, XOE_OK);
        made++;
    }
    assert_true(refused == 1 && made >= 4 && made <= 9); /* 4 slots, 4 waiting */
    for (int i = 0; i < made; i++) {
        wait_done(a[i]);
        assert_true(a[i]->n > 0);
        answer_free(a[i]);
    }
    xoe_tokens_free(t);
}

static void test_grammar(void **s)
{
    (void)s;
    size_t n;
    int32_t *t = tokens_of(PROMPT, &n);
    struct answer *a = answer_new();
    xoe_gen_request r = request(t, n, a);
    r.sampling.grammar = "root ::= \"{\\\"sea\\\": \" (\"\\\"blue\\\"\" | \"\\\"deep\\\"\") \"}\"";
    r.max_tokens = 40;
    run(r, a);
    assert_int_equal(a->finish, XOE_FINISH_STOP);
    assert_true(!strcmp(a->text.data, "{\"sea\": \"blue\"}") || !strcmp(a->text.data, "{\"sea\": \"deep\"}"));
    answer_free(a);
    xoe_tokens_free(t);
}

static void test_logprobs(void **s)
{
    (void)s;
    size_t n;
    int32_t *t = tokens_of(PROMPT, &n);
    struct answer *a = answer_new();
    xoe_gen_request r = request(t, n, a);
    r.n_probs = 20;
    r.sampling.temperature = 0;
    run(r, a);
    assert_true(a->top_sum > 0.3f && a->top_sum <= 1.0001f);
    /* scoring the same tokens gives the same log-probabilities */
    int32_t all[512];
    float lp[64], h[64];
    memcpy(all, t, n * sizeof *t);
    memcpy(all + n, a->tokens, a->n * sizeof *t);
    assert_int_equal(xoe_engine_score(en, all, n + a->n, n, XOE_PRIORITY_BATCH, lp, h, NULL), XOE_OK);
    for (size_t i = 0; i < a->n; i++) {
        assert_true(fabsf(lp[i] - a->logprob[i]) < 0.15f);
        assert_true(h[i] >= 0 && h[i] < 12);
    }
    /* and lists what else was likely: the most likely token was written, at temperature 0 */
    enum { TOP = 5 };
    xoe_token_prob top[64 * TOP];
    assert_int_equal(xoe_engine_score_top(en, all, n + a->n, n, XOE_PRIORITY_BATCH, lp, top, TOP, NULL), XOE_OK);
    for (size_t i = 0; i < a->n; i++) {
        assert_true(fabsf(lp[i] - a->logprob[i]) < 0.15f);
        assert_true(top[i * TOP].id == a->tokens[i] ? top[i * TOP].logprob == lp[i] : top[i * TOP].logprob - lp[i] < 0.15f);
        for (size_t k = 1; k < TOP; k++)
            assert_true(top[i * TOP + k].logprob <= top[i * TOP + k - 1].logprob);
    }
    assert_int_equal(xoe_engine_score_top(en, all, n + a->n, n, XOE_PRIORITY_BATCH, lp, top, 0, NULL), XOE_EINVAL);
    assert_int_equal(xoe_engine_score_top(en, all, n, n, XOE_PRIORITY_BATCH, lp, top, TOP, NULL), XOE_EINVAL);
    answer_free(a);
    xoe_tokens_free(t);
}

static double cosine(const float *x, const float *y, int n)
{
    double xy = 0, xx = 0, yy = 0;
    for (int i = 0; i < n; i++) {
        xy += (double)x[i] * (double)y[i];
        xx += (double)x[i] * (double)x[i];
        yy += (double)y[i] * (double)y[i];
    }
    return xy / sqrt(xx * yy);
}

static void test_reading(void **s)
{
    (void)s;
    size_t n;
    int32_t *t = tokens_of(PROMPT, &n);
    xoe_engine_info info;
    xoe_engine_get_info(en, &info);
    size_t size = (size_t)info.n_embd * sizeof(float);
    float *first = calloc(1, size), *again = calloc(1, size), *other = calloc(1, size);
    struct answer *a = answer_new(), *b = answer_new();
    xoe_gen_request r = request(t, n, a);
    r.sampling.temperature = 0;
    run(r, a);
    for (int layer = 0; layer < info.n_layers; layer += info.n_layers - 1) { /* the lowest and the highest */
        assert_int_equal(xoe_engine_read(en, t, n, 0, layer, XOE_PRIORITY_BATCH, first, NULL), XOE_OK);
        assert_int_equal(xoe_engine_read(en, t, n, n - 4, layer, XOE_PRIORITY_BATCH, again, NULL), XOE_OK); /* from the cache */
        assert_int_equal(xoe_engine_read(en, t, n - 1, 0, layer, XOE_PRIORITY_BATCH, other, NULL), XOE_OK);
        assert_true(cosine(first, again, info.n_embd) > 0.98);
        assert_true(cosine(first, other, info.n_embd) < 0.97);
    }
    /* what a reading leaves in the cache is whole: the same answer comes of it */
    run(r, b);
    assert_int_equal(a->n, b->n);
    assert_memory_equal(a->tokens, b->tokens, a->n * sizeof(int32_t));
    xoe_error e = XOE_ERROR_INIT;
    assert_int_equal(xoe_engine_read(en, t, n, n, 0, XOE_PRIORITY_BATCH, first, &e), XOE_EINVAL);
    assert_int_equal(xoe_engine_read(en, t, n, 0, info.n_layers, XOE_PRIORITY_BATCH, first, &e), XOE_EINVAL);
    answer_free(a);
    answer_free(b);
    free(first);
    free(again);
    free(other);
    xoe_tokens_free(t);
}

static void test_mark_is_found(void **s)
{
    (void)s;
    size_t n;
    int32_t *t = tokens_of(PROMPT, &n);
    struct answer *a = answer_new(), *b = answer_new();
    xoe_mark_params mp = XOE_MARK_PARAMS_INIT;
    uint8_t key[1][XOE_MARK_KEY_BYTES] = {{1, 2, 3}};
    xoe_verdict v;
    assert_int_equal(xoe_mark_params_resolve(&mp, NULL), XOE_OK);
    xoe_gen_request r = request(t, n, a);
    r.mark = &mp;
    r.mark_key = key[0];
    r.mark_shift = 2;
    r.max_tokens = 250;
    r.sampling.top_p = 0.95f;
    run(r, a);
    assert_true(a->n_marked > (int)a->n / 2);
    assert_int_equal(xoe_detect_tokens(&mp, (const uint8_t(*)[XOE_MARK_KEY_BYTES])key, 1, a->tokens, a->n, NULL, &v, NULL), XOE_OK);
    print_message("n %zu scored %zu mean %.3f predicted %.3f log10 p %.1f\n", a->n, v.n_scored, v.score,
                  1 + a->expected / a->n_marked, v.log10_p);
    assert_int_equal(v.n_scored, a->n_marked);
    assert_int_equal(v.shift, 2);
    assert_true(v.detected && v.log10_p < -6);
    xoe_verdict_clear(&v);
    r.mark = NULL;
    run(r, b);
    assert_int_equal(b->n_marked, 0);
    answer_free(a);
    answer_free(b);
    xoe_tokens_free(t);
}

static void test_chat_template(void **s)
{
    (void)s;
    xoe_error e = XOE_ERROR_INIT;
    xoe_chat *c;
    size_t n;
    xoe_chat_inputs in = {.messages_json = "[{\"role\":\"user\",\"content\":\"Hello\"}]"};
    assert_int_equal(xoe_chat_render(&c, en, &in, &e), XOE_OK);
    const char *p = xoe_chat_prompt(c, &n);
    assert_non_null(strstr(p, "<|im_start|>user\nHello<|im_end|>"));
    char *json;
    assert_int_equal(xoe_chat_parse(c, "Hi there", 8, false, &json, &e), XOE_OK);
    assert_non_null(strstr(json, "Hi there"));
    xoe_free(json);
    xoe_chat_close(c);
    in.messages_json = "{\"not\":\"a list\"}";
    assert_int_equal(xoe_chat_render(&c, en, &in, &e), XOE_EINVAL);
    char *g;
    assert_int_equal(xoe_json_schema_to_grammar("{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"}}}", &g, &e), XOE_OK);
    assert_non_null(strstr(g, "root"));
    xoe_free(g);
}

static void test_bad_files(void **s)
{
    (void)s;
    xoe_engine *x;
    xoe_error e = XOE_ERROR_INIT;
    xoe_engine_opts o = XOE_ENGINE_OPTS_INIT;
    o.path = "/nonexistent/model.gguf";
    assert_int_equal(xoe_engine_open(&x, &o, &e), XOE_ENOTFOUND);
    o.path = XOE_SOURCE_DIR "/CMakeLists.txt";
    assert_int_equal(xoe_engine_open(&x, &o, &e), XOE_EFORMAT);
    char path[] = "/tmp/xoe-trunc-XXXXXX";
    int fd = mkstemp(path);
    assert_true(write(fd, "GGUF\3\0\0\0garbage", 15) == 15);
    close(fd);
    o.path = path;
    assert_int_equal(xoe_engine_open(&x, &o, &e), XOE_EFORMAT);
    assert_non_null(strstr(e.msg, path));
    unlink(path);
}

static void test_bad_adapter(void **s)
{
    (void)s;
    static const char nonsense[] = "GGUF, or so it says";
    xoe_adapter a = {nonsense, sizeof nonsense};
    const xoe_adapter *list[] = {&a};
    xoe_engine_info info;
    xoe_engine *x;
    xoe_error e = XOE_ERROR_INIT;
    xoe_engine_opts o = XOE_ENGINE_OPTS_INIT;
    xoe_engine_get_info(en, &info);
    assert_int_equal(info.adapter, 0);
    o.path = info.path;
    o.n_ctx_slot = 64;
    o.n_slots = 1;
    o.adapters = list;
    o.n_adapters = 1;
    for (;; a.n = 0) { /* nonsense, and nothing */
        assert_int_equal(xoe_engine_open(&x, &o, &e), XOE_EFORMAT);
        assert_null(x);
        assert_non_null(strstr(e.msg, "adapter does not fit"));
        if (!a.n) break;
    }
    o.n_adapters = 0;
    o.adapter = 1;
    assert_int_equal(xoe_engine_open(&x, &o, &e), XOE_EINVAL);
    assert_non_null(strstr(e.msg, "no adapter 1"));
}

/* Two engines of one file have its weights in memory once; the one that read them may be the first to go. */
static void test_shared_weights(void **s)
{
    (void)s;
    size_t n;
    int32_t *t = tokens_of(PROMPT, &n);
    float alone[64], shared[64];
    xoe_engine_info info;
    xoe_engine *x, *y;
    xoe_error e = XOE_ERROR_INIT;
    xoe_engine_opts o = XOE_ENGINE_OPTS_INIT;
    xoe_engine_get_info(en, &info);
    o.path = info.path;
    o.n_ctx_slot = 64;
    o.n_slots = 1;
    assert_true(n > 2 && n <= 64);
    assert_int_equal(xoe_engine_open(&x, &o, &e), XOE_OK);
    assert_int_equal(xoe_engine_score(x, t, n, 1, XOE_PRIORITY_BATCH, alone, NULL, NULL), XOE_OK);
    o.same_as = x;
    assert_int_equal(xoe_engine_open(&y, &o, &e), XOE_OK);
    xoe_engine_close(x);
    assert_int_equal(xoe_engine_score(y, t, n, 1, XOE_PRIORITY_BATCH, shared, NULL, NULL), XOE_OK);
    assert_memory_equal(alone, shared, (n - 1) * sizeof *alone);
    o.same_as = y;
    o.path = "/another/file.gguf";
    assert_int_equal(xoe_engine_open(&x, &o, &e), XOE_EINVAL);
    xoe_engine_close(y);
    xoe_tokens_free(t);
}

/* The start of a real model: a header that promises more than there is. */
static void test_truncated_file(void **s)
{
    (void)s;
    enum { SOME = 4 << 20 };
    char path[] = "/tmp/xoe-trunc-XXXXXX", *some = malloc(SOME);
    xoe_engine_info info;
    xoe_engine *x;
    xoe_error e = XOE_ERROR_INIT;
    xoe_engine_opts o = XOE_ENGINE_OPTS_INIT;
    xoe_engine_get_info(en, &info);
    FILE *f = fopen(info.path, "rb");
    assert_non_null(f);
    assert_int_equal(fread(some, 1, SOME, f), SOME);
    fclose(f);
    int fd = mkstemp(path);
    o.path = path;
    for (int cut = 0; cut < 3; cut++) { /* in the header, in the vocabulary, in the weights */
        int64_t n = cut == 0 ? 40 : cut == 1 ? 100000 : SOME;
        assert_int_equal(ftruncate(fd, 0), 0);
        assert_int_equal(pwrite(fd, some, (size_t)n, 0), n);
        assert_int_equal(xoe_engine_open(&x, &o, &e), XOE_EFORMAT);
        assert_null(x);
    }
    close(fd);
    unlink(path);
    free(some);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_greedy_is_deterministic), cmocka_unit_test(test_seed_reproduces),
        cmocka_unit_test(test_cancel_and_deadline),     cmocka_unit_test(test_limits),
        cmocka_unit_test(test_queue_is_bounded),        cmocka_unit_test(test_grammar),
        cmocka_unit_test(test_logprobs), cmocka_unit_test(test_reading), cmocka_unit_test(test_mark_is_found),
        cmocka_unit_test(test_chat_template),           cmocka_unit_test(test_bad_files), cmocka_unit_test(test_bad_adapter), cmocka_unit_test(test_shared_weights),
        cmocka_unit_test(test_truncated_file),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
