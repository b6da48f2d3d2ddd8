/* Tables only. An entry earns its place when it rarely has another sense: "last" (opposite of first, but also
 * a verb) and "light" (opposite of dark and of heavy) are worth their noise or are left out accordingly. The
 * lists are written from general knowledge of the language, not from the calibration pairs. */
#include "flow/lexicon.h"

#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

static const struct {
    const char *words;
    int value;
} cardinals[] = {
    {"two twice double doubled both couple", 2}, {"three thrice triple tripled", 3}, {"four", 4}, {"five", 5}, {"six", 6}, {"seven", 7},
    {"eight", 8}, {"nine", 9}, {"ten", 10}, {"eleven", 11}, {"twelve dozen", 12}, {"thirteen", 13}, {"fourteen", 14}, {"fifteen", 15},
    {"sixteen", 16}, {"seventeen", 17}, {"eighteen", 18}, {"nineteen", 19}, {"twenty", 20}, {"thirty", 30}, {"forty", 40}, {"fifty", 50},
    {"sixty", 60}, {"seventy", 70}, {"eighty", 80}, {"ninety", 90},
};

static const char *const ordinals[] = {
    "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth",
    "sixteenth", "seventeenth", "eighteenth", "nineteenth", "twentieth",
};

int xoe_number_word(const xoe_word *w, bool *ordinal)
{
    *ordinal = false;
    for (size_t i = 0; i < COUNT(cardinals); i++)
        if (xoe_word_in(w, cardinals[i].words)) return cardinals[i].value;
    for (size_t i = 0; i < COUNT(ordinals); i++)
        if (xoe_word_is(w, ordinals[i], strlen(ordinals[i]))) {
            *ordinal = true;
            return (int)i + 3;
        }
    return -1;
}

/* Spellings of one unit; those after the bar only beside a number ("m", "second", "pound"). */
static const struct {
    const char *free, *beside;
} units[] = {
    {"% percent", "per"},
    {"km kilometre* kilometer*", ""},
    {"metre metres meter meters", "m"},
    {"cm centimetre* centimeter*", ""},
    {"mm millimetre* millimeter*", ""},
    {"mile miles", ""},
    {"feet", "foot ft"},
    {"inches", "inch"},
    {"kg kilogram* kilo kilos", ""},
    {"gram grams", "g"},
    {"mg milligram*", ""},
    {"tonne tonnes ton tons", "t"},
    {"", "pound pounds lb"},
    {"litre litres liter liters", "l"},
    {"ml millilitre* milliliter*", ""},
    {"seconds", "second s sec"},
    {"millisecond*", "ms"},
    {"minute minutes", "min"},
    {"hour hours hourly", "h"},
    {"day days daily", ""},
    {"week weeks weekly", ""},
    {"month months monthly", ""},
    {"quarter quarters quarterly", ""},
    {"year years yearly annual annually", ""},
    {"decade decades", ""},
    {"century centuries", ""},
    {"euro euros eur", ""},
    {"dollar dollars usd", ""},
    {"", "cent cents"},
    {"million millions", ""},
    {"billion billions", ""},
    {"thousand thousands", ""},
    {"hundred hundreds", ""},
    {"trillion", ""},
    {"watt watts", "w"},
    {"kw kilowatt*", ""},
    {"megawatt*", "mw"},
    {"gb gigabyte*", ""},
    {"mb megabyte*", ""},
    {"kb kilobyte*", ""},
    {"celsius", "c"},
    {"fahrenheit", "f"},
    {"volt volts", "v"},
    {"hz hertz", ""},
    {"", "am"},
    {"", "pm"},
};

int xoe_unit_word(const xoe_word *w, bool free)
{
    for (size_t i = 0; i < COUNT(units); i++)
        if (xoe_word_in(w, units[i].free) || (!free && xoe_word_in(w, units[i].beside))) return (int)i;
    return -1;
}

bool xoe_is_negation(const xoe_word *w)
{
    if (w->n > 3 && !strncasecmp(w->s + w->n - 2, "'t", 2) && (w->s[w->n - 3] == 'n' || w->s[w->n - 3] == 'N')) return true;
    if (w->n > 5 && !strncasecmp(w->s + w->n - 4, "\xe2\x80\x99t", 4)) return true;
    return xoe_word_in(w, "not no never none nobody nothing nowhere neither nor without cannot hardly barely seldom rarely scarcely fail fails failed "
                          "lack lacks lacked lacking unable impossible refuse refuses refused refusing reject rejects rejected deny denies denied "
                          "denying unlikely unless except nicht kein keine keinen keiner nie niemals ohne weder pas jamais sans aucun aucune nunca "
                          "sin tampoco ninguno ninguna non mai senza");
}

bool xoe_is_possibility(const xoe_word *w)
{
    return xoe_word_in(w, "may might can cannot could can't couldn't possibly perhaps maybe probably likely presumably seem seems seemed appear appears "
                          "appeared apparently potential potentially possible possibility impossible able unable sometimes chance chances risk permitted "
                          "permission permit permits permissible allow allows allowed allowing entitled entitles right free open consider want wish liable "
                          "prone optional welcome let lets");
}

