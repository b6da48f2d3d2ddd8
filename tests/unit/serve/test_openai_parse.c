/* serve/openai_parse, openai_messages, json_in: what is taken, what is refused, and with which param. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve/openai_request.h"

static xoe_arena *arena;
static xoe_ask ask;
static xoe_error err;

static int setup(void **s)
{
    (void)s;
    arena = xoe_arena_new(0);
    err = (xoe_error)XOE_ERROR_INIT;
    return arena ? 0 : -1;
}

static int teardown(void **s)
{
    (void)s;
    xoe_arena_free(arena);
    return 0;
}

static xoe_err chat_n(const char *body, size_t n)
{
    char *exact = malloc(n ? n : 1); /* so that a sanitizer sees a read past the end */
    memcpy(exact, body, n);
    xoe_err rc = xoe_ask_parse_chat(arena, exact, n, &ask, &err);
    free(exact);
    return rc;
}

static xoe_err chat(const char *body)
{
    return chat_n(body, strlen(body));
}

/* A chat request with extra fields. */
static xoe_err with(const char *fields)
{
    char body[4096];
    snprintf(body, sizeof body, "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]%s%s}", *fields ? "," : "",
             fields);
    return chat(body);
}

static xoe_err completion(const char *body)
{
    return xoe_ask_parse_completion(arena, body, strlen(body), &ask, &err);
}

static void refused(const char *fields, const char *param)
{
    err = (xoe_error)XOE_ERROR_INIT;
    xoe_err rc = with(fields);
    if (rc != XOE_EINVAL && rc != XOE_EUNSUPPORTED) fail_msg("%s was taken (rc %d)", fields, rc);
    assert_string_equal(err.param, param);
    assert_true(strlen(err.msg) > 8);
}

static void test_defaults(void **s)
{
    (void)s;
    assert_int_equal(with(""), XOE_OK);
    assert_null(ask.model);
    assert_int_equal(ask.n, 1);
    assert_int_equal(ask.n_probs, -1);
    assert_int_equal(ask.max_tokens, 0);
    assert_false(ask.stream);
    assert_float_equal(ask.sampling.temperature, 1, 0);
    assert_float_equal(ask.sampling.top_p, 1, 0);
    assert_float_equal(ask.sampling.repeat_penalty, 1, 0);
    assert_string_equal(ask.chat.messages_json, "[{\"role\":\"user\",\"content\":\"hi\"}]");
    assert_null(ask.chat.tools_json);
}

static void test_every_field(void **s)
{
    (void)s;
    assert_int_equal(with("\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true},"
        "\"stop\":[\"a\",\"b\"],\"seed\":-5,\"temperature\":0,\"top_p\":0.5,\"top_k\":40,\"min_p\":0.1,"
        "\"frequency_penalty\":-2,\"presence_penalty\":2,\"repeat_penalty\":1.1,\"logit_bias\":{\"7\":-100,\"8\":0.5},"
        "\"logprobs\":true,\"top_logprobs\":3,\"n\":16,\"max_tokens\":5,\"max_completion_tokens\":9,\"user\":\"u\","
        "\"watermark\":{\"mode\":\"rephrase\",\"key_id\":\"k\",\"scheme\":\"gumbel\",\"payload\":3,\"async\":true},"
        "\"apply_watermark\":true,\"unknown\":{\"x\":[1]}"), XOE_OK);
    assert_string_equal(ask.model, "m");
    assert_true(ask.stream && ask.include_usage);
    assert_int_equal(ask.n_stop, 2);
    assert_string_equal(ask.stop[1], "b");
    assert_true(ask.sampling.has_seed);
    assert_true(ask.sampling.seed == (uint64_t)-5);
    assert_float_equal(ask.sampling.temperature, 0, 0);
    assert_int_equal(ask.sampling.top_k, 40);
    assert_int_equal(ask.sampling.n_logit_bias, 2);
    assert_int_equal(ask.sampling.logit_bias[0].id, 7);
    assert_float_equal(ask.sampling.logit_bias[0].bias, -100, 0);
    assert_int_equal(ask.n_probs, 3);
    assert_int_equal(ask.n, 16);
    assert_int_equal(ask.max_tokens, 9);
    assert_string_equal(ask.mark.mode, "rephrase");
    assert_string_equal(ask.mark.key_id, "k");
    assert_true(ask.mark.async && ask.mark.has_payload && ask.mark.payload == 3);
    assert_true(ask.mark.has_apply && ask.mark.apply);
}

