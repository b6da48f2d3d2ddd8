/* Corpus and calibration: what is read and how it is cut, the stored file, when it is stale. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "flow/calibration.h"
#include "xoe/version.h"

static char folder[] = "/tmp/xoe-calibration-XXXXXX";

static const char *at(const char *name)
{
    static char path[4][256];
    static int next;
    char *p = path[next++ % 4];
    snprintf(p, 256, "%s/%s", folder, name);
    return p;
}

static void save(const char *name, const char *text, size_t n)
{
    FILE *f = fopen(at(name), "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    fclose(f);
}

static void save_words(const char *name, const char *word, int n)
{
    char text[20000];
    size_t len = 0;
    for (int i = 0; i < n; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%d ", word, i);
    save(name, text, len);
}

static int setup(void **s)
{
    (void)s;
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **s)
{
    (void)s;
    static const char *const names[] = {"c/a.txt", "c/twin.txt", "c/b.MD", "c/no.html", "c/bad.txt", "c/link.txt", "c/.hidden.txt", "c/in/d.txt", "c/in/up",
                                        "c/in", "c", "outside.txt", "calibration.json", "keys.json", "keys.lock"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        remove(at(names[i]));
    return rmdir(folder);
}

static void test_cut(void **s)
{
    (void)s;
    size_t words;
    assert_int_equal(xoe_corpus_cut("one two three four", 18, 3, &words), 13);
    assert_int_equal(words, 3);
    assert_int_equal(xoe_corpus_cut("one two", 7, 3, &words), 7);
    assert_int_equal(words, 2);
    char cjk[300];
    for (int i = 0; i < 100; i++)
        memcpy(cjk + 3 * i, "\xe6\xb0\xb4", 3);
    size_t n = xoe_corpus_cut(cjk, sizeof cjk, 10, &words); /* no blanks: by bytes, whole characters */
    assert_int_equal(n, 120);
    assert_int_equal(words, 10);
    n = xoe_corpus_cut(cjk + 1, sizeof cjk - 1, 10, &words);
    assert_int_equal((n + 1) % 3, 0);
}

struct seen {
    size_t n, n_bytes;
    char first[3][8];
    unsigned long long done, all;
    size_t stop_at;
};

static xoe_err passage(void *ud, const char *text, size_t n, xoe_error *e)
{
    struct seen *seen = ud;
    if (seen->n < 3) snprintf(seen->first[seen->n], 8, "%.7s", text);
    seen->n++;
    seen->n_bytes += n;
    return seen->stop_at == seen->n ? xoe_error_set(e, XOE_EBUSY, "stop") : XOE_OK;
}

static void progress(void *ud, const xoe_corpus_stats *so_far, unsigned long long all)
{
    struct seen *seen = ud;
    assert_true(so_far->n_bytes >= seen->done && so_far->n_bytes <= all);
    seen->done = so_far->n_bytes;
    seen->all = all;
}

static void test_walk(void **s)
{
    (void)s;
    struct seen seen = {0};
    const xoe_corpus_visitor v = {passage, progress, &seen};
    xoe_corpus_stats st;
    xoe_error e = XOE_ERROR_INIT;
    long live = xoe_mem_live();
    mkdir(at("c"), 0700);
    assert_int_equal(xoe_corpus_walk(at("c"), 40, &v, &st, &e), XOE_EINVAL); /* nothing in it */
    mkdir(at("c/in"), 0700);
    save_words("c/a.txt", "alpha", 100);      /* 40, 40, 20 */
    save_words("c/twin.txt", "alpha", 99);    /* the same two, and one of 19: too short */
    save_words("c/b.MD", "beta", 40);
    save_words("c/no.html", "gamma", 40);
    save_words("c/.hidden.txt", "delta", 40);
    save_words("c/in/d.txt", "inner", 45);
    save_words("outside.txt", "outside", 80);
    save("c/bad.txt", "\xff\xfe no text", 10);
    assert_int_equal(symlink("../outside.txt", at("c/link.txt")), 0);
    assert_int_equal(symlink("..", at("c/in/up")), 0);
    assert_int_equal(xoe_corpus_walk(at("c"), 40, &v, &st, &e), XOE_OK);
    assert_int_equal(st.n_files, 4);
    assert_int_equal(st.n_skipped, 1);
    assert_int_equal(st.n_repeated, 2);
    assert_int_equal(st.n_passages, 5);
    assert_int_equal(seen.n, 5);
    assert_string_equal(seen.first[0], "alpha0 ");
    assert_true(seen.all > seen.done && seen.done > 0);

    seen = (struct seen){.stop_at = 2};
    assert_int_equal(xoe_corpus_walk(at("c"), 40, &v, &st, &e), XOE_EBUSY);
    assert_int_equal(seen.n, 2);
    assert_int_equal(xoe_corpus_walk(at("nowhere"), 40, &v, &st, &e), XOE_ENOTFOUND);
    assert_int_equal(xoe_mem_live(), live);
}

