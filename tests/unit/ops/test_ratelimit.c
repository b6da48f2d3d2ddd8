/* The rate limiter on a clock of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ops/ratelimit.h"

static void test_burst_and_refill(void **s)
{
    (void)s;
    xoe_ratelimit *r = xoe_ratelimit_new(60);
    for (int i = 0; i < 60; i++)
        assert_int_equal(xoe_ratelimit_take(r, 7, 1000), 0);
    assert_int_equal(xoe_ratelimit_take(r, 7, 1000), 1); /* one a second comes back */
    assert_int_equal(xoe_ratelimit_take(r, 8, 1000), 0); /* another client's is full */
    assert_int_equal(xoe_ratelimit_take(r, 7, 1999), 1);
    assert_int_equal(xoe_ratelimit_take(r, 7, 2001), 0);
    assert_int_equal(xoe_ratelimit_take(r, 7, 2001), 1);
    for (int i = 0; i < 60; i++) /* never more than a minute's worth is saved up */
        assert_int_equal(xoe_ratelimit_take(r, 7, 10000000), 0);
    assert_int_not_equal(xoe_ratelimit_take(r, 7, 10000000), 0);
    xoe_ratelimit_free(r);
}

static void test_wait_takes_nothing(void **s)
{
    (void)s;
    xoe_ratelimit *r = xoe_ratelimit_new(2);
    for (int i = 0; i < 10; i++)
        assert_int_equal(xoe_ratelimit_wait(r, 7, 1000), 0);
    assert_int_equal(xoe_ratelimit_take(r, 7, 1000), 0);
    assert_int_equal(xoe_ratelimit_take(r, 7, 1000), 0);
    int wait = xoe_ratelimit_wait(r, 7, 1000);
    assert_in_range(wait, 30, 31);
    assert_int_equal(xoe_ratelimit_take(r, 7, 1000), wait);
    assert_int_equal(xoe_ratelimit_take(r, 7, 1000 + wait * 1000), 0); /* what it says is enough */
    xoe_ratelimit_free(r);
}

static void test_no_limit_and_old_clock(void **s)
{
    (void)s;
    xoe_ratelimit *none = xoe_ratelimit_new(0), *r = xoe_ratelimit_new(1);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(xoe_ratelimit_take(none, 7, 1000), 0);
    assert_int_equal(xoe_ratelimit_take(r, 0, 5000), 0); /* 0 is a client like any other */
    assert_int_not_equal(xoe_ratelimit_take(r, 0, 5000), 0);
    assert_int_not_equal(xoe_ratelimit_take(r, 0, 1000), 0); /* time that goes back gives nothing */
    xoe_ratelimit_free(none);
    xoe_ratelimit_free(r);
}

/* However many clients come, a new one is served, and the newest ones keep their counts. */
static void test_many_clients(void **s)
{
    (void)s;
    xoe_ratelimit *r = xoe_ratelimit_new(1);
    for (uint64_t client = 1; client <= 100000; client++)
        assert_int_equal(xoe_ratelimit_take(r, client, (int64_t)client), 0);
    for (uint64_t client = 99900; client <= 100000; client++)
        assert_int_not_equal(xoe_ratelimit_take(r, client, 100001), 0);
    xoe_ratelimit_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_burst_and_refill), cmocka_unit_test(test_wait_takes_nothing),
                                       cmocka_unit_test(test_no_limit_and_old_clock), cmocka_unit_test(test_many_clients)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
