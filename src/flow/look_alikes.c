/* Which words are Latin ones in disguise.
 *
 * A word that holds a Latin letter is: no language mixes scripts inside a word. A word of look-alikes alone ("а", "сор") may be
 * Russian or an English one in disguise; it takes after its neighbours. It is changed when the nearest words that can be told, on both
 * sides, are Latin (the text's edge does not count) and no word that is surely of its script stands within REACH words, so
 * that text in two languages stays as it is. A Greek letter that stands alone stays: it is a symbol.
 * What is lost: an isolated Russian word of look-alikes alone inside English text is changed; a detector then misses a token.
 * Thread: pure functions. */
#include "flow/look_alikes.h"

#include <unictype.h>

#include "base/mem.h"

enum { REACH = 16 };

/* A subset of Unicode's confusables (TR 39). */
static const struct {
    ucs4_t from;
    char to;
} look_alikes[] = {
    {0x391, 'A'}, {0x392, 'B'}, {0x395, 'E'}, {0x396, 'Z'}, {0x397, 'H'}, {0x399, 'I'}, {0x39A, 'K'}, {0x39C, 'M'}, {0x39D, 'N'},
    {0x39F, 'O'}, {0x3A1, 'P'}, {0x3A4, 'T'}, {0x3A5, 'Y'}, {0x3A7, 'X'}, {0x3B1, 'a'}, {0x3B9, 'i'}, {0x3BD, 'v'}, {0x3BF, 'o'},
    {0x3C1, 'p'}, {0x3C5, 'u'}, {0x3F2, 'c'}, {0x405, 'S'}, {0x406, 'I'}, {0x408, 'J'}, {0x410, 'A'}, {0x412, 'B'}, {0x415, 'E'},
    {0x41A, 'K'}, {0x41C, 'M'}, {0x41D, 'H'}, {0x41E, 'O'}, {0x420, 'P'}, {0x421, 'C'}, {0x422, 'T'}, {0x423, 'Y'}, {0x425, 'X'},
    {0x430, 'a'}, {0x435, 'e'}, {0x43E, 'o'}, {0x440, 'p'}, {0x441, 'c'}, {0x443, 'y'}, {0x445, 'x'}, {0x455, 's'}, {0x456, 'i'},
    {0x458, 'j'}, {0x4BB, 'h'}, {0x501, 'd'}, {0x51B, 'q'}, {0x51D, 'w'}, {0x131, 'i'}, {0x261, 'g'},
};

static char look_alike(ucs4_t c)
{
    if (c < 0x131 || c > 0x51D) return 0;
    for (size_t i = 0; i < sizeof look_alikes / sizeof look_alikes[0]; i++)
        if (look_alikes[i].from == c) return look_alikes[i].to;
    return 0;
}

