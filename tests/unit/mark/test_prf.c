/* The PRF is a contract: text marked today must be found by every later version. Its words against
 * an independent implementation, and what the uniforms promise. */
#include "marktest.h"
#include "base/text.h"
#include "mark/payload.h"
#include "mark/prf.h"

static void test_words(void **s)
{
    (void)s;
    json_t *d = mt_vectors("prf.json"), *c;
    size_t i;
    json_array_foreach(json_object_get(d, "cases"), i, c)
    {
        uint8_t key[32];
        int32_t context[4];
        xoe_scheme scheme;
        xoe_prf prf = {0};
        uint32_t shift = (uint32_t)mt_num(c, "shift");
        int width = mt_tokens(json_object_get(c, "context"), context);
        assert_int_equal(xoe_unhex(json_string_value(json_object_get(c, "key")), 64, key), 0);
        assert_int_equal(
            xoe_scheme_parse(json_string_value(json_object_get(c, "scheme")), &scheme, NULL),
            XOE_OK);
        assert_int_equal(xoe_prf_open(&prf, key, NULL), XOE_OK);
        xoe_block b = xoe_prf_context(context, width);
        xoe_prf_encrypt(&prf, &b, &b, 1);
        b = xoe_prf_token(
            &b, (int32_t)mt_num(c, "token"), shift, xoe_prf_tag(scheme, width),
            xoe_prf_layer((uint32_t)mt_num(c, "variant"), (uint32_t)mt_num(c, "word_index")));
        xoe_prf_encrypt(&prf, &b, &b, 1);
        assert_true(xoe_prf_word(&b, shift) ==
                    strtoull(json_string_value(json_object_get(c, "word")), NULL, 16));
        xoe_prf_close(&prf);
    }
    assert_int_equal(i, 112);
    json_decref(d);
}

/* Never 0 or 1, exact complements, in order of the words. */
static void test_uniform(void **s)
{
    (void)s;
    assert_true(xoe_prf_uniform(0) == 0x1p-53);
    assert_true(1 - xoe_prf_uniform(UINT64_MAX) == 0x1p-53);
    assert_true(xoe_prf_uniform(UINT64_C(1) << 63) == 0.5 + 0x1p-53);
    assert_true(xoe_prf_uniform(4095) == xoe_prf_uniform(0) &&
                xoe_prf_uniform(4096) > xoe_prf_uniform(0));
}

static void test_symbols(void **s)
{
    (void)s;
    for (int bits = 1; bits <= 64; bits++) { /* every bit in exactly one symbol of at most 8 */
        int n_bits, at = 0;
        for (int j = 0; j < xoe_payload_symbols(bits); j++) {
            assert_int_equal(xoe_payload_first_bit(bits, j, &n_bits), at);
            assert_true(n_bits >= 1 && n_bits <= 8);
            at += n_bits;
        }
        assert_int_equal(at, bits);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_uniform),
        cmocka_unit_test(test_symbols),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
