/* The search against a judge that knows which edits are right: it ends where nothing that is right would gain more, and wastes few readings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "flow/rephrase_search.h"

static const char source[] = "The tower was built in 1880, because the harbour needed a light that ships could see from far away.";
/* edits: erected +3 right; since +2 wrong; vessels +4 right; spot +1 right; distant -1 right */
static const char one[] = "The tower was erected in 1880, since the harbour needed a light that vessels could see from far away.";
static const char two[] = "The tower was built in 1880, because the harbour needed a light that ships could spot from distant seas.";
static const char both[] = "The tower was erected in 1880, because the harbour needed a light that vessels could spot from far away.";

static double gain(const char *text, size_t n, void *ud)
{
    (void)n;
    (void)ud;
    return 3 * (strstr(text, "erected") != NULL) + 2 * (strstr(text, "since") != NULL) + 4 * (strstr(text, "vessels") != NULL) + (strstr(text, "spot") != NULL) -
           (strstr(text, "distant") != NULL);
}

static int run(xoe_search *s, xoe_buf *out)
{
    int n = 0;
    while (xoe_search_next(s, gain, NULL, out)) {
        assert_true(s->step_gain == gain(xoe_buf_cstr(out), out->len, NULL) && s->step_gain > s->gain);
        xoe_search_judged(s, !strstr(out->data, "since"));
        n++;
    }
    return n;
}

static void test_ends_at_the_best(void **state)
{
    (void)state;
    xoe_search s;
    xoe_buf out;
    xoe_search_init(&s, source, strlen(source));
    xoe_buf_init(&out, 1 << 16);
    assert_false(xoe_search_next(&s, gain, NULL, &out)); /* nothing is known yet */
    assert_true(xoe_search_add(&s, one, strlen(one)) && xoe_search_add(&s, two, strlen(two)));
    assert_true(xoe_search_start(&s, source, strlen(source), 0));
    int n = run(&s, &out); /* the whole of `one` is refused, the two best of it are right, spot is, since is not */
    assert_true(s.gain == 8);
    assert_true(n <= 5);
    assert_int_equal(xoe_blend_write(&s.blend, &s.at, &out), 0);
    assert_string_equal(xoe_buf_cstr(&out), both);
    xoe_buf_free(&out);
    xoe_search_clear(&s);
}

/* It goes on from a text that nobody wrote as a whole, and from one whose edits are new. */
static void test_start(void **state)
{
    (void)state;
    static const char unknown[] = "The tower was put up in 1880, because the harbour needed a light that vessels could see from far away.";
    xoe_search s;
    xoe_buf out;
    xoe_search_init(&s, source, strlen(source));
    xoe_buf_init(&out, 1 << 16);
    assert_true(xoe_search_add(&s, one, strlen(one)) && xoe_search_add(&s, two, strlen(two)));
    size_t n_edits = s.blend.n_edits;
    assert_true(xoe_search_start(&s, both, strlen(both), 8));
    assert_int_equal(s.blend.n_edits, n_edits);
    assert_int_equal(run(&s, &out), 1); /* only since is left to try */
    assert_true(xoe_search_start(&s, unknown, strlen(unknown), 4));
    assert_int_equal(s.blend.n_edits, n_edits + 1);
    run(&s, &out);
    assert_true(s.gain == 8); /* erected takes the place of put up */
    assert_false(xoe_search_start(&s, "Something else.", 15, 9)); /* cannot be taken apart */
    assert_true(s.gain == 8);
    xoe_buf_free(&out);
    xoe_search_clear(&s);
}

static void test_full(void **state)
{
    (void)state;
    xoe_search s;
    xoe_search_init(&s, source, strlen(source));
    for (int i = 0; i < XOE_SEARCH_TRIES_MAX; i++)
        assert_true(xoe_search_add(&s, i % 2 ? one : two, strlen(i % 2 ? one : two)));
    assert_false(xoe_search_add(&s, one, strlen(one)));
    xoe_search_clear(&s);
    assert_int_equal(s.n_tries, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ends_at_the_best), cmocka_unit_test(test_start), cmocka_unit_test(test_full)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
