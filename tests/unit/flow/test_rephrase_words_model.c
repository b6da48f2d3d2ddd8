/* Words that could be others: that they are words, fit where they stand, and leave alone what must stay (SmolLM2 135M); and what the
 * paraphraser finds, where it is installed. */
#include "flowtest.h"

#include <ctype.h>
#include <math.h>

#include "base/clock.h"
#include "flow/adapters.h"
#include "flow/meaning_model.h"
#include "flow/rephrase_words.h"

static const char source[] = "The small bridge near the market of Lund was built in 1880, because the old one \"could not bear carts\" and nobody wanted to wait for the ferry.";

struct found {
    xoe_word_choice words[XOE_WORD_CHOICES_MAX];
    size_t n;
    double quality;
};

static xoe_err find(const xoe_rephrase_opts *o, const char *text, int64_t until_mono_ms, struct found *f, xoe_error *e)
{
    int32_t *tokens;
    size_t n_tokens;
    assert_int_equal(xoe_engine_tokenize(o->paraphraser, text, strlen(text), false, false, &tokens, &n_tokens, NULL), XOE_OK);
    xoe_err rc = xoe_words_find(o, "", 0, text, strlen(text), tokens, n_tokens, until_mono_ms, f->words, &f->n, &f->quality, e);
    xoe_tokens_free(tokens);
    return rc;
}

static void changed(const char *text, const xoe_word_choice *c, char *out, size_t cap)
{
    snprintf(out, cap, "%.*s%s%s", (int)c->first, text, c->text, text + c->end);
}

static void test_what_stays(void **s)
{
    (void)s;
    xoe_rephrase_opts o = {.paraphraser = app->chat, .priority = XOE_PRIORITY_BATCH};
    struct found f;
    assert_int_equal(find(&o, source, 0, &f, NULL), XOE_OK);
    assert_true(f.n > 0 && f.quality < 0);
    for (size_t i = 0; i < f.n; i++) {
        const xoe_word_choice *c = &f.words[i];
        char text[sizeof source + XOE_WORD_BYTES];
        changed(source, c, text, sizeof text);
        print_message("%.2f %s\n", c->loss, text);
        assert_true(c->first < c->end && c->end < sizeof source && c->loss <= 5);
        assert_true(i == 0 || c->loss >= f.words[i - 1].loss);
        assert_non_null(strstr(text, "Lund"));
        assert_non_null(strstr(text, "1880"));
        assert_non_null(strstr(text, "\"could not bear carts\""));
        assert_string_not_equal(text, source);
        assert_null(strstr(text, "  "));
        for (const char *w = c->text; *w; w++)
            assert_true(isalpha((unsigned char)*w) || (unsigned char)*w >= 0x80);
        size_t n = strlen(c->text), n_old = c->end - c->first; /* nothing is only left out */
        assert_true(n > 0 && n_old > 0 && (n > n_old || memcmp(source + c->end - n, c->text, n)));
    }
}

static double log_likelihood(const char *text)
{
    double mean, surprises;
    int32_t *tokens;
    size_t n;
    assert_int_equal(xoe_engine_tokenize(app->chat, text, strlen(text), false, false, &tokens, &n, NULL), XOE_OK);
    xoe_tokens_free(tokens);
    assert_int_equal(xoe_meaning_likelihood(app->chat, source, strlen(source), text, strlen(text), XOE_PRIORITY_BATCH, 0, &mean, &surprises, NULL), XOE_OK);
    return mean * (double)n;
}

/* The loss, of which the tokens right after the word are counted, against that of the whole text. */
static void test_loss(void **s)
{
    (void)s;
    xoe_rephrase_opts o = {.paraphraser = app->chat, .priority = XOE_PRIORITY_BATCH};
    struct found f;
    double apart = 0, copied = log_likelihood(source);
    assert_int_equal(find(&o, source, 0, &f, NULL), XOE_OK);
    assert_true(f.n > 0);
    for (size_t i = 0; i < f.n; i++) {
        char text[sizeof source + XOE_WORD_BYTES];
        changed(source, &f.words[i], text, sizeof text);
        apart += fabs(copied - log_likelihood(text) - f.words[i].loss) / (double)f.n;
    }
    print_message("mean difference %.2f nats\n", apart);
    assert_true(apart < 2);
}

