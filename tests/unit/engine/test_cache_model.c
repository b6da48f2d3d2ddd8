/* The engine on a real model: prefixes shared between slots, grammars with a mark, dead ends, rest. */
#include "enginetest.h"

#include "engine/schedule.h"

/* n answers to one prompt compute it once, although they are asked for at the same moment. */
static void test_same_prompt_is_computed_once(void **s)
{
    (void)s;
    size_t n;
    int32_t *t = tokens_of("Ten things about boats, harbours, sails, ropes, anchors, tides, winds, storms, lighthouses, "
                           "islands, maps, stars, compasses, crews, captains, cargo, ports and the long way home, with a "
                           "word or two on the cost of each of them in the older days of the trade:", &n);
    struct answer *a[4];
    int cached = 0;
    assert_true(n > 50);
    for (int i = 0; i < 4; i++) {
        a[i] = answer_new();
        xoe_gen_request r = request(t, n, a[i]);
        r.max_tokens = 8;
        assert_int_equal(xoe_engine_generate(en, &r, &a[i]->job, NULL), XOE_OK);
    }
    for (int i = 0; i < 4; i++) {
        wait_done(a[i]);
        cached += a[i]->n_cached;
        answer_free(a[i]);
    }
    assert_true(cached >= 3 * ((int)n - XOE_COPY_MIN)); /* nobody waits for less */
    xoe_tokens_free(t);
}

/* A short request with the same start does not take a long conversation's cache away. */
static void test_conversation_keeps_its_cache(void **s)
{
    (void)s;
    size_t n, m;
    int32_t *t = tokens_of(PROMPT, &n), *u = tokens_of("<|im_start|>user\nHow high is the sky?<|im_end|>\n", &m), talk[512];
    struct answer *a = answer_new(), *b = answer_new(), *c = answer_new();
    xoe_gen_request r = request(t, n, a);
    r.max_tokens = 200;
    r.sampling.logit_bias = (xoe_logit_bias[]){{2, -100}, {0, -100}}; /* no end */
    r.sampling.n_logit_bias = 2;
    run(r, a);
    assert_int_equal(a->n, 200);
    r.prompt = u;
    r.n_prompt = m;
    r.max_tokens = 4;
    run(r, b);
    memcpy(talk, t, n * sizeof *t);
    memcpy(talk + n, a->tokens, a->n * sizeof *t);
    r.prompt = talk;
    r.n_prompt = n + a->n;
    run(r, c);
    assert_true(c->n_cached >= (int)(n + a->n) - 2);
    answer_free(a);
    answer_free(b);
    answer_free(c);
    xoe_tokens_free(t);
    xoe_tokens_free(u);
}

/* Free text inside a grammar: every answer obeys it, marked and unmarked, and the mark is found. */
static void test_grammar_with_mark(void **s)
{
    (void)s;
    size_t n, at = 0;
    int32_t *t = tokens_of(PROMPT, &n), all[1024];
    xoe_mark_params mp = XOE_MARK_PARAMS_INIT;
    uint8_t key[1][XOE_MARK_KEY_BYTES] = {{5}};
    int marked = 0;
    assert_int_equal(xoe_mark_params_resolve(&mp, NULL), XOE_OK);
    for (int i = 0; i < 4; i++) {
        struct answer *a = answer_new();
        xoe_gen_request r = request(t, n, a);
        r.sampling.has_seed = true;
        r.sampling.seed = (uint64_t)i;
        r.sampling.grammar = "root ::= \"{\\\"sea\\\": \\\"\" [a-z ]{80,400} \"\\\"}\"";
        r.max_tokens = 120;
        r.mark = i < 3 ? &mp : NULL;
        r.mark_key = key[0];
        run(r, a);
        assert_true(a->text.len > 20 && !strncmp(a->text.data, "{\"sea\": \"", 9));
        for (size_t k = 10; k + 2 < a->text.len; k++)
            assert_true((a->text.data[k] >= 'a' && a->text.data[k] <= 'z') || a->text.data[k] == ' ');
        if (i < 3) {
            memcpy(all + at, a->tokens, a->n * sizeof *all);
            at += a->n;
            marked += a->n_marked;
        } else {
            assert_int_equal(a->n_marked, 0);
        }
        answer_free(a);
    }
    assert_true(marked > 60);
    xoe_verdict v;
    assert_int_equal(xoe_detect_tokens(&mp, (const uint8_t(*)[XOE_MARK_KEY_BYTES])key, 1, all, at, NULL, &v, NULL), XOE_OK);
    assert_true(v.log10_p < -6);
    xoe_verdict_clear(&v);
    xoe_tokens_free(t);
}

static void test_dead_end_ends_the_answer(void **s)
{
    (void)s;
    size_t n;
    int32_t *t = tokens_of(PROMPT, &n);
    struct answer *a = answer_new();
    xoe_gen_request r = request(t, n, a);
    r.sampling.grammar = "root ::= \"ab\" [\\x01]";
    xoe_logit_bias *none = calloc(49152, sizeof *none); /* forbid the only continuation, and everything else */
    for (int i = 0; i < 49152; i++)
        none[i] = (xoe_logit_bias){i, -INFINITY};
    r.sampling.logit_bias = none;
    r.sampling.n_logit_bias = 49152;
    run(r, a);
    assert_int_equal(a->n, 0);
    assert_int_equal(a->finish, XOE_FINISH_STOP);
    free(none);
    answer_free(a);
    xoe_tokens_free(t);
}

static double cpu_ms(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-3;
}

static void test_idle_engine_burns_nothing(void **s)
{
    (void)s;
    usleep(200000); /* a spinning pool gives up within it */
    double before = cpu_ms();
    usleep(500000);
    assert_true(cpu_ms() - before < 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_prompt_is_computed_once), cmocka_unit_test(test_conversation_keeps_its_cache),
        cmocka_unit_test(test_grammar_with_mark),            cmocka_unit_test(test_dead_end_ends_the_answer),
        cmocka_unit_test(test_idle_engine_burns_nothing),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
