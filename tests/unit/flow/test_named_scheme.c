/* A scheme that the asker names: fields, checks, and that the right detector gets the right key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "flow/wanted.h"

static const char hex[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

static xoe_err set(xoe_named_scheme *s, xoe_named_field f, const char *text, xoe_error *e)
{
    *e = (xoe_error)XOE_ERROR_INIT;
    return xoe_named_scheme_set(s, f, text, e);
}

static void test_every_name_starts(void **state)
{
    (void)state;
    size_t n = 0;
    xoe_named_scheme s;
    for (const char *name; (name = xoe_named_scheme_at(n)); n++) {
        assert_int_equal(xoe_named_scheme_start(&s, name, NULL), XOE_OK);
        assert_string_equal(xoe_named_scheme_name(&s), name);
        assert_int_equal(s.other, *xoe_named_scheme_origin(name) != 0);
    }
    assert_int_equal(n, 7 + XOE_INTEROP_KINDS);
    xoe_error e = XOE_ERROR_INIT;
    assert_int_equal(xoe_named_scheme_start(&s, "gumbels", &e), XOE_EINVAL);
    assert_string_equal(e.param, "scheme");
}

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t want;
    } good[] = {{"0", 0}, {"42", 42}, {"0x2A", 42}, {"007", 7}, {"18446744073709551615", UINT64_MAX}, {"-1", UINT64_MAX},
                {"-9223372036854775808", 1ull << 63}};
    static const char *const bad[] = {"", "-", "4 2", "42x", "0x", "18446744073709551616", "-9223372036854775809", "1e3", "+1", "4.5"};
    xoe_named_scheme s;
    xoe_error e;
    xoe_named_scheme_start(&s, "vllm-gumbel", NULL);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(set(&s, XOE_NAMED_KEY, good[i].text, &e), XOE_OK);
        assert_true(s.peer.key == good[i].want);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(set(&s, XOE_NAMED_KEY, bad[i], &e), XOE_EINVAL);
        assert_string_equal(e.param, "scheme.key");
    }
    assert_int_equal(set(&s, XOE_NAMED_KEY, "secret77secret", &e), XOE_EINVAL);
    assert_null(strstr(e.msg, "secret77")); /* a key is in no message */
    assert_int_equal(set(&s, XOE_NAMED_WIDTH, "0", &e), XOE_EINVAL);
    assert_int_equal(set(&s, XOE_NAMED_WIDTH, "7", &e), XOE_OK);
    assert_int_equal(s.peer.width, 7);
    assert_int_equal(set(&s, XOE_NAMED_DEDUP, "pair", &e), XOE_OK);
    assert_int_equal(s.peer.dedup, XOE_DEDUP_PAIR);
    assert_int_equal(set(&s, XOE_NAMED_DEDUP, "twice", &e), XOE_EINVAL);
}

static void test_fields_of_a_scheme(void **state)
{
    (void)state;
    xoe_named_scheme s;
    xoe_error e;
    xoe_named_scheme_start(&s, "vllm-gumbel", NULL);
    assert_int_equal(set(&s, XOE_NAMED_GAMMA, "0.25", &e), XOE_EINVAL); /* would be ignored */
    assert_string_equal(e.param, "scheme.gamma");
    xoe_named_scheme_start(&s, "green", NULL);
    assert_int_equal(set(&s, XOE_NAMED_GAMMA, "0.4", &e), XOE_OK);
    assert_true(s.params.gamma == 0.4);
    static const char *const shares[] = {"0", "1", "nan", "x", "0.5x", ""};
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++)
        assert_int_equal(set(&s, XOE_NAMED_GAMMA, shares[i], &e), XOE_EINVAL);
    assert_int_equal(set(&s, XOE_NAMED_DEDUP, "none", &e), XOE_EINVAL); /* ours always count once */
    assert_int_equal(set(&s, XOE_NAMED_KEY, "42", &e), XOE_EINVAL);
    assert_int_equal(set(&s, XOE_NAMED_KEY, hex, &e), XOE_OK);
    assert_int_equal(s.key[31], 31);
    assert_int_equal(xoe_named_scheme_finish(&s, 100, &e), XOE_OK);
    assert_int_equal(s.params.width, 3);
}

static void test_what_lacks(void **state)
{
    (void)state;
    xoe_named_scheme s;
    xoe_error e = XOE_ERROR_INIT;
    xoe_named_scheme_start(&s, "hf-greenlist", NULL);
    assert_int_equal(xoe_named_scheme_finish(&s, 100, &e), XOE_EINVAL);
    assert_string_equal(e.param, "scheme.key");
    assert_int_equal(set(&s, XOE_NAMED_KEY, "0", &e), XOE_OK); /* given, though 0 */
    assert_int_equal(xoe_named_scheme_finish(&s, 100, &e), XOE_OK);
    assert_int_equal(s.peer.n_vocab, 100);
    xoe_named_scheme_start(&s, "sglang-dual-key-gumbel", NULL);
    set(&s, XOE_NAMED_KEY, "1", &e);
    assert_int_equal(xoe_named_scheme_finish(&s, 100, &e), XOE_EINVAL);
    assert_string_equal(e.param, "scheme.key_b");
    set(&s, XOE_NAMED_KEY_B, "2", &e);
    assert_int_equal(xoe_named_scheme_finish(&s, 100, &e), XOE_OK);
}