static void test_null_is_absent(void **s)
{
    (void)s;
    assert_int_equal(with("\"temperature\":null,\"stop\":null,\"tools\":null,\"n\":null,\"seed\":null,"
                          "\"response_format\":null,\"watermark\":null,\"stream_options\":null"), XOE_OK);
    assert_float_equal(ask.sampling.temperature, 1, 0);
    assert_false(ask.sampling.has_seed);
}

static void test_wrong_types_and_ranges(void **s)
{
    (void)s;
    refused("\"temperature\":\"1\"", "temperature");
    refused("\"temperature\":-0.1", "temperature");
    refused("\"temperature\":2.01", "temperature");
    refused("\"temperature\":true", "temperature");
    refused("\"top_p\":1.5", "top_p");
    refused("\"top_p\":-1", "top_p");
    refused("\"top_k\":-2", "top_k");
    refused("\"top_k\":1.5", "top_k");
    refused("\"min_p\":2", "min_p");
    refused("\"frequency_penalty\":3", "frequency_penalty");
    refused("\"presence_penalty\":-3", "presence_penalty");
    refused("\"repeat_penalty\":0", "repeat_penalty");
    refused("\"n\":0", "n");
    refused("\"n\":17", "n");
    refused("\"n\":-1", "n");
    refused("\"max_tokens\":0", "max_tokens");
    refused("\"max_tokens\":-5", "max_tokens");
    refused("\"max_tokens\":99999999999", "max_tokens");
    refused("\"max_completion_tokens\":1.0", "max_completion_tokens");
    refused("\"stream\":1", "stream");
    refused("\"stream\":true,\"stream_options\":[]", "stream_options");
    refused("\"stream\":true,\"stream_options\":{\"include_usage\":1}", "stream_options.include_usage");
    refused("\"stream_options\":{\"include_usage\":true}", "stream_options");
    refused("\"seed\":1.5", "seed");
    refused("\"stop\":5", "stop");
    refused("\"stop\":[1]", "stop");
    refused("\"stop\":\"\"", "stop");
    refused("\"stop\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\"]",
            "stop");
    refused("\"logit_bias\":[]", "logit_bias");
    refused("\"logit_bias\":{\"x\":1}", "logit_bias");
    refused("\"logit_bias\":{\"-1\":1}", "logit_bias");
    refused("\"logit_bias\":{\"1\":\"2\"}", "logit_bias");
    refused("\"logit_bias\":{\"1\":101}", "logit_bias");
    refused("\"logprobs\":1", "logprobs");
    refused("\"top_logprobs\":3", "top_logprobs");
    refused("\"logprobs\":true,\"top_logprobs\":21", "top_logprobs");
    refused("\"model\":5", "model");
    refused("\"user\":{}", "user");
    refused("\"apply_watermark\":\"yes\"", "apply_watermark");
    refused("\"watermark\":\"off\"", "watermark");
    refused("\"watermark\":{\"mode\":\"on\"}", "watermark.mode");
    refused("\"watermark\":{\"payload\":-1}", "watermark.payload");
    refused("\"apply_watermark\":false,\"watermark\":{\"mode\":\"generate\"}", "watermark.mode");
    refused("\"apply_watermark\":true,\"watermark\":{\"mode\":\"off\"}", "watermark.mode");
    refused("\"functions\":[{}]", "functions");
    refused("\"modalities\":[\"text\",\"audio\"]", "modalities");
}

