/* Chat templates, tool calls and JSON schemas with Qwen's own template (the vocabulary is enough), and
 * embeddings with MiniLM. Fails, not skips, without the models. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../modelpath.h"
#include "base/mem.h"
#include "engine/chat.h"
#include "engine/grammar.h"
#include "engine/internal.h"

#define TOOLS                                                                                      \
    "[{\"type\":\"function\",\"function\":{\"name\":\"get_weather\",\"description\":\"Weather now\","  \
    "\"parameters\":{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"}},\"required\":[\"city\"]}}}]"

#define CALL "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Oslo\"}}\n</tool_call>"

static xoe_engine *qwen;

static xoe_engine *open_model(const char *file, bool vocab_only, bool embeddings)
{
    char path[MODEL_PATH_BYTES];
    xoe_engine_opts o = XOE_ENGINE_OPTS_INIT;
    xoe_error e = XOE_ERROR_INIT;
    xoe_engine *en;
    o.path = model_path(path, file);
    o.vocab_only = vocab_only;
    o.embeddings = embeddings;
    if (xoe_engine_open(&en, &o, &e) != XOE_OK) print_error("%s; get the models with ./up --no-serve\n", e.msg);
    return en;
}

static xoe_chat *render(xoe_chat_inputs in)
{
    xoe_chat *c;
    xoe_error e = XOE_ERROR_INIT;
    if (xoe_chat_render(&c, qwen, &in, &e) != XOE_OK) print_error("%s\n", e.msg);
    assert_non_null(c);
    return c;
}

static json_t *parse(const xoe_chat *c, const char *text, bool partial)
{
    char *s;
    assert_int_equal(xoe_chat_parse(c, text, strlen(text), partial, &s, NULL), XOE_OK);
    json_t *j = json_loads(s, 0, NULL);
    assert_non_null(j);
    xoe_free(s);
    return j;
}

static const char *str(const json_t *j, const char *key)
{
    return json_string_value(json_object_get(j, key));
}

static void test_tool_call_round_trip(void **s)
{
    (void)s;
    size_t n;
    xoe_chat *c = render((xoe_chat_inputs){.messages_json = "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Weather in \"},"
                                                            "{\"type\":\"text\",\"text\":\"Oslo?\"}]}]",
                                           .tools_json = TOOLS, .tool_choice = "auto"});
    const char *p = xoe_chat_prompt(c, &n);
    assert_non_null(strstr(p, "get_weather"));
    assert_non_null(strstr(p, "Weather in"));
    assert_non_null(strstr(p, "Oslo?"));
    json_t *j = parse(c, CALL, false);
    json_t *t = json_array_get(json_object_get(j, "tool_calls"), 0), *f = json_object_get(t, "function");
    assert_string_equal(str(f, "name"), "get_weather");
    json_t *args = json_loads(str(f, "arguments"), 0, NULL);
    assert_string_equal(str(args, "city"), "Oslo");
    json_decref(args);
    json_decref(j);
    j = parse(c, "It is sunny.", false); /* or plain text */
    assert_string_equal(str(j, "content"), "It is sunny.");
    assert_null(json_array_get(json_object_get(j, "tool_calls"), 0));
    json_decref(j);
    j = parse(c, "<tool_call>\n{\"name\": \"get_wea", true); /* what is not yet whole is no error */
    json_decref(j);
    xoe_sampling sm = XOE_SAMPLING_INIT;
    xoe_chat_apply_grammar(c, &sm);
    assert_true(sm.grammar && sm.grammar_lazy);
    assert_true(sm.n_grammar_trigger_patterns + sm.n_grammar_trigger_tokens > 0);
    xoe_chat_close(c);
    /* and the answer of the tool goes back */
    c = render((xoe_chat_inputs){
        .messages_json = "[{\"role\":\"user\",\"content\":\"Weather in Oslo?\"},{\"role\":\"assistant\",\"content\":null,\"tool_calls\":"
                         "[{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"get_weather\",\"arguments\":\"{\\\"city\\\":\\\"Oslo\\\"}\"}}]},"
                         "{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"minus 4\"}]",
        .tools_json = TOOLS});
    assert_non_null(strstr(xoe_chat_prompt(c, &n), "<tool_response>\nminus 4"));
    xoe_chat_close(c);
}

