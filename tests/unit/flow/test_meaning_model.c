/* What a model says: on the small one, that the evidence is sane and the same each time; on the paraphraser,
 * where it is installed, that swapped roles are refused and good rewrites
 * pass. bench_meaning has the figures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../modelpath.h"
#include "flow/meaning.h"
#include "flow/meaning_model.h"

static xoe_engine *open_model(const char *file)
{
    char path[MODEL_PATH_BYTES];
    xoe_engine *en = NULL;
    xoe_engine_opts o = XOE_ENGINE_OPTS_INIT;
    o.path = model_path(path, file);
    if (access(path, R_OK) != 0) return NULL;
    o.n_slots = 3;
    o.n_ctx_slot = 1536;
    assert_int_equal(xoe_engine_open(&en, &o, NULL), XOE_OK);
    return en;
}

static double ask(xoe_engine *en, xoe_question q, const char *a, const char *b)
{
    double x;
    assert_int_equal(xoe_meaning_ask(en, q, a, strlen(a), b, strlen(b), XOE_PRIORITY_BATCH, 0, &x, NULL), XOE_OK);
    assert_true(isfinite(x));
    return x;
}

static double nll(xoe_engine *en, const char *s)
{
    double x;
    assert_int_equal(xoe_text_nll(en, s, strlen(s), XOE_PRIORITY_BATCH, &x, NULL), XOE_OK);
    return x;
}

static void test_likelihood(void **s)
{
    (void)s;
    static const char a[] = "The bridge is old and closed, so the bus goes round by the mill.", b[] = "The old bridge is closed, so the bus goes round by the mill.";
    static const char other[] = "Nine tailors argued about the price of a violin in Naples.";
    xoe_engine *en = open_model("SmolLM2-135M-Instruct.Q4_1.gguf");
    double near_mean, near_surprises, far_mean, far_surprises;
    assert_non_null(en);
    assert_int_equal(xoe_meaning_likelihood(en, b, strlen(b), a, strlen(a), XOE_PRIORITY_BATCH, 0, &near_mean, &near_surprises, NULL), XOE_OK);
    assert_int_equal(xoe_meaning_likelihood(en, b, strlen(b), other, strlen(other), XOE_PRIORITY_BATCH, 0, &far_mean, &far_surprises, NULL), XOE_OK);
    assert_true(near_mean < 0 && far_mean < near_mean - 1);
    assert_true(far_surprises >= near_surprises + 2);
    char *long_text = calloc(1, 20001);
    assert_non_null(long_text);
    memset(long_text, 'a', 20000);
    for (int i = 4; i < 20000; i += 5)
        long_text[i] = ' ';
    assert_int_equal(xoe_meaning_likelihood(en, long_text, 20000, a, strlen(a), XOE_PRIORITY_BATCH, 0, &far_mean, &far_surprises, NULL), XOE_ELIMIT);
    free(long_text);
    xoe_engine_close(en);
}

static void test_evidence(void **s)
{
    (void)s;
    xoe_engine *en = open_model("SmolLM2-135M-Instruct.Q4_1.gguf");
    assert_non_null(en);
    const char *a = "The bridge is old and closed.", *b = "The old bridge is closed.";
    double first = ask(en, XOE_ASK_SAME_MEANING, a, b);
    assert_true(fabs(ask(en, XOE_ASK_SAME_MEANING, a, b) - first) < 0.5); /* rounding of another batch shape */
    assert_true(nll(en, "The weather is nice today, so we went for a walk.") + 1 < nll(en, "Walk so nice the, a is for today went we weather."));
    assert_true(isnan(nll(en, "")));
    xoe_meaning_opts o = {.model = en};
    xoe_meaning m;
    assert_int_equal(xoe_meaning_check(&o, a, strlen(a), b, strlen(b), &m, NULL), XOE_OK);
    double score = m.score;
    o.margin = score + 0.1; /* more is asked for */
    assert_int_equal(xoe_meaning_check(&o, a, strlen(a), b, strlen(b), &m, NULL), XOE_OK);
    assert_string_not_equal(m.reason, "");
    o.margin = score - 0.1;
    assert_int_equal(xoe_meaning_check(&o, a, strlen(a), b, strlen(b), &m, NULL), XOE_OK);
    assert_string_equal(m.reason, "");
    o.margin = 0;
    assert_string_equal(m.method, "words"); /* too small to be believed */
    xoe_engine_close(en);
}

static void test_roles_and_direction(void **s)
{
    (void)s;
    static const struct {
        const char *a, *good, *spoiled;
        bool freely; /* so freely rewritten that the good one is refused too: it must still score better */
    } cases[] = {
        {"The union rejected the offer of the employers and announced a strike for Thursday.",
         "After refusing what the employers had offered, the union announced that it would strike on Thursday.",
         "The employers rejected the offer of the union, which announced a strike for Thursday.", false},
        {"A password should be long rather than complicated, and it should not be used for more than one account.",
         "Choose long passwords over complicated ones and do not use the same one for several accounts.",
         "A password should be complicated rather than long, and it should not be used for more than one account.", true},
        {"Plants take in carbon dioxide through their leaves and give off oxygen during the day.",
         "During the day, plants absorb carbon dioxide with their leaves and release oxygen.",
         "During the day, plants absorb oxygen with their leaves and release carbon dioxide.", false},
        {"Water boils at a lower temperature on a mountain because the air pressure there is lower.",
         "On a mountain the air pressure is lower, which is why water boils there at a lower temperature.",
         "On a mountain the air pressure is lower, which is why water boils there at a higher temperature.", false},
        {"They can set their own goals and choose what to do, without being constrained by family or friends.",
         "They can set their own goals and decide what to do, unconstrained by family or friends.",
         "Living alone gives people more energy. They can choose their own goals without family or friends.", false}, /* as a paraphraser errs */
    };
    xoe_engine *en = open_model("qwen2.5-coder-1.5b-instruct-q4_k_m.gguf");
    assert_non_null(en);
    xoe_meaning_opts o = {.model = en};
    xoe_meaning good, spoiled;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(xoe_meaning_check(&o, cases[i].a, strlen(cases[i].a), cases[i].good, strlen(cases[i].good), &good, NULL), XOE_OK);
        assert_int_equal(xoe_meaning_check(&o, cases[i].a, strlen(cases[i].a), cases[i].spoiled, strlen(cases[i].spoiled), &spoiled, NULL), XOE_OK);
        assert_string_equal(good.method, "words+probe");
        if (!cases[i].freely) assert_string_equal(good.reason, "");
        assert_true(good.score > spoiled.score + 0.5);
        assert_string_not_equal(spoiled.reason, "");
    }
    xoe_engine_close(en);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_likelihood), cmocka_unit_test(test_evidence), cmocka_unit_test(test_roles_and_direction)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
