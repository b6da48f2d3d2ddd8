/* serve/openai_answer*, openai_delta, openai_mark (mode), sse: the shapes that clients rely on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "serve/openai_answer.h"
#include "serve/openai_delta.h"
#include "serve/openai_mark.h"
#include "serve/sse.h"

static const char *str(const json_t *j, const char *key)
{
    const char *s = json_string_value(json_object_get(j, key));
    assert_non_null(s);
    return s;
}

static const xoe_answer_head chat_head = {.id = "chatcmpl-1", .created_s = 1700000000, .model = "m",
                                          .fingerprint = "fp_1", .is_chat = true};

static xoe_completion_result result_of(const char *text)
{
    xoe_completion_result r = {.n = 1, .key_id = "k1", .prompt_tokens = 7, .completion_tokens = 3, .cached_tokens = 2};
    r.choices[0] = (xoe_choice){.text = (char *)text, .n = strlen(text), .original = (char *)text,
        .n_original = strlen(text), .finish_reason = "stop", .is_watermarked = true, .log10_p = -4.5,
        .confidence = 0.96, .unmarked_reason = ""};
    return r;
}

static void test_chat_answer(void **s)
{
    (void)s;
    xoe_completion_result r = result_of("h\xc3\xa9");
    xoe_answer_mark m = {.mode = XOE_MARK_GENERATE, .scheme = "gumbel", .warning = ""};
    json_t *j = xoe_answer_full(&chat_head, &r, 1, &m);
    assert_non_null(j);
    assert_string_equal(str(j, "object"), "chat.completion");
    assert_string_equal(str(j, "model"), "m");
    const json_t *c = json_array_get(json_object_get(j, "choices"), 0);
    assert_string_equal(str(c, "finish_reason"), "stop");
    assert_true(json_is_null(json_object_get(c, "logprobs")));
    assert_string_equal(str(json_object_get(c, "message"), "content"), "h\xc3\xa9");
    assert_string_equal(str(json_object_get(c, "message"), "role"), "assistant");
    const json_t *u = json_object_get(j, "usage");
    assert_int_equal(json_integer_value(json_object_get(u, "total_tokens")), 10);
    assert_string_equal(str(j, "original"), "h\xc3\xa9");
    assert_string_equal(str(j, "watermarked"), "h\xc3\xa9");
    assert_float_equal(json_number_value(json_object_get(j, "watermark_signal")), 4.5, 1e-9);
    assert_true(json_is_true(json_object_get(j, "is_watermarked")));
    const json_t *md = json_object_get(j, "metadata");
    assert_string_equal(str(md, "watermark_type"), "gumbel");
    assert_string_equal(str(md, "model"), "m");
    assert_string_equal(str(md, "key_id"), "k1");
    assert_true(json_is_object(json_object_get(md, "timings")));
    json_decref(j);
}

static void test_unmarked_answer(void **s)
{
    (void)s;
    xoe_completion_result r = result_of("x");
    r.choices[0].is_watermarked = false;
    r.choices[0].unmarked_reason = "off";
    r.key_id[0] = 0;
    xoe_answer_mark m = {.mode = XOE_MARK_OFF, .scheme = "", .warning = ""};
    json_t *j = xoe_answer_full(&chat_head, &r, 1, &m);
    assert_true(json_is_null(json_object_get(j, "watermarked")));
    assert_true(json_is_false(json_object_get(j, "is_watermarked")));
    assert_float_equal(json_number_value(json_object_get(j, "watermark_signal")), 0, 0);
    assert_string_equal(str(json_object_get(j, "metadata"), "watermark_type"), "none");
    assert_string_equal(str(json_object_get(j, "metadata"), "unmarked_reason"), "off");
    json_decref(j);
}

static void test_async_job_hands_out_only_the_original(void **s)
{
    (void)s;
    xoe_completion_result r = result_of("x");
    r.choices[0].is_watermarked = false;
    xoe_answer_mark m = {.mode = XOE_MARK_REPHRASE, .scheme = "gumbel", .warning = "", .job = "wmjob-1"};
    json_t *j = xoe_answer_full(&chat_head, &r, 1, &m);
    assert_true(json_is_null(json_object_get(j, "watermarked")));
    assert_string_equal(str(json_object_get(j, "metadata"), "watermark_job"), "wmjob-1");
    json_decref(j);
}

static void test_choices_are_numbered_through(void **s)
{
    (void)s;
    xoe_answer_head h = {.id = "cmpl-1", .model = "m", .fingerprint = "f"};
    xoe_completion_result r[2] = {result_of("a"), result_of("b")};
    r[1].n = 2;
    r[1].choices[1] = r[1].choices[0];
    xoe_answer_mark m = {.mode = XOE_MARK_GENERATE, .scheme = "gumbel", .warning = ""};
    json_t *j = xoe_answer_full(&h, r, 2, &m);
    const json_t *c = json_object_get(j, "choices");
    assert_string_equal(str(j, "object"), "text_completion");
    assert_int_equal(json_array_size(c), 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(json_integer_value(json_object_get(json_array_get(c, i), "index")), i);
    assert_string_equal(str(json_array_get(c, 2), "text"), "b");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(j, "usage"), "prompt_tokens")), 14);
    json_decref(j);
}

static void test_logprobs(void **s)
{
    (void)s;
    xoe_logprob l[2] = {{.id = 1, .bytes = "\xf0\x9f", .n_bytes = 2, .logprob = -INFINITY},
                        {.id = 2, .bytes = "ab", .n_bytes = 2, .logprob = -0.5f}};
    json_t *j = xoe_answer_logprobs_chat(&chat_head, l, 2);
    const json_t *t = json_array_get(json_object_get(j, "content"), 0);
    assert_float_equal(json_number_value(json_object_get(t, "logprob")), -9999, 0);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(t, "bytes"), 0)), 0xf0);
    assert_int_equal(json_array_size(json_object_get(t, "bytes")), 2);
    assert_string_equal(str(t, "token"), "\xef\xbf\xbd\xef\xbf\xbd");
    assert_true(json_is_array(json_object_get(t, "top_logprobs")));
    json_decref(j);
    j = xoe_answer_logprobs_text(&chat_head, l + 1, 1, 5);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(j, "text_offset"), 0)), 5);
    assert_string_equal(json_string_value(json_array_get(json_object_get(j, "tokens"), 0)), "ab");
    json_decref(j);
}

static void check_error(xoe_err code, const char *param, const char *want_code, const char *want_type)
{
    xoe_error e;
    xoe_error_param(&e, code, param, "message");
    json_t *j = xoe_answer_error(&e);
    const json_t *x = json_object_get(j, "error");
    assert_string_equal(str(x, "code"), want_code);
    assert_string_equal(str(x, "type"), want_type);
    assert_string_equal(str(x, "message"), "message");
    json_decref(j);
}

static void test_errors(void **s)
{
    (void)s;
    check_error(XOE_ENOTFOUND, "model", "model_not_found", "invalid_request_error");
    check_error(XOE_ELIMIT, "messages", "context_length_exceeded", "invalid_request_error");
    check_error(XOE_EBUSY, "", "rate_limit_exceeded", "rate_limit_error");
    check_error(XOE_EINVAL, "top_p", "invalid_value", "invalid_request_error");
    check_error(XOE_EPERM, "watermark.mode", "permission", "permission_error");
    xoe_error e;
    xoe_error_set(&e, XOE_EINVAL, "x");
    strcpy(e.msg, "cut \xc3"); /* whoever filled it */
    json_t *j = xoe_answer_error(&e);
    assert_string_equal(str(json_object_get(j, "error"), "message"), "cut \xef\xbf\xbd");
    assert_true(json_is_null(json_object_get(json_object_get(j, "error"), "param")));
    json_decref(j);
}

