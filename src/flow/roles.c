/* Did two words change places? Each word that both texts have once is described by its neighbours: the other
 * such words, weighed by 1/distance in words with content and halved for each comma or full stop between. When
 * the neighbours of x in the rewrite are rather those of y in the source, and the other way round, the roles
 * of x and y were swapped: "The board sued the shareholder" for "The shareholder sued the board". A rewrite
 * that orders the sentence anew shows a little of it too, so this is weighed, not a veto. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "flow/meaning.h"

enum { PLACES_MAX = 160 }; /* words with content that are looked at; the pairs are looked at squared and cubed */

struct place {
    const xoe_word *w;
    int clause;
};

struct text {
    struct place p[PLACES_MAX];
    int n;
};

static void places_of(const xoe_words *w, struct text *out)
{
    int clause = 0;
    const char *last = NULL;
    out->n = 0;
    for (size_t i = 0; i < w->n && out->n < PLACES_MAX; i++) {
        const xoe_word *x = &w->w[i];
        for (const char *c = last; c && c < x->s; c++)
            clause += strchr(",;:.!?", *c) != NULL;
        last = x->s + x->n;
        if (!xoe_is_function_word(x)) out->p[out->n++] = (struct place){x, clause};
    }
}

/* The one place of what is akin to x; −1: none, or more than one. */
static int place_of(const struct text *t, const xoe_word *x)
{
    int at = -1;
    for (int i = 0; i < t->n; i++) {
        if (!xoe_word_same(t->p[i].w, x) && !xoe_word_akin(t->p[i].w, x)) continue;
        if (at >= 0) return -1;
        at = i;
    }
    return at;
}

static double nearness(const struct text *t, int a, int b)
{
    return ldexp(1.0 / abs(a - b), -abs(t->p[a].clause - t->p[b].clause));
}

double xoe_roles_swapped(const xoe_words *source, const xoe_words *rewrite)
{
    struct text *t = xoe_malloc(2 * sizeof *t), *s = t, *r = t ? t + 1 : NULL;
    int in_s[PLACES_MAX], in_r[PLACES_MAX], n = 0;
    double most = 0;
    if (!t) return 0;
    places_of(source, s);
    places_of(rewrite, r);
    for (int i = 0; i < s->n; i++) {
        int j = place_of(r, s->p[i].w);
        if (j < 0 || place_of(s, s->p[i].w) != i || place_of(r, r->p[j].w) != j) continue;
        in_s[n] = i;
        in_r[n++] = j;
    }
    for (int x = 0; x < n; x++)
        for (int y = 0; y < x; y++) {
            double straight = 0, swapped = 0;
            for (int z = 0; z < n; z++) {
                if (z == x || z == y || in_r[z] == in_r[x] || in_r[z] == in_r[y]) continue;
                double a = nearness(s, in_s[x], in_s[z]), b = nearness(s, in_s[y], in_s[z]);
                double c = nearness(r, in_r[x], in_r[z]), d = nearness(r, in_r[y], in_r[z]);
                straight += fmin(a, c) + fmin(b, d);
                swapped += fmin(a, d) + fmin(b, c);
            }
            most = fmax(most, swapped - straight);
        }
    xoe_free(t);
    return most;
}
