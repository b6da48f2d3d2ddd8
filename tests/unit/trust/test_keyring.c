/* Keyring: first key, rotation, reopening, other processes' changes, file modes, damaged files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "trust/keyring.h"

static char dir[64];

static char *path_of(const char *name)
{
    static char p[128];
    snprintf(p, sizeof p, "%s/%s", dir, name);
    return p;
}

static int setup(void **s)
{
    (void)s;
    snprintf(dir, sizeof dir, "/tmp/xoe-keys-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static void test_rotation(void **s)
{
    (void)s;
    xoe_keyring *a, *b;
    xoe_key first, second, got, *list;
    size_t n;
    struct stat st;
    assert_int_equal(xoe_keyring_open(&a, dir, NULL), XOE_OK);
    assert_int_equal(stat(path_of("keys.json"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(xoe_keyring_get(a, NULL, &first, NULL), XOE_OK);
    assert_int_equal(first.params.scheme, XOE_SCHEME_GUMBEL);
    assert_int_equal(xoe_keyring_open(&b, dir, NULL), XOE_OK); /* as another process would */
    xoe_mark_params p = XOE_MARK_PARAMS_INIT;
    p.width = 2;
    assert_int_equal(xoe_keyring_new(b, "second", &p, true, &second, NULL), XOE_OK);
    assert_int_equal(xoe_keyring_new(b, "second", &p, true, NULL, NULL), XOE_EEXIST);
    assert_int_equal(xoe_keyring_new(b, "Bad Id", &p, true, NULL, NULL), XOE_EINVAL);
    assert_int_equal(xoe_keyring_get(a, NULL, &got, NULL), XOE_OK);
    assert_string_equal(got.id, "second");
    assert_int_equal(got.params.width, 2);
    assert_memory_equal(got.bytes, second.bytes, sizeof got.bytes);
    assert_memory_not_equal(got.bytes, first.bytes, sizeof got.bytes);
    assert_int_equal(xoe_keyring_get(a, first.id, &got, NULL), XOE_OK);
    assert_memory_equal(got.bytes, first.bytes, sizeof got.bytes);
    assert_false(got.active);
    assert_true(got.retired_ms > 0);
    assert_int_equal(xoe_keyring_list(a, &list, &n, NULL), XOE_OK);
    assert_int_equal(n, 2);
    assert_string_equal(list[0].id, "second");
    xoe_keyring_list_free(list, n);
    assert_int_equal(xoe_keyring_retire(a, "second", NULL), XOE_OK);
    assert_int_equal(xoe_keyring_get(b, NULL, &got, NULL), XOE_ENOTFOUND);
    assert_int_equal(xoe_keyring_get(b, "nobody", &got, NULL), XOE_ENOTFOUND);
    xoe_keyring_close(a);
    xoe_keyring_close(b);
}

static void test_damage(void **s)
{
    (void)s;
    xoe_keyring *k;
    xoe_error e = XOE_ERROR_INIT;
    struct stat st;
    chmod(path_of("keys.json"), 0644);
    assert_int_equal(xoe_keyring_open(&k, dir, &e), XOE_EPERM);
    assert_non_null(strstr(e.msg, "chmod 600"));
    static const char *const bad[] = {"", "{", "[]", "{\"version\":2,\"keys\":[]}", "{\"version\":1,\"keys\":[{\"id\":\"x\",\"key\":\"00\",\"scheme\":\"gumbel\"}]}",
                                      "{\"version\":1,\"keys\":[{\"id\":\"x\"}]}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(xoe_file_write_atomic(path_of("keys.json"), bad[i], strlen(bad[i]), 0600, NULL), XOE_OK);
        assert_int_equal(xoe_keyring_open(&k, dir, &e), XOE_EFORMAT);
        assert_int_equal(stat(path_of("keys.json"), &st), 0);
        assert_int_equal(st.st_size, strlen(bad[i])); /* left as it was */
    }
    assert_int_equal(xoe_keyring_open(&k, "/dev/null/x", &e), XOE_EIO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rotation), cmocka_unit_test(test_damage)};
    return cmocka_run_group_tests(tests, setup, NULL);
}
