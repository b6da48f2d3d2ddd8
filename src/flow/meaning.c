/* Words are runs of letters and digits, compared in lower case for ASCII. Each check looks for one kind of
 * damage that small paraphrasers do and a cosine does not see: numbers and their units, names, negation,
 * quotations. They err on the side of refusing: a refused chunk stays as it was. */
#include "flow/meaning.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

enum { WORDS_MAX = 2048, WORD_BYTES = 40 };

struct word {
    const char *s;
    size_t n;
    bool first; /* of a sentence */
};

struct words {
    struct word w[WORDS_MAX];
    size_t n;
};

static bool is_word(unsigned char c)
{
    return isalnum(c) || c >= 0x80 || c == '\'';
}

static bool is_quote_or_dash(const char *s, size_t n)
{
    return n >= 3 && (unsigned char)s[0] == 0xe2 && (unsigned char)s[1] == 0x80; /* U+2010 … U+203F */
}

static void split(const char *s, size_t n, struct words *out)
{
    bool first = true;
    out->n = 0;
    for (size_t i = 0; i < n && out->n < WORDS_MAX;) {
        if (is_quote_or_dash(s + i, n - i)) {
            i += 3;
            continue;
        }
        if (!is_word((unsigned char)s[i]) || s[i] == '\'') {
            if (strchr(".!?:\n", s[i])) first = true;
            i++;
            continue;
        }
        size_t at = i;
        bool digits = isdigit((unsigned char)s[i]) != 0;
        while (i < n && ((is_word((unsigned char)s[i]) && !is_quote_or_dash(s + i, n - i)) ||
                         (digits && (s[i] == '.' || s[i] == ',') && i + 1 < n && isdigit((unsigned char)s[i + 1]))))
            i++;
        while (i > at + 1 && s[i - 1] == '\'')
            i--;
        out->w[out->n++] = (struct word){s + at, i - at, first};
        first = false;
    }
}

static bool same(const struct word *a, const char *s, size_t n)
{
    return a->n == n && !strncasecmp(a->s, s, n);
}

static bool has_word(const struct words *w, const struct word *x)
{
    for (size_t i = 0; i < w->n; i++)
        if (same(&w->w[i], x->s, x->n)) return true;
    return false;
}

/* ---- numbers and units ---- */

static const char *const units[][5] = {
    {"%", "percent", "per"}, {"km", "kilometre", "kilometres", "kilometer", "kilometers"}, {"m", "metre", "metres", "meter", "meters"},
    {"cm", "centimetres", "centimeters"}, {"mm", "millimetres", "millimeters"}, {"mile", "miles"}, {"foot", "feet", "ft"}, {"inch", "inches"},
    {"kg", "kilogram", "kilograms", "kilos"}, {"g", "gram", "grams"}, {"mg", "milligram", "milligrams"}, {"t", "tonne", "tonnes", "ton", "tons"},
    {"pound", "pounds", "lb"}, {"l", "litre", "litres", "liter", "liters"}, {"ml", "millilitres", "milliliters"}, {"s", "second", "seconds"},
    {"ms", "millisecond", "milliseconds"}, {"minute", "minutes", "min"}, {"hour", "hours", "h"}, {"day", "days"}, {"week", "weeks"},
    {"month", "months"}, {"year", "years"}, {"decade", "decades"}, {"century", "centuries"}, {"euro", "euros"}, {"dollar", "dollars"},
    {"million"}, {"billion"}, {"thousand"}, {"trillion"}, {"w", "watt", "watts"}, {"kw", "kilowatt", "kilowatts"}, {"mw", "megawatt", "megawatts"},
    {"gb", "gigabyte", "gigabytes"}, {"mb", "megabyte", "megabytes"}, {"kb", "kilobyte", "kilobytes"}, {"celsius", "c"}, {"fahrenheit", "f"},
    {"degree", "degrees"}, {"volt", "volts", "v"}, {"hz", "hertz"}, {"people", "persons"}, {"am"}, {"pm"},
};

static int unit_of(const struct word *w)
{
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        for (size_t k = 0; k < 5 && units[i][k]; k++)
            if (same(w, units[i][k], strlen(units[i][k]))) return (int)i;
    return -1;
}

struct number {
    char digits[WORD_BYTES];
    int unit;
    bool used;
};

