/* The decoder of chunked bodies: any cut of the input gives the same, and nothing loose is taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "serve/http_chunked.h"

static xoe_chunked_is take(const char *text, size_t n, size_t piece, xoe_buf *out)
{
    xoe_chunked c = {0};
    xoe_chunked_is is = XOE_CHUNKED_MORE;
    for (size_t i = 0; i < n; i += piece)
        is = xoe_chunked_take(&c, text + i, piece < n - i ? piece : n - i, out);
    return is;
}

static void expect(const char *text, xoe_chunked_is want, const char *data)
{
    size_t n = strlen(text);
    for (size_t piece = 1; piece <= n; piece++) {
        xoe_buf b;
        xoe_buf_init(&b, 4096);
        assert_int_equal(take(text, n, piece, &b), want);
        if (data) assert_string_equal(xoe_buf_cstr(&b), data);
        assert_int_equal(take(text, n, piece, NULL), want);
        xoe_buf_free(&b);
    }
}

static void test_whole(void **s)
{
    (void)s;
    expect("0\r\n\r\n", XOE_CHUNKED_WHOLE, "");
    expect("5\r\nhello\r\n0\r\n\r\n", XOE_CHUNKED_WHOLE, "hello");
    expect("1\r\na\r\n00B;name=\"x y\"\r\n0\r\n\r\n-bcdef\r\n000\r\nTrailer: x\r\nB: y\r\n\r\n", XOE_CHUNKED_WHOLE, "a0\r\n\r\n-bcdef");
    expect("2 \t\r\nhi\r\n0\r\n\r\nGET / HTTP/1.1\r\n", XOE_CHUNKED_WHOLE, "hi");
}

static void test_unfinished(void **s)
{
    (void)s;
    static const char text[] = "3\r\nabc\r\n2;x\r\nde\r\n0\r\nT: x\r\n\r\n";
    for (size_t n = 0; n < sizeof text - 1; n++)
        assert_int_equal(take(text, n, n ? n : 1, NULL), XOE_CHUNKED_MORE);
    assert_int_equal(take(text, sizeof text - 1, 100, NULL), XOE_CHUNKED_WHOLE);
}

static void test_bad(void **s)
{
    (void)s;
    static const char *const bad[] = {
        "\r\n", "g\r\n", "-1\r\n", "+1\r\n", " 1\r\na\r\n", "0x1\r\na\r\n", ";x\r\n", "1\na\n0\n\n", "1\r\na\n0\r\n\r\n", "1\r\nab\r\n0\r\n\r\n", "1\r\na0\r\n\r\n",
        "1\r\ra", "0\r\n\r\r", "0\r\nT: x\n\r\n", "0\r\n\nx", "1;x\ny\r\na\r\n0\r\n\r\n", "1234567890abcdef\r\n", "0000000000000001\r\na",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect(bad[i], XOE_CHUNKED_BAD, NULL);
}

/* What is skipped is bounded; too much data marks the buffer, and its end is still found. */
static void test_bounds(void **s)
{
    (void)s;
    static char text[20000];
    memset(text, 'x', sizeof text);
    memcpy(text, "1;", 2);
    assert_int_equal(take(text, sizeof text, 999, NULL), XOE_CHUNKED_BAD);
    memcpy(text, "0\r\n", 3);
    assert_int_equal(take(text, sizeof text, 999, NULL), XOE_CHUNKED_BAD);
    for (size_t i = 3; i + 3 <= sizeof text; i += 3) /* many short trailers */
        memcpy(text + i, "a\r\n", 3);
    assert_int_equal(take(text, sizeof text, 999, NULL), XOE_CHUNKED_BAD);
    xoe_buf b;
    xoe_buf_init(&b, 4);
    assert_int_equal(take("3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n", 21, 21, &b), XOE_CHUNKED_WHOLE);
    assert_true(b.failed);
    xoe_buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_whole), cmocka_unit_test(test_unfinished), cmocka_unit_test(test_bad),
                                       cmocka_unit_test(test_bounds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
