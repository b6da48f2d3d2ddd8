/* flow/completion and flow/app on a real model (SmolLM2 135M): streams equal whole answers, seeds, stops,
 * choices, audit rows, marks, cancel, errors. Fails, not skips, without the model. */
#include "flowtest.h"

#include <sqlite3.h>

#include "base/hash.h"

/* One column of the row of a request; "" when there is none. */
static void row(const char *request_id, const char *column, char out[128])
{
    sqlite3 *db;
    sqlite3_stmt *st;
    char path[128], sql[256];
    snprintf(path, sizeof path, "%s/audit.db", dir);
    snprintf(sql, sizeof sql, "SELECT %s FROM watermark_audit_log WHERE request_id = ?", column);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
    sqlite3_bind_text(st, 1, request_id, -1, SQLITE_STATIC);
    out[0] = 0;
    if (sqlite3_step(st) == SQLITE_ROW) snprintf(out, 128, "%s", (const char *)sqlite3_column_text(st, 0));
    sqlite3_finalize(st);
    sqlite3_close(db);
}

static void test_stream_is_the_whole_answer_and_seed_reproduces(void **state)
{
    (void)state;
    xoe_completion_request q = request("same-1", 120), q2 = request("same-2", 120);
    xoe_completion_result a, b;
    char value[128], hash[XOE_SHA256_HEX];
    seen s;
    seen_init(&s);
    q.n_probs = q2.n_probs = 2;
    run(&q, &s, &a);
    run(&q2, NULL, &b);
    const xoe_choice *c = &a.choices[0];
    assert_true(c->n > 40);
    assert_string_equal(c->text, b.choices[0].text);
    assert_string_equal(c->original, c->text);
    assert_string_equal(xoe_buf_cstr(&s.text[0]), c->text);
    assert_int_equal(s.n_logprobs, c->n_logprobs);
    assert_int_equal(c->n_logprobs, a.completion_tokens);
    assert_int_equal(c->logprobs[0].n_top, 2);
    assert_true(a.prompt_tokens > 10);
    assert_int_equal(b.cached_tokens, 0); /* exact: with a seed nothing cached is used */
    /* the mark and the row */
    assert_true(c->is_watermarked);
    assert_true(c->log10_p < -3 && c->confidence > 0.5 && c->signal_expected > 5);
    xoe_sha256_hex(c->text, c->n, hash);
    row("same-1#0", "text_hash", value);
    assert_string_equal(value, hash);
    row("same-1#0", "key_id", value);
    assert_string_equal(value, a.key_id);
    row("same-1#0", "is_watermarked", value);
    assert_string_equal(value, "1");
    seen_free(&s);
    xoe_completion_result_clear(&a);
    xoe_completion_result_clear(&b);
}

static void test_choices_differ_and_each_has_a_row(void **state)
{
    (void)state;
    xoe_completion_request q = request("many", 30);
    xoe_completion_result r;
    char value[128];
    seen s;
    seen_init(&s);
    q.n = 3;
    q.sampling.has_seed = false;
    run(&q, &s, &r);
    assert_true(r.cached_tokens > 0); /* the turn before had the same prompt */
    assert_int_equal(r.n, 3);
    for (int i = 0; i < 3; i++) {
        char id[16];
        assert_string_equal(xoe_buf_cstr(&s.text[i]), r.choices[i].text);
        assert_string_not_equal(r.choices[i].text, r.choices[(i + 1) % 3].text);
        snprintf(id, sizeof id, "many#%d", i);
        row(id, "user_id", value);
        assert_string_equal(value, "u");
    }
    seen_free(&s);
    xoe_completion_result_clear(&r);
}

static void test_stop_string_ends_the_answer_and_frees_the_slot(void **state)
{
    (void)state;
    stop_cuts(request("stop", 60), 20);
    xoe_engine_stats st;
    xoe_engine_get_stats(app->chat, &st);
    assert_int_equal(st.processing, 0);
}

static void unmarked(xoe_completion_request *q, const char *why)
{
    xoe_completion_result r;
    char value[128], id[64];
    run(q, NULL, &r);
    assert_false(r.choices[0].is_watermarked);
    assert_string_equal(r.choices[0].unmarked_reason, why);
    snprintf(id, sizeof id, "%s#0", q->request_id);
    row(id, "key_id", value);
    assert_string_equal(value, "");
    row(id, "is_watermarked", value);
    assert_string_equal(value, "0");
    xoe_completion_result_clear(&r);
}

static void test_what_cannot_carry_a_mark_says_why(void **state)
{
    (void)state;
    xoe_completion_request off = request("off", 20), cold = request("cold", 20), brief = request("brief", 3),
                           narrow = request("narrow", 200);
    off.mark_mode = XOE_MARK_OFF;
    unmarked(&off, "off");
    cold.sampling.temperature = 0;
    unmarked(&cold, "temperature 0");
    unmarked(&brief, "too short");
    narrow.sampling.grammar = "root ::= \"one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
                              "fifteen sixteen seventeen eighteen nineteen twenty twenty-one twenty-two\"";
    unmarked(&narrow, "low entropy");
}