/* Does the grammar let the model write text? */
static bool accepts(const xoe_sampling *s, const char *text)
{
    int32_t *ids;
    size_t n;
    xoe_grammar *g;
    xoe_error e = XOE_ERROR_INIT;
    bool ok = true;
    assert_int_equal(xoe_engine_tokenize(qwen, text, strlen(text), false, true, &ids, &n, NULL), XOE_OK);
    assert_int_equal(xoe_grammar_open(&g, qwen->vocab, s, &e), XOE_OK);
    for (size_t i = 0; ok && i < n; i++) {
        float one = 0;
        ok = xoe_grammar_mask(g, &ids[i], &one, 1) == 1 && xoe_grammar_accept(g, ids[i]) == 0;
    }
    xoe_grammar_close(g);
    xoe_tokens_free(ids);
    return ok;
}

static void test_required_call_and_schema(void **s)
{
    (void)s;
    const char *hello = "[{\"role\":\"user\",\"content\":\"Weather in Oslo?\"}]";
    xoe_sampling sm = XOE_SAMPLING_INIT;
    xoe_chat *c = render((xoe_chat_inputs){.messages_json = hello, .tools_json = TOOLS, .tool_choice = "required"});
    xoe_chat_apply_grammar(c, &sm);
    assert_true(sm.grammar && !sm.grammar_lazy);
    assert_true(accepts(&sm, CALL));
    assert_false(accepts(&sm, "It is sunny."));
    assert_false(accepts(&sm, "<tool_call>\n{\"name\": \"launch\""));
    assert_false(accepts(&sm, CALL "\n" CALL)); /* one call, unless parallel calls are asked for */
    xoe_chat_close(c);
    sm = (xoe_sampling)XOE_SAMPLING_INIT;
    c = render((xoe_chat_inputs){.messages_json = hello, .tools_json = TOOLS, .tool_choice = "required", .parallel_tool_calls = true});
    xoe_chat_apply_grammar(c, &sm);
    assert_true(accepts(&sm, CALL "\n" CALL));
    xoe_chat_close(c);
    sm = (xoe_sampling)XOE_SAMPLING_INIT;
    c = render((xoe_chat_inputs){.messages_json = hello, .tools_json = TOOLS, .tool_choice = "auto"});
    xoe_chat_apply_grammar(c, &sm);
    assert_non_null(strstr(sm.grammar, "\ntool-calls ::= tool-call\n"));
    xoe_chat_close(c);
    sm = (xoe_sampling)XOE_SAMPLING_INIT;
    c = render((xoe_chat_inputs){.messages_json = hello, .json_schema = "{\"type\":\"object\",\"properties\":{\"t\":{\"type\":\"integer\"}},"
                                                                        "\"required\":[\"t\"],\"additionalProperties\":false}"});
    xoe_chat_apply_grammar(c, &sm);
    assert_true(accepts(&sm, "{\"t\": 12}"));
    assert_false(accepts(&sm, "{\"t\": \"warm\"}"));
    xoe_chat_close(c);
}

static void *render_many(void *arg)
{
    (void)arg;
    for (int i = 0; i < 50; i++)
        xoe_chat_close(render((xoe_chat_inputs){.messages_json = "[{\"role\":\"user\",\"content\":\"Weather in Oslo?\"}]"}));
    return NULL;
}

/* For TSan: llama.cpp asks localtime for the date, whose buffer all threads share. */
static void test_render_in_two_threads(void **s)
{
    (void)s;
    pthread_t other;
    assert_int_equal(pthread_create(&other, NULL, render_many, NULL), 0);
    render_many(NULL);
    pthread_join(other, NULL);
}

