/* Localised detection by a fixed cover of windows.
 *
 * Windows have lengths 32·√2^k and start at multiples of a quarter of their length, so that every
 * stretch of L scored tokens holds a window of more than L/2, most often of 0.8·L; there are
 * M ≈ 0.43·n of them. Under the null each window's p-value is exact, so the union bound makes
 * M × the smallest a valid p-value, whatever their overlaps. The cover depends on n alone, never on
 * scores. The ends of a part that was found are then moved to where the score rises above midway
 * between chance and the part's mean: an estimate of place, which no p-value rests on.
 * Thread: pure functions. */
#include "mark/spans.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mark/stats.h"

enum { MIN_PART = 8, JOIN_GAP = 8 };

/* Lengths in turn: 32, 45, 64, 90, … ≤ n. Returns 0 after the last. */
static size_t next_length(size_t length, size_t n)
{
    size_t next =
        length == 0 ? XOE_SPAN_MIN : (size_t)((double)length * 1.41421356237309504880 + 0.5);
    return next <= n ? next : 0;
}

static size_t n_starts(size_t length, size_t n)
{
    return (n - length) / (length / 4) + 1;
}

size_t xoe_spans_n_windows(size_t n)
{
    size_t total = 0;
    for (size_t length = 0; (length = next_length(length, n)) != 0;)
        total += n_starts(length, n);
    return total;
}

static double window_sum(const double *prefix, size_t first, size_t length)
{
    return prefix[first + length] - prefix[first];
}

double xoe_spans_best(const xoe_mark_params *p, const double *prefix, size_t n)
{
    const xoe_scheme_ops *ops = xoe_scheme_find(p->scheme);
    double best = 0;
    for (size_t length = 0; (length = next_length(length, n)) != 0;) {
        double top = -INFINITY;
        for (size_t first = 0; first + length <= n; first += length / 4)
            top = fmax(top, window_sum(prefix, first, length));
        best = fmin(best, ops->ln_tail(p, length, top)); /* the tail falls with the sum */
    }
    return best;
}

/* The smallest sum of a window of this length that reaches the limit. */
static double critical_sum(const xoe_mark_params *p, size_t length, double ln_limit)
{
    const xoe_scheme_ops *ops = xoe_scheme_find(p->scheme);
    double lo = 0, hi = (double)length;
    while (ops->ln_tail(p, length, hi) > ln_limit && hi < 1e9)
        hi *= 2;
    for (int i = 0; i < 60; i++) {
        double mid = 0.5 * (lo + hi);
        if (ops->ln_tail(p, length, mid) > ln_limit)
            lo = mid;
        else
            hi = mid;
    }
    return lo; /* at or a hair below: the exact test follows */
}

static int by_p(const void *a, const void *b)
{
    const xoe_part *x = a, *y = b;
    if (x->ln_p != y->ln_p) return x->ln_p < y->ln_p ? -1 : 1;
    return (x->first > y->first) - (x->first < y->first);
}

static int by_place(const void *a, const void *b)
{
    const xoe_part *x = a, *y = b;
    return (x->first > y->first) - (x->first < y->first);
}

/* Every taken part has at least MIN_PART positions, so looking at each MIN_PART-th is enough. */
static bool overlaps(const unsigned char *taken, size_t first, size_t end)
{
    for (size_t i = first; i < end; i += MIN_PART)
        if (taken[i]) return true;
    return taken[end - 1];
}

/* Move both ends to the best place around the window's middle, within free positions. */
static void refine(xoe_part *part, const double *prefix, size_t n, double chance,
                   const unsigned char *taken)
{
    size_t middle = part->first + (part->end - part->first) / 2, first = middle, end = middle;
    double mean = window_sum(prefix, part->first, part->end - part->first) /
                  (double)(part->end - part->first);
    double level = chance + 0.5 * (mean - chance), best = -INFINITY;
    for (size_t i = middle + 1; i-- > 0 && !taken[i];) {
        double gain = prefix[middle] - prefix[i] - level * (double)(middle - i);
        if (gain > best) {
            best = gain;
            first = i;
        }
    }
    best = -INFINITY;
    for (size_t i = middle; i < n && !taken[i]; i++) {
        double gain = prefix[i + 1] - prefix[middle] - level * (double)(i + 1 - middle);
        if (gain > best) {
            best = gain;
            end = i + 1;
        }
    }
    if (end - first < MIN_PART) return; /* keep the window */
    part->first = first;
    part->end = end;
}

/* Windows at or under the limit; counted only when out is NULL. */
static size_t collect(const xoe_mark_params *p, const double *prefix, size_t n, double ln_limit,
                      xoe_part *out)
{
    const xoe_scheme_ops *ops = xoe_scheme_find(p->scheme);
    size_t count = 0;
    for (size_t length = 0; (length = next_length(length, n)) != 0;) {
        double least = critical_sum(p, length, ln_limit);
        for (size_t first = 0; first + length <= n; first += length / 4) {
            double sum = window_sum(prefix, first, length);
            if (sum < least) continue;
            double ln_p = ops->ln_tail(p, length, sum);
            if (ln_p > ln_limit) continue;
            if (out) out[count] = (xoe_part){first, first + length, ln_p};
            count++;
        }
    }
    return count;
}

static size_t join(xoe_part *parts, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (kept && parts[i].first <= parts[kept - 1].end + JOIN_GAP) {
            parts[kept - 1].end = parts[i].end;
            parts[kept - 1].ln_p = fmin(parts[kept - 1].ln_p, parts[i].ln_p);
        } else {
            parts[kept++] = parts[i];
        }
    }
    return kept;
}

xoe_err xoe_spans_find(const xoe_mark_params *p, const double *prefix, size_t n, double ln_limit,
                       xoe_part **out, size_t *n_out, xoe_error *e)
{
    size_t count = collect(p, prefix, n, ln_limit, NULL), kept = 0;
    *out = NULL;
    *n_out = 0;
    if (count == 0) return XOE_OK;
    xoe_part *parts = xoe_malloc(count * sizeof *parts);
    unsigned char *taken = xoe_calloc(n, 1);
    if (!parts || !taken) {
        xoe_free(parts);
        xoe_free(taken);
        return xoe_error_set(e, XOE_ENOMEM, "no memory for %zu windows", count);
    }
    collect(p, prefix, n, ln_limit, parts);
    qsort(parts, count, sizeof *parts, by_p);
    double chance = xoe_scheme_find(p->scheme)->chance(p);
    for (size_t i = 0; i < count; i++) { /* the most certain first; kept ≤ i */
        xoe_part part = parts[i];
        if (overlaps(taken, part.first, part.end)) continue;
        refine(&part, prefix, n, chance, taken);
        memset(taken + part.first, 1, part.end - part.first);
        parts[kept++] = part;
    }
    xoe_free(taken);
    qsort(parts, kept, sizeof *parts, by_place);
    *out = parts;
    *n_out = join(parts, kept);
    return XOE_OK;
}
