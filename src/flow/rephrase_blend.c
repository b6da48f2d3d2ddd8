/* Words are runs of bytes that are not white space, equal when all their bytes are. The longest common subsequence of both texts'
 * words aligns them; what lies between common words is an edit. One that only adds or only drops words takes the common
 * word before it (or after) with it, so that every edit replaces something by something. Two edits of different rewrites may stand together
 * only with a word between them. */
#include "flow/rephrase_blend.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"

enum { WORTHS_MAX = 3000 };

static bool blank(char c)
{
    return isspace((unsigned char)c);
}

/* Returns how many words there are; more than max: too many. */
static size_t split(const char *s, size_t n, xoe_blend_word *w, size_t max)
{
    size_t n_words = 0, i = 0;
    for (;;) {
        while (i < n && blank(s[i]))
            i++;
        if (i == n) return n_words;
        if (n_words == max) return max + 1;
        w[n_words].first = i;
        while (i < n && !blank(s[i]))
            i++;
        w[n_words++].end = i;
    }
}

void xoe_blend_init(xoe_blend *b, const char *source, size_t n)
{
    *b = (xoe_blend){.source = source, .n_source = n};
    size_t n_words = split(source, n, b->words, XOE_BLEND_WORDS_MAX);
    b->n_words = n_words <= XOE_BLEND_WORDS_MAX ? n_words : 0;
}

static bool same_word(const xoe_blend *b, size_t i, const char *s, xoe_blend_word w)
{
    size_t n = b->words[i].end - b->words[i].first;
    return n == w.end - w.first && !memcmp(b->source + b->words[i].first, s + w.first, n);
}

/* A stretch of both texts' words that is not common to them. */
struct gap {
    size_t first, end, r_first, r_end;
};

/* Gaps of the alignment, in order; returns their number, *common: words that are not in them, 0 also without memory. */
static size_t align(const xoe_blend *b, const char *s, const xoe_blend_word *w, size_t m, struct gap *gaps, size_t *common)
{
    unsigned short(*longest)[XOE_BLEND_WORDS_MAX + 1] = xoe_malloc((b->n_words + 1) * sizeof *longest); /* of the words from i, j on */
    size_t n = b->n_words, n_gaps = 0, i = 0, j = 0;
    *common = 0;
    if (!longest) return 0;
    for (size_t k = 0; k <= n; k++)
        longest[k][m] = 0;
    for (size_t k = 0; k <= m; k++)
        longest[n][k] = 0;
    for (size_t p = n; p-- > 0;)
        for (size_t q = m; q-- > 0;)
            longest[p][q] = same_word(b, p, s, w[q]) ? (unsigned short)(longest[p + 1][q + 1] + 1)
                                                     : longest[p + 1][q] > longest[p][q + 1] ? longest[p + 1][q] : longest[p][q + 1];
    *common = longest[0][0];
    while (i < n || j < m) {
        struct gap g = {i, i, j, j};
        while (g.end < n || g.r_end < m) {
            if (g.end < n && g.r_end < m && same_word(b, g.end, s, w[g.r_end])) break;
            if (g.r_end == m || (g.end < n && longest[g.end + 1][g.r_end] >= longest[g.end][g.r_end + 1]))
                g.end++;
            else
                g.r_end++;
        }
        if (g.end > g.first || g.r_end > g.r_first) gaps[n_gaps++] = g;
        i = g.end;
        j = g.r_end;
        while (i < n && j < m && same_word(b, i, s, w[j]))
            i++, j++;
    }
    xoe_free(longest);
    return n_gaps;
}

/* Let no side of a gap be empty; gaps that come to touch become one. Returns how many are left. */
static size_t fill(struct gap *g, size_t n_gaps, size_t n, size_t m)
{
    size_t kept = 0;
    for (size_t i = 0; i < n_gaps; i++) {
        struct gap x = g[i];
        if (x.first == x.end || x.r_first == x.r_end) {
            if (x.first > 0 && x.r_first > 0)
                x.first--, x.r_first--;
            else if (x.end < n && x.r_end < m)
                x.end++, x.r_end++;
        }
        if (kept && x.first <= g[kept - 1].end) {
            g[kept - 1].end = x.end;
            g[kept - 1].r_end = x.r_end;
        } else {
            g[kept++] = x;
        }
    }
    return kept;
}

