/* Detectors and generators of other programs, against what those programs computed. */
#include "marktest.h"
#include "base/hash.h"
#include "base/mem.h"
#include "mark/interop.h"
#include "mark/scheme.h"
#include "mark/stats.h"

static xoe_interop *open_it(const xoe_interop_params *p)
{
    xoe_interop *h;
    xoe_error e = XOE_ERROR_INIT;
    if (xoe_interop_open(&h, p, &e) != XOE_OK) fail_msg("%s", e.msg);
    return h;
}

static xoe_verdict detect(const xoe_interop_params *p, const int32_t *t, size_t n, double *sum)
{
    xoe_verdict v;
    xoe_interop *h = open_it(p);
    assert_int_equal(xoe_interop_detect(h, t, n, 0, &v, sum, NULL), XOE_OK);
    xoe_interop_close(h);
    assert_non_null(v.weak_key_note);
    return v;
}

static xoe_dedup dedup_of(const char *name)
{
    return strcmp(name, "v1") == 0   ? XOE_DEDUP_CONTEXT
           : strcmp(name, "v2") == 0 ? XOE_DEDUP_PAIR
                                     : XOE_DEDUP_NONE;
}

/* The peer's binomial mid-p, from our exact tails. */
static double mid_p(size_t n, size_t k, double p)
{
    return 0.5 * (exp(xoe_ln_binom_tail(n, k, p)) + exp(xoe_ln_binom_tail(n, k + 1, p)));
}

static void test_textseal_detect(void **s)
{
    (void)s;
    json_t *d = mt_vectors("textseal_detect.json"), *c, *x;
    int32_t t[256];
    size_t n = (size_t)mt_tokens(json_object_get(d, "tokens"), t), i, k;
    json_array_foreach(json_object_get(d, "cases"), i, c)
    {
        char name[64];
        double sum, want_p = mt_num(c, "p_value");
        xoe_interop_params p = {
            .key = (uint64_t)mt_num(c, "secret_key"),
            .width = (int)mt_num(c, "ngram"),
            .gamma = mt_num(c, "gamma"),
            .depth = (int)mt_num(c, "depth"),
            .dedup = dedup_of(json_string_value(json_object_get(c, "scoring_method")))};
        snprintf(name, sizeof name, "textseal-%s",
                 json_string_value(json_object_get(c, "watermark_type")));
        assert_int_equal(xoe_interop_parse(name, &p.kind, NULL), XOE_OK);
        xoe_verdict v = detect(&p, t, n, &sum);
        assert_int_equal(v.n_scored, (size_t)mt_num(c, "n_scored"));
        mt_close(sum, mt_num(c, "score"), 1e-6, name);
        json_array_foreach(json_object_get(c, "mask"), k, x) assert_int_equal(
            !isnan(v.token_scores[(size_t)p.width + 1 + k]), json_integer_value(x));
        size_t at = (size_t)p.width + 1;
        json_array_foreach(json_object_get(c, "scores_first8"), k, x)
        {
            while (isnan(v.token_scores[at]))
                at++;
            double want = json_number_value(x), got = (double)v.token_scores[at++];
            if (fabs(got - want) > 2e-6 * (1 + want))
                fail_msg("%s score %zu: %.9g, want %.9g", name, k, got, want);
        }
        if (p.kind == XOE_INTEROP_TEXTSEAL_GUMBEL) mt_close(v.p_value, want_p, 1e-5, "gamma p");
        if (p.kind == XOE_INTEROP_TEXTSEAL_GREEN)
            mt_close(mid_p(v.n_scored, (size_t)sum, 0.5), want_p, 1e-9, "mid-p");
        if (p.kind == XOE_INTEROP_TEXTSEAL_SYNTHID)
            mt_close(mid_p(v.n_scored * 30, (size_t)sum, 0.5), want_p, 1e-9, "mid-p");
        if (p.kind == XOE_INTEROP_TEXTSEAL_SYNTHID_WEIGHTED)
            assert_true(v.p_value >= want_p * 0.99);
        if (p.kind ==
            XOE_INTEROP_TEXTSEAL_GREEN) /* ours is the whole probability, of the hash's own share */
            mt_close(v.p_value, exp(xoe_ln_binom_tail(v.n_scored, (size_t)sum, 4096.0 / 8191)),
                     1e-9, "exact p");
        xoe_verdict_clear(&v);
    }
    assert_int_equal(i, 36);
    json_array_foreach(json_object_get(d, "pvalue_grid"), i, c)
    {
        const char *type = json_string_value(json_object_get(c, "type"));
        double want = json_number_value(json_object_get(c, "p"));
        size_t m = (size_t)mt_num(c, "n");
        if (m == 0 || want <= 1e-200) continue;
        if (strcmp(type, "gumbelmax") == 0)
            mt_close(exp(xoe_ln_gamma_tail(m, mt_num(c, "score"))), want, 1e-9, "gamma");
        else if (strcmp(type, "greenlist") == 0)
            mt_close(mid_p(m, (size_t)mt_num(c, "score"), mt_num(c, "gamma")), want, 1e-9, "green");
        else if (strcmp(type, "synthid") == 0)
            mt_close(mid_p(m * (size_t)mt_num(c, "depth"), (size_t)mt_num(c, "score"), 0.5), want,
                     1e-9, "synthid");
    }
    json_decref(d);
}