static size_t numbers_of(const struct words *w, struct number *out, size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; i < w->n && n < cap; i++) {
        if (!isdigit((unsigned char)w->w[i].s[0])) continue;
        size_t k = 0, j = 0;
        for (; j < w->w[i].n && k + 1 < WORD_BYTES; j++) {
            char c = w->w[i].s[j];
            if (isdigit((unsigned char)c) || c == '.') out[n].digits[k++] = c;
            if (isalpha((unsigned char)c)) break;
        }
        out[n].digits[k] = 0;
        out[n].used = false;
        struct word glued = {w->w[i].s + j, w->w[i].n - j, false};
        if (glued.n)
            out[n].unit = unit_of(&glued);
        else if (w->w[i].s[w->w[i].n] == '%')
            out[n].unit = 0;
        else
            out[n].unit = i + 1 < w->n ? unit_of(&w->w[i + 1]) : -1;
        n++;
    }
    return n;
}

static const char *check_numbers(const struct words *a, const struct words *b)
{
    struct number x[128], y[128];
    size_t n = numbers_of(a, x, 128), m = numbers_of(b, y, 128);
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (k < m && (y[k].used || strcmp(x[i].digits, y[k].digits)))
            k++;
        if (k == m) return "a number is missing";
        if (x[i].unit != y[k].unit && x[i].unit >= 0 && y[k].unit >= 0) return "a unit changed";
        y[k].used = true;
    }
    for (size_t k = 0; k < m; k++)
        if (!y[k].used) return "a number was added";
    return "";
}

/* ---- names, negation, script ---- */

static bool looks_like_name(const struct word *w)
{
    return !w->first && w->n > 1 && isupper((unsigned char)w->s[0]) && strncmp(w->s, "I'", 2);
}

static bool same_stem(const struct word *a, const struct word *b) /* possessive and plural */
{
    size_t n = a->n < b->n ? a->n : b->n, longer = a->n > b->n ? a->n : b->n;
    return longer - n <= 2 && n >= 3 && !strncasecmp(a->s, b->s, n);
}

static bool has_name(const struct words *w, const struct word *x)
{
    if (has_word(w, x)) return true;
    for (size_t i = 0; i < w->n; i++)
        if (same_stem(&w->w[i], x)) return true;
    return false;
}

static const char *check_names(const struct words *a, const struct words *b)
{
    for (size_t i = 0; i < a->n; i++)
        if (looks_like_name(&a->w[i]) && !has_name(b, &a->w[i])) return "a name is missing";
    for (size_t i = 0; i < b->n; i++)
        if (looks_like_name(&b->w[i]) && !has_name(a, &b->w[i])) return "a name was added";
    return "";
}

static size_t negations(const struct words *w)
{
    static const char *const words[] = {"not", "no", "never", "none", "nobody", "nothing", "neither", "nor", "without", "cannot", "hardly", "nicht",
                                        "kein", "keine", "nie", "ohne", "pas", "jamais", "sans", "nunca", "sin", "unable", "impossible", "fails", "failed", "lacks", "lacked", "refused", "refuses", "denied", "unlikely", "unless", "except"};
    size_t n = 0;
    for (size_t i = 0; i < w->n; i++) {
        bool hit = w->w[i].n > 3 && !strncasecmp(w->w[i].s + w->w[i].n - 3, "n't", 3);
        for (size_t k = 0; k < sizeof words / sizeof words[0] && !hit; k++)
            hit = same(&w->w[i], words[k], strlen(words[k]));
        n += hit;
    }
    return n;
}

static double foreign_share(const char *s, size_t n)
{
    size_t letters = 0, other = 0;
    for (size_t i = 0; i < n; i++) {
        letters += isalpha((unsigned char)s[i]) != 0;
        other += (unsigned char)s[i] >= 0xc3 && (unsigned char)s[i] != 0xe2; /* lead bytes; not punctuation */
    }
    return letters + other ? (double)other / (double)(letters + other) : 0;
}

/* ---- quotations, code, addresses ---- */

static bool contains(const char *hay, size_t n, const char *s, size_t m)
{
    return xoe_mem_find(hay, n, s, m) != SIZE_MAX;
}

