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

/* The pieces of s, joined by '|', those that are kept in brackets. */
static const char *pieces(const char *s, size_t aim)
{
    static char out[2000];
    size_t len = strlen(s), at = 0, n = 0;
    while (at < len) {
        xoe_piece p = xoe_split_next(s + at, len - at, at == 0, true, aim);
        assert_true(p.n > 0);
        n += (size_t)snprintf(out + n, sizeof out - n, p.prose ? "%s%.*s" : "%s[%.*s]", n ? "|" : "", (int)p.n, s + at);
        at += p.n;
    }
    return out;
}

static void test_quotations_are_whole(void **s)
{
    (void)s;
    /* Ends of sentences inside a quotation split nothing; what is nearly all quotation is kept. */
    assert_string_equal(pieces("He wrote home in May: \"The sea is calm. Nobody is ill. We sail at dawn.\" Then the letters stopped for a year.", 40),
                        "[He wrote home in May: \"The sea is calm. Nobody is ill. We sail at dawn.\"]|[ ]|Then the letters stopped for a year.");
    assert_string_equal(pieces("“No one came. No one called.” That was all they told us about the night.", 40),
                        "[“No one came. No one called.”]|[ ]|That was all they told us about the night.");
    /* A short one in a long sentence is the sentence's; a mark without its other one is none. */
    assert_string_equal(pieces("They call the harbour \"the pond\" since no wave has ever been seen in it. It is old.", 60),
                        "They call the harbour \"the pond\" since no wave has ever been seen in it.|[ ]|[It is old.]");
    assert_string_equal(pieces("The board is 5\" wide and made of oak. It carries the weight of two people.", 30),
                        "The board is 5\" wide and made of oak.|[ ]|It carries the weight of two people.");
}

static void test_quotation_fed_byte_by_byte(void **s)
{
    (void)s;
    const char *t = "She said: \"Stay here. Do not move until the light is green.\" Nobody moved for an hour after that.";
    size_t have = 0;
    xoe_piece p = {0, false};
    while (!p.n)
        p = xoe_split_next(t, ++have, true, false, 20);
    assert_int_equal(p.n, strchr(t, 'N') - t - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pieces), cmocka_unit_test(test_quotations_are_whole),
                                       cmocka_unit_test(test_quotation_fed_byte_by_byte)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
