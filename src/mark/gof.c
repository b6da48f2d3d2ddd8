/* Goodness of fit: do more values u lie in the upper tail than chance puts there?
 *
 * Truncated tests of this kind (Li et al. 2024, 2411.13868) are asymptotically best when most tokens were
 * replaced, and their laws are known in the limit only. This one is exact at every n: the number of scores above
 * a fixed threshold of chance q is Binomial(n, q), and the smallest of the five p-values is multiplied by five
 * (union bound). At the lengths and edits of interest the sum of scores is stronger (docs/watermark.md has the
 * figures), so this is offered, not the default. Thread: pure functions. */
#include "mark/gof.h"

#include <math.h>

#include "mark/stats.h"

static const double tails[] = {0.5, 0.2, 0.1, 0.05, 0.02};
enum { N_TAILS = sizeof tails / sizeof tails[0] };

double xoe_gof_ln_p(const double *scores, size_t n)
{
    double best = 0;
    for (int k = 0; k < N_TAILS; k++) {
        double threshold = -log(tails[k]);
        size_t above = 0;
        for (size_t i = 0; i < n; i++)
            above += scores[i] >= threshold;
        best = fmin(best, xoe_ln_binom_tail(n, above, tails[k]) + log(N_TAILS));
    }
    return best;
}
