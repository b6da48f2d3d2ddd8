/* Audit log: rows, the chain, what verify finds, a full database. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <signal.h>

#include "base/hash.h"
#include "trust/audit.h"

static char dir[64];

static xoe_audit_row row(char hash[XOE_SHA256_HEX], int i)
{
    xoe_sha256_hex(&i, sizeof i, hash);
    return (xoe_audit_row){.request_id = "req-1#0", .user_id = "anonymous", .text_hash = hash, .is_watermarked = i % 2, .detection_confidence = i % 2 ? 0.999 : -1,
                           .model_version = "m", .key_id = i % 2 ? "k" : ""};
}

static void *writer(void *a)
{
    char hash[XOE_SHA256_HEX];
    for (int i = 0; i < 50; i++) {
        xoe_audit_row r = row(hash, i);
        if (xoe_audit_append(a, &r, NULL) != XOE_OK) return (void *)1;
    }
    return NULL;
}

static void exec(const char *sql)
{
    char path[128];
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/audit.db", dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void make(int reopen)
{
    pthread_t t[8];
    xoe_audit *a;
    int64_t n;
    snprintf(dir, sizeof dir, "/tmp/xoe-audit-XXXXXX");
    assert_non_null(mkdtemp(dir));
    for (int k = 0; k <= reopen; k++) {
        assert_int_equal(xoe_audit_open(&a, dir, NULL), XOE_OK);
        for (int i = 0; i < 8; i++)
            pthread_create(&t[i], NULL, writer, a);
        for (int i = 0; i < 8; i++) {
            void *rc;
            pthread_join(t[i], &rc);
            assert_null(rc);
        }
        assert_int_equal(xoe_audit_count(a, &n, NULL), XOE_OK);
        assert_int_equal(n, 400 * (k + 1));
        xoe_audit_close(a);
    }
}

static void test_chain(void **s)
{
    (void)s;
    int64_t rows, bad;
    make(1);
    assert_int_equal(xoe_audit_verify(dir, &rows, &bad, NULL), XOE_OK);
    assert_int_equal(rows, 800);
    assert_int_equal(bad, 0);
    static const char *const attacks[] = {
        "UPDATE watermark_audit_log SET is_watermarked = 1 - is_watermarked WHERE id = 17",
        "UPDATE watermark_audit_log SET detection_confidence = 0.5 WHERE id = 18",
        "UPDATE watermark_audit_log SET timestamp = '2020-01-01T00:00:00.000Z' WHERE id = 19",
        "UPDATE watermark_audit_log SET user_id = 'x' WHERE id = 20",
        "DELETE FROM watermark_audit_log WHERE id = 300",
        "UPDATE watermark_audit_log SET id = 100000 WHERE id = 5; UPDATE watermark_audit_log SET id = 5 WHERE id = 6; UPDATE watermark_audit_log SET id = 6 WHERE id = 100000",
        "DELETE FROM watermark_audit_log WHERE id = 1",
    };
    for (size_t i = 0; i < sizeof attacks / sizeof attacks[0]; i++) {
        make(0);
        exec(attacks[i]);
        assert_int_equal(xoe_audit_verify(dir, &rows, &bad, NULL), XOE_OK);
        assert_true(bad > 0);
    }
}

/* Two programs on one folder, as a server and `xoe mark` beside it: one chain. */
static void test_two_writers(void **s)
{
    (void)s;
    enum { TURNS = 3 };
    int64_t rows, bad;
    xoe_audit *a[2];
    pthread_t t[2];
    snprintf(dir, sizeof dir, "/tmp/xoe-audit-XXXXXX");
    assert_non_null(mkdtemp(dir));
    for (int i = 0; i < 2; i++)
        assert_int_equal(xoe_audit_open(&a[i], dir, NULL), XOE_OK);
    for (int k = 0; k < TURNS; k++)
        for (int i = 0; i < 2; i++)
            assert_null(writer(a[i])); /* one after the other */
    for (int i = 0; i < 2; i++)
        pthread_create(&t[i], NULL, writer, a[i]);
    for (int i = 0; i < 2; i++) {
        void *rc;
        pthread_join(t[i], &rc);
        assert_null(rc);
    }
    assert_int_equal(xoe_audit_verify(dir, &rows, &bad, NULL), XOE_OK);
    assert_int_equal(rows, 50 * 2 * (TURNS + 1));
    assert_int_equal(bad, 0);
    assert_null(writer(a[1]));
    exec("DELETE FROM watermark_audit_log WHERE id > 440"); /* rows that it has written, while both run: the gap stays */
    assert_null(writer(a[1]));
    assert_int_equal(xoe_audit_verify(dir, &rows, &bad, NULL), XOE_OK);
    assert_true(bad > 0);
    for (int i = 0; i < 2; i++)
        xoe_audit_close(a[i]);
}

static void test_no_record(void **s)
{
    (void)s;
    int64_t rows, bad;
    xoe_error e = XOE_ERROR_INIT;
    assert_int_equal(xoe_audit_verify("/nonexistent", &rows, &bad, &e), XOE_ENOTFOUND);
    assert_non_null(strstr(e.msg, "there is no record"));
}

static void test_bad_rows(void **s)
{
    (void)s;
    char hash[XOE_SHA256_HEX];
    xoe_audit *a;
    xoe_audit_row r = row(hash, 1);
    make(0);
    assert_int_equal(xoe_audit_open(&a, dir, NULL), XOE_OK);
    r.text_hash = "short";
    assert_int_equal(xoe_audit_append(a, &r, NULL), XOE_EINVAL);
    r.text_hash = hash;
    r.user_id = NULL;
    assert_int_equal(xoe_audit_append(a, &r, NULL), XOE_EINVAL);
    xoe_audit_close(a);
    assert_int_equal(xoe_audit_open(&a, "/dev/null/x", NULL), XOE_EIO);
}

static void test_full_disk(void **s) /* last: the file size limit stays */
{
    (void)s;
    char hash[XOE_SHA256_HEX];
    xoe_audit *a;
    xoe_error e = XOE_ERROR_INIT;
    int64_t rows, bad, good = 0;
    xoe_err rc = XOE_OK;
    make(0);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(xoe_audit_open(&a, dir, NULL), XOE_OK);
    struct rlimit lim = {400 * 1024, 400 * 1024};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &lim), 0);
    for (int i = 0; i < 20000 && rc == XOE_OK; i++) {
        xoe_audit_row r = row(hash, i);
        rc = xoe_audit_append(a, &r, &e);
        good += rc == XOE_OK;
    }
    assert_int_equal(rc, XOE_EIO);
    assert_string_equal(e.origin, "sqlite");
    xoe_audit_close(a);
    assert_int_equal(xoe_audit_verify(dir, &rows, &bad, &e), XOE_OK);
    assert_int_equal(bad, 0);
    assert_int_equal(rows, 400 + good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_chain), cmocka_unit_test(test_two_writers), cmocka_unit_test(test_no_record), cmocka_unit_test(test_bad_rows), cmocka_unit_test(test_full_disk)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
