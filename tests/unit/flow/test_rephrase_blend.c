/* Blending: a rewrite is its edits, edits of several rewrites combine, those that meet do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "flow/rephrase_blend.h"

static const char source[] = "The  tower was built in 1880, because the harbour\nneeded a light.";

static void expect_back(const char *from, const char *rewrite, const char *written)
{
    xoe_blend b;
    xoe_blend_choice c;
    xoe_buf out;
    xoe_buf_init(&out, 1 << 16);
    xoe_blend_init(&b, from, strlen(from));
    assert_true(xoe_blend_add(&b, rewrite, strlen(rewrite), &c));
    assert_int_equal(xoe_blend_write(&b, &c, &out), 0);
    assert_string_equal(xoe_buf_cstr(&out), written);
    xoe_buf_free(&out);
}

static void test_edits_give_the_rewrite(void **s)
{
    (void)s;
    expect_back(source, source, source);
    expect_back(source, "The tower was erected in 1880, since the harbour needed a light.", "The  tower was erected in 1880, since the harbour\nneeded a light.");
    expect_back(source, "In 1880 the tower was built, because the harbour needed a light.", "In 1880 the  tower was built, because the harbour\nneeded a light.");
    expect_back("a b c", "b c", "b c");                                         /* dropped at the start */
    expect_back("a b c", "a b", "a b");                                         /* and at the end */
    expect_back("a b c", "x a b c y", "x a b c y");                             /* added */
    expect_back("a b c d e f", "a c d f", "a c d f");                           /* two gaps that touch once they are filled */
    expect_back("one word", "one", "one");
}

static void test_random_texts_come_back(void **s)
{
    (void)s;
    xoe_rng rng;
    int shared = 0;
    xoe_rng_seed(&rng, 7);
    for (int i = 0; i < 20000; i++) {
        char a[128] = "", b[128] = "";
        xoe_blend x;
        xoe_blend_choice c;
        xoe_buf out;
        for (int side = 0; side < 2; side++) {
            char *t = side ? b : a;
            size_t n = 1 + (size_t)xoe_rng_below(&rng, 9);
            for (size_t k = 0; k < n; k++)
                snprintf(t + strlen(t), 128 - strlen(t), "%s%c", k ? " " : "", (char)('a' + xoe_rng_below(&rng, 4)));
        }
        xoe_buf_init(&out, 1 << 16);
        xoe_blend_init(&x, a, strlen(a));
        if (xoe_blend_add(&x, b, strlen(b), &c)) {
            shared++;
            assert_int_equal(xoe_blend_write(&x, &c, &out), 0);
            assert_string_equal(xoe_buf_cstr(&out), b);
        }
        xoe_buf_free(&out);
    }
    assert_true(shared > 1000);
}

static double wants(const char *text, size_t n, void *ud)
{
    double worth = 0;
    for (const char *const *w = ud; *w; w++)
        worth += memmem(text, n, *w, strlen(*w)) ? 1 : 0;
    return worth;
}

static void climb(const char *const *wanted, const char *expected)
{
    static const char first[] = "The tower was erected in 1880, since the harbour needed a light.";
    static const char second[] = "The tower was built in 1880, as the port needed a beacon.";
    xoe_blend b;
    xoe_blend_choice c, other;
    xoe_buf out;
    xoe_buf_init(&out, 1 << 16);
    xoe_blend_init(&b, source, strlen(source));
    assert_true(xoe_blend_add(&b, first, strlen(first), &other));
    assert_true(xoe_blend_add(&b, second, strlen(second), &c));
    xoe_blend_climb(&b, &c, wants, (void *)(uintptr_t)wanted, &out);
    assert_string_equal(xoe_buf_cstr(&out), expected);
    xoe_buf_free(&out);
}

static void test_the_best_of_both(void **s)
{
    (void)s;
    climb((const char *const[]){"erected", "since", "beacon", NULL}, "The  tower was erected in 1880, since the port\nneeded a beacon.");
    climb((const char *const[]){"built", "because", "light", "harbour", NULL}, source);
    climb((const char *const[]){"as the", "erected", NULL}, "The  tower was erected in 1880, as the port\nneeded a beacon.");
}

static void test_what_meets_excludes(void **s)
{
    (void)s;
    xoe_blend b;
    xoe_blend_choice c, d;
    xoe_buf out;
    xoe_buf_init(&out, 1 << 16);
    xoe_blend_init(&b, "a b c d e f", 11);
    assert_true(xoe_blend_add(&b, "a X c d e f", 11, &c)); /* b */
    assert_true(xoe_blend_add(&b, "a b Y d e f", 11, &d)); /* the word beside it */
    static const char *const both[] = {"X", "Y", NULL};
    assert_true(xoe_blend_climb(&b, &c, wants, (void *)(uintptr_t)both, &out) == 1);
    xoe_buf_free(&out);
}

static void test_refusals(void **s)
{
    (void)s;
    static char many[2 * (XOE_BLEND_WORDS_MAX + 1) + 1];
    xoe_blend b;
    xoe_blend_choice c;
    xoe_blend_init(&b, source, strlen(source));
    assert_false(xoe_blend_add(&b, "Nobody knows who put the light there.", 37, &c)); /* too little in common */
    assert_false(xoe_blend_add(&b, "", 0, &c));
    assert_false(xoe_blend_add(&b, " \n", 2, &c));
    assert_int_equal(b.n_edits, 0);
    for (size_t i = 0; i + 1 < sizeof many; i++)
        many[i] = i % 2 ? ' ' : 'a';
    assert_false(xoe_blend_add(&b, many, strlen(many), &c));
    xoe_blend_init(&b, many, strlen(many));
    assert_false(xoe_blend_add(&b, many, strlen(many), &c));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edits_give_the_rewrite), cmocka_unit_test(test_random_texts_come_back), cmocka_unit_test(test_the_best_of_both),
        cmocka_unit_test(test_what_meets_excludes),    cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
