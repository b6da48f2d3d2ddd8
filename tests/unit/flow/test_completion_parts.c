/* flow/completion_message and completion_notes: message shapes, ids that stay, nothing lost in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "flow/completion_turn.h"

static const xoe_message_opts r0 = {.request_id = "r", .final = true};
static const xoe_message_opts r1 = {.request_id = "r", .choice = 1, .final = true};

static void shape(const char *in, const char *want, const char *want_content, bool want_tools)
{
    char *json, *content;
    bool tools;
    xoe_message_opts opts = {.request_id = "chatcmpl-1", .final = true};
    assert_int_equal(xoe_message_shape(in, &opts, &json, &content, &tools, NULL), XOE_OK);
    assert_string_equal(json, want);
    assert_string_equal(content, want_content);
    assert_int_equal(tools, want_tools);
    xoe_free(json);
    xoe_free(content);
}

static void test_plain_message(void **s)
{
    (void)s;
    shape("{\"role\":\"assistant\",\"content\":\"hi\",\"extra\":1}", "{\"content\":\"hi\",\"role\":\"assistant\"}", "hi", false);
    shape("{\"content\":null}", "{\"content\":\"\",\"role\":\"assistant\"}", "", false);
    shape("{\"content\":\"a\",\"reasoning_content\":\"r\"}",
          "{\"content\":\"a\",\"reasoning_content\":\"r\",\"role\":\"assistant\"}", "a", false);
    shape("{\"content\":\"a\",\"tool_calls\":[]}", "{\"content\":\"a\",\"role\":\"assistant\"}", "a", false);
}


static void test_tool_call_ids_are_stable(void **s)
{
    (void)s;
    const char *one = "{\"content\":\"\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}]}";
    const char *two = "{\"content\":null,\"tool_calls\":[{\"id\":\"x\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}},"
                      "{\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}";
    char *a, *b, *c, *content;
    bool tools;
    assert_int_equal(xoe_message_shape(one, &r0, &a, &content, &tools, NULL), XOE_OK);
    assert_true(tools);
    xoe_free(content);
    assert_int_equal(xoe_message_shape(two, &r0, &b, &content, &tools, NULL), XOE_OK);
    xoe_free(content);
    assert_int_equal(xoe_message_shape(two, &r1, &c, &content, &tools, NULL), XOE_OK);
    xoe_free(content);
    json_t *ja = json_loads(a, 0, NULL), *jb = json_loads(b, 0, NULL), *jc = json_loads(c, 0, NULL);
    const char *ids[4] = {
        json_string_value(json_object_get(json_array_get(json_object_get(ja, "tool_calls"), 0), "id")),
        json_string_value(json_object_get(json_array_get(json_object_get(jb, "tool_calls"), 0), "id")),
        json_string_value(json_object_get(json_array_get(json_object_get(jb, "tool_calls"), 1), "id")),
        json_string_value(json_object_get(json_array_get(json_object_get(jc, "tool_calls"), 0), "id"))};
    assert_string_equal(ids[0], ids[1]);
    assert_string_not_equal(ids[1], ids[2]);
    assert_string_not_equal(ids[1], ids[3]);
    assert_true(json_is_null(json_object_get(jb, "content")));
    json_decref(ja);
    json_decref(jb);
    json_decref(jc);
    xoe_free(a);
    xoe_free(b);
    xoe_free(c);
}

#define TOOLS "[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]"
#define CALL "{\\\"name\\\": \\\"f\\\", \\\"arguments\\\": {\\\"a\\\": 1}}"

/* The arguments of the first call that a content means; "" when it stays a text. */
static void bare(const char *content, bool final, const char *want_args, const char *want_content)
{
    char in[512], *json, *text;
    bool tools;
    xoe_message_opts o = {.request_id = "r", .tools_json = TOOLS, .final = final};
    snprintf(in, sizeof in, "{\"content\":\"%s\"}", content);
    assert_int_equal(xoe_message_shape(in, &o, &json, &text, &tools, NULL), XOE_OK);
    json_t *j = json_loads(json, 0, NULL);
    const json_t *f = json_object_get(json_array_get(json_object_get(j, "tool_calls"), 0), "function");
    const char *args = json_string_value(json_object_get(f, "arguments"));
    assert_string_equal(args ? args : "", want_args);
    assert_string_equal(text, want_content);
    assert_int_equal(tools, *want_args != 0);
    json_decref(j);
    xoe_free(json);
    xoe_free(text);
}