static size_t place_of(xoe_blend *b, const xoe_blend_edit *x)
{
    for (size_t i = 0; i < b->n_edits; i++)
        if (b->edits[i].first == x->first && b->edits[i].end == x->end && b->edits[i].n == x->n && !memcmp(b->edits[i].text, x->text, x->n)) return i;
    if (b->n_edits < XOE_BLEND_EDITS_MAX) b->edits[b->n_edits++] = *x;
    else return XOE_BLEND_EDITS_MAX;
    return b->n_edits - 1;
}

bool xoe_blend_add(xoe_blend *b, const char *rewrite, size_t m, xoe_blend_choice *choice)
{
    xoe_blend_word w[XOE_BLEND_WORDS_MAX];
    struct gap gaps[XOE_BLEND_WORDS_MAX + 1];
    size_t common, n_words = split(rewrite, m, w, XOE_BLEND_WORDS_MAX), before = b->n_edits;
    *choice = (xoe_blend_choice){0};
    if (!b->n_words || !n_words || n_words > XOE_BLEND_WORDS_MAX) return false;
    size_t n_gaps = align(b, rewrite, w, n_words, gaps, &common);
    if (2 * common < (b->n_words > n_words ? b->n_words : n_words)) return false;
    n_gaps = fill(gaps, n_gaps, b->n_words, n_words);
    for (size_t i = 0; i < n_gaps; i++) {
        struct gap g = gaps[i];
        bool whole = g.first < g.end && g.r_first < g.r_end;
        xoe_blend_edit x = {0};
        if (whole) x = (xoe_blend_edit){g.first, g.end, rewrite + w[g.r_first].first, w[g.r_end - 1].end - w[g.r_first].first};
        size_t at = whole ? place_of(b, &x) : XOE_BLEND_EDITS_MAX;
        if (at == XOE_BLEND_EDITS_MAX) {
            b->n_edits = before;
            return false;
        }
        choice->on[at] = true;
    }
    return true;
}

int xoe_blend_write(const xoe_blend *b, const xoe_blend_choice *choice, xoe_buf *out)
{
    size_t at = 0;
    xoe_buf_reset(out);
    while (at < b->n_source) {
        const xoe_blend_edit *next = NULL;
        for (size_t i = 0; i < b->n_edits; i++)
            if (choice->on[i] && b->words[b->edits[i].first].first >= at && (!next || b->edits[i].first < next->first)) next = &b->edits[i];
        size_t to = next ? b->words[next->first].first : b->n_source;
        xoe_buf_add(out, b->source + at, to - at);
        if (next) xoe_buf_add(out, next->text, next->n);
        at = next ? b->words[next->end - 1].end : to;
    }
    return out->failed ? -1 : 0;
}

void xoe_blend_turn(const xoe_blend *b, xoe_blend_choice *c, size_t i)
{
    const xoe_blend_edit *x = &b->edits[i];
    for (size_t k = 0; k < b->n_edits && !c->on[i]; k++)
        if (b->edits[k].first <= x->end && x->first <= b->edits[k].end) c->on[k] = false;
    c->on[i] = !c->on[i];
}

double xoe_blend_climb(const xoe_blend *b, xoe_blend_choice *choice, double (*worth)(const char *text, size_t n, void *ud), void *ud, xoe_buf *out)
{
    int left = WORTHS_MAX;
    if (xoe_blend_write(b, choice, out)) return -INFINITY;
    double best = worth(xoe_buf_cstr(out), out->len, ud);
    for (bool better = true; better;) {
        xoe_blend_choice from = *choice;
        better = false;
        for (size_t i = 0; i < b->n_edits && left > 0; i++, left--) {
            xoe_blend_choice next = from;
            xoe_blend_turn(b, &next, i);
            if (xoe_blend_write(b, &next, out)) return -INFINITY;
            double w = worth(xoe_buf_cstr(out), out->len, ud);
            if (!(w > best)) continue;
            best = w;
            *choice = next;
            better = true;
        }
    }
    return xoe_blend_write(b, choice, out) ? -INFINITY : best;
}
