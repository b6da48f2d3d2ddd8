/* MorphMark: a green list whose strength follows the green mass G of the step: where little of the
 * probability is green a bias would spoil the text, where much is green it is nearly free (Wang et
 * al., 2505.11541, linear variant: r = 1.30·G where G > 0.15, else 0).
 *
 * Green probabilities are multiplied by 1 + r(1 − G)/G, the others by 1 − r. Score, null law,
 * needs: as green. Thread: pure functions. */
#include "mark/laws.h"

static const double slope = 1.30, least_mass = 0.15, most_strength = 1 - 1e-6;

static size_t pick(xoe_step *step, double *expected)
{
    double share = step->params->gamma, green = 0;
    for (size_t i = 0; i < step->n; i++)
        if (xoe_is_green(step->words[i], share)) green += step->p[i];
    double r = green > least_mass ? slope * green : 0;
    if (r > most_strength) r = most_strength;
    double up = green > 0 ? 1 + r * (1 - green) / green : 1, down = 1 - r;
    for (size_t i = 0; i < step->n; i++)
        step->p[i] *= xoe_is_green(step->words[i], share) ? up : down;
    *expected = r * (1 - green);
    return xoe_draw(step->p, step->n, step->uniform(step->ud));
}

const xoe_scheme_ops xoe_scheme_morphmark = {
    .id = XOE_SCHEME_MORPHMARK,
    .pick = pick,
    XOE_GREEN_LAW,
};
