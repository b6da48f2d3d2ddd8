/* The checks on words: good rewrites pass, each kind of damage is found and named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "flow/meaning.h"

static xoe_meaning_words_report report(const char *a, const char *b)
{
    xoe_meaning_words_report r;
    xoe_meaning_words(a, strlen(a), b, strlen(b), &r);
    return r;
}

static const char *check(const char *a, const char *b)
{
    return report(a, b).veto;
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
    assert_string_equal(check("He said \"I will come\" and left the room.", "He said \"I shall come\" and left the room."), "a quotation changed");
    assert_string_equal(check("He said “I will come” and left the room.", "He said “I shall come” and left the room."), "a quotation changed");
    assert_string_equal(check("He said \"I will\ncome\" and left the room.", "He left the room, saying \"I will come\"."), "");
    assert_string_equal(check("Run `ls -l` in that folder first.", "First, in that folder, run `ls -a`."), "code changed");
    assert_string_equal(check("See https://example.org/a for details on it.", "Details on it are at https://example.org/b today."), "an address changed");
    assert_string_equal(check("A sentence of some length that says something.", "Short."), "the rewrite is too short");
    assert_string_equal(check("A sentence of some length that says something.", ""), "the rewrite is empty");
    assert_string_equal(check("The weather is nice in summer there.", "Погода там летом хорошая и тёплая."), "the language changed");
}

static void test_possibility(void **state)
{
    (void)state;
    assert_string_equal(check("The food may be prepared at home.", "The food is prepared at home."), "a possibility became a fact");
    assert_string_equal(check("It might rain, and the path can flood.", "It will rain, and the path can flood."), "a possibility became a fact");
    assert_string_equal(check("The food may be prepared at home.", "The food can be prepared at home."), "");
    assert_string_equal(check("Guests may use the pool.", "Guests are allowed to use the pool."), "");
    assert_string_equal(check("The pool opens in May.", "In May the pool opens."), "");
}

static void test_numbers_in_words(void **s)
{
    (void)s;
    assert_string_equal(check("She waited for two hours and wrote 12 letters.", "Within 2 hours of waiting she wrote twelve letters."), "");
    assert_string_equal(check("The trip takes twenty-five minutes by bus.", "By bus the trip takes 25 minutes."), "");
    assert_string_equal(check("Both doors were open when the guard came.", "When the guard came, the two doors stood open."), "");
    assert_string_equal(check("It cost 1,200 dollars to repair.", "The repair cost 1200 dollars."), "");
    assert_string_equal(check("The rent is due on the third day.", "On the fifth day the rent is due."), "a number is missing");
    assert_string_equal(check("The trip takes twenty-five minutes.", "The trip takes twenty minutes in all."), "a number is missing");
    assert_string_equal(check("Eggs are sold here by the farmers.", "Seven eggs are sold here by the farmers."), "a number was added");
}

static void test_units(void **s)
{
    (void)s;
    assert_string_equal(check("The answer came within a week.", "Within a year there was an answer."), "a unit changed");
    assert_string_equal(check("The pump moves 30 litres a minute.", "In an hour the pump moves 30 litres."), "a unit changed");
    assert_string_equal(check("Take one tablet twice a day.", "One tablet is to be taken two times daily."), "");
    assert_string_equal(check("It took 40 minutes. Meanwhile we ate.", "Meanwhile we ate; 40 minutes it took."), "");
}

static void test_names(void **s)
{
    (void)s;
    assert_string_equal(check("Ms. Okafor came by train.", "By train came Ms. Adeyemi."), "a name is missing");
    assert_string_equal(check("Rosa was met by her aunt at noon.", "At noon her aunt met Rosa."), "");
    assert_string_equal(check("The bus to Leeds is late.", "Leeds has to wait for its bus, which is late."), "");
    assert_string_equal(check("Der Hund lief durch den Garten und bellte die Katze auf dem Baum an.",
                              "Auf dem Baum sass die Katze, und ein Tier bellte sie von der Wiese an."), ""); /* nouns, not names */
}