static void test_bad_inputs(void **s)
{
    (void)s;
    xoe_chat *c;
    char *g;
    static const char *const bad[] = {"", "[", "{}", "[1]", "[{\"role\":1}]", "[{\"role\":\"user\",\"content\":7}]", "null"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        xoe_error e = XOE_ERROR_INIT;
        xoe_chat_inputs in = {.messages_json = bad[i]};
        assert_int_equal(xoe_chat_render(&c, qwen, &in, &e), XOE_EINVAL);
        assert_null(c);
        assert_string_equal(e.param, "messages");
    }
    assert_int_equal(xoe_json_schema_to_grammar("{\"type\":\"nonsense\"}", &g, NULL), XOE_EINVAL);
    assert_int_equal(xoe_json_schema_to_grammar("{\"$ref\":\"#/nowhere\"}", &g, NULL), XOE_EINVAL);
    xoe_gen_request r = {.size = sizeof r};
    xoe_job *job;
    assert_int_equal(xoe_engine_generate(qwen, &r, &job, NULL), XOE_EINVAL);
}

static double dot(const float *a, const float *b, int n)
{
    double d = 0;
    for (int i = 0; i < n; i++)
        d += (double)a[i] * (double)b[i];
    return d;
}

static void test_embeddings(void **s)
{
    (void)s;
    static const char *const texts[] = {"A cat sleeps on the warm sofa.", "A kitten naps on the couch.",
                                        "The central bank raised its interest rate."};
    enum { N = 20 }; /* more than slots: several calls */
    xoe_engine_info info;
    xoe_engine *en = open_model("all-MiniLM-L6-v2-q8_0.gguf", false, true);
    assert_non_null(en);
    xoe_engine_get_info(en, &info);
    assert_int_equal(info.n_embd, 384);
    int32_t all[N * 32], *ids;
    size_t lens[N], total = 0, n;
    float *v = malloc(N * 384 * sizeof *v), one[384];
    for (int i = 0; i < N; i++) {
        const char *t = texts[i % 3];
        assert_int_equal(xoe_engine_tokenize(en, t, strlen(t), true, false, &ids, &n, NULL), XOE_OK);
        assert_true(n < 32);
        memcpy(all + total, ids, n * sizeof *ids);
        total += lens[i] = n;
        xoe_tokens_free(ids);
    }
    assert_int_equal(xoe_engine_embed(en, all, lens, N, XOE_PRIORITY_INTERACTIVE, v, NULL), XOE_OK);
    for (int i = 0; i < N; i++)
        assert_true(fabs(dot(v + i * 384, v + i * 384, 384) - 1) < 1e-4);
    double close = dot(v, v + 384, 384), far = dot(v, v + 2 * 384, 384);
    assert_true(close > 0.5 && far < 0.3);
    assert_true(dot(v, v + 18 * 384, 384) > 0.999); /* the same text in another call */
    assert_int_equal(xoe_engine_embed(en, all, lens, 1, XOE_PRIORITY_INTERACTIVE, one, NULL), XOE_OK);
    assert_true(dot(v, one, 384) > 0.999); /* and alone */
    size_t too_long = (size_t)info.n_ctx_slot + 1;
    int32_t *many = calloc(too_long, sizeof *many);
    xoe_error e = XOE_ERROR_INIT;
    assert_int_equal(xoe_engine_embed(en, many, &too_long, 1, XOE_PRIORITY_INTERACTIVE, one, &e), XOE_ELIMIT);
    free(many);
    free(v);
    xoe_engine_close(en);
}

static int setup(void **s)
{
    (void)s;
    qwen = open_model("qwen2.5-coder-0.5b-instruct-q4_k_m.gguf", true, false);
    return qwen ? 0 : -1;
}

static int teardown(void **s)
{
    (void)s;
    xoe_engine_close(qwen);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tool_call_round_trip), cmocka_unit_test(test_required_call_and_schema),
        cmocka_unit_test(test_render_in_two_threads), cmocka_unit_test(test_bad_inputs), cmocka_unit_test(test_embeddings)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
