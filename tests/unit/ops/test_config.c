/* ops/config.c and ops/suggest.c: precedence of the places, precise errors, what finish refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "ops/config.h"
#include "ops/suggest.h"

static char folder[] = "/tmp/xoe-config-XXXXXX", path[128];

static void write_file(const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int setup(void **s)
{
    (void)s;
    if (!mkdtemp(folder)) return -1;
    snprintf(path, sizeof path, "%s/config.json", folder);
    return 0;
}

static int teardown(void **s)
{
    (void)s;
    unlink(path);
    return rmdir(folder);
}

static int clean(void **s)
{
    (void)s;
    unsetenv("XOE_PORT");
    unsetenv("XOE_API_KEY");
    unsetenv("XOE_ENFORCE");
    unsetenv("XOE_FPR");
    setenv("XOE_DATA", folder, 1);
    unlink(path);
    return 0;
}

static void test_precedence(void **s)
{
    (void)s;
    xoe_config c;
    xoe_error e;
    assert_int_equal(xoe_config_load(&c, NULL, &e), XOE_OK); /* no file: defaults */
    assert_int_equal(c.port, 8080);
    assert_string_equal(c.watermark, "generate");
    assert_string_equal(c.data, folder);
    xoe_config_free(&c);

    write_file("{\"port\": 7000, \"fpr\": 0.01, \"enforce\": true, \"model\": \"m\", \"slots\": 2}");
    setenv("XOE_PORT", "7001", 1);
    assert_int_equal(xoe_config_load(&c, NULL, &e), XOE_OK); /* DATA/config.json was found */
    assert_int_equal(c.port, 7001);                          /* environment above file */
    assert_int_equal(c.slots, 2);                            /* file above default */
    assert_true(c.enforce);
    assert_true(c.fpr == 0.01);
    assert_string_equal(c.model, "m");
    assert_int_equal(xoe_config_set(&c, "port", "7002", "flag --port", &e), XOE_OK);
    assert_int_equal(c.port, 7002); /* flag above all */
    assert_int_equal(xoe_config_set(&c, "max-body-bytes", "4096", "flag", &e), XOE_OK);
    assert_int_equal(c.max_body_bytes, 4096);
    xoe_config_free(&c);
}

/* file == NULL: the error comes from the environment or a flag. */
static void expect(const char *file, const char *name, const char *value, xoe_err code, const char *msg)
{
    xoe_config c;
    xoe_error e = XOE_ERROR_INIT;
    char want[512];
    xoe_err rc;
    if (file) write_file(file);
    rc = xoe_config_load(&c, file ? path : NULL, &e);
    if (name && !rc) {
        rc = xoe_config_set(&c, name, value, "flag --x", &e);
        xoe_config_free(&c);
    }
    const char *at = strstr(msg, "FILE"); /* stands for the path */
    if (at)
        snprintf(want, sizeof want, "%.*s%s%s", (int)(at - msg), msg, path, at + 4);
    else
        snprintf(want, sizeof want, "%s", msg);
    assert_int_equal(rc, code);
    assert_string_equal(e.msg, want);
}

