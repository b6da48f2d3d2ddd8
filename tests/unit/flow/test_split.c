/* Splitting: what is rewritten, what is kept, the same pieces whole and fed byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "flow/split.h"

static const char text[] = "# The title stays\n\nThe sea covers most of the planet. It is salty and deep. Dr. Smith measured it at 3.5 % salt, "
                           "which is a common value! Nobody had done so before him in that bay.\n\n- First item of a list that is long enough.\n"
                           "- Short.\n\n```c\nint main(void) { return 0; }\n```\n> A quotation stays.\n\n    code by indent\n\nLast words of the text, without an end";

static size_t list(size_t fed_by, char out[][200], bool *prose)
{
    size_t at = 0, have = 0, n = 0, len = strlen(text);
    bool line_start = true;
    while (at < len) {
        xoe_piece p = xoe_split_next(text + at, have - at, line_start, have == len, 60);
        if (p.n == 0) {
            assert_true(have < len);
            have = have + fed_by < len ? have + fed_by : len;
            continue;
        }
        snprintf(out[n], 200, "%.*s", (int)p.n, text + at);
        prose[n++] = p.prose;
        at += p.n;
        line_start = text[at - 1] == '\n';
    }
    return n;
}

static void test_pieces(void **s)
{
    (void)s;
    static char a[64][200], b[64][200];
    bool pa[64], pb[64];
    size_t n = list(sizeof text, a, pa), m = list(1, b, pb), prose = 0;
    assert_int_equal(n, m);
    char joined[2000] = "";
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(a[i], b[i]);
        assert_int_equal(pa[i], pb[i]);
        strcat(joined, a[i]);
        prose += pa[i];
        if (strstr(a[i], "int main") || strstr(a[i], "title") || strstr(a[i], "quotation") || strstr(a[i], "indent")) assert_false(pa[i]);
        if (strstr(a[i], "Dr. Smith")) assert_non_null(strstr(a[i], "common value!"));
        if (strstr(a[i], "First item")) assert_true(pa[i]);
        if (!strcmp(a[i], "Short.")) assert_false(pa[i]);
    }
    assert_string_equal(joined, text);
    assert_int_equal(prose, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pieces)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
