/* flow/completion_filter: stop strings never leak, characters stay whole, whatever the token cuts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/rng.h"
#include "base/text.h"
#include "flow/completion_filter.h"

static xoe_text_filter filter_of(const char *const *stops, size_t n)
{
    xoe_text_filter f;
    xoe_text_filter_init(&f, stops, n, 1 << 20);
    return f;
}

static void push(xoe_text_filter *f, const char *s)
{
    assert_int_equal(xoe_text_filter_push(f, s, strlen(s)), 0);
}

static void test_character_in_three_tokens(void **s)
{
    (void)s;
    xoe_text_filter f = filter_of(NULL, 0);
    push(&f, "a\xf0\x9f");
    assert_int_equal(f.released, 1);
    push(&f, "\x98");
    assert_int_equal(f.released, 1);
    push(&f, "\x80" "b");
    assert_int_equal(f.released, 6);
    assert_string_equal(f.text.data, "a\xf0\x9f\x98\x80" "b");
    xoe_text_filter_free(&f);
}

static void test_broken_bytes_become_replacement(void **s)
{
    (void)s;
    xoe_text_filter f = filter_of(NULL, 0);
    push(&f, "a\xff" "b\xe2\x82");
    push(&f, "c"); /* the euro sign never became whole */
    assert_string_equal(f.text.data, "a\xef\xbf\xbd" "b\xef\xbf\xbd\xef\xbf\xbd" "c");
    push(&f, "\xc3");
    assert_int_equal(xoe_text_filter_finish(&f), 0);
    assert_true(xoe_utf8_valid(f.text.data, f.released));
    assert_string_equal(f.text.data + f.text.len - 3, "\xef\xbf\xbd");
    xoe_text_filter_free(&f);
}

static void test_stop_is_held_back_and_cut(void **s)
{
    (void)s;
    const char *stops[] = {"\n\nUser:"};
    xoe_text_filter f = filter_of(stops, 1);
    push(&f, "Hello\n");
    assert_int_equal(f.released, 5);
    push(&f, "\nUs");
    assert_int_equal(f.released, 5);
    push(&f, "er");
    assert_int_equal(f.released, 5);
    push(&f, ": hi");
    assert_true(f.stopped);
    assert_string_equal(f.text.data, "Hello");
    push(&f, "more");
    assert_int_equal(f.text.len, 5);
    xoe_text_filter_free(&f);
}

static void test_held_back_text_that_was_no_stop_is_released(void **s)
{
    (void)s;
    const char *stops[] = {"END", "##"};
    xoe_text_filter f = filter_of(stops, 2);
    push(&f, "the EN");
    assert_int_equal(f.released, 4);
    push(&f, "TRY #");
    assert_int_equal(f.released, strlen("the ENTRY "));
    assert_int_equal(xoe_text_filter_finish(&f), 0);
    assert_false(f.stopped);
    assert_int_equal(f.released, strlen("the ENTRY #"));
    xoe_text_filter_free(&f);
}

static void test_leftmost_of_several(void **s)
{
    (void)s;
    const char *stops[] = {"cd", "bcde", "a!"};
    xoe_text_filter f = filter_of(stops, 3);
    push(&f, "xbcdefg");
    assert_true(f.stopped);
    assert_string_equal(f.text.data, "x");
    xoe_text_filter_free(&f);
}

static void test_stop_in_pieces_of_characters(void **s)
{
    (void)s;
    const char *stops[] = {"\xe2\x82\xac"};
    xoe_text_filter f = filter_of(stops, 1);
    push(&f, "5 \xe2");
    push(&f, "\x82\xac");
    assert_true(f.stopped);
    assert_string_equal(f.text.data, "5 ");
    xoe_text_filter_free(&f);
}

/* However the bytes are cut into tokens, the released text is the same as far as no stop is completed
 * in the middle of a token together with another: compare with a plain search. */
static void test_random_cuts(void **s)
{
    (void)s;
    static const char *const alphabet[] = {"a", "b", "\xc3\xa9", "\xf0\x9f\x98\x80", " ", "\xe2\x82\xac"};
    const char *stops[] = {"ab\xc3\xa9", "\xf0\x9f\x98\x80 a"};
    xoe_rng rng;
    xoe_rng_seed(&rng, 7);
    for (int round = 0; round < 3000; round++) {
        char text[256] = "";
        size_t n = 0, cut;
        for (int i = 0; i < 24; i++) {
            const char *c = alphabet[xoe_rng_below(&rng, 6)];
            memcpy(text + n, c, strlen(c));
            n += strlen(c);
        }
        text[n] = 0;
        size_t at0 = xoe_mem_find(text, n, stops[0], strlen(stops[0]));
        size_t at1 = xoe_mem_find(text, n, stops[1], strlen(stops[1]));
        /* the stop that is complete first wins */
        size_t end0 = at0 == SIZE_MAX ? SIZE_MAX : at0 + strlen(stops[0]);
        size_t end1 = at1 == SIZE_MAX ? SIZE_MAX : at1 + strlen(stops[1]);
        cut = end0 < end1 ? at0 : at1;
        xoe_text_filter f = filter_of(stops, 2);
        size_t seen = 0;
        for (size_t i = 0; i < n; i++) { /* byte by byte: completion order is the text's order */
            assert_int_equal(xoe_text_filter_push(&f, text + i, 1), 0);
            assert_true(f.released >= seen);
            seen = f.released;
            assert_true(xoe_utf8_valid(xoe_buf_cstr(&f.text), f.released));
            assert_true(cut == SIZE_MAX || f.released <= cut);
        }
        assert_int_equal(xoe_text_filter_finish(&f), 0);
        size_t want = cut == SIZE_MAX ? n : cut;
        assert_int_equal(f.released, want);
        assert_memory_equal(xoe_buf_cstr(&f.text), text, want);
        xoe_text_filter_free(&f);
    }
}

static void test_limit(void **s)
{
    (void)s;
    xoe_text_filter f;
    xoe_text_filter_init(&f, NULL, 0, 4);
    assert_int_equal(xoe_text_filter_push(&f, "12345", 5), -1);
    xoe_text_filter_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_character_in_three_tokens),
        cmocka_unit_test(test_broken_bytes_become_replacement),
        cmocka_unit_test(test_stop_is_held_back_and_cut),
        cmocka_unit_test(test_held_back_text_that_was_no_stop_is_released),
        cmocka_unit_test(test_leftmost_of_several),
        cmocka_unit_test(test_stop_in_pieces_of_characters),
        cmocka_unit_test(test_random_cuts),
        cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