static void test_chunks(void **s)
{
    (void)s;
    xoe_delta d = {0};
    json_t *j = xoe_answer_chunk(&chat_head, 1, xoe_delta_role(&d), NULL, 0, NULL, 0, 0, NULL);
    const json_t *c = json_array_get(json_object_get(j, "choices"), 0);
    assert_string_equal(str(j, "object"), "chat.completion.chunk");
    assert_int_equal(json_integer_value(json_object_get(c, "index")), 1);
    assert_string_equal(str(json_object_get(c, "delta"), "role"), "assistant");
    assert_true(json_is_null(json_object_get(c, "finish_reason")));
    json_decref(j);
    assert_null(xoe_delta_role(&d));
    xoe_completion_result r = result_of("x");
    j = xoe_answer_usage_chunk(&chat_head, &r, 1);
    assert_int_equal(json_array_size(json_object_get(j, "choices")), 0);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(j, "usage"), "completion_tokens")), 3);
    json_decref(j);
}

static json_t *delta_of(xoe_delta *d, const char *message, bool final)
{
    json_t *m = json_loads(message, 0, NULL), *out;
    assert_non_null(m);
    out = xoe_delta_message(d, m, final);
    json_decref(m);
    return out;
}

static void test_delta_of_messages(void **s)
{
    (void)s;
    xoe_delta d = {0};
    json_t *j = delta_of(&d, "{\"content\":\"Hel\"}", false);
    assert_string_equal(str(j, "content"), "Hel");
    assert_string_equal(str(j, "role"), "assistant");
    json_decref(j);
    j = delta_of(&d, "{\"content\":\"Hello\"}", false);
    assert_string_equal(str(j, "content"), "lo");
    assert_null(json_object_get(j, "role"));
    json_decref(j);
    assert_null(delta_of(&d, "{\"content\":\"Hello\"}", true));
    assert_null(delta_of(&d, "{\"content\":null}", true));
}

