/* TextSeal's marks, detected and written, against what that program computed. */
#include "interoptest.h"
#include "mark/stats.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_textseal_detect),
        cmocka_unit_test(test_textseal_dual),
        cmocka_unit_test(test_textseal_generate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