static void test_errors(void **s)
{
    (void)s;
    setenv("XOE_PORT", "99999", 1);
    expect(NULL, NULL, NULL, XOE_EINVAL, "port: 99999 is not between 0 and 65535 (from environment XOE_PORT)");
    setenv("XOE_PORT", "80x", 1);
    expect(NULL, NULL, NULL, XOE_EINVAL, "port: \"80x\" is not a whole number (from environment XOE_PORT)");
    setenv("XOE_PORT", "99999999999999999999", 1);
    expect(NULL, NULL, NULL, XOE_EINVAL,
           "port: 99999999999999999999 is not between 0 and 65535 (from environment XOE_PORT)");
    unsetenv("XOE_PORT");
    setenv("XOE_FPR", "nan", 1);
    expect(NULL, NULL, NULL, XOE_EINVAL, "fpr: \"nan\" is not a number (from environment XOE_FPR)");
    unsetenv("XOE_FPR");
    setenv("XOE_ENFORCE", "maybe", 1);
    expect(NULL, NULL, NULL, XOE_EINVAL,
           "enforce: \"maybe\" is neither true nor false (from environment XOE_ENFORCE)");
    unsetenv("XOE_ENFORCE");
    expect("{\"prot\": 1}", NULL, NULL, XOE_ENOTFOUND,
           "no setting \"prot\" (in file FILE); did you mean \"port\"?");
    expect("{\"zzzzzz\": 1}", NULL, NULL, XOE_ENOTFOUND,
           "no setting \"zzzzzz\" (in file FILE); docs/configuration.md lists them");
    expect("{\"port\": \"80\"}", NULL, NULL, XOE_EINVAL, "port: must be a whole number (from file FILE)");
    expect("{\"model\": 3}", NULL, NULL, XOE_EINVAL, "model: must be a text in quotes (from file FILE)");
    expect("{\"enforce\": 1}", NULL, NULL, XOE_EINVAL, "enforce: must be true or false (from file FILE)");
    expect("[]", NULL, NULL, XOE_EFORMAT, "FILE: must hold one JSON object, {\"port\": 8080, …}");
    expect("{\"port\": 1, \"port\": 2}", NULL, NULL, XOE_EFORMAT, "FILE: line 1: duplicate object key near '\"port\"'");
    expect("{}", "watermark", "generat", XOE_EINVAL,
           "watermark: \"generat\" is not one of generate|rephrase|off (from flag --x)");
    expect("{}", "watermark", "", XOE_EINVAL,
           "watermark: \"\" is not one of generate|rephrase|off (from flag --x)");
    expect("{}", "max-body", "1", XOE_ENOTFOUND,
           "no setting \"--max-body\" (in flag --x); did you mean \"--max-body-bytes\"?");
}

static void test_missing_file(void **s)
{
    (void)s;
    xoe_config c;
    xoe_error e;
    assert_int_equal(xoe_config_load(&c, "/nonexistent/config.json", &e), XOE_ENOTFOUND);
    assert_non_null(strstr(e.msg, "/nonexistent/config.json"));
}

static void test_secret_not_told(void **s)
{
    (void)s;
    xoe_config c;
    xoe_error e = XOE_ERROR_INIT;
    setenv("XOE_API_KEY", "s3cret\nline", 1);
    assert_int_equal(xoe_config_load(&c, NULL, &e), XOE_EINVAL);
    assert_null(strstr(e.msg, "s3cret"));
    assert_non_null(strstr(e.msg, "api_key"));
}

static void test_finish(void **s)
{
    (void)s;
    xoe_config c;
    xoe_error e = XOE_ERROR_INIT;
    char want[256];
    assert_int_equal(xoe_config_load(&c, NULL, &e), XOE_OK);
    assert_int_equal(xoe_config_finish(&c, &e), XOE_OK);
    snprintf(want, sizeof want, "%s/models", folder);
    assert_string_equal(c.models_dir, want);

    static const char *const local[] = {"127.0.0.1", "127.8.8.8", "::1", "localhost"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(xoe_config_set(&c, "host", local[i], "flag", &e), XOE_OK);
        assert_int_equal(xoe_config_finish(&c, &e), XOE_OK);
    }
    static const char *const open[] = {"0.0.0.0", "::", "192.168.1.2", "example.org", ""};
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(xoe_config_set(&c, "host", open[i], "flag", &e), XOE_OK);
        assert_int_equal(xoe_config_finish(&c, &e), XOE_EPERM);
        assert_non_null(strstr(e.msg, "API key"));
    }
    assert_int_equal(xoe_config_set(&c, "api-key", "k", "flag", &e), XOE_OK);
    assert_int_equal(xoe_config_finish(&c, &e), XOE_OK);

    assert_int_equal(xoe_config_set(&c, "enforce", "true", "flag", &e), XOE_OK);
    assert_int_equal(xoe_config_set(&c, "watermark", "off", "flag", &e), XOE_OK);
    assert_int_equal(xoe_config_finish(&c, &e), XOE_EINVAL);
    xoe_config_free(&c);
}

