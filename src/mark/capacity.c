/* What a text can carry: told before anything is detected. Thread: pure functions. */
#include "mark/capacity.h"

#include <math.h>

#include "mark/stats.h"

enum { MIN_SCORED = 16 }; /* below this a text is too short whatever its score */

bool xoe_can_carry(const xoe_mark_params *p, size_t n, double n_tests, double fpr)
{
    const xoe_scheme_ops *ops = xoe_scheme_find(p->scheme);
    double tests = n_tests * exp2(p->payload_bits);
    return n >= MIN_SCORED &&
           xoe_ln_sidak(ops->ln_tail(p, n, ops->top(p) * (double)n), tests) <= log(fpr);
}

double xoe_mark_gain(double p)
{
    return p > 0 && p < 1 ? xoe_harmonic(1 / p) - 1 : 0;
}

xoe_err xoe_mark_predict(const xoe_mark_params *params, size_t n_scored, double gain, size_t n_keys,
                         double *log10_p, xoe_error *e)
{
    xoe_mark_params p = *params;
    xoe_err rc = xoe_mark_params_resolve(&p, e);
    if (rc != XOE_OK) return rc;
    if (!(gain > -INFINITY && gain < INFINITY))
        return xoe_error_param(e, XOE_EINVAL, "gain", "gain is not a number");
    const xoe_scheme_ops *ops = xoe_scheme_find(p.scheme);
    double tests = (double)p.n_shifts * (double)(n_keys ? n_keys : 1) * exp2(p.payload_bits);
    double sum = (double)n_scored * ops->chance(&p) + gain;
    if (ops->has_green) sum = fmin(sum, (double)n_scored * ops->top(&p));
    *log10_p =
        n_scored ? xoe_ln_sidak(ops->ln_tail(&p, n_scored, fmax(sum, 0)), tests) / XOE_LN10 : 0;
    return XOE_OK;
}
