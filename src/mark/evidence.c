/* The likelihood-ratio test for Gumbel-max.
 *
 * A token drawn with probability p has u ~ Beta(1/p, 1), of density r·u^(r−1), r = 1/p, against 1 by chance
 * (Neyman and Pearson: no test does better than this ratio). The detector does not know p: it reads without
 * the prompt, at another temperature. So r is averaged over what it may be, log-uniform between 1 (certain,
 * carries nothing) and R = min((1/p̂)^1.4, 100):
 *
 *     L(u) = 1/ln R · ∫_1^R r u^(r−1) dr/r = (1 − u^(R−1)) / (ln R · (−ln u)),      ∫_0^1 L du = 1.
 *
 * Someone may have replaced a share s of the tokens: those have u uniform. For s in {0.1, 0.4, 0.7} the
 * product of s + (1 − s)·L is taken, and E is the mean of the three. Under the null the u are independent
 * and the p̂ fixed, so E is a mean of products of independent factors of mean 1: its mean is 1, and by Markov
 * P(E ≥ e) ≤ 1/e. That is the p-value (an e-value's), valid for every p̂, however wrong.
 *
 * The exponent 1.4, the limit 100 and the shares were chosen on answers of Qwen 0.5B at temperature 0.7 (docs/watermark.md):
 * they move the power, not the validity. Thread: pure functions. */
#include "mark/evidence.h"

#include <math.h>

#include "mark/stats.h"
#include "xoe/mark.h"

static const double shares[XOE_EVIDENCE_SHARES] = {0.1, 0.4, 0.7};
static const double exponent = 1.4, rate_max = 100;

double xoe_gumbel_ratio(double u, double p)
{
    if (!(p > 0 && p < 1)) return 1;
    double ln_rate = fmin(-exponent * log(p), log(rate_max)), ln_u = log(u);
    if (ln_rate < 1e-9) return 1;
    return -expm1(expm1(ln_rate) * ln_u) / (ln_rate * -ln_u);
}

double xoe_evidence_ln_factor(int k, double ratio)
{
    return log(shares[k] + (1 - shares[k]) * ratio);
}

void xoe_evidence_add(xoe_evidence *e, double ratio)
{
    for (int i = 0; i < XOE_EVIDENCE_SHARES; i++)
        e->ln[i] += xoe_evidence_ln_factor(i, ratio);
}

double xoe_evidence_ln_p(const xoe_evidence *e)
{
    double ln_sum = e->ln[0];
    for (int i = 1; i < XOE_EVIDENCE_SHARES; i++)
        ln_sum = xoe_ln_add(ln_sum, e->ln[i]);
    return fmin(0, log(XOE_EVIDENCE_SHARES) - ln_sum);
}

double xoe_evidence_weight(double p)
{
    double gain = xoe_mark_gain(p);
    return gain / (1 + gain);
}
