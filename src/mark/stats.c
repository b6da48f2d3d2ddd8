/* Tails of the null distributions.
 *
 * A tail is summed from its largest term outwards, so no term overflows and no digits cancel; the
 * largest term comes from the saddle-point form of the Poisson and binomial mass (Loader, "Fast and
 * accurate computation of binomial probabilities", 2000), which keeps full precision where
 * n·ln n would eat it. On the near side of the mean the complement is summed and ln(1 − c) taken.
 * Bounds hold for every value of their free parameter t, so a rough search for the best t cannot
 * make them wrong. Thread: pure functions. */
#include "mark/stats.h"

#include <math.h>

static const double ln_sqrt_2pi = 0.918938533204672741780;
static const double euler_gamma = 0.577215664901532860607;

double xoe_ln_1mexp(double x)
{
    if (!(x < 0)) return -INFINITY;
    /* Mächler 2012: the two forms meet at ln 2. */
    return x > -0.693147180559945309 ? log(-expm1(x)) : log1p(-exp(x));
}

double xoe_ln_add(double a, double b)
{
    double hi = a > b ? a : b, lo = a > b ? b : a;
    if (hi == -INFINITY) return hi;
    return hi + log1p(exp(lo - hi));
}

/* ln n! − ln(√(2πn) (n/e)^n), Loader eq. 2. */
static double stirling_error(double n)
{
    if (n < 16) {
        double factorial = 1;
        for (double i = 2; i <= n; i++)
            factorial *= i;
        return n == 0 ? 0 : log(factorial) - (n + 0.5) * log(n) + n - ln_sqrt_2pi;
    }
    double r = 1 / (n * n);
    return (1.0 / 12 - (1.0 / 360 - (1.0 / 1260 - (1.0 / 1680 - r / 1188) * r) * r) * r) / n;
}

/* x ln(x/m) + m − x without cancellation near x = m, Loader eq. 5. */
static double deviance(double x, double m)
{
    double d = x - m;
    if (fabs(d) >= 0.1 * (x + m)) return x * log(x / m) - d;
    double v = d / (x + m), sum = d * v, term = 2 * x * v;
    for (int j = 1; j < 1000; j++) {
        term *= v * v;
        double next = sum + term / (2 * j + 1);
        if (next == sum) break;
        sum = next;
    }
    return sum;
}

static double ln_poisson(double k, double mean)
{
    if (k == 0) return -mean;
    return -stirling_error(k) - deviance(k, mean) - ln_sqrt_2pi - 0.5 * log(k);
}

double xoe_ln_gamma_tail(size_t n, double s)
{
    if (!(s > 0)) return 0; /* also NaN: never evidence */
    if (n == 0 || s == INFINITY) return -INFINITY;
    double a = (double)n, sum = 1, term = 1;
    if (s >= a) { /* Q = Σ_{k<n} Poisson(k; s), largest at k = n − 1 */
        for (double k = a - 1; k >= 1; k--) {
            term *= k / s;
            sum += term;
            if (term < sum * 1e-18) break;
        }
        return ln_poisson(a - 1, s) + log(sum);
    }
    for (double k = a + 1;; k++) { /* 1 − Q = Σ_{k≥n} Poisson(k; s), largest at k = n */
        term *= s / k;
        sum += term;
        if (term < sum * 1e-18) break;
    }
    return xoe_ln_1mexp(ln_poisson(a, s) + log(sum));
}

static double ln_binom(double n, double k, double p)
{
    double q = 1 - p;
    if (k == 0) return n * log1p(-p);
    if (k == n) return n * log(p);
    return stirling_error(n) - stirling_error(k) - stirling_error(n - k) - deviance(k, n * p) -
           deviance(n - k, n * q) - ln_sqrt_2pi + 0.5 * log(n / (k * (n - k)));
}

double xoe_ln_binom_tail(size_t n, size_t k, double p)
{
    if (k == 0 || p >= 1) return 0;
    if (k > n || !(p > 0)) return -INFINITY;
    double N = (double)n, K = (double)k, odds = p / (1 - p), sum = 1, term = 1;
    if (K >= N * p) {
        for (double i = K; i < N; i++) {
            term *= (N - i) / (i + 1) * odds;
            sum += term;
            if (term < sum * 1e-18) break;
        }
        return ln_binom(N, K, p) + log(sum);
    }
    for (double i = K - 1; i > 0; i--) {
        term *= i / ((N - i + 1) * odds);
        sum += term;
        if (term < sum * 1e-18) break;
    }
    return xoe_ln_1mexp(ln_binom(N, K - 1, p) + log(sum));
}

/* The p at which P(X ≥ k) is e^ln_tail, X ~ Binomial(n, p): the tail grows with p. */
static double rate_with_tail(size_t n, size_t k, double ln_tail)
{
    double lo = 0, hi = 1;
    for (int i = 0; i < 100; i++) {
        double mid = 0.5 * (lo + hi);
        *(xoe_ln_binom_tail(n, k, mid) < ln_tail ? &lo : &hi) = mid;
    }
    return 0.5 * (lo + hi);
}

void xoe_binom_interval(size_t n, size_t k, double confidence, double *low, double *high)
{
    double beyond = 0.5 * (1 - confidence);
    *low = k == 0 ? 0 : rate_with_tail(n, k, log(beyond));
    *high = k >= n ? 1 : rate_with_tail(n, k + 1, log1p(-beyond));
}

