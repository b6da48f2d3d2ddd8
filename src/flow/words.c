/* Words are runs of letters and digits. Letters outside ASCII are all bytes from 0x80, but for the dashes,
 * quotation marks and other punctuation of U+2010 … U+203F. A full stop after a title or an initial ends no
 * sentence, so that the name which follows is seen as one. */
#include "flow/words.h"

#include <ctype.h>
#include <string.h>

static bool is_letter(unsigned char c)
{
    return isalnum(c) || c >= 0x80 || c == '\'';
}

static bool is_punctuation(const char *s, size_t n)
{
    return n >= 3 && (unsigned char)s[0] == 0xe2 && (unsigned char)s[1] == 0x80; /* U+2010 … U+203F */
}

/* U+2019 between letters is an apostrophe: "doesn’t". */
static bool is_apostrophe(const char *s, size_t n)
{
    return n >= 4 && !memcmp(s, "\xe2\x80\x99", 3) && isalpha((unsigned char)s[3]);
}

static bool ends_sentence(char mark, const xoe_words *w)
{
    if (!strchr(".!?:\n", mark)) return false;
    if (mark != '.' || w->n == 0) return true;
    const xoe_word *last = &w->w[w->n - 1];
    return !(last->n == 1 && isupper((unsigned char)*last->s)) && !xoe_word_in(last, "mr mrs ms dr prof st no nr vs fig");
}

void xoe_words_split(const char *s, size_t n, xoe_words *out)
{
    bool first = true;
    out->n = 0;
    for (size_t i = 0; i < n && out->n < XOE_WORDS_MAX;) {
        if (is_punctuation(s + i, n - i)) {
            i += 3;
            continue;
        }
        if (!is_letter((unsigned char)s[i]) || s[i] == '\'') {
            if (ends_sentence(s[i], out)) first = true;
            i++;
            continue;
        }
        size_t at = i;
        bool digits = isdigit((unsigned char)s[i]) != 0;
        for (;; i++) {
            if (i < n && is_apostrophe(s + i, n - i))
                i += 2;
            else if (i >= n || is_punctuation(s + i, n - i) ||
                     !(is_letter((unsigned char)s[i]) ||
                       (digits && (s[i] == '.' || s[i] == ',') && i + 1 < n && isdigit((unsigned char)s[i + 1]))))
                break;
        }
        while (i > at + 1 && s[i - 1] == '\'')
            i--;
        out->w[out->n++] = (xoe_word){s + at, i - at, first};
        first = false;
    }
}

bool xoe_word_is(const xoe_word *w, const char *s, size_t n)
{
    return w->n == n && !strncasecmp(w->s, s, n);
}

bool xoe_word_same(const xoe_word *a, const xoe_word *b)
{
    return xoe_word_is(a, b->s, b->n);
}

bool xoe_words_have(const xoe_words *w, const xoe_word *x)
{
    for (size_t i = 0; i < w->n; i++)
        if (xoe_word_same(&w->w[i], x)) return true;
    return false;
}

bool xoe_word_in(const xoe_word *w, const char *list)
{
    while (*list) {
        size_t n = strcspn(list, " ");
        bool open = n > 1 && list[n - 1] == '*';
        size_t m = open ? n - 1 : n;
        if ((open ? w->n >= m : w->n == m) && !strncasecmp(w->s, list, m)) return true;
        list += n;
        list += *list == ' ';
    }
    return false;
}

bool xoe_word_akin(const xoe_word *a, const xoe_word *b)
{
    size_t n = a->n < b->n ? a->n : b->n, longer = a->n < b->n ? b->n : a->n, same = 0;
    while (same < n && tolower((unsigned char)a->s[same]) == tolower((unsigned char)b->s[same]))
        same++;
    return (same == n && n >= 3 && longer - n <= 2) || (same >= 5 && same + 3 >= longer);
}
