/* Edits are tried by what they gain after those that are on; contexts of the mark overlap, so gains are measured anew after each step. */
#include "flow/rephrase_search.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define LEAST 0.5 /* score: a reading is not worth less */

void xoe_search_init(xoe_search *s, const char *source, size_t n)
{
    *s = (xoe_search){0};
    xoe_blend_init(&s->blend, source, n);
}

void xoe_search_clear(xoe_search *s)
{
    while (s->n_tries)
        xoe_free(s->texts[--s->n_tries]);
}

bool xoe_search_add(xoe_search *s, const char *text, size_t n)
{
    if (s->n_tries == XOE_SEARCH_TRIES_MAX) return false;
    char *copy = xoe_strndup(text, n);
    if (!copy || !xoe_blend_add(&s->blend, copy, n, &s->tries[s->n_tries])) {
        xoe_free(copy);
        return false;
    }
    s->texts[s->n_tries++] = copy;
    return true;
}

bool xoe_search_start(xoe_search *s, const char *text, size_t n, double gain)
{
    size_t before = s->blend.n_edits;
    xoe_blend_choice choice;
    bool known = xoe_blend_add(&s->blend, text, n, &choice) && s->blend.n_edits == before;
    s->blend.n_edits = before; /* an edit that is new borrows this text: it is not ours */
    if (!known) {
        if (!xoe_search_add(s, text, n)) return false;
        choice = s->tries[s->n_tries - 1];
    }
    s->at = choice;
    s->gain = gain;
    return true;
}

static bool refused(const xoe_search *s, const xoe_blend_choice *c)
{
    for (int i = 0; i < s->n_refused; i++)
        if (!memcmp(&s->refused[i], c, sizeof *c)) return true;
    return false;
}

struct look {
    double (*worth)(const char *text, size_t n, void *ud);
    void *ud;
    xoe_buf *text;
};

static double gain_of(const xoe_search *s, const xoe_blend_choice *c, const struct look *l)
{
    return xoe_blend_write(&s->blend, c, l->text) ? -INFINITY : l->worth(xoe_buf_cstr(l->text), l->text->len, l->ud);
}

/* The edit that gains most when it is turned, of those in `of` (NULL: any); its gain, or -INFINITY. */
static double best_turn(const xoe_search *s, const xoe_blend_choice *from, const xoe_blend_choice *of, const struct look *l, size_t *edit, xoe_blend_choice *to)
{
    double most = -INFINITY;
    for (size_t i = 0; i < s->blend.n_edits; i++) {
        xoe_blend_choice next = *from;
        if (s->dead[i] || (of && !(of->on[i] && !from->on[i]))) continue;
        xoe_blend_turn(&s->blend, &next, i);
        double gain = gain_of(s, &next, l);
        if (gain > most) most = gain, *edit = i, *to = next;
    }
    return most;
}

/* All that one try adds, where that is more than two edits. */
static bool offer_try(xoe_search *s, const xoe_blend_choice *of, const struct look *l)
{
    xoe_blend_choice now = s->at, next;
    double gain = s->gain, g;
    size_t edit;
    int n = 0;
    while ((g = best_turn(s, &now, of, l, &edit, &next)) > gain + LEAST) {
        now = next;
        gain = g;
        n++;
    }
    if (n < 3 || refused(s, &now)) return false;
    s->step = now;
    s->step_gain = gain;
    s->turned = XOE_BLEND_EDITS_MAX;
    s->pair = false;
    return true;
}

static bool offer_turns(xoe_search *s, const struct look *l)
{
    xoe_blend_choice one, two;
    size_t first, second;
    double gain = best_turn(s, &s->at, NULL, l, &first, &one), more;
    if (!(gain > s->gain + LEAST)) return false;
    s->step = one;
    s->step_gain = gain;
    s->turned = first;
    s->pair = false;
    if (s->single) return true;
    more = best_turn(s, &one, NULL, l, &second, &two);
    if (!(more > gain + LEAST) || refused(s, &two)) return true;
    s->step = two;
    s->step_gain = more;
    s->turned = XOE_BLEND_EDITS_MAX;
    s->pair = true;
    return true;
}

bool xoe_search_next(xoe_search *s, double (*worth)(const char *text, size_t n, void *ud), void *ud, xoe_buf *out)
{
    struct look l = {worth, ud, out};
    bool found = false;
    while (s->n_offered < s->n_tries && !found)
        found = offer_try(s, &s->tries[s->n_offered++], &l);
    if (!found) found = offer_turns(s, &l);
    return found && xoe_blend_write(&s->blend, &s->step, out) == 0;
}

void xoe_search_judged(xoe_search *s, bool good)
{
    if (good) {
        s->at = s->step;
        s->gain = s->step_gain;
    } else if (s->turned < XOE_BLEND_EDITS_MAX) {
        s->dead[s->turned] = true;
    } else if (s->n_refused < XOE_SEARCH_REFUSED_MAX) {
        s->refused[s->n_refused++] = s->step;
    }
    s->single = !good && s->pair;
}