/* ---- weighted sums of exponentials ----------------------------------------------------------
 * For 0 < t < 1/max w, with K(t) = −Σ ln(1 − t w_i) the cumulant function and S the sum:
 * P(S ≥ s) = e^{K(t) − ts} · E_t[e^{−t(S − s)}; S ≥ s], E_t under the law tilted by t. That law is
 * again a sum of exponentials, so its density is log-concave, so at most 1/σ_t (Bobkov & Chistyakov
 * 2015, prop. 2.1), and the expectation is at most min(1, 1/(t σ_t)). */

/* Σ over w_i (all 1 when w is NULL) of a variable of weight a·w_i and one of weight b·w_i. */
struct cumulant {
    const double *w;
    double a, b;
    size_t n;
};

static void cumulant_at(const struct cumulant *c, double t, double *k, double *k1, double *k2)
{
    double ln = 0, mean = 0, var = 0, product = 1;
    if (!c->w) {
        double n = (double)c->n, ra = c->a / (1 - t * c->a), rb = c->b / (1 - t * c->b);
        *k = -n * (log1p(-t * c->a) + log1p(-t * c->b));
        *k1 = n * (ra + rb);
        *k2 = n * (ra * ra + rb * rb);
        return;
    }
    for (size_t i = 0; i < c->n; i++) {
        double wa = c->w[i] * c->a, wb = c->w[i] * c->b, fa = 1 - t * wa, fb = 1 - t * wb;
        double ra = wa / fa, rb = wb / fb;
        product *= fa * fb;
        if (product < 1e-200) { /* one log for many factors */
            ln += log(product);
            product = 1;
        }
        mean += ra + rb;
        var += ra * ra + rb * rb;
    }
    *k = -(ln + log(product));
    *k1 = mean;
    *k2 = var;
}

static double hypoexp_bound(const struct cumulant *c, double mean, double w_max, double s)
{
    if (!(s > mean) || !(w_max > 0)) return 0;
    if (s == INFINITY) return -INFINITY;
    double lo = 0, hi = 1 / w_max, t = hi * (1 - mean / s), k, k1, k2, best = 0;
    for (int i = 0; i < 60; i++) { /* solve K'(t) = s: Newton inside a bracket */
        cumulant_at(c, t, &k, &k1, &k2);
        double factor = t * sqrt(k2), bound = k - t * s - (factor > 1 ? log(factor) : 0);
        if (bound < best) best = bound;
        if (fabs(k1 - s) < 1e-6 * s) break;
        if (k1 < s)
            lo = t;
        else
            hi = t;
        double next = t + (s - k1) / k2;
        t = next > lo && next < hi ? next : 0.5 * (lo + hi);
    }
    return best;
}

double xoe_ln_hypoexp_pair_tail(const double *w, size_t n, double a, double s)
{
    double mean = 0, w_max = 0;
    for (size_t i = 0; i < n; i++) {
        mean += w[i];
        if (w[i] > w_max) w_max = w[i];
    }
    struct cumulant c = {w, a, 1 - a, n};
    return hypoexp_bound(&c, mean, w_max * fmax(a, 1 - a), s);
}

double xoe_ln_hypoexp_tail(const double *w, size_t n, double s)
{
    return xoe_ln_hypoexp_pair_tail(w, n, 1, s);
}

double xoe_ln_hypoexp2_tail(double a, double b, size_t n, double s)
{
    struct cumulant c = {NULL, a, b, n};
    return hypoexp_bound(&c, (double)n * (a + b), a > b ? a : b, s);
}

double xoe_ln_bernoulli_tail(const double *w, size_t n, size_t m, double p, double s)
{
    double trials = (double)m, mean = 0, top = 0, w_max = 0, best = 0;
    for (size_t i = 0; i < n; i++) {
        mean += trials * p * w[i];
        top += trials * w[i];
        if (w[i] > w_max) w_max = w[i];
    }
    if (!(s > mean)) return 0;
    if (s > top * (1 + 1e-12)) return -INFINITY;
    double lo = 0, hi = 700 / w_max, t = fmin(1 / w_max, hi);
    for (int i = 0; i < 60; i++) {
        double k = 0, k1 = 0;
        for (size_t j = 0; j < n; j++) {
            double grown = p * expm1(t * w[j]), share = (p + grown) / (1 + grown);
            k += trials * log1p(grown);
            k1 += trials * w[j] * share;
        }
        if (k - t * s < best) best = k - t * s;
        if (fabs(k1 - s) < 1e-9 * s) break;
        if (k1 < s)
            lo = t;
        else
            hi = t;
        t = hi >= 700 / w_max && lo * 2 < hi ? lo * 2 : 0.5 * (lo + hi);
    }
    return best;
}

double xoe_ln_sidak(double ln_p, double m)
{
    if (!(ln_p < 0)) return 0;
    double p_small = ln_p + log(m);
    if (p_small < -45) return p_small; /* (m − 1)/2 · p is below rounding */
    return xoe_ln_1mexp(m * xoe_ln_1mexp(ln_p));
}

double xoe_harmonic(double x)
{
    if (!(x > 0)) return 0;
    double shift = 0, y = x + 1;
    while (y < 12) {
        shift += 1 / y;
        y += 1;
    }
    double r = 1 / (y * y), digamma;
    /* Bernoulli series of digamma, Abramowitz & Stegun 6.3.18. */
    digamma = log(y) - 0.5 / y -
              r * (1.0 / 12 - r * (1.0 / 120 - r * (1.0 / 252 - r * (1.0 / 240 - r / 132))));
    return digamma - shift + euler_gamma;
}