static const char *check_verbatim(const char *a, size_t n, const char *b, size_t m)
{
    for (size_t i = 0; i < n; i++) {
        size_t end = i;
        if (a[i] == '"' || a[i] == '`') {
            end = i + 1;
            while (end < n && a[end] != a[i] && a[end] != '\n')
                end++;
            if (end >= n || a[end] != a[i]) continue;
            if (!contains(b, m, a + i + 1, end - i - 1)) return a[i] == '`' ? "code changed" : "a quotation changed";
            i = end;
        } else if (n - i > 8 && (!strncmp(a + i, "http://", 7) || !strncmp(a + i, "https://", 8))) {
            while (end < n && !isspace((unsigned char)a[end]) && !strchr(")>]\"'", a[end]))
                end++;
            while (end > i && strchr(".,;", a[end - 1]))
                end--;
            if (!contains(b, m, a + i, end - i)) return "an address changed";
            i = end;
        }
    }
    return "";
}

const char *xoe_meaning_words(const char *source, size_t n, const char *rewrite, size_t m)
{
    struct words *a = xoe_malloc(2 * sizeof *a), *b = a ? a + 1 : NULL;
    const char *why = "";
    if (!a) return "no memory to check";
    split(source, n, a);
    split(rewrite, m, b);
    double ratio = n ? (double)m / (double)n : 0;
    if (b->n == 0)
        why = "the rewrite is empty";
    else if (ratio < 0.5)
        why = "the rewrite is too short";
    else if (ratio > 1.8)
        why = "the rewrite is too long";
    else if (fabs(foreign_share(source, n) - foreign_share(rewrite, m)) > 0.3)
        why = "the language changed";
    if (!*why) why = check_numbers(a, b);
    if (!*why) why = check_names(a, b);
    if (!*why && (negations(a) > 0) != (negations(b) > 0)) why = "a negation changed";
    if (!*why) why = check_verbatim(source, n, rewrite, m);
    xoe_free(a);
    return why;
}

double xoe_copied_share(const char *source, size_t n, const char *rewrite, size_t m)
{
    struct words *a = xoe_malloc(2 * sizeof *a), *b = a ? a + 1 : NULL;
    size_t copied = 0, total = 0;
    if (!a) return 0;
    split(source, n, a);
    split(rewrite, m, b);
    for (size_t i = 0; i + 2 < a->n; i++, total++)
        for (size_t k = 0; k + 2 < b->n; k++)
            if (same(&a->w[i], b->w[k].s, b->w[k].n) && same(&a->w[i + 1], b->w[k + 1].s, b->w[k + 1].n) &&
                same(&a->w[i + 2], b->w[k + 2].s, b->w[k + 2].n)) {
                copied++;
                break;
            }
    xoe_free(a);
    return total ? (double)copied / (double)total : 0;
}

xoe_err xoe_meaning_cosine(xoe_engine *embedder, const char *a, size_t n_a, const char *b, size_t n_b, xoe_priority priority, double *out, xoe_error *e)
{
    xoe_engine_info info;
    int32_t *t[2] = {NULL, NULL}, *all = NULL;
    size_t len[2];
    float *v = NULL;
    double dot = 0;
    *out = NAN;
    xoe_engine_get_info(embedder, &info);
    xoe_err rc = xoe_engine_tokenize(embedder, a, n_a, true, false, &t[0], &len[0], e);
    if (rc == XOE_OK) rc = xoe_engine_tokenize(embedder, b, n_b, true, false, &t[1], &len[1], e);
    if (rc != XOE_OK) goto out;
    for (int i = 0; i < 2; i++)
        if (len[i] > (size_t)info.n_ctx_slot) len[i] = (size_t)info.n_ctx_slot;
    all = xoe_malloc((len[0] + len[1]) * sizeof *all);
    v = xoe_malloc(2 * (size_t)info.n_embd * sizeof *v);
    if (!all || !v) {
        rc = xoe_error_set(e, XOE_ENOMEM, "no memory to compare two texts");
        goto out;
    }
    memcpy(all, t[0], len[0] * sizeof *all);
    memcpy(all + len[0], t[1], len[1] * sizeof *all);
    rc = xoe_engine_embed(embedder, all, len, 2, priority, v, e);
    for (int i = 0; rc == XOE_OK && i < info.n_embd; i++)
        dot += (double)v[i] * (double)v[info.n_embd + i];
    if (rc == XOE_OK) *out = dot;
out:
    xoe_tokens_free(t[0]);
    xoe_tokens_free(t[1]);
    xoe_free(all);
    xoe_free(v);
    return rc;
}
