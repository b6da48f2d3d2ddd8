/* WaterMax: tokens are drawn freely; several drafts of a piece are written and the one that scores
 * best is kept (Giboulot & Furon, 2403.04808). A step changes nothing; the mark is made by whoever
 * chooses the draft with xoe_marker_draft_gain. The best of m drafts of n tokens gains about
 * √(2n·ln m) in score, whatever the entropy, as long as the drafts differ.
 *
 * Score: −ln(1 − u). Null law: Exp(1), the sum Gamma(n, 1), exactly. Needs: m times the work.
 * Thread: pure functions. */
#include "mark/laws.h"

static size_t pick(xoe_step *step, double *expected)
{
    *expected = 0;
    return xoe_draw(step->p, step->n, step->uniform(step->ud));
}

const xoe_scheme_ops xoe_scheme_watermax = {
    .id = XOE_SCHEME_WATERMAX,
    .pick = pick,
    XOE_EXPONENTIAL_LAW,
};