static void test_calls_written_as_bare_json(void **s)
{
    (void)s;
    bare(CALL, true, "{\"a\":1}", "");
    bare("\\n```json\\n" CALL "\\n```\\n", true, "{\"a\":1}", "");
    bare("[" CALL "," CALL "]", true, "{\"a\":1}", "");
    /* held back until it is whole */
    bare("{\\\"name", false, "", "");
    bare("``", false, "", "");
    bare("Hello", false, "", "Hello");
    bare("```python", false, "", "```python");
    /* texts */
    bare("Call " CALL, true, "", "Call {\"name\": \"f\", \"arguments\": {\"a\": 1}}");
    bare("{\\\"name\\\": \\\"g\\\", \\\"arguments\\\": {}}", true, "", "{\"name\": \"g\", \"arguments\": {}}");
    bare("{\\\"name\\\": \\\"f\\\", \\\"arguments\\\": 5}", true, "", "{\"name\": \"f\", \"arguments\": 5}");
    bare("{\\\"a\\\": 1}", true, "", "{\"a\": 1}");
    bare("[]", true, "", "[]");
}

static void test_bad_message(void **s)
{
    (void)s;
    char *json, *content;
    bool tools;
    xoe_error e = XOE_ERROR_INIT;
    assert_int_equal(xoe_message_shape("[1]", &r0, &json, &content, &tools, &e), XOE_EFORMAT);
    assert_int_equal(xoe_message_shape("{", &r0, &json, &content, &tools, &e), XOE_EFORMAT);
    assert_null(json);
    char *m = xoe_message_with_content("{\"content\":\"a\",\"role\":\"assistant\"}", "b\xc3\xa9", 3);
    assert_string_equal(m, "{\"content\":\"b\xc3\xa9\",\"role\":\"assistant\"}");
    xoe_free(m);
}

enum { N_NOTES = 20000 };

typedef struct poster {
    xoe_notes *q;
    int choice;
    xoe_note end;
} poster;

static void *post_many(void *ud)
{
    poster *p = ud;
    xoe_token_prob top[2] = {{7, -1.0f}, {8, -2.0f}};
    for (int i = 0; i < N_NOTES; i++) {
        xoe_event ev = {.kind = XOE_EVENT_TOKEN, .token = i, .bytes = "abc", .n_bytes = 3, .top = top, .n_top = 2};
        xoe_notes_post_event(p->q, p->choice, &ev);
    }
    p->end = (xoe_note){.kind = XOE_NOTE_DONE, .choice = p->choice};
    xoe_notes_post_fixed(p->q, &p->end);
    return NULL;
}

static void test_notes_keep_each_choice_in_order(void **s)
{
    (void)s;
    xoe_notes q;
    poster p[2] = {{.q = &q, .choice = 0}, {.q = &q, .choice = 1}};
    pthread_t threads[2];
    int next[2] = {0, 0}, ended = 0;
    xoe_notes_init(&q);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, &p[i]), 0);
    while (ended < 2) {
        bool lost;
        xoe_note *list = xoe_notes_take(&q, &lost);
        assert_false(lost);
        for (const xoe_note *n = list; n; n = n->next) {
            if (n->kind == XOE_NOTE_DONE) {
                assert_int_equal(next[n->choice], N_NOTES);
                ended++;
                continue;
            }
            assert_int_equal(n->token, next[n->choice]++);
            assert_memory_equal(n->bytes, "abc", 4);
            assert_int_equal(n->top[1].id, 8);
        }
        xoe_notes_release(list);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    xoe_notes_free(&q);
}

static void test_lost_note_is_told_and_the_end_still_comes(void **s)
{
    (void)s;
    xoe_notes q;
    bool lost;
    xoe_event ev = {.kind = XOE_EVENT_TOKEN, .bytes = "a", .n_bytes = 1};
    xoe_note end = {.kind = XOE_NOTE_DONE};
    xoe_notes_init(&q);
    xoe_mem_fail_at(1);
    xoe_notes_post_event(&q, 0, &ev);
    xoe_notes_post_fixed(&q, &end);
    xoe_note *list = xoe_notes_take(&q, &lost);
    assert_true(lost);
    assert_ptr_equal(list, &end);
    assert_null(list->next);
    xoe_notes_release(list);
    xoe_notes_free(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_message),
        cmocka_unit_test(test_tool_call_ids_are_stable),
        cmocka_unit_test(test_calls_written_as_bare_json),
        cmocka_unit_test(test_bad_message),
        cmocka_unit_test(test_notes_keep_each_choice_in_order),
        cmocka_unit_test(test_lost_note_is_told_and_the_end_still_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
