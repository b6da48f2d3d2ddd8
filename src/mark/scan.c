/* Windows, their evidence, and what all of it is worth.
 *
 * Windows have lengths 32·√2^k and start at multiples of an eighth (TAILS: a quarter) of their length. The cover
 * depends on n alone, never on scores. With TAILS each window's p-value is exact and the smallest pays for their
 * number. The others average likelihood ratios, each of mean 1 by chance, with fixed weights: the average has mean 1
 * too, so 1/average is a p-value by Markov, and for exponential scores, whose law is fully known, a table computed
 * once tells how much smaller it really is (scan_law.c).
 *
 * Weights: w(L) = (L/128)² below 128 and √(128/L) above: stretches that short carry enough only in very rich text, so
 * they are many and seldom right. Tilt: t(L) is where a stretch of L tokens is at the edge of being found, i.e. its
 * mean score 1/(1 − t) = 1 + y has L·(y − ln(1 + y)) ≈ 9 nats, y = √(2c) + 2c/3, c = 9/L. Both move the power only.
 * Windows whose ratio is under 1 are left out (of mixtures): it makes the average smaller, never larger, and fast.
 * Thread: pure functions. */
#include "mark/scan.h"

#include <math.h>

#include "mark/stats.h"

xoe_scan_kind xoe_scan_kind_of(const xoe_scan *s)
{
    if (s->ratios) return XOE_SCAN_RATIOS;
    return xoe_scheme_find(s->params->scheme)->exponential ? XOE_SCAN_MIXTURE : XOE_SCAN_TAILS;
}

/* Blocks overlap by a quarter, so that a part up to that long lies whole in one. */
static const size_t block_step = XOE_SCAN_BLOCK / 4 * 3;

size_t xoe_scan_n_blocks(const xoe_scan *s)
{
    if (xoe_scan_kind_of(s) != XOE_SCAN_MIXTURE || s->n <= XOE_SCAN_BLOCK) return 1;
    return (s->n - XOE_SCAN_BLOCK + block_step - 1) / block_step + 1;
}

xoe_scan xoe_scan_block(const xoe_scan *s, size_t b)
{
    xoe_scan block = *s;
    if (xoe_scan_n_blocks(s) == 1) return block;
    block.sums += b * block_step;
    block.n = s->n - b * block_step;
    if (block.n > XOE_SCAN_BLOCK) block.n = XOE_SCAN_BLOCK;
    return block;
}

double xoe_scan_tilt(size_t length, double edge)
{
    double c = edge / (double)length, y = sqrt(2 * c) + 2 * c / 3;
    return y / (1 + y);
}

bool xoe_windows_next(xoe_windows *w, xoe_scan_kind kind, size_t n)
{
    static const double full = 128;
    size_t length = w->length ? (size_t)((double)w->length * 1.41421356237309504880 + 0.5) : XOE_SPAN_MIN;
    if (length > n) return false;
    double of_full = (double)length / full;
    w->length = length;
    w->step = length / (kind == XOE_SCAN_TAILS ? 4 : 8);
    w->count = (n - length) / w->step + 1;
    w->weight = of_full < 1 ? of_full * of_full : 1 / sqrt(of_full);
    w->tilt = xoe_scan_tilt(length, XOE_SCAN_EDGE_NATS);
    return true;
}

double xoe_windows_ln_total(xoe_scan_kind kind, size_t n)
{
    double total = 0;
    for (xoe_windows w = {0}; xoe_windows_next(&w, kind, n);)
        total += (double)w.count * (kind == XOE_SCAN_TAILS ? 1 : w.weight);
    return log(total);
}

static double ratio_of(const xoe_scan *s, size_t first, size_t length)
{
    double total = 0, top = -INFINITY, x[XOE_EVIDENCE_SHARES];
    for (size_t k = 0; k < XOE_EVIDENCE_SHARES; k++) {
        const double *run = s->ratios + k * s->stride + first;
        top = fmax(top, x[k] = run[length] - run[0]);
    }
    for (size_t k = 0; k < XOE_EVIDENCE_SHARES; k++)
        total += exp(x[k] - top);
    return top + log(total / XOE_EVIDENCE_SHARES);
}