#define CALL(name, args) "{\"id\":\"c-" name "\",\"type\":\"function\",\"function\":{\"name\":\"" name \
                         "\",\"arguments\":\"" args "\"}}"

static void test_delta_of_tool_calls(void **s)
{
    (void)s;
    xoe_delta d = {0};
    assert_null(delta_of(&d, "{\"content\":null,\"tool_calls\":[" CALL("f", "{}") "]}", false));
    json_t *j = delta_of(&d, "{\"content\":null,\"tool_calls\":[" CALL("f", "{\\\"a\\\":1}") "," CALL("g", "") "]}", false);
    const json_t *calls = json_object_get(j, "tool_calls"), *c = json_array_get(calls, 0);
    assert_int_equal(json_array_size(calls), 1);
    assert_string_equal(str(c, "id"), "c-f");
    assert_string_equal(str(json_object_get(c, "function"), "arguments"), "{\"a\":1}");
    json_decref(j);
    j = delta_of(&d, "{\"content\":null,\"tool_calls\":[" CALL("f", "{\\\"a\\\":1}") "," CALL("g", "{}") "]}", true);
    calls = json_object_get(j, "tool_calls");
    assert_int_equal(json_array_size(calls), 1);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(calls, 0), "index")), 1);
    json_decref(j);
}

static void test_sse(void **s)
{
    (void)s;
    xoe_buf b;
    xoe_buf_init(&b, 100);
    json_t *j = json_pack("{s:s}", "a", "x\ny");
    assert_int_equal(xoe_sse_format(&b, j), 0);
    assert_string_equal(b.data, "data: {\"a\":\"x\\ny\"}\n\n");
    json_decref(j);
    xoe_buf_free(&b);
}

static void test_ids(void **s)
{
    (void)s;
    char a[XOE_ANSWER_ID_MAX], b[XOE_ANSWER_ID_MAX];
    xoe_answer_id("chatcmpl-", a);
    xoe_answer_id("chatcmpl-", b);
    assert_int_equal(strlen(a), 9 + 24);
    assert_string_not_equal(a, b);
}

