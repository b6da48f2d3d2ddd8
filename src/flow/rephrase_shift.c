/* The best of m shifts lies e(m) standard deviations above their mean (4: 1.03, 64: 2.36, 1,024: 3.24), and the price of m tests is the
 * same whichever is taken. Edits are known before the choice, so that it is made among texts as they will be: a shift chosen by the source
 * alone suits what the edits replace. Contexts that repeat between parts are counted twice here, and not by a detector; it only chooses. */
#include "flow/rephrase_shift.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

int xoe_variants_add(xoe_variants *vs, const int32_t *tokens, size_t n_before, size_t n, size_t first, size_t end)
{
    if (vs->n == vs->cap) {
        size_t cap = vs->cap ? vs->cap * 2 : 16;
        xoe_variant *v = xoe_realloc(vs->v, cap * sizeof *v);
        if (!v) return -1;
        vs->v = v;
        vs->cap = cap;
    }
    xoe_variant *v = &vs->v[vs->n];
    *v = (xoe_variant){.tokens = xoe_malloc((n_before + n + 1) * sizeof *v->tokens), .n_before = n_before, .n = n, .first = first, .end = end};
    if (!v->tokens) return -1;
    if (n_before + n) memcpy(v->tokens, tokens, (n_before + n) * sizeof *tokens);
    vs->n++;
    return 0;
}

void xoe_variants_clear(xoe_variants *vs)
{
    while (vs->n)
        xoe_free(vs->v[--vs->n].tokens);
    xoe_free(vs->v);
    *vs = (xoe_variants){0};
}

struct edit {
    const xoe_variant *v;
    double gain; /* over the source's */
};

static int by_gain(const void *a, const void *b)
{
    double x = ((const struct edit *)a)->gain, y = ((const struct edit *)b)->gain;
    return x < y ? 1 : x > y ? -1 : 0;
}

static bool meets(const struct edit *edits, size_t n, const xoe_variant *v)
{
    for (size_t i = 0; i < n; i++)
        if (edits[i].v->first <= v->end && v->first <= edits[i].v->end) return true;
    return false;
}

xoe_err xoe_variants_gain(const xoe_variants *vs, xoe_marker *m, double *gain, xoe_error *e)
{
    double source = 0, alone = -INFINITY;
    size_t n = 0, n_taken = 0;
    xoe_err rc = XOE_OK;
    *gain = 0;
    struct edit *edits = xoe_malloc((vs->n + 1) * sizeof *edits);
    if (!edits) return xoe_error_set(e, XOE_ENOMEM, "no memory to choose a shift");
    for (size_t i = 0; i < vs->n && rc == XOE_OK; i++) {
        const xoe_variant *v = &vs->v[i];
        double g;
        rc = xoe_marker_draft_gain(m, v->tokens, v->n_before, v->n, &g, NULL, e);
        if (i == 0)
            source = g;
        else if (v->first == v->end)
            alone = fmax(alone, g);
        else if (g > source)
            edits[n++] = (struct edit){v, g - source};
    }
    qsort(edits, n, sizeof *edits, by_gain);
    *gain = source;
    for (size_t i = 0; i < n; i++)
        if (!meets(edits, n_taken, edits[i].v)) {
            *gain += edits[i].gain;
            edits[n_taken++] = edits[i];
        }
    *gain = fmax(*gain, alone);
    xoe_free(edits);
    return rc;
}

xoe_err xoe_rank_shifts(const xoe_mark_params *params, const uint8_t key[XOE_MARK_KEY_BYTES], const xoe_variants *parts, size_t n_parts, size_t n_ranks,
                        uint32_t *shifts, size_t *n_shifts, xoe_error *e)
{
    double gains[XOE_SHIFT_RANKS_MAX];
    xoe_err rc = XOE_OK;
    *n_shifts = 0;
    for (uint32_t s = 0; s < (params->n_shifts > 0 ? (uint32_t)params->n_shifts : 1) && rc == XOE_OK; s++) {
        xoe_marker *m;
        double total = 0;
        if ((rc = xoe_marker_open(&m, params, key, s, 0, e)) != XOE_OK) break;
        for (size_t i = 0; i < n_parts && rc == XOE_OK; i++) {
            double gain;
            rc = xoe_variants_gain(&parts[i], m, &gain, e);
            total += gain;
        }
        xoe_marker_close(m);
        size_t at = *n_shifts < n_ranks ? (*n_shifts)++ : n_ranks; /* sorted in from the end */
        for (; at > 0 && total > gains[at - 1]; at--)
            if (at < n_ranks) gains[at] = gains[at - 1], shifts[at] = shifts[at - 1];
        if (at < n_ranks) gains[at] = total, shifts[at] = s;
    }
    return rc;
}