static void test_textseal_dual(void **s)
{
    (void)s;
    json_t *d = mt_vectors("textseal_dualkey_formula.json"),
           *tok = mt_vectors("textseal_detect.json"), *c;
    int32_t t[256];
    size_t n = (size_t)mt_tokens(json_object_get(tok, "tokens"), t), i;
    json_array_foreach(json_object_get(d, "cases"), i, c)
    {
        double sum, alpha = mt_num(c, "mixing_alpha");
        xoe_interop_params p = {.kind = XOE_INTEROP_TEXTSEAL_DUAL,
                                .key = (uint64_t)mt_num(c, "key_a"),
                                .key_b = (uint64_t)mt_num(c, "key_b"),
                                .width = (int)mt_num(c, "ngram"),
                                .alpha = alpha,
                                .dedup = dedup_of(json_string_value(json_object_get(c, "dedup")))};
        xoe_verdict v = detect(&p, t, n, &sum);
        assert_int_equal(v.n_scored, (size_t)mt_num(c, "n"));
        mt_close(sum, mt_num(c, "score"), 1e-6, "dual score");
        if (alpha == 0.5) mt_close(v.p_value, mt_num(c, "p"), 1e-4, "dual p");
        if (alpha != 0.5)
            assert_true(v.p_value >= mt_num(c, "p")); /* a bound, where theirs is a fit */
        xoe_verdict_clear(&v);
    }
    assert_int_equal(i, 18);
    json_decref(d);
    json_decref(tok);
}

/* softmax(logits / temperature), then top-p as TextSeal cuts it; sorted falling. */
static size_t softmax_top_p(const double *logits, size_t n, double temperature, double top_p,
                            xoe_cand *out)
{
    double top = -INFINITY, total = 0, seen = 0;
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        top = fmax(top, logits[i]);
    for (size_t i = 0; i < n; i++)
        total += exp((logits[i] - top) / temperature);
    for (size_t i = 0; i < n; i++)
        out[i] = (xoe_cand){(int32_t)i, (float)(exp((logits[i] - top) / temperature) / total)};
    for (size_t i = 0; i < n; i++)
        for (size_t j = i + 1; j < n; j++)
            if (out[j].p > out[i].p) {
                xoe_cand x = out[i];
                out[i] = out[j];
                out[j] = x;
            }
    while (kept < n && seen <= top_p)
        seen += (double)out[kept++].p;
    return kept;
}

