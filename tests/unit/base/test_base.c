/* base/: error table, buffer limits, arena limits, UTF-8, hex, allocator faults. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/text.h"
#include "xoe/error.h"

static void test_error_table(void **s)
{
    (void)s;
    assert_string_equal(xoe_err_name(XOE_EINVAL), "XOE_EINVAL");
    assert_int_equal(xoe_err_http_status(XOE_EBUSY), 429);
    assert_string_equal(xoe_err_label((xoe_err)-999), "internal");
    xoe_error e = XOE_ERROR_INIT;
    assert_int_equal(xoe_error_param(&e, XOE_EINVAL, "top_p", "got %g", 2.0), XOE_EINVAL);
    assert_string_equal(e.param, "top_p");
    assert_string_equal(e.msg, "got 2");
    assert_int_equal(xoe_error_set(NULL, XOE_EIO, "x"), XOE_EIO);
    xoe_error_set(&e, XOE_EINVAL, "'%.2s'", "a\xc3\xa9"); /* cut inside a character */
    assert_string_equal(e.msg, "'a?'");
}

static void test_buf_limit(void **s)
{
    (void)s;
    xoe_buf b;
    xoe_buf_init(&b, 8);
    assert_int_equal(xoe_buf_puts(&b, "12345678"), 0);
    assert_int_equal(xoe_buf_putc(&b, '9'), -1);
    assert_true(b.failed);
    assert_string_equal(xoe_buf_cstr(&b), "12345678");
    xoe_buf_reset(&b);
    assert_int_equal(xoe_buf_printf(&b, "%d", 42), 0);
    assert_string_equal(b.data, "42");
    xoe_buf_consume(&b, 1);
    assert_string_equal(b.data, "2");
    xoe_buf_free(&b);
}

static int order;
static void note(void *p)
{
    *(int *)p = ++order;
}

static void test_arena(void **s)
{
    (void)s;
    int first = 0, second = 0;
    xoe_arena *a = xoe_arena_new(100000);
    assert_non_null(a);
    assert_int_equal(xoe_arena_defer(a, note, &first), 0);
    assert_int_equal(xoe_arena_defer(a, note, &second), 0);
    char *p = xoe_arena_printf(a, "%s-%d", "x", 7);
    assert_string_equal(p, "x-7");
    assert_null(xoe_arena_alloc(a, 200000));
    assert_non_null(xoe_arena_alloc(a, 50000));
    xoe_arena_free(a);
    assert_int_equal(second, 1); /* reverse order */
    assert_int_equal(first, 2);
}

static void test_utf8(void **s)
{
    (void)s;
    bool cut;
    assert_true(xoe_utf8_valid("h\xc3\xa9\xf0\x9f\x98\x80", 7));
    assert_false(xoe_utf8_valid("\xc0\x80", 2));         /* overlong */
    assert_false(xoe_utf8_valid("\xed\xa0\x80", 3));     /* surrogate */
    assert_false(xoe_utf8_valid("\xf4\x90\x80\x80", 4)); /* above U+10FFFF */
    assert_int_equal(xoe_utf8_valid_prefix("a\xf0\x9f", 3, &cut), 1);
    assert_true(cut);
    assert_int_equal(xoe_utf8_valid_prefix("a\xff", 2, &cut), 1);
    assert_false(cut);
    assert_int_equal(xoe_utf8_count("h\xc3\xa9", 3), 2);
}

static void test_hash(void **s)
{
    (void)s;
    char h[XOE_SHA256_HEX];
    unsigned char b[2];
    xoe_sha256_hex("abc", 3, h); /* FIPS 180-2, B.1 */
    assert_string_equal(h, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(xoe_unhex("0aFf", 4, b), 0);
    assert_int_equal(b[1], 0xff);
    assert_int_equal(xoe_unhex("0x", 2, b), -1);
}

static void test_mem_fault(void **s)
{
    (void)s;
    long live = xoe_mem_live();
    xoe_mem_fail_at(2);
    void *p = xoe_malloc(1), *q = xoe_malloc(1), *r = xoe_malloc(1);
    assert_non_null(p);
    assert_null(q);
    assert_non_null(r);
    xoe_free(p);
    xoe_free(r);
    assert_int_equal(xoe_mem_live(), live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error_table), cmocka_unit_test(test_buf_limit),
        cmocka_unit_test(test_arena),       cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_hash),        cmocka_unit_test(test_mem_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