static bool yes(void *ud)
{
    (void)ud;
    return true;
}

static void test_ends(void **s)
{
    (void)s;
    xoe_rephrase_opts o = {.paraphraser = app->chat, .priority = XOE_PRIORITY_BATCH};
    struct found f;
    assert_int_equal(find(&o, source, xoe_clock_mono_ms() - 1, &f, NULL), XOE_OK);
    assert_int_equal(f.n, 0);
    assert_int_equal(find(&o, "", 0, &f, NULL), XOE_OK);
    assert_int_equal(f.n, 0);
    assert_int_equal(find(&o, "\xff\xfe", 0, &f, NULL), XOE_EINVAL);
    o.canceled = yes;
    assert_int_equal(find(&o, source, 0, &f, NULL), XOE_ECANCELED);
}

static void test_no_memory(void **s)
{
    (void)s;
    xoe_rephrase_opts o = {.paraphraser = app->chat, .priority = XOE_PRIORITY_BATCH};
    struct found f;
    int32_t *tokens;
    size_t n_tokens;
    assert_int_equal(xoe_engine_tokenize(app->chat, source, strlen(source), false, false, &tokens, &n_tokens, NULL), XOE_OK);
    for (long n = 1; n < 60; n += 3) {
        xoe_mem_fail_at(n);
        xoe_err rc = xoe_words_find(&o, "", 0, source, strlen(source), tokens, n_tokens, xoe_clock_mono_ms() - 1, f.words, &f.n, &f.quality, NULL);
        xoe_mem_fail_at(0);
        assert_true(rc == XOE_OK || rc == XOE_ENOMEM || rc == XOE_EINVAL); /* a chat that could not be built tells no reason */
    }
    xoe_tokens_free(tokens);
}

static bool has(const struct found *f, const char *text, const char *wanted)
{
    char now[256];
    for (size_t i = 0; i < f->n; i++) {
        changed(text, &f->words[i], now, sizeof now);
        if (!strcmp(now, wanted)) return true;
    }
    return false;
}

static void test_paraphraser(void **s)
{
    (void)s;
    static const char text[] = "The number of members has grown to over 1000, so we have to check each new one carefully.";
    char path[MODEL_PATH_BYTES];
    xoe_engine_opts eo = XOE_ENGINE_OPTS_INIT;
    eo.path = model_path(path, "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf");
    if (access(path, R_OK) != 0) return;
    eo.n_slots = 2;
    eo.n_ctx_slot = 1024;
    eo.adapters = xoe_adapters_of(path, &eo.n_adapters);
    eo.adapter = XOE_TO_REPHRASE;
    xoe_rephrase_opts o = {.priority = XOE_PRIORITY_BATCH};
    struct found f;
    assert_int_equal(xoe_engine_open(&o.paraphraser, &eo, NULL), XOE_OK);
    assert_int_equal(find(&o, text, 0, &f, NULL), XOE_OK);
    for (size_t i = 0; i < f.n; i++)
        print_message("%.2f %.*s -> %s\n", f.words[i].loss, (int)(f.words[i].end - f.words[i].first), text + f.words[i].first, f.words[i].text);
    assert_true(has(&f, text, "The number of members has risen to over 1000, so we have to check each new one carefully."));
    assert_true(has(&f, text, "The number of members has reached over 1000, so we have to check each new one carefully.")); /* two words by one */
    xoe_engine_close(o.paraphraser);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_what_stays), cmocka_unit_test(test_loss), cmocka_unit_test(test_ends), cmocka_unit_test(test_no_memory),
                                       cmocka_unit_test(test_paraphraser)};
    return cmocka_run_group_tests(tests, open_with_one_key, teardown);
}