static void test_textseal_generate(void **s)
{
    (void)s;
    json_t *d = mt_vectors("textseal_generate.json"), *c, *x;
    double logits[64], temperature = mt_num(d, "temperature"), top_p = mt_num(d, "top_p");
    int32_t window[2];
    size_t i, k;
    xoe_rng rng;
    xoe_rng_seed(&rng, 1);
    mt_tokens(json_object_get(d, "window"), window);
    json_array_foreach(json_object_get(d, "logits"), k, x) logits[k] = json_number_value(x);
    assert_int_equal(k, 64);
    json_array_foreach(json_object_get(d, "cases"), i, c)
    {
        char name[64];
        const json_t *q = json_object_get(c, "params");
        bool before = json_is_false(json_object_get(q, "after_topp"));
        xoe_interop_params p = {.key = (uint64_t)mt_num(d, "secret_key"),
                                .width = 2,
                                .alpha = json_number_value(json_object_get(q, "alpha")),
                                .depth = (int)json_number_value(json_object_get(q, "depth"))};
        snprintf(name, sizeof name, "textseal-%s",
                 json_string_value(json_object_get(c, "watermark_type")));
        assert_int_equal(xoe_interop_parse(name, &p.kind, NULL), XOE_OK);
        xoe_interop *h = open_it(&p);
        xoe_cand cands[64];
        double probs[64], got[64] = {0}, total = 0, lg[64];
        xoe_pick pick;
        bool morph = p.kind == XOE_INTEROP_TEXTSEAL_MORPHMARK;
        if (before) { /* bias on the logits, then temperature and top-p: as TextSeal's other order
                       */
            size_t n = softmax_top_p(logits, 64, 1, 1, cands);
            assert_int_equal(
                xoe_interop_pick(h, cands, n, window, 2, mt_uniform, &rng, &pick, probs, NULL),
                XOE_OK);
            for (size_t j = 0; j < n; j++)
                lg[cands[j].id] = log(probs[j]);
            n = softmax_top_p(lg, 64, temperature, top_p, cands);
            for (size_t j = 0; j < n; j++)
                probs[j] = (double)cands[j].p;
            for (size_t j = 0; j < n; j++)
                got[cands[j].id] = probs[j];
        } else {
            size_t n = softmax_top_p(logits, 64, temperature, morph ? 1 : top_p, cands);
            assert_int_equal(
                xoe_interop_pick(h, cands, n, window, 2, mt_uniform, &rng, &pick, probs, NULL),
                XOE_OK);
            assert_true(pick.marked);
            if (morph) { /* marks, then cuts */
                for (size_t j = 0; j < n; j++)
                    lg[cands[j].id] = log(probs[j]);
                n = softmax_top_p(lg, 64, 1, top_p, cands);
                for (size_t j = 0; j < n; j++)
                    probs[j] = (double)cands[j].p;
            }
            for (size_t j = 0; j < n; j++)
                got[cands[j].id] = probs[j];
        }
        if (json_is_integer(json_object_get(c, "chosen_token")))
            assert_int_equal(cands[pick.index].id,
                             json_integer_value(json_object_get(c, "chosen_token")));
        for (size_t j = 0; j < 64; j++)
            total += got[j];
        json_array_foreach(json_object_get(c, "probs"), k, x)
        {
            double want = json_number_value(x);
            if (fabs(got[k] / total - want) > 2e-5)
                fail_msg("%s: p[%zu] %.7g, want %.7g", name, k, got[k] / total, want);
        }
        xoe_interop_close(h);
    }
    assert_int_equal(i, 7);
    json_decref(d);
}

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
        cmocka_unit_test(test_textseal_detect),
        cmocka_unit_test(test_textseal_dual),
        cmocka_unit_test(test_textseal_generate),
        cmocka_unit_test(test_vllm),
        cmocka_unit_test(test_sglang),
        cmocka_unit_test(test_hf_synthid),
        cmocka_unit_test(test_hf_greenlist),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