static void test_not_json(void **s)
{
    (void)s;
    static const char *const bad[] = {"", "{", "[]", "5", "\"x\"", "null", "{\"a\":NaN}", "{\"a\":Infinity}",
        "{\"a\":1e999}", "{\"a\":\"\\ud800\"}", "{\"a\":\"\\u0000\"}", "{'a':1}", "{} x", "hello"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(chat(bad[i]), XOE_EINVAL);
        assert_string_equal(err.param, "");
    }
    assert_int_equal(chat("{\"a\":\"\xff\"}"), XOE_EINVAL);
    assert_non_null(strstr(err.msg, "UTF-8"));
    assert_non_null(strstr(err.msg, "byte 6"));
    assert_int_equal(chat_n("{\"a\":\"\xe2\x82", 8), XOE_EINVAL);
}

static void test_depth(void **s)
{
    (void)s;
    char body[8192] = "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"x\":";
    size_t n = strlen(body);
    for (int i = 0; i < 99; i++) body[n++] = '[';
    for (int i = 0; i < 99; i++) body[n++] = ']';
    body[n] = '}';
    assert_int_equal(chat_n(body, n + 1), XOE_OK);
    n = strlen("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"x\":");
    for (int i = 0; i < 101; i++) body[n++] = '[';
    for (int i = 0; i < 101; i++) body[n++] = ']';
    body[n] = '}';
    assert_int_equal(chat_n(body, n + 1), XOE_EINVAL);
    assert_non_null(strstr(err.msg, "nested"));
    static char deep[100000];
    memset(deep, '[', sizeof deep);
    assert_int_equal(chat_n(deep, sizeof deep), XOE_EINVAL);
}

static void messages_refused(const char *messages, xoe_err want, const char *param)
{
    char body[2048];
    snprintf(body, sizeof body, "{\"messages\":%s}", messages);
    err = (xoe_error)XOE_ERROR_INIT;
    assert_int_equal(chat(body), want);
    assert_string_equal(err.param, param);
}

static void test_messages(void **s)
{
    (void)s;
    assert_int_equal(chat("{}"), XOE_EINVAL);
    assert_string_equal(err.param, "messages");
    messages_refused("[]", XOE_EINVAL, "messages");
    messages_refused("{}", XOE_EINVAL, "messages");
    messages_refused("[5]", XOE_EINVAL, "messages[0]");
    messages_refused("[{\"content\":\"x\"}]", XOE_EINVAL, "messages[0].role");
    messages_refused("[{\"role\":\"king\",\"content\":\"x\"}]", XOE_EINVAL, "messages[0].role");
    messages_refused("[{\"role\":\"user\"}]", XOE_EINVAL, "messages[0].content");
    messages_refused("[{\"role\":\"user\",\"content\":5}]", XOE_EINVAL, "messages[0].content");
    messages_refused("[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":null}]", XOE_EINVAL,
                     "messages[1].content");
    messages_refused("[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"x\"}}]}]",
                     XOE_EUNSUPPORTED, "messages[0].content");
    messages_refused("[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":5}]}]", XOE_EINVAL,
                     "messages[0].content");
    messages_refused("[{\"role\":\"user\",\"content\":[\"x\"]}]", XOE_EINVAL, "messages[0].content");
    messages_refused("[{\"role\":\"tool\",\"content\":\"x\"}]", XOE_EINVAL, "messages[0].tool_call_id");
    messages_refused("[{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"name\":\"f\"}}]}]", XOE_EINVAL,
                     "messages[0].tool_calls");
    assert_int_equal(chat("{\"messages\":[{\"role\":\"developer\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},"
                          "{\"type\":\"text\",\"text\":\"b\"}]},{\"role\":\"assistant\",\"content\":null,"
                          "\"tool_calls\":[{\"id\":\"1\",\"type\":\"function\",\"function\":{\"name\":\"f\","
                          "\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"1\",\"content\":\"r\"}]}"),
                     XOE_OK);
    json_t *m = json_loads(ask.chat.messages_json, 0, NULL);
    assert_int_equal(json_array_size(m), 3);
    assert_string_equal(json_string_value(json_object_get(json_array_get(m, 0), "role")), "system");
    assert_string_equal(json_string_value(json_object_get(json_array_get(m, 0), "content")), "a\nb");
    assert_int_equal(json_array_size(json_object_get(json_array_get(m, 1), "tool_calls")), 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(m, 2), "tool_call_id")), "1");
    json_decref(m);
}

