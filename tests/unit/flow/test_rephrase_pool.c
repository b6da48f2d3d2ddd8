/* What was found right: the best of it, what its edits make together, and its limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "flow/rephrase_pool.h"

static const char source[] = "The tower was built in 1880, because the harbour needed a light.";
static const char erected[] = "The tower was erected in 1880, because the harbour needed a light.";
static const char since[] = "The tower was built in 1880, since the harbour needed a light.";
static const char other[] = "A light for ships was what led to its construction long ago.";

static double count_new(const char *text, size_t n, void *ud)
{
    (void)n;
    (void)ud;
    return (strstr(text, "erected") != NULL) + (strstr(text, "since") != NULL);
}

static int add(xoe_pool *p, const char *text, double gain)
{
    static const xoe_meaning right = {.reason = "", .method = "words"};
    return xoe_pool_add(p, text, strlen(text), gain, -1, &right);
}

static void test_pool(void **s)
{
    (void)s;
    xoe_pool p;
    xoe_buf out;
    xoe_pool_init(&p, source, strlen(source));
    xoe_buf_init(&out, 1 << 16);
    assert_null(xoe_pool_best(&p));
    assert_true(isinf(xoe_pool_blend(&p, count_new, NULL, &out)));
    assert_int_equal(out.len, 0);
    assert_int_equal(add(&p, erected, 1), 0);
    assert_int_equal(add(&p, since, 1), 0);
    assert_true(xoe_pool_blend(&p, count_new, NULL, &out) == 2);
    assert_string_equal(xoe_buf_cstr(&out), "The tower was erected in 1880, since the harbour needed a light.");
    assert_true(xoe_pool_has(&p, since, strlen(since)) && !xoe_pool_has(&p, source, strlen(source)));
    assert_int_equal(add(&p, other, 5), 0); /* too far from the source to be taken apart */
    assert_false(p.good[2].blends);
    assert_memory_equal(xoe_pool_best(&p)->text.data, other, strlen(other));
    assert_true(xoe_pool_blend(&p, count_new, NULL, &out) == 5);
    assert_int_equal(out.len, 0);
    xoe_pool_weigh(&p, count_new, NULL);
    assert_true(p.good[0].gain == 1 && p.good[2].gain == 0);
    assert_memory_equal(xoe_pool_best(&p)->text.data, erected, strlen(erected));
    xoe_buf_free(&out);
    xoe_pool_clear(&p);
}

static void test_full(void **s)
{
    (void)s;
    xoe_pool p;
    char text[128];
    xoe_pool_init(&p, source, strlen(source));
    for (int i = 0; i < XOE_POOL_MAX; i++) {
        snprintf(text, sizeof text, "The tower was built in 1880, %d because the harbour needed a light.", i);
        assert_int_equal(add(&p, text, i), 0);
    }
    assert_int_equal(add(&p, since, 99), -1);
    assert_true(xoe_pool_best(&p)->gain == XOE_POOL_MAX - 1);
    xoe_pool_clear(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pool), cmocka_unit_test(test_full)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