bool xoe_is_function_word(const xoe_word *w)
{
    return xoe_word_in(w, "a an the this that these those it its he him his she her hers they them their theirs we us our you your i me my mine who "
                          "whom whose which what where when while whereas as at by for from in into of off on onto out over to up with within and or "
                          "but so yet if then than there here is are was were be been being am do does did done has have had having will would shall "
                          "should can could may might must because since although though however also too very just only both each every any some "
                          "such own same about after before until during through between under above against not no one ones itself himself herself "
                          "themselves");
}

const xoe_opposites xoe_opposite_pairs[] = {
    {"rise rises rose risen rising increas* grow grows grew grown growing climb* upward upwards raise raises raised raising multipl*",
     "fall falls fell fallen falling decreas* drop drops dropped declin* shrink* shrank shrunk downward downwards lower lowers lowered lowering "
     "reduc* diminish*"},
    {"more greater increasingly", "less fewer"},
    {"higher taller", "lower shorter"},
    {"faster quicker quickly fast rapidly", "slower slow slowly"},
    {"longer long lengthen*", "shorter short shorten*"},
    {"larger bigger big large", "smaller small little"},
    {"hot hotter warm warmer warms warmed", "cold colder cool cooler cools cooled"},
    {"heat heats heated heating", "cool cools cooled cooling"},
    {"above over", "below beneath underneath"},
    {"older oldest elder", "younger youngest newer newest new"},
    {"open opens opened opening", "close closes closed closing shut shuts"},
    {"on", "off"},
    {"start starts started begin begins began begun beginning", "end ends ended stop stops stopped finish finishes finished"},
    {"first", "last final"},
    {"earlier early sooner", "later late"},
    {"before", "after"},
    {"win wins won winning", "lose loses lost losing"},
    {"gain gains gained", "lose loses lost"},
    {"buy buys bought buying purchas*", "sell sells sold selling"},
    {"lend lends lent lending", "borrow borrows borrowed borrowing"},
    {"export exports exported", "import imports imported"},
    {"accept accepts accepted approv* agreed agree agrees", "reject rejects rejected refus* disapprov* disagree*"},
    {"allow allows allowed permit permits permitted legal legally may", "forbid forbids forbidden prohibit* ban bans banned illegal illegally"},
    {"succeed* success* worked", "fail fails failed failure"},
    {"add adds added adding", "remov* subtract* deduct*"},
    {"left leftmost", "right rightmost"},
    {"north northern", "south southern"},
    {"east eastern", "west western"},
    {"upper", "lower"},
    {"thick thicker", "thin thinner"},
    {"heavy heavier", "lighter lightweight"},
    {"strong stronger", "weak weaker"},
    {"cheap cheaper cheapest", "expensive dear costly"},
    {"better best", "worse worst"},
    {"most majority mostly", "few least minority hardly"},
    {"many lots numerous", "few"},
    {"always", "never"},
    {"usually often frequently mostly", "rarely seldom"},
    {"everyone everybody all", "nobody none"},
    {"near close nearby", "far distant"},
    {"inside indoors", "outside outdoors"},
    {"day daytime", "night nighttime"},
    {"summer", "winter"},
    {"spring", "autumn"},
    {"morning", "evening"},
    {"safe safely harmless", "dangerous harmful unsafe"},
    {"valid", "void invalid"},
    {"full", "empty"},
    {"maximum most", "minimum least"},
    {"enabled enable enables", "disabled disable disables"},
    {"love loves loved", "hate hates hated"},
    {"live lives lived survive* survived alive", "die dies died dead"},
    {"born birth", "died death"},
    {"built build builds", "destroy* demolish*"},
    {"arriv*", "depart*"},
    {"enter enters entered", "exit exits exited leave leaves"},
    {"credit credited", "charge charged debit debited"},
    {"debtor", "creditor"},
    {"protect protects protected", "harm harms harmed endanger*"},
    {"free", "paid"},
    {"trained", "untrained"},
    {"male man men boy", "female woman women girl"},
    {"brother son", "sister daughter"},
    {"wet damp", "dry drier driest"},
    {"soft softer", "hard harder firm firmer"},
    {"dark darker", "bright brighter"},
    {"simple easy easier", "complicated complex difficult"},
    {"true", "false"},
    {"positive", "negative"},
    {"halved half", "doubled double twice"},
    {"public", "private"},
    {"guilty", "innocent acquitted"},
    {"plaintiff", "defendant"},
};
const size_t xoe_n_opposite_pairs = COUNT(xoe_opposite_pairs);

const char *const xoe_degrees[] = {
    "all every each always everyone everybody whole entire",
    "most mostly usually majority",
    "some sometimes several",
    "must required oblig* needs have has due",
    "may might can could allowed permitted",
    "should ought recommended",
    "only merely solely except unless",
    "about around roughly approximately nearly almost some",
    "least",
};
const size_t xoe_n_degrees = COUNT(xoe_degrees);
