/* Marks of vLLM, SGLang and Hugging Face against what those programs computed; every kind's round trip and errors. TextSeal's vectors:
 * test_interop_textseal.c. */
#include "interoptest.h"
#include "base/hash.h"
#include "base/mem.h"
#include "mark/scheme.h"
#include "mark/stats.h"

static void test_vllm(void **s)
{
    (void)s;
    json_t *d = mt_vectors("vllm_gumbel_philox.json"), *c;
    int32_t all[256], own[256];
    size_t n_all = (size_t)mt_tokens(json_object_get(d, "detect_tokens"), all), i;
    json_array_foreach(json_object_get(d, "detect"), i, c)
    {
        double sum, want_p = mt_num(c, "p");
        bool dual = strcmp(json_string_value(json_object_get(c, "alg")), "gumbel") != 0;
        double alpha = json_number_value(json_object_get(c, "alpha"));
        json_t *tokens = json_object_get(c, "tokens");
        size_t n = tokens ? (size_t)mt_tokens(tokens, own) : n_all;
        xoe_interop_params p = {.kind = dual ? XOE_INTEROP_VLLM_DUAL : XOE_INTEROP_VLLM_GUMBEL,
                                .key = mt_u64(json_object_get(c, "key")),
                                .alpha = dual ? 1 - alpha : 0,
                                .dedup = json_is_false(json_object_get(c, "dedup"))
                                             ? XOE_DEDUP_NONE
                                             : XOE_DEDUP_CONTEXT};
        xoe_verdict v = detect(&p, tokens ? own : all, n, &sum);
        assert_int_equal(v.n_scored, (size_t)mt_num(c, "n"));
        mt_close(sum, mt_num(c, "score"), 1e-6, "vllm score");
        if (!dual || alpha == 0.5) mt_close(v.log10_p, log10(want_p), 2e-5, "vllm p");
        if (dual && alpha != 0.5) assert_true(v.p_value >= want_p);
        if (tokens) assert_true(v.detected);
        xoe_verdict_clear(&v);
    }
    assert_int_equal(i, 9);
    json_decref(d);
}

static void test_sglang(void **s)
{
    (void)s;
    json_t *d = mt_vectors("sglang_gumbel.json"), *c;
    int32_t t[256];
    size_t n = (size_t)mt_tokens(json_object_get(d, "tokens"), t), i, n_cases = 0;
    json_array_foreach(json_object_get(d, "detect"), i, c)
    {
        double sum;
        json_t *b = json_object_get(c, "key_b"), *mix = json_object_get(c, "mixing_probability");
        json_t *want = json_object_get(c, "combined"),
               *window = json_object_get(c, "context_window");
        if (json_array_size(json_object_get(c, "prompt")))
            continue; /* the prompt is not known to us */
        xoe_interop_params p = {
            .kind = b ? XOE_INTEROP_SGLANG_DUAL : XOE_INTEROP_SGLANG_GUMBEL,
            .key = strtoull(json_string_value(json_object_get(c, "key")), NULL, 16),
            .key_b = b ? strtoull(json_string_value(b), NULL, 16) : 0,
            .width = (int)json_integer_value(window),
            .alpha = json_number_value(mix)};
        xoe_verdict v = detect(&p, t, n, &sum);
        assert_int_equal(v.n_scored, (size_t)mt_num(want, "n"));
        mt_close(sum, mt_num(want, "score"), 1e-12, "sglang score");
        mt_close(v.log10_p * XOE_LN10, mt_num(want, "log_p"), 1e-10, "sglang p");
        xoe_verdict_clear(&v);
        n_cases++;
    }
    assert_int_equal(n_cases, 4);
    json_array_foreach(json_object_get(d, "gamma_logsf"), i, c)
        mt_close(xoe_ln_gamma_tail((size_t)mt_num(c, "shape"), mt_num(c, "score")),
                 mt_num(c, "log_p"), 1e-6, "tail"); /* theirs cancels digits */
    json_decref(d);
}

