/* The checks on words: good rewrites pass, each kind of damage is found and named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "flow/meaning.h"

static const char *check(const char *a, const char *b)
{
    return xoe_meaning_words(a, strlen(a), b, strlen(b));
}

static void test_good(void **s)
{
    (void)s;
    assert_string_equal(check("The bridge over the Rhine is 420 m long and was opened in 1968.", "Opened in 1968, the bridge that crosses the Rhine has a length of 420 metres."), "");
    assert_string_equal(check("Maria did not accept the offer of 1,200 euros.", "The offer of 1200 euros was not accepted by Maria."), "");
    assert_string_equal(check("Call \"make all\" before you push.", "Before pushing, run \"make all\"."), "");
    assert_string_equal(check("Turbines turn heat into motion, and a generator makes power of it.", "Heat is converted into motion by turbines; from this a generator produces power."), "");
}

static void test_damage(void **s)
{
    (void)s;
    assert_string_equal(check("The bridge is 420 m long.", "The bridge has a length of 402 m."), "a number is missing");
    assert_string_equal(check("The bridge is 420 m long.", "The bridge is 420 km in length."), "a unit changed");
    assert_string_equal(check("The bridge is very long.", "The bridge is 300 units long."), "a number was added");
    assert_string_equal(check("In spring Maria moved to the town of Bonn.", "During spring, Anna went to live in the town of Bonn."), "a name is missing");
    assert_string_equal(check("In spring she moved to the old town.", "During spring she moved to the old town of Bonn."), "a name was added");
    assert_string_equal(check("The drug does not harm the liver at all.", "The drug harms the liver in every single case."), "a negation changed");
    assert_string_equal(check("He said \"I will come\" and left the room.", "He said \"I shall come\" and left the room."), "a quotation changed");
    assert_string_equal(check("Run `ls -l` in that folder first.", "First, in that folder, run `ls -a`."), "code changed");
    assert_string_equal(check("See https://example.org/a for details on it.", "Details on it are at https://example.org/b today."), "an address changed");
    assert_string_equal(check("A sentence of some length that says something.", "Short."), "the rewrite is too short");
    assert_string_equal(check("A sentence of some length that says something.", ""), "the rewrite is empty");
    assert_string_equal(check("The weather is nice in summer there.", "Погода там летом хорошая и тёплая."), "the language changed");
}

static void test_copied(void **s)
{
    (void)s;
    const char *a = "the quick brown fox jumps over the lazy dog";
    assert_true(xoe_copied_share(a, strlen(a), a, strlen(a)) == 1);
    assert_true(xoe_copied_share(a, strlen(a), "a dog is lazy", 13) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_good), cmocka_unit_test(test_damage), cmocka_unit_test(test_copied)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
