/* The paraphraser with its adapter (Qwen 1.5B): it is the one for its model alone, it is asked without examples, and it
 * expects a faithful rewrite more, and a spoiled one less against it, than the bare model does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../modelpath.h"
#include "flow/adapters.h"
#include "flow/meaning_model.h"
#include "flow/rephrase_prompt.h"

static const char source[] = "The ferry had to turn back on Tuesday because a pump failed, but none of its 46 passengers was hurt.";
static const char faithful[] = "None of the 46 passengers was hurt when, because of a failed pump, the ferry was forced to turn back on Tuesday.";
static const char spoiled[] = "Some of the 46 passengers were hurt when, because of a failed pump, the ferry was forced to turn back on Tuesday.";

static xoe_engine *open_as(const char *path, xoe_adapted adapter, const xoe_engine *same_as)
{
    xoe_engine *en = NULL;
    xoe_engine_opts o = XOE_ENGINE_OPTS_INIT;
    o.path = path;
    o.n_slots = 2;
    o.n_ctx_slot = 1024;
    o.adapters = xoe_adapters_of(path, &o.n_adapters);
    o.adapter = (int)adapter;
    o.same_as = same_as;
    assert_int_equal(xoe_engine_open(&en, &o, NULL), XOE_OK);
    return en;
}

static double likelihood(xoe_engine *en, const char *rewrite)
{
    double mean, surprises;
    assert_int_equal(xoe_meaning_likelihood(en, source, strlen(source), rewrite, strlen(rewrite), XOE_PRIORITY_BATCH, 0, &mean, &surprises, NULL), XOE_OK);
    return mean;
}

static size_t prompt_length(const xoe_engine *en)
{
    int32_t *tokens;
    size_t n;
    assert_int_equal(xoe_rephrase_prompt(en, "", 0, source, strlen(source), "", &tokens, &n, NULL), XOE_OK);
    xoe_tokens_free(tokens);
    return n;
}

static void test_adapter(void **s)
{
    (void)s;
    char path[MODEL_PATH_BYTES], small[MODEL_PATH_BYTES], title[128];
    int n;
    xoe_engine_info info;
    model_path(path, "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf");
    model_path(small, "SmolLM2-135M-Instruct.Q4_1.gguf");
    xoe_model_title(small, title, sizeof title);
    assert_string_equal(title, "Smollm2 135M 8k Lc100K Mix1 Ep2");
    assert_null(xoe_adapters_of(small, &n));
    assert_int_equal(n, 0);
    xoe_model_title("/no/such/file", title, sizeof title);
    assert_string_equal(title, "");
    xoe_engine *bare = open_as(path, XOE_AS_IT_IS, NULL), *adapted = open_as(path, XOE_TO_REPHRASE, bare);
    xoe_engine_get_info(adapted, &info);
    assert_int_equal(info.adapter, XOE_TO_REPHRASE);
    assert_true(prompt_length(adapted) * 3 < prompt_length(bare));
    double good = likelihood(adapted, faithful), bad = likelihood(adapted, spoiled);
    if (!(good > likelihood(bare, faithful) && good > bad)) fail_msg("faithful %.2f, spoiled %.2f, faithful by the bare model %.2f", good, bad, likelihood(bare, faithful));
    xoe_engine_close(adapted);
    xoe_engine_close(bare);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_adapter)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