static void test_hf_synthid(void **s)
{
    (void)s;
    json_t *d = mt_vectors("hf_synthid.json"), *u = json_object_get(d, "update_scores"), *x;
    xoe_interop_params p = {.kind = XOE_INTEROP_HF_SYNTHID, .dedup = XOE_DEDUP_NONE};
    int32_t t[64];
    double sum, logits[64];
    size_t n = (size_t)mt_tokens(json_object_get(d, "tokens"), t), k, j;
    json_array_foreach(json_object_get(d, "keys"), k, x) p.keys[k] = json_integer_value(x);
    p.depth = (int)k;
    xoe_verdict v = detect(&p, t, n, &sum);
    assert_int_equal(v.n_scored, json_array_size(json_object_get(d, "g_values")));
    mt_close(v.score, mt_num(d, "mean_score_nomask"), 1e-6, "mean g");
    xoe_verdict_clear(&v);
    /* the repetition mask: the tokens, then their first 20 again */
    int32_t twice[96];
    memcpy(twice, t, n * sizeof *t);
    memcpy(twice + n, t, 20 * sizeof *t);
    p.dedup = XOE_DEDUP_CONTEXT;
    v = detect(&p, twice, n + 20, NULL);
    json_array_foreach(json_object_get(d, "repetition_mask_of_tokens_plus_first20"), k, x)
        assert_int_equal(!isnan(v.token_scores[4 + k]), json_is_true(x));
    xoe_verdict_clear(&v);
    /* the tournament itself, fed with the vector's g values through our own scheme */
    json_t *g = json_object_get(u, "g_values");
    size_t n_cands = json_array_size(g);
    double probs[64], total = 0;
    json_array_foreach(json_object_get(u, "logits"), k, x) logits[k] = json_number_value(x);
    for (k = 0; k < n_cands; k++)
        total += exp(logits[k]);
    for (k = 0; k < n_cands; k++)
        probs[k] = exp(logits[k]) / total;
    uint64_t words[64] = {0};
    uint32_t order[64];
    double gain;
    xoe_rng rng;
    xoe_rng_seed(&rng, 1);
    xoe_mark_params mp = {.scheme = XOE_SCHEME_SYNTHID,
                          .depth = (int)json_array_size(json_array_get(g, 0))};
    for (k = 0; k < n_cands; k++)
        for (int layer = 0; layer < mp.depth; layer++)
            words[k] |=
                (uint64_t)json_integer_value(json_array_get(json_array_get(g, k), (size_t)layer))
                << layer;
    xoe_step step = {&mp, probs, words, order, n_cands, mt_uniform, &rng};
    xoe_scheme_synthid.pick(&step, &gain);
    json_array_foreach(json_object_get(u, "log_probs_out"), j, x)
    {
        double want = json_number_value(x);
        if (want < -1e30 && probs[j] < 1e-12) continue; /* 1 − G is 0 in their single precision */
        if (fabs(log(probs[j]) - want) > 2e-4 * (5 - want))
            fail_msg("log p[%zu] %g, want %g", j, log(probs[j]), want);
    }
    json_decref(d);
}

