/* Every scheme, end to end on a real model (SmolLM2 135M): what a key of it marks in generation is found by the
 * keyring's detector as that key's, and its rewrites lean its way. The weakest two, morphmark and watermax, reached 10^-3.9 to
 * 10^-11.5 in 240 tokens over eight seeds. */
#include "flowtest.h"

#include <math.h>

static const char *const schemes[] = {"gumbel", "green", "synthid", "dipmark", "morphmark", "watermax", "dual-gumbel"};
enum { N_SCHEMES = sizeof schemes / sizeof *schemes };

static int setup(void **s)
{
    (void)s;
    char keys[4096];
    int n = snprintf(keys, sizeof keys, "{\"version\":1,\"keys\":[");
    for (int i = 0; i < N_SCHEMES; i++)
        n += snprintf(keys + n, sizeof keys - (size_t)n,
                      "%s{\"id\":\"%s\",\"key\":\"0%d0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\",\"active\":%s,"
                      "\"created_ms\":1,\"retired_ms\":%d,\"scheme\":\"%s\",\"width\":3,\"shifts\":1,\"payload_bits\":0}",
                      i ? "," : "", schemes[i], i, i ? "false" : "true", i ? 2 : 0, schemes[i]);
    snprintf(keys + n, sizeof keys - (size_t)n, "]}");
    return open_app(keys);
}

static double log10_p(const char *text, size_t n, const char *key, const char **best)
{
    static char id[XOE_KEY_ID_MAX];
    xoe_text_detect_opts opts = {.fpr = 1e-3, .key_ids = key ? &key : NULL, .n_key_ids = key ? 1 : 0};
    xoe_text_verdict v = {0};
    char model[XOE_MODEL_NAME_MAX];
    xoe_error e = XOE_ERROR_INIT;
    if (xoe_app_detect(app, "smollm2-135m-instruct", text, n, &opts, &v, model, &e)) fail_msg("%s", e.msg);
    double p = v.v.log10_p;
    snprintf(id, sizeof id, "%s", v.key_id);
    if (best) *best = id;
    xoe_text_verdict_clear(&v);
    return p;
}

static void test_generation(void **state)
{
    (void)state;
    for (int i = 0; i < N_SCHEMES; i++) {
        xoe_completion_request q = endless(schemes[i], 320);
        xoe_completion_result r;
        const char *best;
        q.key_id = schemes[i];
        run(&q, NULL, &r);
        const xoe_choice *c = &r.choices[0];
        double p = log10_p(c->text, c->n, NULL, &best);
        print_message("%s: log10 p %.1f of all keys, %.1f of its own; gain expected %.1f\n", schemes[i], p, c->log10_p, c->signal_expected);
        assert_string_equal(r.key_id, schemes[i]);
        assert_string_equal(best, schemes[i]);
        assert_true(p < -2);
        assert_true(c->is_watermarked && c->signal_expected > 0);
        xoe_completion_result_clear(&r);
    }
}

static const char source[] =
    "The boats wait at the old wall until the fog has gone from the river.\n\n"
    "A woman sells fresh bread to the people who walk along the water.\n\n"
    "The children run down to the bank and throw stones at the ice.\n\n"
    "At night only the wind moves the leaves of the tall trees.\n";

/* Rewrites of a few sentences carry little, and a small model's are often refused: what must hold is that those which pass lean
 * towards the key that wrote them and no other. Kernels and timing differ between machines and so do the texts: over seeds 1 to 6
 * the sum of log10 p was -13 to -30 under the writers' keys and -1 to -6 under the others'. */
static void test_rephrase(void **state)
{
    (void)state;
    double own = 0, others = 0;
    int n_leaning = 0;
    for (int i = 0; i < N_SCHEMES; i++) {
        xoe_error e = XOE_ERROR_INIT;
        xoe_buf text;
        xoe_key key;
        size_t rewritten = 0;
        assert_int_equal(xoe_keyring_get(app->keyring, schemes[i], &key, &e), XOE_OK);
        xoe_rephrase_opts o = {.paraphraser = app->chat, .key = key, .seed = 5, .max_tries = 2, .drafts = {.n_drafts = 4, .piece = 8}, .priority = XOE_PRIORITY_BATCH};
        xoe_rephrase_result r = rephrased(&o, source, sizeof source - 1, sizeof source - 1);
        xoe_buf_init(&text, 1 << 20);
        for (size_t k = 0; k < r.n_chunks; k++)
            if (r.chunks[k].outcome == XOE_CHUNK_REWRITTEN) {
                xoe_buf_add(&text, r.text + r.chunks[k].out_first, r.chunks[k].out_end - r.chunks[k].out_first);
                xoe_buf_puts(&text, "\n\n");
                rewritten++;
            }
        double mine = rewritten ? log10_p(text.data, text.len, schemes[i], NULL) : 0;
        double strange = rewritten ? log10_p(text.data, text.len, schemes[(i + 1) % N_SCHEMES], NULL) : 0;
        print_message("%s: %zu of %zu chunks rewritten, log10 p %.2f; under another key %.2f\n", schemes[i], rewritten, r.n_chunks, mine, strange);
        own += mine;
        others += strange;
        n_leaning += mine < log10(0.5);
        xoe_buf_free(&text);
        xoe_rephrase_result_clear(&r);
    }
    assert_true(n_leaning >= 3);
    assert_true(own < -8 && own < others - 5);
}

int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_generation), cmocka_unit_test(test_rephrase)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