static void test_list_of_keys(void **state)
{
    (void)state;
    xoe_named_scheme s;
    xoe_error e;
    char many[400] = "";
    xoe_named_scheme_start(&s, "hf-synthid", NULL);
    assert_int_equal(set(&s, XOE_NAMED_KEY, "654, 400,-5", &e), XOE_OK);
    assert_int_equal(s.peer.depth, 3);
    assert_true(s.peer.keys[0] == 654 && s.peer.keys[1] == 400 && s.peer.keys[2] == -5);
    assert_int_equal(set(&s, XOE_NAMED_KEY, "[1,2]", &e), XOE_OK); /* as JSON has it */
    assert_int_equal(s.peer.depth, 2);
    static const char *const bad[] = {"", "[]", "1,x", "1.5", "[[1]]", "[1", "[1]2", "1]"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(set(&s, XOE_NAMED_KEY, bad[i], &e), XOE_EINVAL);
    for (int i = 0; i < 64; i++)
        strcat(many, "9,");
    assert_int_equal(set(&s, XOE_NAMED_KEY, many, &e), XOE_OK);
    strcat(many, "9");
    assert_int_equal(set(&s, XOE_NAMED_KEY, many, &e), XOE_EINVAL);
}

static double first(void *ud)
{
    (void)ud;
    return 0.5;
}

/* A text that the named scheme's own writer made is found by it and not with another key. */
static void test_finds_what_the_peer_wrote(void **state)
{
    (void)state;
    xoe_named_scheme s;
    xoe_error e;
    xoe_wanted w;
    xoe_verdict v;
    xoe_rng r;
    int32_t tokens[120];
    xoe_cand c[20];
    const xoe_detect_opts o = {.fpr = 1e-3};
    long live = xoe_mem_live();
    xoe_rng_seed(&r, 4);
    xoe_named_scheme_start(&s, "sglang-gumbel", NULL);
    set(&s, XOE_NAMED_KEY, "77", &e);
    assert_int_equal(xoe_wanted_scheme(&w, &s, 5000, &e), XOE_OK);
    for (size_t at = 0; at < 120; at++) {
        xoe_pick pick;
        for (int i = 0; i < 20; i++)
            c[i] = (xoe_cand){(int32_t)xoe_rng_below(&r, 5000), 0.05f};
        assert_int_equal(xoe_interop_pick(w.peer, c, 20, tokens, at, first, NULL, &pick, NULL, &e), XOE_OK);
        tokens[at] = c[pick.index].id;
    }
    assert_int_equal(xoe_wanted_test(&w, tokens, 120, &o, &v, &e), XOE_OK);
    assert_true(v.detected && v.log10_p < -20);
    assert_non_null(v.weak_key_note);
    assert_string_equal(xoe_wanted_method(&w, v.key_index), "sglang-gumbel");
    assert_string_equal(xoe_wanted_id(&w, v.key_index), "");
    assert_true(xoe_wanted_chance(&w, v.key_index) == 1);
    xoe_verdict_clear(&v);
    xoe_wanted_free(&w);
    set(&s, XOE_NAMED_KEY, "78", &e);
    assert_int_equal(xoe_wanted_scheme(&w, &s, 5000, &e), XOE_OK);
    assert_int_equal(xoe_wanted_test(&w, tokens, 120, &o, &v, &e), XOE_OK);
    assert_false(v.detected);
    xoe_verdict_clear(&v);
    xoe_wanted_free(&w);
    assert_int_equal(xoe_mem_live(), live);
}

/* A list as long as the vocabulary is drawn for each token: a long text would take hours. */
static void test_long_text_for_lists(void **state)
{
    (void)state;
    static int32_t tokens[30000];
    xoe_named_scheme s;
    xoe_wanted w;
    xoe_verdict v;
    xoe_error e = XOE_ERROR_INIT;
    const xoe_detect_opts o = {.fpr = 1e-3};
    xoe_named_scheme_start(&s, "hf-greenlist", NULL);
    set(&s, XOE_NAMED_KEY, "15485863", &e);
    assert_int_equal(xoe_wanted_scheme(&w, &s, 150000, &e), XOE_OK);
    assert_int_equal(xoe_wanted_test(&w, tokens, 30000, &o, &v, &e), XOE_ELIMIT);
    assert_int_equal(xoe_wanted_test(&w, tokens, 3, &o, &v, &e), XOE_OK);
    xoe_verdict_clear(&v);
    xoe_wanted_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_name_starts), cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_fields_of_a_scheme), cmocka_unit_test(test_what_lacks),
        cmocka_unit_test(test_long_text_for_lists), cmocka_unit_test(test_list_of_keys), cmocka_unit_test(test_finds_what_the_peer_wrote),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