static void test_hf_greenlist(void **s)
{
    (void)s;
    json_t *d = mt_vectors("hf_greenlist.json"), *c, *x;
    size_t i, k;
    json_array_foreach(json_object_get(d, "cases"), i, c)
    {
        bool self = strcmp(json_string_value(json_object_get(c, "scheme")), "selfhash") == 0;
        int n_vocab = (int)mt_num(c, "vocab");
        xoe_interop_params p = {.kind = self ? XOE_INTEROP_HF_GREEN_SELFHASH : XOE_INTEROP_HF_GREEN,
                                .key = (uint64_t)mt_num(c, "hash_key"),
                                .gamma = mt_num(c, "gamma"),
                                .width = (int)mt_num(c, "context_width"),
                                .n_vocab = n_vocab};
        int32_t t[16];
        size_t n_prefix = (size_t)mt_tokens(json_object_get(c, "prefix"), t);
        xoe_interop *h = open_it(&p);
        if (!self) { /* the whole list, from the generator */
            xoe_cand *cands = malloc((size_t)n_vocab * sizeof *cands);
            double *probs = malloc((size_t)n_vocab * sizeof *probs);
            int32_t *list = malloc((size_t)n_vocab * sizeof *list);
            size_t n_green = 0;
            xoe_rng rng;
            xoe_pick pick;
            char hex[XOE_SHA256_HEX];
            xoe_rng_seed(&rng, 1);
            for (int v = 0; v < n_vocab; v++)
                cands[v] = (xoe_cand){v, 1.0f / (float)n_vocab};
            assert_int_equal(xoe_interop_pick(h, cands, (size_t)n_vocab, t, n_prefix, mt_uniform,
                                              &rng, &pick, probs, NULL),
                             XOE_OK);
            for (int v = 0; v < n_vocab; v++)
                if (probs[v] > 3.0 / n_vocab) list[n_green++] = v;
            assert_int_equal(n_green, (size_t)mt_num(c, "green_count"));
            xoe_sha256_hex(list, n_green * sizeof *list, hex);
            assert_string_equal(hex, json_string_value(json_object_get(c, "sha256_sorted_int32")));
            free(cands);
            free(probs);
            free(list);
        }
        /* the detector, token by token */
        size_t at =
            self ? n_prefix - 1 : n_prefix; /* selfhash: the list belongs to the prefix's last */
        int32_t last = self ? t[at] : 0, n_checked = 0;
        json_array_foreach(json_object_get(c, "green_sorted_first20"), k, x)
        {
            int32_t id = (int32_t)json_integer_value(x);
            xoe_verdict v;
            if (self && id != last) continue;
            t[at] = id;
            assert_int_equal(xoe_interop_detect(h, t, at + 1, 0, &v, NULL, NULL), XOE_OK);
            assert_true(v.token_scores[at] == 1);
            xoe_verdict_clear(&v);
            n_checked++;
            if (!self && id > 0 && k &&
                json_integer_value(
                    json_array_get(json_object_get(c, "green_sorted_first20"), k - 1)) != id - 1) {
                t[at] = id - 1; /* between two green ones: red */
                assert_int_equal(xoe_interop_detect(h, t, at + 1, 0, &v, NULL, NULL), XOE_OK);
                assert_true(v.token_scores[at] == 0);
                xoe_verdict_clear(&v);
            }
        }
        if (!self) assert_true(n_checked > 10);
        xoe_interop_close(h);
    }
    assert_int_equal(i, 18);
    json_decref(d);
}

/* What the generator writes, the detector of the same kind finds; another key does not. */
static void test_round_trip(void **s)
{
    (void)s;
    for (int kind = 0; kind < XOE_INTEROP_KINDS; kind++) {
        enum { N = 300 };
        int32_t t[N];
        xoe_rng rng;
        xoe_interop_params p = {.kind = (xoe_interop_kind)kind,
                                .key = 123457,
                                .key_b = 98765,
                                .n_vocab = 5000,
                                .depth = 30};
        if (kind == XOE_INTEROP_HF_GREEN_SELFHASH) p.width = 2;
        if (kind == XOE_INTEROP_TEXTSEAL_SYNTHID || kind == XOE_INTEROP_TEXTSEAL_SYNTHID_WEIGHTED)
            p.depth = 8;
        for (int i = 0; i < 30; i++)
            p.keys[i] = 1000003 * (i + 7) % 65521;
        xoe_interop *h = open_it(&p);
        xoe_rng_seed(&rng, 7);
        for (size_t i = 0; i < N; i++) {
            xoe_cand c[30];
            xoe_pick pick;
            mt_cands(c, 30, 0.7, i ? t[i - 1] : 17, 5000);
            assert_int_equal(xoe_interop_pick(h, c, 30, t, i, mt_uniform, &rng, &pick, NULL, NULL),
                             XOE_OK);
            t[i] = c[pick.index].id;
        }
        xoe_interop_close(h);
        xoe_verdict v = detect(&p, t, N, NULL);
        if (!v.detected || !v.can_carry)
            fail_msg("%s: log10 p %g", xoe_interop_name(p.kind), v.log10_p);
        xoe_verdict_clear(&v);
        p.key += 11;
        p.key_b += 13;
        for (int i = 0; i < 30; i++)
            p.keys[i] += 17 * (i + 1);
        v = detect(&p, t, N, NULL);
        if (v.detected)
            fail_msg("%s: another key, log10 p %g", xoe_interop_name(p.kind), v.log10_p);
        xoe_verdict_clear(&v);
    }
}

