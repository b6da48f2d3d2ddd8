/* What the evidence of a scan over exponential scores is worth.
 *
 * The average of likelihood ratios E has mean at most 1 by chance, so P(E ≥ e) ≤ 1/e (Markov). Most of that mean comes
 * from texts that never occur, so the truth is 10 to 500 times smaller. It depends on nothing but n: scores are independent
 * Exp(1) whatever the text is. The table bounds it from above; between its places it is interpolated; beyond its last level
 * P(E ≥ e) ≤ P(E ≥ e^16) holds, then Markov's bound again. The values are upper limits from bench/mark_scan.c and a margin of
 * 0.2; what makes them valid is that program's check: at every n and every e the table is above the upper limit of the
 * truth, everywhere together at 99.9 % confidence. Whoever changes the windows, their weights or tilts (scan.c) must
 * run it again. Thread: pure functions. */
#include "mark/scan.h"

#include <math.h>

enum { ROWS = 9, LEVELS = 9, LOG2_FIRST = 5 };
static const double level_step = 2;

/* ln P(E ≥ e), ln e = 0, 2, …, 16. */
static const double ln_p[ROWS][LEVELS] = {
    {-3.24, -4.80, -6.46, -8.33, -10.29, -12.43, -14.70, -16.99, -19.39}, /* n = 32 */
    {-3.12, -4.57, -6.30, -8.23, -10.31, -12.53, -14.89, -17.32, -19.86}, /* n = 64 */
    {-2.93, -4.43, -6.21, -8.19, -10.32, -12.62, -15.06, -17.57, -20.20}, /* n = 128 */
    {-2.78, -4.34, -6.16, -8.18, -10.36, -12.73, -15.24, -17.83, -20.51}, /* n = 256 */
    {-2.59, -4.23, -6.12, -8.21, -10.47, -12.89, -15.47, -18.12, -20.85}, /* n = 512 */
    {-2.41, -4.14, -6.12, -8.27, -10.59, -13.08, -15.73, -18.42, -21.14}, /* n = 1024 */
    {-2.25, -4.08, -6.13, -8.36, -10.76, -13.31, -16.00, -18.70, -21.41}, /* n = 2048 */
    {-2.08, -4.04, -6.17, -8.47, -10.92, -13.52, -16.21, -18.89, -21.49}, /* n = 4096 */
    {-1.96, -4.05, -6.25, -8.61, -11.12, -13.72, -16.47, -19.12, -21.62}, /* n = 8192 */
};

static double between(double a, double b, double part)
{
    return a + (b - a) * part;
}

double xoe_scan_law_ln_p(size_t n, double ln_evidence)
{
    if (!(ln_evidence >= 0)) return 0;
    double row = fmax(0, fmin(log2((double)n) - LOG2_FIRST, ROWS - 1)), level = fmin(ln_evidence, XOE_SCAN_LAW_END) / level_step;
    int r = (int)fmin(row, ROWS - 2), l = (int)fmin(level, LEVELS - 2);
    const double *low = ln_p[r], *high = ln_p[r + 1];
    double bound = between(between(low[l], low[l + 1], level - l), between(high[l], high[l + 1], level - l), row - r);
    return fmin(bound, -ln_evidence);
}
