/* What the paraphraser is told, as the model's own template writes it (SmolLM2 135M). */
#include "flowtest.h"

#include "flow/rephrase_prompt.h"

static const char source[] = "For the map Anna Berg paid 14.5 euros.";

static char *told(const char *before, const char *reason, int32_t **tokens, size_t *n)
{
    xoe_error e = XOE_ERROR_INIT;
    xoe_buf text;
    if (xoe_rephrase_prompt(app->chat, before, strlen(before), source, strlen(source), reason, tokens, n, &e)) fail_msg("%s", e.msg);
    xoe_buf_init(&text, 1 << 20);
    for (size_t i = 0; i < *n; i++) {
        char s[256];
        xoe_buf_add(&text, s, xoe_engine_token_bytes(app->chat, (*tokens)[i], true, s, sizeof s));
    }
    char *copy = xoe_strndup(xoe_buf_cstr(&text), text.len);
    xoe_buf_free(&text);
    return copy;
}

static void expect(const char *before, const char *reason, const char *has, const char *has_not)
{
    int32_t *tokens;
    size_t n;
    char *text = told(before, reason, &tokens, &n), *last = strstr(text, source), *from = last;
    assert_non_null(last);
    while (from > text && strncmp(from, "user", 4)) /* the last turn; the examples are before it */
        from--;
    if (has && !strstr(from, has)) fail_msg("\"%s\" is not told: %s", has, from);
    if (has_not && strstr(from, has_not)) fail_msg("\"%s\" is told: %s", has_not, from);
    xoe_tokens_free(tokens);
    xoe_free(text);
}

static void test_last_turn(void **state)
{
    (void)state;
    expect("", "", "Rephrase this text.\n\nFor the map", "before it");
    expect("She had lost her way.", "", "She had lost her way.\n\nRephrase this text.\n\nFor", NULL);
    expect("", "a number is missing", "Keep all its numbers exactly. These words must be in it: Anna Berg, 14.5", NULL);
    expect("", "two roles were swapped", "who does what to whom.\n\nFor", "These words");
}

static void test_beginning_is_shared(void **state)
{
    (void)state;
    int32_t *a, *b;
    size_t n_a, n_b, same = 0;
    xoe_free(told("", "", &a, &n_a));
    xoe_free(told("A sentence before it.", "a name is missing", &b, &n_b));
    while (same < n_a && same < n_b && a[same] == b[same])
        same++;
    assert_true(same > 200 && n_a - same < 30); /* instruction and examples come from the cache */
    xoe_tokens_free(a);
    xoe_tokens_free(b);
}

static void test_bad_bytes(void **state)
{
    (void)state;
    int32_t *tokens;
    size_t n;
    xoe_error e = XOE_ERROR_INIT;
    assert_int_equal(xoe_rephrase_prompt(app->chat, "", 0, "a\xff b", 4, "", &tokens, &n, &e), XOE_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_last_turn), cmocka_unit_test(test_beginning_is_shared), cmocka_unit_test(test_bad_bytes)};
    return cmocka_run_group_tests(tests, open_with_one_key, teardown);
}
