/* flow/drafts on a real model (SmolLM2 135M): a watermax key marks in generation; pieces join without a seam; seeds,
 * stops, grammars, limits, cancel, deadline, logprobs and counts are those of an ordinary answer. */
#include "flowtest.h"

#include "base/clock.h"
#include "flow/drafts.h"

static int setup(void **s)
{
    (void)s;
    return open_app("{\"version\":1,\"keys\":[{\"id\":\"test\",\"key\":\"000102030405060708090a0b0c0d0e0f"
                    "101112131415161718191a1b1c1d1e1f\",\"active\":true,\"created_ms\":1,\"retired_ms\":0,"
                    "\"scheme\":\"watermax\",\"width\":3,\"shifts\":1,\"payload_bits\":0}]}");
}

static double log10_p(const xoe_completion_result *r)
{
    const char *ids[] = {"test"};
    xoe_text_detect_opts opts = {.fpr = 1e-3, .key_ids = ids, .n_key_ids = 1};
    xoe_text_verdict v = {0};
    const xoe_choice *c = &r->choices[0];
    assert_int_equal(xoe_detect_text(app->chat, app->keyring, c->text, c->n, &opts, &v, NULL), XOE_OK);
    double p = v.v.log10_p;
    xoe_text_verdict_clear(&v);
    return p;
}

static void test_mark_is_found_and_only_with_drafts(void **state)
{
    (void)state;
    xoe_completion_request q = endless("marked", 200), off = endless("off", 200);
    xoe_completion_result r;
    run(&q, NULL, &r);
    assert_int_equal(r.completion_tokens, 200);
    assert_in_range(r.drawn_tokens, 8 * 200 - 8 * 16, 8 * 200 + 8 * 16);
    assert_true(r.choices[0].is_watermarked);
    assert_true(log10_p(&r) < -3);
    assert_true(r.choices[0].signal_expected > 20);
    xoe_completion_result_clear(&r);
    off.mark_mode = XOE_MARK_OFF;
    run(&off, NULL, &r);
    assert_int_equal(r.drawn_tokens, 200);
    assert_false(r.choices[0].is_watermarked);
    assert_true(log10_p(&r) > -3);
    xoe_completion_result_clear(&r);
}

static void test_stream_logprobs_and_seed(void **state)
{
    (void)state;
    xoe_completion_request q = endless("same-1", 70), q2 = endless("same-2", 70), other = endless("other", 70);
    xoe_completion_result a, b, c;
    seen s;
    seen_init(&s);
    q.n_probs = q2.n_probs = 2;
    run(&q, &s, &a);
    other.sampling.seed = 12;
    other.n = 2; /* and leaves other caches behind */
    run(&other, NULL, &c);
    run(&q2, NULL, &b);
    assert_string_equal(a.choices[0].text, b.choices[0].text);
    assert_string_not_equal(a.choices[0].text, c.choices[0].text);
    assert_string_not_equal(c.choices[0].text, c.choices[1].text);
    assert_string_equal(xoe_buf_cstr(&s.text[0]), a.choices[0].text);
    assert_int_equal(s.n_logprobs, 70);
    assert_int_equal(a.choices[0].n_logprobs, 70);
    assert_int_equal(b.cached_tokens, 0); /* exact: only the family's caches */
    size_t at = 0;
    for (int i = 0; i < 70; i++) {
        const xoe_logprob *l = &a.choices[0].logprobs[i];
        assert_int_equal(l->n_top, 2);
        assert_true(l->logprob <= 0 && l->top[0].logprob >= l->logprob);
        at += l->n_bytes;
    }
    assert_int_equal(at, a.choices[0].n);
    seen_free(&s);
    xoe_completion_result_clear(&a);
    xoe_completion_result_clear(&b);
    xoe_completion_result_clear(&c);
}

static void test_stop_string(void **state)
{
    (void)state;
    stop_cuts(endless("stop", 60), 60);
}

/* A grammar and a penalty go on from piece to piece. */
static void test_grammar_across_pieces(void **state)
{
    (void)state;
    xoe_completion_request q = request("grammar", 300);
    xoe_completion_result r;
    q.sampling.grammar = "root ::= \"{\\\"sea\\\": \\\"\" [a-z ]{150,300} \"\\\"}\"";
    run(&q, NULL, &r);
    const char *t = r.choices[0].text;
    size_t n = r.choices[0].n;
    assert_true(r.completion_tokens > 32); /* three pieces or more */
    assert_true(n > 12 + 150 && !strncmp(t, "{\"sea\": \"", 9) && !strcmp(t + n - 2, "\"}"));
    for (size_t i = 9; i + 2 < n; i++)
        assert_true((t[i] >= 'a' && t[i] <= 'z') || t[i] == ' ');
    assert_string_equal(r.choices[0].finish_reason, "stop");
    xoe_completion_result_clear(&r);

    xoe_completion_request once = endless("once", 80); /* no token twice */
    once.sampling.presence_penalty = 100;
    once.n_probs = 0;
    run(&once, NULL, &r);
    assert_int_equal(r.choices[0].n_logprobs, 80);
    for (int i = 0; i < 80; i++)
        for (int k = 0; k < i; k++)
            assert_int_not_equal(r.choices[0].logprobs[i].id, r.choices[0].logprobs[k].id);
    xoe_completion_result_clear(&r);
}