static void test_default_data(void **s)
{
    (void)s;
    xoe_config c;
    xoe_error e = XOE_ERROR_INIT;
    char *xdg = getenv("XDG_DATA_HOME"), *old = xdg ? strdup(xdg) : NULL;
    unsetenv("XOE_DATA");
    setenv("XDG_DATA_HOME", folder, 1);
    assert_int_equal(xoe_config_load(&c, NULL, &e), XOE_OK);
    assert_int_equal(xoe_config_set(&c, "models-dir", "~/m/", "flag", &e), XOE_OK);
    assert_int_equal(xoe_config_finish(&c, &e), XOE_OK);
    char want[256];
    snprintf(want, sizeof want, "%s/xoe", folder);
    assert_string_equal(c.data, want);
    snprintf(want, sizeof want, "%s/m", getenv("HOME"));
    assert_string_equal(c.models_dir, want);
    xoe_config_free(&c);
    if (old)
        setenv("XDG_DATA_HOME", old, 1);
    else
        unsetenv("XDG_DATA_HOME");
    free(old);
}

static void test_no_memory(void **s)
{
    (void)s;
    write_file("{\"model\": \"m\", \"api_key\": \"k\"}");
    for (long n = 1;; n++) {
        xoe_config c;
        xoe_error e = XOE_ERROR_INIT;
        long live = xoe_mem_live();
        xoe_mem_fail_at(n);
        xoe_err rc = xoe_config_load(&c, path, &e);
        bool reached = rc != XOE_OK;
        xoe_mem_fail_at(0);
        if (!rc) xoe_config_free(&c);
        assert_int_equal(xoe_mem_live(), live);
        if (!reached) {
            assert_true(n > 3);
            break;
        }
    }
}

/* docs/configuration.md holds the table that the code prints. */
static void test_docs(void **s)
{
    (void)s;
    char *table = NULL, *doc = NULL;
    size_t n_table = 0, n_doc = 0;
    FILE *f = open_memstream(&table, &n_table);
    xoe_config_print_markdown(f);
    fclose(f);
    f = fopen(XOE_SOURCE_DIR "/docs/configuration.md", "r");
    assert_non_null(f);
    assert_true(getdelim(&doc, &n_doc, 0, f) > 0);
    fclose(f);
    if (!strstr(doc, table))
        fail_msg("docs/configuration.md does not hold the current table:\n%s", table);
    free(table);
    free(doc);
}

static void test_suggest(void **s)
{
    (void)s;
    static const char *const names[] = {"serve", "chat", "mark", "detect", "models", "version"};
    assert_string_equal(xoe_suggest("sevre", names, 6), "serve");
    assert_string_equal(xoe_suggest("model", names, 6), "models");
    assert_string_equal(xoe_suggest("det", names, 6), "detect");
    assert_string_equal(xoe_suggest("versoin", names, 6), "version");
    assert_null(xoe_suggest("banana", names, 6));
    assert_int_equal(xoe_edit_distance("ca", "ac"), 1);
    assert_int_equal(xoe_edit_distance("", "abc"), 3);
    assert_int_equal(xoe_edit_distance("kitten", "sitting"), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_precedence, clean),   cmocka_unit_test_setup(test_errors, clean),
        cmocka_unit_test_setup(test_missing_file, clean), cmocka_unit_test_setup(test_secret_not_told, clean),
        cmocka_unit_test_setup(test_finish, clean),       cmocka_unit_test_setup(test_default_data, clean),
        cmocka_unit_test_setup(test_no_memory, clean),    cmocka_unit_test_setup(test_docs, clean),
        cmocka_unit_test_setup(test_suggest, clean),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
