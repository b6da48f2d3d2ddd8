/* Rephrasing on a real model (SmolLM2 135M): a sentence that is longer than the context, or for which there is no time, stays as it was
 * and stops nothing; the shift of the key follows the text, however long that is. */
#include "flowtest.h"

#include "base/clock.h"
#include "flow/rephrase_shift.h"

static void test_endless_sentence(void **state)
{
    (void)state;
    enum { WORDS = 6000 };
    xoe_buf text;
    xoe_key key = active_key();
    xoe_buf_init(&text, 1 << 20);
    for (int i = 0; i < WORDS; i++)
        xoe_buf_printf(&text, "%sword%d", i ? " " : "", i % 10);
    xoe_buf_puts(&text, ".\n\n- Short.\n");
    xoe_rephrase_opts o = {.paraphraser = app->chat, .key = key, .seed = 5, .priority = XOE_PRIORITY_BATCH};
    xoe_rephrase_result r = rephrased(&o, text.data, text.len, text.len);
    assert_int_equal(r.chunks[0].outcome, XOE_CHUNK_KEPT_MEANING);
    assert_non_null(strstr(r.chunks[0].reason, "too long"));
    assert_int_equal(r.n, text.len);
    assert_memory_equal(r.text, text.data, r.n);
    xoe_rephrase_result_clear(&r);
    xoe_buf_free(&text);
}

static const char sentences[] =
    "The boats wait at the old wall until the fog has gone from the river.\n\nA woman sells fresh bread to the people who walk along the water.\n\n"
    "The children run down to the bank and throw stones at the ice.\n";

static xoe_rephrase_result within(int64_t ms)
{
    xoe_key key = active_key();
    xoe_rephrase_opts o = {.paraphraser = app->chat, .key = key, .seed = 5, .priority = XOE_PRIORITY_BATCH, .deadline_mono_ms = xoe_clock_mono_ms() + ms};
    return rephrased(&o, sentences, sizeof sentences - 1, sizeof sentences - 1);
}

static void test_no_time(void **state)
{
    (void)state;
    xoe_rephrase_result r = within(1);
    assert_int_equal(r.n, sizeof sentences - 1);
    assert_memory_equal(r.text, sentences, r.n);
    assert_non_null(strstr(r.chunks[0].reason, "no time"));
    xoe_rephrase_result_clear(&r);
}

/* No chunk takes the time of those after it: each gets a round, few get both. */
static void test_time_is_shared(void **state)
{
    (void)state;
    int tries = 0, prose = 0;
    xoe_rephrase_result r = within(1500);
    for (size_t i = 0; i < r.n_chunks; i++) {
        prose += r.chunks[i].outcome != XOE_CHUNK_KEPT_PROTECTED;
        tries += r.chunks[i].tries;
    }
    print_message("%d tries for %d chunks in %.0f ms\n", tries, prose, r.ms);
    assert_int_equal(prose, 3);
    assert_true(tries < 3 * 8 && r.ms < 1500 + 15000); /* a round that has begun may go on */
    xoe_rephrase_result_clear(&r);
}

/* The text is to carry the shift under which it scores most as it is, all of it: also what comes late. */
static void test_shift_is_chosen_by_text(void **state)
{
    (void)state;
    xoe_error e = XOE_ERROR_INIT;
    xoe_buf text;
    xoe_key key = active_key();
    for (uint32_t wanted = 0, seed = 0; wanted < 4 && seed < 200; seed++) {
        int32_t *tokens;
        size_t n;
        uint32_t best;
        size_t n_best;
        xoe_variants part = {0};
        xoe_buf_init(&text, 1 << 20);
        xoe_buf_puts(&text, "```\n"); /* code is left alone: nothing is computed */
        for (uint32_t i = 0; i < 40; i++)
            xoe_buf_printf(&text, "x%u = %u\n", i, (seed + 7) * (i + 3) % 101);
        xoe_buf_puts(&text, "```\n");
        assert_int_equal(key.params.n_shifts, 4);
        assert_int_equal(xoe_engine_tokenize(app->chat, text.data, text.len, false, false, &tokens, &n, &e), XOE_OK);
        assert_int_equal(xoe_variants_add(&part, tokens, 0, n, 0, 0), 0);
        assert_int_equal(xoe_rank_shifts(&key.params, key.bytes, &part, 1, 1, &best, &n_best, &e), XOE_OK);
        xoe_variants_clear(&part);
        xoe_tokens_free(tokens);
        if (best == wanted) {
            xoe_rephrase_opts o = {.paraphraser = app->chat, .key = key, .seed = 5, .priority = XOE_PRIORITY_BATCH};
            xoe_rephrase_result r = rephrased(&o, text.data, text.len, 40);
            assert_int_equal(r.shift, wanted);
            assert_memory_equal(r.text, text.data, r.n);
            xoe_rephrase_result_clear(&r);
            wanted++;
        }
        assert_true(seed < 199);
        xoe_buf_free(&text);
    }
}

/* More pieces than wait for the choice of a shift; some come after it was made. */
static void test_many_pieces(void **state)
{
    (void)state;
    enum { TITLES = 100 };
    xoe_buf text;
    xoe_key key = active_key();
    xoe_buf_init(&text, 1 << 20);
    for (int i = 0; i < TITLES; i++)
        xoe_buf_printf(&text, "# Title %d\n\n", i);
    xoe_rephrase_opts o = {.paraphraser = app->chat, .key = key, .seed = 5, .priority = XOE_PRIORITY_BATCH};
    xoe_rephrase_result r = rephrased(&o, text.data, text.len, 300);
    assert_true(r.n_chunks >= TITLES);
    for (size_t i = 0; i < r.n_chunks; i++) {
        assert_int_equal(r.chunks[i].outcome, XOE_CHUNK_KEPT_PROTECTED);
        assert_int_equal(r.chunks[i].source_first, i ? r.chunks[i - 1].source_end : 0);
        assert_int_equal(r.chunks[i].out_end, r.chunks[i].source_end);
    }
    assert_int_equal(r.n, text.len);
    assert_memory_equal(r.text, text.data, r.n);
    xoe_rephrase_result_clear(&r);
    xoe_buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_endless_sentence), cmocka_unit_test(test_no_time), cmocka_unit_test(test_time_is_shared),
                                       cmocka_unit_test(test_shift_is_chosen_by_text), cmocka_unit_test(test_many_pieces)};
    return cmocka_run_group_tests(tests, open_with_one_key, teardown);
}