static void test_counts(void **s)
{
    (void)s;
    xoe_meaning_words_report r = report("Prices rose in May and the shop was closed.", "In May prices fell, and the shop was closed.");
    assert_int_equal(r.turned, 1);
    assert_int_equal(report("Prices rose in May.", "May saw prices climb.").turned, 0);
    r = report("The drug does not harm the liver.", "The liver is harmed by the drug.");
    assert_true(r.negated);
    assert_int_equal(r.negations, 1);
    r = report("Nobody was hurt, and nothing broke.", "Not one person was hurt.");
    assert_false(r.negated);
    assert_int_equal(r.negations, 1);
    assert_true(report("You don\xe2\x80\x99t pay.", "You don't pay.").negations == 0);
    assert_true(report("All members must vote.", "Members may vote.").degrees >= 2);
    const char *sued = "The shareholder sued the board for hiding losses, and the judge allowed the case to go ahead.";
    assert_true(report(sued, "The board sued the shareholder for hiding losses, and the judge allowed the case to go ahead.").swapped > 1);
    assert_true(report(sued, "The judge let the case proceed in which the shareholder sued the board because it had hidden losses.").swapped < 0.5);
    assert_true(report(sued, sued).swapped == 0);
    r = report("The old bridge crosses a wide river.", "A wide river is crossed by the old bridge.");
    assert_true(r.added == 0 && r.lost == 0);
    r = report("The bridge crosses a river.", "The bridge crosses a valley.");
    assert_true(r.added > 0.3 && r.lost > 0.3);
}

/* Without a model or an embedder: a veto, the weighed counts, and what was used. */
static void test_judge_on_words(void **s)
{
    (void)s;
    const xoe_meaning_opts o = {.embedder = NULL};
    const char *a = "Prices rose in May and nobody complained.";
    xoe_meaning m;
    assert_int_equal(xoe_meaning_check(&o, a, strlen(a), "In May prices rose, and nobody complained.", 42, &m, NULL), XOE_OK);
    assert_string_equal(m.reason, "");
    assert_string_equal(m.method, "words");
    assert_true(m.score > 0 && isnan(m.similarity));
    assert_int_equal(xoe_meaning_check(&o, a, strlen(a), "In May prices fell, and everybody complained.", 45, &m, NULL), XOE_OK);
    assert_string_equal(m.reason, "a word was turned into its opposite");
    assert_true(m.score < 0);
    assert_int_equal(xoe_meaning_check(&o, a, strlen(a), "In June prices rose, and nobody complained.", 43, &m, NULL), XOE_OK);
    assert_string_equal(m.reason, "a name is missing");
    assert_true(isnan(m.score));
    const char *hunted = "Wolves were hunted until none were left in the valley, and the deer multiplied without their natural enemy.";
    const char *deer = "Deer were hunted until none were left in the valley, and the wolves multiplied without their natural enemy.";
    assert_int_equal(xoe_meaning_check(&o, hunted, strlen(hunted), deer, strlen(deer), &m, NULL), XOE_OK);
    assert_string_equal(m.reason, "two roles were swapped");
}

static void test_must_keep(void **s)
{
    (void)s;
    static const char t[] = "In May Anna Berg paid 14.5 euros to the Graz museum; Anna Berg came back in 2019.";
    xoe_buf b;
    xoe_buf_init(&b, 200);
    xoe_meaning_must_keep(t, strlen(t), &b);
    assert_string_equal(xoe_buf_cstr(&b), "May Anna Berg, 14.5, Graz, 2019");
    xoe_buf_free(&b);
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),   cmocka_unit_test(test_damage), cmocka_unit_test(test_numbers_in_words),
        cmocka_unit_test(test_units),  cmocka_unit_test(test_names),  cmocka_unit_test(test_possibility), cmocka_unit_test(test_counts),
        cmocka_unit_test(test_judge_on_words), cmocka_unit_test(test_must_keep), cmocka_unit_test(test_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