static void test_errors(void **s)
{
    (void)s;
    xoe_interop *h;
    xoe_verdict v;
    xoe_error e;
    int32_t t[64];
    xoe_interop_kind k;
    xoe_interop_params p = {.kind = XOE_INTEROP_HF_GREEN};
    assert_int_equal(xoe_interop_open(&h, &p, &e), XOE_EINVAL);
    assert_string_equal(e.param, "key");
    p.key = 3;
    assert_int_equal(xoe_interop_open(&h, &p, &e), XOE_EINVAL);
    assert_string_equal(e.param, "n_vocab");
    p = (xoe_interop_params){.kind = XOE_INTEROP_TEXTSEAL_GREEN, .width = 11};
    assert_int_equal(xoe_interop_open(&h, &p, &e), XOE_EINVAL);
    assert_string_equal(e.param, "width");
    p = (xoe_interop_params){.kind = XOE_INTEROP_HF_SYNTHID};
    assert_int_equal(xoe_interop_open(&h, &p, &e), XOE_EINVAL);
    assert_string_equal(e.param, "depth");
    p = (xoe_interop_params){.kind = XOE_INTEROP_VLLM_GUMBEL,
                             .depth = 65}; /* checked though unused */
    assert_int_equal(xoe_interop_open(&h, &p, &e), XOE_EINVAL);
    assert_string_equal(e.param, "depth");
    assert_int_equal(xoe_interop_parse("markllm", &k, &e), XOE_EINVAL);
    for (int i = 0; i < 64; i++)
        t[i] = i * 7 % 31;
    for (int kind = XOE_INTEROP_HF_SYNTHID; kind < XOE_INTEROP_KINDS;
         kind++) { /* no memory at any point */
        p = (xoe_interop_params){
            .kind = (xoe_interop_kind)kind, .key = 9, .depth = 3, .n_vocab = 100};
        for (long n = 1; n < 8; n++) {
            long live = xoe_mem_live();
            xoe_cand c[2] = {{1, 0.5f}, {2, 0.5f}};
            xoe_pick pick;
            xoe_rng rng;
            xoe_rng_seed(&rng, 1);
            xoe_mem_fail_at(n);
            if (xoe_interop_open(&h, &p, &e) == XOE_OK) {
                if (xoe_interop_detect(h, t, 64, 0, &v, NULL, &e) == XOE_OK) xoe_verdict_clear(&v);
                xoe_interop_pick(h, c, 2, t, 64, mt_uniform, &rng, &pick, NULL, &e);
                xoe_interop_close(h);
            } else {
                assert_int_equal(e.code, XOE_ENOMEM);
            }
            xoe_mem_fail_at(0);
            assert_int_equal(xoe_mem_live(), live);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vllm),
        cmocka_unit_test(test_sglang),
        cmocka_unit_test(test_hf_synthid),
        cmocka_unit_test(test_hf_greenlist),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