static void test_levels(void **s)
{
    (void)s;
    xoe_calibration c = {.corpus.n_passages = 1000};
    xoe_calibration_levels(&c, (const size_t[]){12, 1, 0});
    assert_true(c.level[0].fpr == 1e-2 && c.level[1].fpr == 1e-3 && c.level[2].fpr == 1e-4);
    assert_true(fabs(c.level[0].rate - 0.012) < 1e-15);
    assert_true(c.level[0].low < 0.012 && c.level[0].high > 0.012 && c.level[2].low == 0);
    assert_true(fabs(c.level[2].high - (1 - pow(0.025, 1e-3))) < 1e-12);
    assert_true(fabs(c.level[1].excess_p - (1 - pow(0.999, 1000))) < 1e-9);
    assert_false(xoe_calibration_excess(&c));
    xoe_calibration_levels(&c, (const size_t[]){30, 1, 0});
    assert_true(xoe_calibration_excess(&c));
}

static void test_file(void **s)
{
    (void)s;
    xoe_keyring *ring;
    xoe_calibration c = {.made_ms = 1700000000123, .words = 300, .n_too_short = 2, .corpus = {.n_files = 3, .n_skipped = 1, .n_passages = 500, .n_repeated = 4}}, back;
    char keys[65];
    size_t n;
    xoe_key k;
    assert_int_equal(xoe_keyring_open(&ring, folder, NULL), XOE_OK);
    xoe_calibration_load(&back, folder);
    assert_int_equal(back.made_ms, 0);
    assert_int_equal(xoe_calibration_keys(ring, NULL, 0, c.keys, &c.n_keys, NULL), XOE_OK);
    assert_int_equal(c.n_keys, 1);
    snprintf(c.version, sizeof c.version, "%s", xoe_version());
    snprintf(c.vocabularies, sizeof c.vocabularies, "model-a, model-b");
    xoe_calibration_levels(&c, (const size_t[]){7, 1, 0});
    assert_int_equal(xoe_calibration_save(&c, ring, folder, NULL), XOE_OK);
    xoe_calibration_load(&back, folder);
    assert_true(back.made_ms == c.made_ms && back.n_keys == 1 && back.words == 300 && back.n_too_short == 2);
    assert_true(back.corpus.n_passages == 500 && back.corpus.n_repeated == 4 && back.corpus.n_skipped == 1);
    assert_memory_equal(back.level, c.level, sizeof c.level);

    xoe_calibration_compare(&back, c.keys, "model-a, model-b");
    assert_null(back.stale);
    xoe_calibration_compare(&back, c.keys, "model-a");
    assert_non_null(back.stale);
    assert_int_equal(xoe_keyring_get(ring, NULL, &k, NULL), XOE_OK);
    assert_int_equal(xoe_keyring_retire(ring, k.id, NULL), XOE_OK); /* still detected */
    assert_int_equal(xoe_calibration_keys(ring, NULL, 0, keys, &n, NULL), XOE_OK);
    xoe_calibration_compare(&back, keys, "model-a, model-b");
    assert_null(back.stale);
    assert_int_equal(xoe_keyring_new(ring, "another", &(xoe_mark_params)XOE_MARK_PARAMS_INIT, true, NULL, NULL), XOE_OK);
    assert_int_equal(xoe_calibration_keys(ring, NULL, 0, keys, &n, NULL), XOE_OK);
    assert_int_equal(n, 2);
    xoe_calibration_compare(&back, keys, "model-a, model-b");
    assert_non_null(strstr(back.stale, "keys"));
    assert_int_equal(xoe_calibration_keys(ring, (const char *const[]){k.id}, 1, keys, &n, NULL), XOE_OK);
    assert_string_equal(keys, c.keys); /* looked for alone, it is what was calibrated */
    snprintf(back.version, sizeof back.version, "0.0.0");
    xoe_calibration_compare(&back, c.keys, "model-a, model-b");
    assert_non_null(strstr(back.stale, "version"));
    xoe_keyring_close(ring);
}

static void test_bad_file(void **s)
{
    (void)s;
    static const char *const bad[] = {"", "{", "[]", "{\"version\": 1}", "{\"version\": 2, \"made_ms\": 5}"};
    xoe_calibration c;
    xoe_log_set_level(XOE_LOG_ERROR);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        save("calibration.json", bad[i], strlen(bad[i]));
        xoe_calibration_load(&c, folder);
        assert_int_equal(c.made_ms, 0);
        json_t *j = xoe_calibration_json(&c);
        assert_true(json_is_null(j));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut),  cmocka_unit_test(test_walk),     cmocka_unit_test(test_levels),
        cmocka_unit_test(test_file), cmocka_unit_test(test_bad_file),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