static void test_own_marks_are_found_and_the_correction_holds(void **state)
{
    (void)state;
    xoe_completion_request q = request("found", 120);
    xoe_completion_result r;
    xoe_text_verdict v = {0};
    xoe_text_detect_opts opts = {.fpr = 1e-3};
    xoe_error e = XOE_ERROR_INIT;
    char model[XOE_MODEL_NAME_MAX];
    run(&q, NULL, &r);
    assert_int_equal(xoe_app_detect(app, "smollm2-135m-instruct", r.choices[0].text, r.choices[0].n, &opts, &v, model, &e), XOE_OK);
    assert_true(v.v.detected);
    assert_string_equal(model, "smollm2-135m-instruct");
    double before = v.v.log10_p;
    xoe_verdict_correct(&v, 1e-3, 10);
    assert_float_equal(v.v.log10_p, before + 1, 1e-9);
    xoe_text_verdict_clear(&v);
    xoe_completion_result_clear(&r);
}

static void test_client_that_leaves(void **state)
{
    (void)state;
    xoe_completion_request q = request("gone", 2000);
    char value[128];
    client_leaves(&q, 4);
    row("gone#0", "key_id", value);
    assert_string_equal(value, "");
}

static void test_cancel_from_another_thread(void **state)
{
    (void)state;
    xoe_completion_request q = endless("fired", 3000);
    xoe_chat_inputs count = {.messages_json = "[{\"role\":\"user\",\"content\":\"Count to ten thousand.\"}]"};
    q.chat = &count;
    q.n = 2;
    cancel_ends(&q);
}

static void test_errors(void **state)
{
    (void)state;
    xoe_completion_request q = request("bad", 5);
    xoe_completion_result r;
    xoe_error e = XOE_ERROR_INIT;
    static char long_text[60000];
    memset(long_text, 'a', sizeof long_text);
    for (size_t i = 1; i < sizeof long_text; i += 2)
        long_text[i] = ' ';
    q.chat = NULL;
    q.prompt = long_text;
    q.n_prompt = sizeof long_text;
    assert_int_equal(xoe_completion_run(app, &q, NULL, NULL, NULL, &r, &e), XOE_ELIMIT);
    int32_t ids[] = {1, 9999999};
    q.prompt = NULL;
    q.prompt_tokens = ids;
    q.n_prompt_tokens = 2;
    assert_int_equal(xoe_completion_run(app, &q, NULL, NULL, NULL, &r, &e), XOE_EINVAL);
    assert_string_equal(e.param, "prompt");
    q = request("bad", 5);
    q.key_id = "nobody";
    assert_int_equal(xoe_completion_run(app, &q, NULL, NULL, NULL, &r, &e), XOE_ENOTFOUND);
    q = request("bad", 5);
    xoe_chat_inputs tools = sea;
    tools.tools_json = "[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{}}}]";
    tools.tool_choice = "auto";
    q.chat = &tools;
    assert_int_equal(xoe_completion_run(app, &q, NULL, NULL, NULL, &r, &e), XOE_EUNSUPPORTED);
    assert_string_equal(e.param, "tools");
    xoe_engine *en;
    assert_int_equal(xoe_app_model(app, "nope", false, &en, &e), XOE_ENOTFOUND);
    assert_non_null(strstr(e.msg, "smollm2-135m-instruct"));
    assert_int_equal(xoe_app_model(app, "../audit.db", false, &en, &e), XOE_ENOTFOUND);
    assert_int_equal(xoe_app_model(app, "SMOLLM2-135M-Instruct", false, &en, &e), XOE_OK);
    assert_ptr_equal(en, app->chat); /* another name of the same file */
    xoe_app_release(app, en);
}

static void test_out_of_memory_is_an_error(void **state)
{
    (void)state;
    out_of_memory(4, 60, NULL);
    xoe_completion_request q = request("after-oom", 4);
    xoe_completion_result r;
    run(&q, NULL, &r);
    xoe_completion_result_clear(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stream_is_the_whole_answer_and_seed_reproduces),
        cmocka_unit_test(test_choices_differ_and_each_has_a_row),
        cmocka_unit_test(test_stop_string_ends_the_answer_and_frees_the_slot),
        cmocka_unit_test(test_what_cannot_carry_a_mark_says_why),
        cmocka_unit_test(test_own_marks_are_found_and_the_correction_holds),
        cmocka_unit_test(test_client_that_leaves),
        cmocka_unit_test(test_cancel_from_another_thread),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_out_of_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, open_with_one_key, teardown);
}