double xoe_scan_window(const xoe_scan *s, xoe_scan_kind kind, const xoe_windows *w, size_t first)
{
    double sum = s->sums[first + w->length] - s->sums[first];
    switch (kind) {
    case XOE_SCAN_TAILS:
        return -xoe_scheme_find(s->params->scheme)->ln_tail(s->params, w->length, sum);
    case XOE_SCAN_MIXTURE:
        return (double)w->length * log1p(-w->tilt) + w->tilt * sum;
    default:
        return ratio_of(s, first, w->length);
    }
}

/* A sum of e^x, for any x. */
struct total {
    double scale, sum; /* sum · e^scale */
};

static void add(struct total *t, double x)
{
    if (x > t->scale + 600) {
        t->sum *= exp(t->scale - x);
        t->scale = x;
    }
    t->sum += exp(x - t->scale);
}

/* Sum of the ratios of windows inside [first, end) that are at least 1, of one length. */
static void add_mixture(struct total *t, const xoe_scan *s, const xoe_windows *w, size_t at, size_t end)
{
    double base = (double)w->length * log1p(-w->tilt), ln_weight = log(w->weight), least = -base / w->tilt;
    for (; at + w->length <= end; at += w->step) {
        double sum = s->sums[at + w->length] - s->sums[at];
        if (sum >= least) add(t, ln_weight + base + w->tilt * sum);
    }
}

static void add_ratios(struct total *t, const xoe_scan *s, const xoe_windows *w, size_t at, size_t end)
{
    double ln_weight = log(w->weight);
    for (; at + w->length <= end; at += w->step) {
        double x = ratio_of(s, at, w->length);
        if (x >= 0) add(t, ln_weight + x);
    }
}

double xoe_scan_tails_sum(const xoe_scan *s, size_t length, double x)
{
    const xoe_scheme_ops *ops = xoe_scheme_find(s->params->scheme);
    double lo = 0, hi = (double)length;
    while (ops->ln_tail(s->params, length, hi) > -x && hi < 1e9)
        hi *= 2;
    for (int i = 0; i < 60; i++) {
        double mid = 0.5 * (lo + hi);
        if (ops->ln_tail(s->params, length, mid) > -x)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

/* −ln of the smallest p-value: of one length the largest sum has it. */
static double best_tail(const xoe_scan *s, const xoe_windows *w, size_t at, size_t end)
{
    double top = -INFINITY;
    for (; at + w->length <= end; at += w->step)
        top = fmax(top, s->sums[at + w->length] - s->sums[at]);
    return top > -INFINITY ? -xoe_scheme_find(s->params->scheme)->ln_tail(s->params, w->length, top) : 0;
}

double xoe_scan_evidence(const xoe_scan *s, xoe_scan_kind kind, size_t first, size_t end)
{
    struct total t = {0};
    double best = 0, ln_total = xoe_windows_ln_total(kind, s->n);
    for (xoe_windows w = {0}; xoe_windows_next(&w, kind, s->n);) {
        size_t at = (first + w.step - 1) / w.step * w.step;
        if (kind == XOE_SCAN_TAILS)
            best = fmax(best, best_tail(s, &w, at, end));
        else
            (kind == XOE_SCAN_MIXTURE ? add_mixture : add_ratios)(&t, s, &w, at, end);
    }
    return (kind == XOE_SCAN_TAILS ? best : log(t.sum) + t.scale) - ln_total;
}

double xoe_scan_evidence_ln_p(const xoe_scan *s, xoe_scan_kind kind, double ln_evidence)
{
    if (kind == XOE_SCAN_MIXTURE) return xoe_scan_law_ln_p(s->n, ln_evidence);
    return fmin(0, -ln_evidence);
}

double xoe_scan_ln_p(const xoe_scan *s)
{
    xoe_scan_kind kind = xoe_scan_kind_of(s);
    size_t n_blocks = xoe_scan_n_blocks(s);
    double best = 0;
    for (size_t b = 0; b < n_blocks && s->n >= XOE_SPAN_MIN; b++) {
        xoe_scan block = xoe_scan_block(s, b);
        best = fmin(best, xoe_scan_evidence_ln_p(&block, kind, xoe_scan_evidence(&block, kind, 0, block.n)));
    }
    return fmin(0, best + log((double)n_blocks));
}
