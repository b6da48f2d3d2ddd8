/* Green list: tokens with u < gamma are green and get delta on their logit, after truncation, so
 * that only candidates are looked at and no token outside them can win (Kirchenbauer et al.,
 * 2301.10226).
 *
 * Score: 1 for green. Null law: Binomial(n, gamma), exactly; the whole probability of the count, no
 * mid-p. Needs: entropy; it changes the text's distribution (more of the green). Variety: the
 * draw itself is free. Thread: pure functions. */
#include <math.h>

#include "mark/laws.h"

static size_t pick(xoe_step *step, double *expected)
{
    double share = step->params->gamma, boost = exp(step->params->delta), green = 0, total = 0;
    for (size_t i = 0; i < step->n; i++)
        if (xoe_is_green(step->words[i], share)) {
            green += step->p[i];
            step->p[i] *= boost;
        }
    for (size_t i = 0; i < step->n; i++)
        total += step->p[i];
    *expected = boost * green / total - green;
    return xoe_draw(step->p, step->n, step->uniform(step->ud) * total);
}

const xoe_scheme_ops xoe_scheme_green = {
    .id = XOE_SCHEME_GREEN,
    .pick = pick,
    XOE_GREEN_LAW,
};