#define TOOLS "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{}}}," \
              "{\"type\":\"function\",\"function\":{\"name\":\"g\"}}]"

static void test_tools(void **s)
{
    (void)s;
    assert_int_equal(with(TOOLS), XOE_OK);
    assert_string_equal(ask.chat.tool_choice, "auto");
    assert_int_equal(with(TOOLS ",\"tool_choice\":\"none\""), XOE_OK);
    assert_null(ask.chat.tools_json);
    assert_int_equal(with(TOOLS ",\"tool_choice\":\"required\""), XOE_OK);
    assert_string_equal(ask.chat.tool_choice, "required");
    assert_int_equal(with(TOOLS ",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"g\"}},"
                          "\"parallel_tool_calls\":true"), XOE_OK);
    assert_string_equal(ask.chat.tool_choice, "required");
    assert_true(ask.chat.parallel_tool_calls);
    assert_null(strstr(ask.chat.tools_json, "\"f\""));
    assert_non_null(strstr(ask.chat.tools_json, "\"g\""));
    refused(TOOLS ",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"h\"}}", "tool_choice");
    refused(TOOLS ",\"tool_choice\":\"maybe\"", "tool_choice");
    refused(TOOLS ",\"tool_choice\":5", "tool_choice");
    refused("\"tool_choice\":\"required\"", "tool_choice");
    refused("\"tools\":{}", "tools");
    refused(TOOLS ",\"grammar\":\"root ::= [a]\"", "grammar");
    refused("\"tools\":[{\"type\":\"function\"}]", "tools[0]");
    refused("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":5}}]", "tools[0]");
    assert_int_equal(with("\"tools\":[],\"tool_choice\":\"auto\""), XOE_OK);
    assert_null(ask.chat.tools_json);
}

static void test_formats(void **s)
{
    (void)s;
    assert_int_equal(with("\"response_format\":{\"type\":\"text\"}"), XOE_OK);
    assert_null(ask.chat.json_schema);
    assert_int_equal(with("\"response_format\":{\"type\":\"json_object\"}"), XOE_OK);
    assert_true(ask.any_json);
    assert_null(ask.chat.json_schema); /* a plain grammar, see openai_run.c */
    assert_int_equal(with(TOOLS ",\"response_format\":{\"type\":\"json_object\"}"), XOE_OK);
    assert_string_equal(ask.chat.json_schema, "{\"type\":\"object\"}");
    assert_int_equal(with("\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"x\","
                          "\"schema\":{\"type\":\"integer\"}}}"), XOE_OK);
    assert_string_equal(ask.json_schema, "{\"type\":\"integer\"}");
    assert_int_equal(with("\"grammar\":\"root ::= \\\"a\\\"\""), XOE_OK);
    assert_string_equal(ask.sampling.grammar, "root ::= \"a\"");
    refused("\"response_format\":\"json\"", "response_format");
    refused("\"response_format\":{}", "response_format.type");
    refused("\"response_format\":{\"type\":\"xml\"}", "response_format.type");
    refused("\"response_format\":{\"type\":\"json_schema\"}", "response_format.json_schema.schema");
    refused("\"response_format\":{\"type\":\"json_schema\",\"json_schema\":5}", "response_format.json_schema");
    refused("\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"schema\":\"x\"}}",
            "response_format.json_schema.schema");
    refused("\"response_format\":{\"type\":\"json_object\"},\"grammar\":\"root ::= [a]\"", "grammar");
}