static bool is_ascii_letter(ucs4_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool xoe_is_latin(ucs4_t c)
{
    return is_ascii_letter(c) || (c >= 0xC0 && c <= 0x24F);
}

bool xoe_is_joiner(ucs4_t c)
{
    return c == 0x200C || c == 0x200D;
}

static bool is_greek(ucs4_t c)
{
    return c >= 0x370 && c <= 0x3FF;
}

static bool is_cyrillic(ucs4_t c)
{
    return c >= 0x400 && c <= 0x52F;
}

/* What a word is, by its letters. */
enum kind {
    LATIN,     /* has a letter of ASCII: look-alikes in it are changed */
    LATIN_TOO, /* accented letters only */
    GREEK,     /* has a letter that is Greek and no look-alike */
    CYRILLIC,
    OTHER,
    LIKE_GREEK, /* look-alikes alone */
    LIKE_CYRILLIC,
};

struct word {
    size_t first, end;
    enum kind kind;
};

static bool is_letter(ucs4_t c)
{
    return uc_is_general_category(c, UC_CATEGORY_L);
}

static bool goes_on(ucs4_t c)
{
    return is_letter(c) || xoe_is_joiner(c) || uc_combining_class(c) != 0;
}

static enum kind kind_of(const xoe_codepoint *p, size_t n)
{
    size_t letters = 0, latin = 0, greek = 0, cyrillic = 0, like_greek = 0, like_cyrillic = 0;
    for (size_t i = 0; i < n; i++) {
        ucs4_t c = p[i].c;
        if (is_ascii_letter(c)) return LATIN;
        if (!is_letter(c)) continue;
        letters++;
        latin += xoe_is_latin(c);
        greek += is_greek(c);
        cyrillic += is_cyrillic(c);
        like_greek += is_greek(c) && look_alike(c);
        like_cyrillic += is_cyrillic(c) && look_alike(c);
    }
    if (latin == letters) return LATIN_TOO;
    if (like_greek + like_cyrillic == letters) {
        if (like_cyrillic) return LIKE_CYRILLIC;
        return letters > 1 ? LIKE_GREEK : GREEK;
    }
    return cyrillic > like_cyrillic ? CYRILLIC : greek > like_greek ? GREEK : OTHER;
}

/* Words of a text; counted only when out is NULL. */
static size_t split(const xoe_codepoint *p, size_t n, struct word *out)
{
    size_t count = 0;
    for (size_t i = 0; i < n;) {
        size_t end = i + 1;
        if (!is_letter(p[i].c)) {
            i++;
            continue;
        }
        while (end < n && goes_on(p[end].c))
            end++;
        if (out) out[count] = (struct word){i, end, kind_of(p + i, end - i)};
        count++;
        i = end;
    }
    return count;
}

static bool is_like(enum kind k)
{
    return k == LIKE_GREEK || k == LIKE_CYRILLIC;
}

/* Looking one way along the words: what was last told apart, and how far off each script was. */
struct seen {
    enum kind told;
    bool any;
    size_t since_greek, since_cyrillic;
};

static void see(struct seen *s, enum kind k)
{
    s->since_greek = k == GREEK ? 0 : s->since_greek + 1;
    s->since_cyrillic = k == CYRILLIC ? 0 : s->since_cyrillic + 1;
    if (is_like(k)) return;
    s->told = k;
    s->any = true;
}

/* Does what is seen on one side let a word of this kind be Latin? */
static bool lets(const struct seen *s, enum kind k)
{
    size_t since = k == LIKE_GREEK ? s->since_greek : s->since_cyrillic;
    return since >= REACH && (!s->any || s->told == LATIN || s->told == LATIN_TOO);
}

static void change(xoe_codepoint *p, const struct word *w)
{
    for (size_t i = w->first; i < w->end; i++) {
        char to = look_alike(p[i].c);
        if (to) p[i].c = (ucs4_t)to;
    }
}

xoe_err xoe_look_alikes_undo(xoe_codepoint *p, size_t n, xoe_error *e)
{
    static const struct seen nothing = {OTHER, false, REACH, REACH};
    size_t count = split(p, n, NULL);
    struct word *words = xoe_malloc(count * sizeof *words);
    unsigned char *before = xoe_calloc(count, 1); /* what stands before lets the word be Latin: 1; and some Latin word is there: 2 */
    if (!words || !before) {
        xoe_free(words);
        xoe_free(before);
        return xoe_error_set(e, XOE_ENOMEM, "no memory for %zu words", count);
    }
    split(p, n, words);
    struct seen s = nothing;
    for (size_t i = 0; i < count; i++) {
        if (is_like(words[i].kind) && lets(&s, words[i].kind)) before[i] = s.any ? 3 : 1;
        see(&s, words[i].kind);
    }
    s = nothing;
    for (size_t i = count; i-- > 0;) {
        enum kind k = words[i].kind;
        if (k == LATIN || (before[i] && lets(&s, k) && (s.any || before[i] > 1))) change(p, &words[i]);
        see(&s, k);
    }
    xoe_free(words);
    xoe_free(before);
    return XOE_OK;
}
