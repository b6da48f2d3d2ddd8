/* DiPmark: candidates are put in the order of their u, largest first, and probability is moved from
 * the front of that order to its back (Wu et al., 2310.07710): with F the cumulated probability,
 * F' = max(F − alpha, 0) + max(F − (1 − alpha), 0). Over keys every order is as likely as its
 * reverse, so on average each token keeps its own probability.
 *
 * Score: 1 where u < ½ (the back of the order). Null law: Binomial(n, ½), exactly. Needs: entropy.
 * Thread: pure functions. */
#include <math.h>
#include <stdlib.h>

#include "mark/laws.h"

static double moved(double f, double alpha)
{
    return fmax(f - alpha, 0) + fmax(f - (1 - alpha), 0);
}

/* Heap sort of order by u, largest first: no memory, no context argument, n·log n always. */
static void sift(uint32_t *order, size_t root, size_t n, const uint64_t *words)
{
    for (size_t child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && words[order[child + 1]] < words[order[child]]) child++;
        if (words[order[root]] <= words[order[child]]) return;
        uint32_t t = order[root];
        order[root] = order[child];
        order[child] = t;
    }
}

static void sort_descending(uint32_t *order, size_t n, const uint64_t *words)
{
    for (size_t i = n / 2; i-- > 0;)
        sift(order, i, n, words);
    for (size_t end = n; end-- > 1;) {
        uint32_t t = order[0];
        order[0] = order[end];
        order[end] = t;
        sift(order, 0, end, words);
    }
}

static size_t pick(xoe_step *step, double *expected)
{
    double alpha = step->params->alpha, f = 0, before = 0, green = 0, gain = 0;
    size_t n = 0;
    for (size_t i = 0; i < step->n; i++)
        if (step->p[i] > 0) step->order[n++] = (uint32_t)i;
    sort_descending(step->order, n, step->words);
    for (size_t k = 0; k < n; k++) {
        size_t i = step->order[k];
        bool is_green = xoe_is_green(step->words[i], 0.5);
        if (is_green) green += step->p[i];
        f += step->p[i];
        double after = k + 1 == n ? 1 : moved(f, alpha);
        step->p[i] = fmax(after - before, 0);
        before = after;
        if (is_green) gain += step->p[i];
    }
    *expected = gain - green;
    return xoe_draw(step->p, step->n, step->uniform(step->ud));
}

const xoe_scheme_ops xoe_scheme_dipmark = {
    .id = XOE_SCHEME_DIPMARK,
    .pick = pick,
    XOE_GREEN_LAW,
};
