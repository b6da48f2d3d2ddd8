/* The canonical form: identity on ordinary text, attacks undone, offsets kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "flow/canon.h"

static void expect(const char *given, const char *want)
{
    xoe_canon c;
    assert_int_equal(xoe_canon_make(&c, given, strlen(given), NULL), XOE_OK);
    assert_string_equal(c.text, want);
    assert_int_equal(c.source[c.n], strlen(given));
    for (size_t i = 1; i <= c.n; i++)
        assert_true(c.source[i] >= c.source[i - 1]);
    xoe_canon_clear(&c);
}

static void test_identity(void **s)
{
    (void)s;
    static const char *const same[] = {"Hello, world.\n\n- one\n- two\n", "café – “quoted” … 3 °C", "Привет, мир", "Καλημέρα κόσμε", "日本語　テキスト",
                                       "👩‍💻 works", "می‌خواهم", "```c\nint x;\t/* y */\n```"};
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++)
        expect(same[i], same[i]);
}

static void test_attacks(void **s)
{
    (void)s;
    expect("w\u200bat\u00ader\u2060mark\ufeff", "watermark");
    expect("w\u200dater", "water");
    expect("w\u0430t\u0435rmark", "watermark");       /* Cyrillic a, e */
    expect("c\u0430\u200dt \u0430\u200cct", "cat act"); /* joiners beside look-alikes */
    expect("\u0391pple", "Apple");                      /* Greek Alpha */
    expect("cafe\u0301", "caf\u00e9");                  /* decomposed */
    expect("a\u00a0b\u2003c", "a b c");
    expect("one\r\ntwo\rthree", "one\ntwo\nthree");
    expect("\uff37\uff41\uff54\uff45\uff52 \uff14\uff12", "Water 42");
}

/* A word of look-alikes alone takes after its neighbours. */
static void test_words_of_look_alikes(void **s)
{
    (void)s;
    expect("it is \u0430 cat", "it is a cat");
    expect("\u0410 cat", "A cat");                                       /* at the text's edges one neighbour is enough */
    expect("call a \u0441\u043e\u0440", "call a cop");                   /* сор */
    expect("\u0430 \u0440\u043e\u0440\u0435 w\u0430s", "a pope was"); /* two in a row, after one that is told */
    expect("caf\u00e9 \u0430 \u00e9t\u00e9", "caf\u00e9 a \u00e9t\u00e9");
    expect("an \u0391\u03a4\u039c here", "an ATM here"); /* Greek capitals */
    expect("so \u0430\u0301 is", "so \u00e1 is");
}

static void same(const char *text)
{
    expect(text, text);
}

/* Other languages stay, alone and beside Latin text. */
static void test_other_languages_stay(void **s)
{
    (void)s;
    same("\u0430");       /* nothing tells what it is */
    same("\u0430 \u0441\u043e\u0440, \u0430 \u0440\u043e\u0441\u0430");
    same("\u041e\u043d \u0438 \u043e\u043d\u0430, \u0430 \u0441\u043e\u0440 \u0432 \u0438\u0437\u0431\u0435"); /* Он и она, а сор в избе */
    same("He said \u00ab\u0410 \u0432\u043e\u0442\u00bb and left");                                                      /* «А вот» */
    same("the word \u0441\u043e\u0440 means litter, and \u0438\u0437\u0431\u0430 means hut");                          /* сор … изба */
    same("iPhone \u0430 \u043d\u0435 Android");                                                                              /* iPhone а не Android */
    same("\u0441 Windows \u0438 \u0441 Linux");                                                                              /* с Windows и с Linux */
    same("where \u03b1 is the level, \u03c1 a correlation and \u03bd the degrees of freedom");
    same("\u039f \u03ba\u03cc\u03c3\u03bc\u03bf\u03c2 PC \u03ba\u03b1\u03b9 \u03bf \u03b1\u03bd"); /* Ο κόσμος PC και ο αν */
    same("\u65e5\u672c \u0430 \u8a9e");
    expect("\u0430nd \u0430 long way on, after sixteen words at least that are Latin, far from what follows here: one two "
           "\u0438\u0437\u0431\u0430",
           "and a long way on, after sixteen words at least that are Latin, far from what follows here: one two "
           "\u0438\u0437\u0431\u0430");
}

static void test_normal_form(void **s)
{
    (void)s;
    expect("\u0958\u0951", "\u0915\u093c\u0951"); /* NFC is longer than what was given */
    expect("\u1112\u1161\u11ab", "\ud55c");         /* Hangul from its parts */
    expect("5 \u212b", "5 \u00c5");                   /* Angstrom sign */
    expect("e\u0301\u0323", "\u1eb9\u0301");        /* marks in another order */
    expect("\u212a\u043e", "Ko");                     /* Kelvin sign beside a Cyrillic o */
    expect("\u0430\u0301bc", "\u00e1bc");             /* Cyrillic a with an accent */
}

static void test_reflow_and_offsets(void **s)
{
    (void)s;
    xoe_canon c, f;
    const char *t = "w\u200bord  one\ntwo\n\n\nthree \n";
    assert_int_equal(xoe_canon_make(&c, t, strlen(t), NULL), XOE_OK);
    assert_int_equal(xoe_canon_reflow(&f, &c, NULL), XOE_OK);
    assert_string_equal(f.text, "word one two\n\nthree");
    assert_int_equal(t[f.source[strlen("word one ")]], 't');
    assert_int_equal(t[f.source[f.n - 1]], 'e');
    assert_int_equal(f.source[1], 4); /* after the zero-width space */
    xoe_canon_clear(&c);
    xoe_canon_clear(&f);
    assert_int_equal(xoe_canon_make(&c, "a\xff", 2, NULL), XOE_EINVAL);
    assert_int_equal(xoe_canon_make(&c, "", 0, NULL), XOE_OK);
    xoe_canon_clear(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_identity), cmocka_unit_test(test_attacks),
                                       cmocka_unit_test(test_words_of_look_alikes), cmocka_unit_test(test_other_languages_stay), cmocka_unit_test(test_normal_form), cmocka_unit_test(test_reflow_and_offsets)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