static void test_ends_by_itself_and_at_temperature_0(void **state)
{
    (void)state;
    xoe_completion_request q = request("short", 400), cold = request("cold", 40);
    xoe_completion_result r;
    static const xoe_chat_inputs hi = {.messages_json = "[{\"role\":\"user\",\"content\":\"Say hello in one short sentence.\"}]"};
    q.chat = &hi;
    run(&q, NULL, &r);
    assert_string_equal(r.choices[0].finish_reason, "stop");
    assert_true(r.completion_tokens < 400);
    xoe_completion_result_clear(&r);
    cold.sampling.temperature = 0;
    run(&cold, NULL, &r);
    assert_string_equal(r.choices[0].unmarked_reason, "temperature 0");
    assert_int_equal(r.drawn_tokens, r.completion_tokens);
    xoe_completion_result_clear(&r);
}

static void idle(void)
{
    xoe_engine_stats st;
    for (int i = 0; i < 200; i++) {
        xoe_engine_get_stats(app->chat, &st);
        if (!st.processing && !st.deferred) return;
        usleep(10000);
    }
    fail_msg("%d jobs still run, %d wait", st.processing, st.deferred);
}

static void test_cancel_and_deadline_free_everything(void **state)
{
    (void)state;
    xoe_completion_request q = endless("fired", 3000);
    xoe_completion_result r;
    xoe_error e = XOE_ERROR_INIT;
    q.n = 2;
    cancel_ends(&q);
    idle();
    client_leaves(&q, 3);
    idle();
    q.deadline_mono_ms = xoe_clock_mono_ms() + 500;
    assert_int_equal(xoe_completion_run(app, &q, NULL, NULL, NULL, &r, &e), XOE_EDEADLINE);
    idle();
}

static void ignore(const xoe_event *ev, void *ud)
{
    (void)ev;
    (void)ud;
}

static void test_context_full_and_errors(void **state)
{
    (void)state;
    xoe_completion_request q = endless("long", 0);
    xoe_completion_result r;
    xoe_error e = XOE_ERROR_INIT;
    xoe_engine_info info;
    xoe_engine_get_info(app->chat, &info);
    size_t n = (size_t)info.n_ctx_slot - 20;
    int32_t *ids = malloc(n * sizeof *ids);
    for (size_t i = 0; i < n; i++)
        ids[i] = 300 + (int32_t)(i % 7);
    q.chat = NULL;
    q.prompt_tokens = ids;
    q.n_prompt_tokens = n;
    run(&q, NULL, &r);
    assert_string_equal(r.choices[0].finish_reason, "length");
    assert_in_range(r.completion_tokens, 18, 21);
    xoe_completion_result_clear(&r);
    free(ids);
    q = request("bad", 40);
    q.sampling.grammar = "root ::= (";
    assert_int_equal(xoe_completion_run(app, &q, NULL, NULL, NULL, &r, &e), XOE_EINVAL);
    xoe_key key;
    assert_int_equal(xoe_keyring_get(app->keyring, NULL, &key, NULL), XOE_OK);
    int32_t prompt[] = {1, 2, 3};
    xoe_gen_request g = {.size = sizeof g, .prompt = prompt, .n_prompt = 3, .sampling = XOE_SAMPLING_INIT, .mark = &key.params,
                         .mark_key = key.bytes, .on_event = ignore};
    xoe_job *job;
    xoe_drafts *d;
    assert_int_equal(xoe_engine_generate(app->chat, &g, &job, &e), XOE_EUNSUPPORTED); /* never silently unmarked */
    assert_int_equal(xoe_drafts_start(&d, app->chat, &g, 1, 16, &e), XOE_EINVAL);
    assert_int_equal(xoe_drafts_start(&d, app->chat, &g, 8, 0, &e), XOE_EINVAL);
    idle();
}

static void test_out_of_memory_is_an_error(void **state)
{
    (void)state;
    out_of_memory(20, 90, idle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mark_is_found_and_only_with_drafts),
        cmocka_unit_test(test_stream_logprobs_and_seed),
        cmocka_unit_test(test_stop_string),
        cmocka_unit_test(test_grammar_across_pieces),
        cmocka_unit_test(test_ends_by_itself_and_at_temperature_0),
        cmocka_unit_test(test_cancel_and_deadline_free_everything),
        cmocka_unit_test(test_context_full_and_errors),
        cmocka_unit_test(test_out_of_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
