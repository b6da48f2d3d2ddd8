/* The peers' pseudorandom functions, bit for bit. */
#include "marktest.h"
#include "mark/peers.h"

static void test_textseal(void **s)
{
    (void)s;
    json_t *d = mt_vectors("textseal_prf.json"), *c;
    size_t i, k, n = 0;
    json_array_foreach(json_object_get(d, "prf"), i, c)
    {
        int32_t w[16], t[16];
        int width = mt_tokens(json_object_get(c, "window"), w);
        int n_t = mt_tokens(json_object_get(c, "tokens"), t);
        int64_t key = json_integer_value(json_object_get(c, "secret_key"));
        for (k = 0; k < (size_t)n_t; k++, n++) {
            uint32_t h = xoe_textseal_hash(w, width, t[k], key);
            assert_int_equal(
                h, json_integer_value(json_array_get(json_object_get(c, "hash_mod_8191"), k)));
            float r = (float)h / 8191.0f;
            assert_true((double)r == json_number_value(json_array_get(json_object_get(c, "r"), k)));
            assert_int_equal(r < 0.5f, json_integer_value(json_array_get(
                                           json_object_get(c, "green_gamma0_5"), k)));
            assert_int_equal(r < 0.25f, json_integer_value(json_array_get(
                                            json_object_get(c, "green_gamma0_25"), k)));
        }
    }
    assert_true(n > 100);
    json_decref(d);
}

static void test_vllm(void **s)
{
    (void)s;
    json_t *d = mt_vectors("vllm_gumbel_philox.json"), *c;
    size_t i, n = 0;
    json_array_foreach(json_object_get(d, "prf"), i, c)
    {
        int32_t w[16], t[16];
        int width = mt_tokens(json_object_get(c, "context"), w);
        int n_t = mt_tokens(json_object_get(c, "tokens"), t);
        uint64_t key = mt_u64(json_object_get(c, "key"));
        xoe_philox state = xoe_vllm_context(key, w, width);
        for (int k = 0; k < n_t; k++, n++) {
            float u = (float)(((double)(xoe_vllm_word(key, &state, t[k]) >> 8) + 1) / 16777217.0);
            double want =
                json_number_value(json_array_get(json_object_get(c, "uniform"), (size_t)k));
            if (fabs((double)u - want) > 6e-8)
                fail_msg("context %zu token %d: %.9g, want %.9g", i, k, (double)u, want);
        }
    }
    assert_true(n > 100);
    assert_true(xoe_vllm_derive(42, "key_a") == UINT64_C(37150756557148556));
    assert_true(xoe_vllm_derive(42, "key_b") == UINT64_C(15826636237805488045));
    json_decref(d);
}

static void test_sglang(void **s)
{
    (void)s;
    json_t *d = mt_vectors("sglang_gumbel.json"), *c;
    size_t i;
    json_array_foreach(json_object_get(d, "hash"), i, c)
    {
        int32_t w[16];
        int width = mt_tokens(json_object_get(c, "context"), w);
        uint64_t key = mt_u64(json_object_get(c, "key"));
        uint32_t context = xoe_sglang_context(w, width);
        int32_t token = (int32_t)json_integer_value(json_object_get(c, "token"));
        assert_int_equal(context, json_integer_value(json_object_get(c, "context_hash")));
        uint32_t h = xoe_sglang_word(key, context, token);
        assert_int_equal(h, json_integer_value(json_object_get(c, "token_hash")));
        assert_true(((double)h + 0.5) / 4294967296.0 == mt_num(c, "u"));
        assert_int_equal(xoe_sglang_coin(key, 7, context),
                         json_integer_value(json_object_get(c, "coin_with_key_b_7")));
    }
    assert_int_equal(i, 12);
    json_decref(d);
}

static void test_synthid(void **s)
{
    (void)s;
    json_t *d = mt_vectors("hf_synthid.json"), *table = json_object_get(d, "sampling_table");
    const char *hex = json_string_value(json_object_get(table, "packed_msb_first_hex"));
    static uint8_t bits[65536];
    xoe_torch_rng r;
    xoe_torch_seed(&r, 0);
    for (size_t i = 0; i < 65536; i++) {
        bits[i] = xoe_torch_u32(&r) % 2;
        int digit = hex[i / 4] <= '9' ? hex[i / 4] - '0' : hex[i / 4] - 'a' + 10;
        assert_int_equal(bits[i], digit >> (3 - i % 4) & 1);
    }
    int32_t t[64];
    int n = mt_tokens(json_object_get(d, "tokens"), t);
    int64_t keys[64];
    size_t k, depth = json_array_size(json_object_get(d, "keys"));
    for (k = 0; k < depth; k++)
        keys[k] = json_integer_value(json_array_get(json_object_get(d, "keys"), k));
    for (int at = 4; at < n; at++) {
        uint64_t h = 1;
        for (int i = at - 4; i <= at; i++)
            h = xoe_hf_hash(h, t[i]);
        for (k = 0; k < depth; k++) {
            uint64_t key = xoe_hf_hash(h, keys[k]);
            if (at < 7)
                assert_true((int64_t)key ==
                            json_integer_value(json_array_get(
                                json_array_get(json_object_get(d, "ngram_keys_int64_first3"),
                                               (size_t)at - 4),
                                k)));
            assert_int_equal(
                bits[key % 65536],
                json_integer_value(json_array_get(
                    json_array_get(json_object_get(d, "g_values"), (size_t)at - 4), k)));
        }
    }
    json_decref(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_textseal),
        cmocka_unit_test(test_vllm),
        cmocka_unit_test(test_sglang),
        cmocka_unit_test(test_synthid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
