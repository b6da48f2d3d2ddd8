/* Scheduling as arithmetic: who is next, where a job goes, common prefixes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "engine/schedule.h"

static const int64_t s_ns = 1000000000;

static void test_rank(void **state)
{
    (void)state;
    /* short before long, whatever came first by less than the work it takes */
    assert_true(xoe_prompt_rank(1, 20, 0, 100) < xoe_prompt_rank(1, 2000, 5 * s_ns, 100));
    /* a long prompt ages: after 20 s it goes before a new short one */
    assert_true(xoe_prompt_rank(1, 2000, 20 * s_ns, 100) < xoe_prompt_rank(1, 20, 0, 100));
    /* classes are strict */
    assert_true(xoe_prompt_rank(2, 4000, 0, 100) < xoe_prompt_rank(1, 1, 3600 * s_ns, 100));
}

static void test_prefix(void **state)
{
    (void)state;
    int32_t a[] = {1, 2, 3, 4}, b[] = {1, 2, 9};
    assert_int_equal(xoe_common_prefix(a, 4, b, 3), 2);
    assert_int_equal(xoe_common_prefix(a, 4, a, 2), 2);
    assert_int_equal(xoe_common_prefix(a, 0, b, 3), 0);
}

static void is(xoe_placement got, int slot, int donor, size_t shared)
{
    assert_int_equal(got.slot, slot);
    assert_int_equal(got.donor, donor);
    assert_int_equal(got.shared, shared);
}

static void test_place(void **state)
{
    (void)state;
    const xoe_slot_view full[] = {{true, 10, 10, 1}, {true, 10, 0, 2}};
    is(xoe_place(full, 2, XOE_COPY_MIN), -1, -1, 0);
    /* the next turn of a conversation finds its own slot */
    const xoe_slot_view turn[] = {{false, 500, 20, 9}, {false, 800, 790, 5}, {false, 0, 0, 0}};
    is(xoe_place(turn, 3, XOE_COPY_MIN), 1, -1, 790);
    /* a new conversation does not wipe a long one for a short start… */
    const xoe_slot_view fresh[] = {{false, 2000, 10, 9}, {false, 0, 0, 0}};
    is(xoe_place(fresh, 2, XOE_COPY_MIN), 1, -1, 0);
    /* …and copies it when it is longer */
    const xoe_slot_view copy[] = {{false, 2000, 400, 9}, {false, 0, 0, 0}};
    is(xoe_place(copy, 2, XOE_COPY_MIN), 1, 0, 400);
    /* little is lost: take it */
    const xoe_slot_view small[] = {{false, 60, 20, 9}, {false, 0, 0, 0}};
    is(xoe_place(small, 2, XOE_COPY_MIN), 0, -1, 20);
    /* from a running slot, to the oldest free one */
    const xoe_slot_view running[] = {{true, 900, 700, 9}, {false, 900, 10, 4}, {false, 900, 10, 3}};
    is(xoe_place(running, 3, XOE_COPY_MIN), 2, 0, 700);
    /* nothing shared: the oldest */
    const xoe_slot_view none[] = {{false, 900, 0, 9}, {false, 900, 0, 4}, {true, 900, 0, 3}};
    is(xoe_place(none, 3, XOE_COPY_MIN), 1, -1, 0);
    /* all slots hold long texts with the same short start: the oldest, with what it has */
    const xoe_slot_view same[] = {{false, 900, 20, 9}, {false, 900, 20, 4}};
    is(xoe_place(same, 2, XOE_COPY_MIN), 1, -1, 20);
}

static void test_piece(void **state)
{
    (void)state;
    assert_int_equal(xoe_prompt_piece(1000, 0, 128, 400, 800, false), 400);
    assert_int_equal(xoe_prompt_piece(500, 0, 128, 400, 800, false), 500); /* no small rest */
    assert_int_equal(xoe_prompt_piece(501, 0, 128, 400, 800, false), 400);
    assert_int_equal(xoe_prompt_piece(20, 0, 128, 400, 800, false), 20);
    assert_int_equal(xoe_prompt_piece(1000, 20, 128, 400, 800, false), 108); /* beside a short one */
    assert_int_equal(xoe_prompt_piece(1000, 20, 128, 64, 800, false), 44);
    assert_int_equal(xoe_prompt_piece(1000, 192, 128, 400, 800, false), 0);
    assert_int_equal(xoe_prompt_piece(1000, 0, 128, 400, 100, false), 100); /* what the batch holds */
    assert_int_equal(xoe_prompt_piece(1000, 0, 128, 400, 0, false), 0);
    /* a seeded prompt is cut the same way whatever else goes on */
    assert_int_equal(xoe_prompt_piece(192, 0, 128, 400, 800, true), 128);
    assert_int_equal(xoe_prompt_piece(192, 0, 128, 64, 800, true), 128);
    assert_int_equal(xoe_prompt_piece(64, 0, 128, 400, 800, true), 64);
    assert_int_equal(xoe_prompt_piece(64, 64, 128, 400, 800, true), 64);
    assert_int_equal(xoe_prompt_piece(64, 65, 128, 400, 800, true), 0);
    assert_int_equal(xoe_prompt_piece(1000, 1, 128, 400, 800, true), 0);
}

static void test_step(void **state)
{
    (void)state;
    assert_int_equal(xoe_prompt_step(240, 128, false), 480);
    assert_int_equal(xoe_prompt_step(240, 128, true), 240);
    assert_int_equal(xoe_prompt_step(10, 128, false), 128); /* kernels want some tokens at once */
    assert_int_equal(xoe_prompt_step(10, 128, true), 64);
    assert_int_equal(xoe_prompt_step(5000, 128, false), 512);
    assert_int_equal(xoe_prompt_step(5000, 128, true), 512);
    for (int rate = 1; rate < 2000; rate += 7) /* the batch holds every piece */
        assert_true(xoe_prompt_piece(100000, 0, 128, xoe_prompt_step(rate, 128, false), 10000, false) <= XOE_PROMPT_MOST(128));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rank), cmocka_unit_test(test_prefix),
                                       cmocka_unit_test(test_place), cmocka_unit_test(test_piece), cmocka_unit_test(test_step)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