static void mode_is(const char *usual, bool enforce, xoe_ask ask, int want, xoe_err rc)
{
    xoe_config c = {.watermark = (char *)usual, .enforce = enforce};
    xoe_error e = XOE_ERROR_INIT;
    xoe_mark_mode mode = XOE_MARK_GENERATE;
    ask.sampling.temperature = ask.sampling.temperature == 0 ? 1 : ask.sampling.temperature < 0 ? 0 : 1;
    if (!ask.n_probs) ask.n_probs = -1;
    assert_int_equal(xoe_mark_mode_of(&c, &ask, &mode, &e), rc);
    if (!rc) assert_int_equal(mode, want);
    else assert_true(*e.param);
}

static void test_mode(void **s)
{
    (void)s;
    mode_is("generate", false, (xoe_ask){0}, XOE_MARK_GENERATE, XOE_OK);
    mode_is("off", false, (xoe_ask){0}, XOE_MARK_OFF, XOE_OK);
    mode_is("off", false, (xoe_ask){.mark = {.has_apply = true, .apply = true}}, XOE_MARK_GENERATE, XOE_OK);
    mode_is("rephrase", false, (xoe_ask){.mark = {.has_apply = true, .apply = true}}, XOE_MARK_REPHRASE, XOE_OK);
    mode_is("rephrase", false, (xoe_ask){.mark = {.has_apply = true}}, XOE_MARK_OFF, XOE_OK);
    mode_is("generate", false, (xoe_ask){.mark = {.mode = "off"}}, XOE_MARK_OFF, XOE_OK);
    mode_is("generate", false, (xoe_ask){.mark = {.mode = "rephrase"}}, XOE_MARK_REPHRASE, XOE_OK);
    /* what cannot be rephrased */
    mode_is("rephrase", false, (xoe_ask){.any_json = true}, XOE_MARK_GENERATE, XOE_OK);
    mode_is("rephrase", false, (xoe_ask){.any_json = true, .mark = {.mode = "rephrase"}}, 0, XOE_EINVAL);
    mode_is("rephrase", false, (xoe_ask){.n_probs = 2, .mark = {.mode = "rephrase"}}, 0, XOE_EINVAL);
    mode_is("rephrase", false, (xoe_ask){.echo = true, .mark = {.mode = "rephrase"}}, 0, XOE_EINVAL);
    mode_is("generate", false, (xoe_ask){.mark = {.async = true}}, 0, XOE_EINVAL);
    mode_is("rephrase", false, (xoe_ask){.n = 2, .mark = {.async = true}}, 0, XOE_EINVAL);
    mode_is("rephrase", false, (xoe_ask){.n = 1, .mark = {.async = true}}, XOE_MARK_REPHRASE, XOE_OK);
    /* enforce */
    mode_is("generate", true, (xoe_ask){0}, XOE_MARK_GENERATE, XOE_OK);
    mode_is("generate", true, (xoe_ask){.mark = {.mode = "off"}}, 0, XOE_EPERM);
    mode_is("generate", true, (xoe_ask){.mark = {.has_apply = true}}, 0, XOE_EPERM);
    mode_is("rephrase", true, (xoe_ask){.n = 1, .mark = {.async = true}}, 0, XOE_EPERM);
    mode_is("generate", true, (xoe_ask){.sampling = {.temperature = -1}}, 0, XOE_EPERM);
    mode_is("off", true, (xoe_ask){0}, 0, XOE_EPERM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chat_answer), cmocka_unit_test(test_unmarked_answer),
        cmocka_unit_test(test_async_job_hands_out_only_the_original),
        cmocka_unit_test(test_choices_are_numbered_through), cmocka_unit_test(test_logprobs),
        cmocka_unit_test(test_errors), cmocka_unit_test(test_chunks), cmocka_unit_test(test_delta_of_messages),
        cmocka_unit_test(test_delta_of_tool_calls), cmocka_unit_test(test_sse), cmocka_unit_test(test_ids),
        cmocka_unit_test(test_mode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