static void prompt_refused(const char *body, const char *param)
{
    err = (xoe_error)XOE_ERROR_INIT;
    xoe_err rc = completion(body);
    if (rc != XOE_EINVAL && rc != XOE_EUNSUPPORTED) fail_msg("%s was taken (rc %d)", body, rc);
    assert_string_equal(err.param, param);
}

static void test_prompts(void **s)
{
    (void)s;
    assert_int_equal(completion("{\"prompt\":\"abc\",\"logprobs\":2}"), XOE_OK);
    assert_int_equal(ask.n_prompts, 1);
    assert_int_equal(ask.prompts[0].n, 3);
    assert_int_equal(ask.n_probs, 2);
    assert_int_equal(completion("{\"prompt\":[\"a\",\"b\"]}"), XOE_OK);
    assert_int_equal(ask.n_prompts, 2);
    assert_string_equal(ask.prompts[1].text, "b");
    assert_int_equal(completion("{\"prompt\":[1,2,3],\"echo\":true}"), XOE_OK);
    assert_int_equal(ask.n_prompts, 1);
    assert_null(ask.prompts[0].text);
    assert_int_equal(ask.prompts[0].n, 3);
    assert_int_equal(ask.prompts[0].tokens[2], 3);
    assert_int_equal(completion("{\"prompt\":[[1,2],[3]],\"best_of\":1}"), XOE_OK);
    assert_int_equal(ask.n_prompts, 2);
    prompt_refused("{}", "prompt");
    prompt_refused("{\"prompt\":null}", "prompt");
    prompt_refused("{\"prompt\":\"\"}", "prompt");
    prompt_refused("{\"prompt\":[]}", "prompt");
    prompt_refused("{\"prompt\":[[]]}", "prompt");
    prompt_refused("{\"prompt\":[\"a\",5]}", "prompt");
    prompt_refused("{\"prompt\":[1,-2]}", "prompt");
    prompt_refused("{\"prompt\":[1,2.5]}", "prompt");
    prompt_refused("{\"prompt\":[1,\"a\"]}", "prompt");
    prompt_refused("{\"prompt\":[4294967296]}", "prompt");
    prompt_refused("{\"prompt\":{\"a\":1}}", "prompt");
    prompt_refused("{\"prompt\":\"a\",\"suffix\":\"b\"}", "suffix");
    prompt_refused("{\"prompt\":\"a\",\"best_of\":3}", "best_of");
    prompt_refused("{\"prompt\":\"a\",\"echo\":true,\"logprobs\":1}", "echo");
    prompt_refused("{\"prompt\":\"a\",\"logprobs\":true}", "logprobs");
    prompt_refused("{\"prompt\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"],\"n\":16}", "n");
}

static void test_embed(void **s)
{
    (void)s;
    xoe_ask_embed q;
    const char *body = "{\"input\":[\"a\",\"b\"],\"encoding_format\":\"base64\",\"dimensions\":384,\"model\":\"m\"}";
    assert_int_equal(xoe_ask_parse_embed(arena, body, strlen(body), &q, &err), XOE_OK);
    assert_int_equal(q.n_inputs, 2);
    assert_true(q.base64);
    assert_int_equal(q.dimensions, 384);
    static const char *const bad[][2] = {{"{}", "input"}, {"{\"input\":\"\"}", "input"}, {"{\"input\":[]}", "input"},
        {"{\"input\":5}", "input"}, {"{\"input\":\"a\",\"encoding_format\":\"int8\"}", "encoding_format"},
        {"{\"input\":\"a\",\"dimensions\":0}", "dimensions"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        err = (xoe_error)XOE_ERROR_INIT;
        assert_int_equal(xoe_ask_parse_embed(arena, bad[i][0], strlen(bad[i][0]), &q, &err), XOE_EINVAL);
        assert_string_equal(err.param, bad[i][1]);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_defaults), TEST(test_every_field), TEST(test_null_is_absent), TEST(test_wrong_types_and_ranges),
        TEST(test_not_json), TEST(test_depth), TEST(test_messages), TEST(test_tools), TEST(test_formats),
        TEST(test_prompts), TEST(test_embed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
