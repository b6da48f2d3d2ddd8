/* From the windows of the scan to the parts of a text.
 *
 * The strongest window leads; all windows in its surroundings (half its length to each side, as far as no other part
 * reaches) bear witness with it. Their evidence is part of the whole text's, so its p-value holds for all
 * parts at once (docs/watermark.md, "Spans"). The ends are then moved to where the running score stands out most: an estimate of
 * place, which no p-value rests on. Thread: pure functions. */
#include "mark/spans.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { MIN_PART = 8, JOIN_GAP = 8, PLACING_SHARE = 1 };

/* A window that may lead. */
struct lead {
    size_t first, end;
    double ln_evidence; /* weighed, of this window alone */
};

static int by_evidence(const void *a, const void *b)
{
    const struct lead *x = a, *y = b;
    if (x->ln_evidence != y->ln_evidence) return x->ln_evidence > y->ln_evidence ? -1 : 1;
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

/* What stands out at [from, to): the running score over midway between chance and the part's mean, or the ln ratios. */
struct placing {
    const double *run;
    double level;
};

static double gain(const struct placing *p, size_t from, size_t to)
{
    return p->run[to] - p->run[from] - p->level * (double)(to - from);
}

static struct placing placing_of(const xoe_scan *s, const xoe_part *part)
{
    if (s->ratios) return (struct placing){s->ratios + PLACING_SHARE * s->stride, 0};
    double chance = xoe_scheme_find(s->params->scheme)->chance(s->params);
    double mean = (s->sums[part->end] - s->sums[part->first]) / (double)(part->end - part->first);
    return (struct placing){s->sums, chance + 0.5 * (mean - chance)};
}

/* Move both ends to the best place around the window's middle, within free positions. */
static void refine(xoe_part *part, const xoe_scan *s, const unsigned char *taken)
{
    struct placing p = placing_of(s, part);
    size_t middle = part->first + (part->end - part->first) / 2, first = middle, end = middle;
    double best = -INFINITY;
    for (size_t i = middle + 1; i-- > 0 && !taken[i];) {
        if (gain(&p, i, middle) > best) {
            best = gain(&p, i, middle);
            first = i;
        }
    }
    best = -INFINITY;
    for (size_t i = middle; i < s->n && !taken[i]; i++) {
        if (gain(&p, middle, i + 1) > best) {
            best = gain(&p, middle, i + 1);
            end = i + 1;
        }
    }
    if (end - first < MIN_PART) return; /* keep the window */
    part->first = first;
    part->end = end;
}

/* Evidence at which ln p reaches the limit. */
static double needed(const xoe_scan *s, xoe_scan_kind kind, double ln_limit)
{
    double lo = 0, hi = -2 * ln_limit + 1;
    for (int i = 0; i < 60; i++) {
        double mid = 0.5 * (lo + hi);
        if (xoe_scan_evidence_ln_p(s, kind, mid) > ln_limit)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

/* Windows with at least so much evidence; counted only when out is NULL. */
static size_t collect(const xoe_scan *s, xoe_scan_kind kind, double least, struct lead *out)
{
    size_t count = 0;
    double ln_total = xoe_windows_ln_total(kind, s->n);
    for (xoe_windows w = {0}; xoe_windows_next(&w, kind, s->n);) {
        double ln_weight = (kind == XOE_SCAN_TAILS ? 0 : log(w.weight)) - ln_total;
        double sum = kind == XOE_SCAN_TAILS ? xoe_scan_tails_sum(s, w.length, least - ln_weight) : -INFINITY;
        for (size_t at = 0; at + w.length <= s->n; at += w.step) {
            if (s->sums[at + w.length] - s->sums[at] < sum) continue;
            double x = xoe_scan_window(s, kind, &w, at) + ln_weight;
            if (x < least) continue;
            if (out) out[count] = (struct lead){at, at + w.length, x};
            count++;
        }
    }
    return count;
}

/* ln p of what is in and around a window. */
static double witness(const xoe_scan *s, xoe_scan_kind kind, const struct lead *w, const unsigned char *taken)
{
    size_t first = w->first, end = w->end, reach = kind == XOE_SCAN_TAILS ? 0 : (end - first) / 2;
    while (first > 0 && w->first - first < reach && !taken[first - 1])
        first--;
    while (end < s->n && end - w->end < reach && !taken[end])
        end++;
    return xoe_scan_evidence_ln_p(s, kind, xoe_scan_evidence(s, kind, first, end));
}

static size_t join(xoe_part *parts, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (kept && parts[i].first <= parts[kept - 1].end + JOIN_GAP) {
            if (parts[i].end > parts[kept - 1].end) parts[kept - 1].end = parts[i].end;
            parts[kept - 1].ln_p = fmin(parts[kept - 1].ln_p, parts[i].ln_p);
        } else {
            parts[kept++] = parts[i];
        }
    }
    return kept;
}

struct found {
    xoe_part *parts;
    size_t n;
};

static xoe_err find_in(const xoe_scan *s, size_t offset, double ln_limit, struct found *f, xoe_error *e)
{
    xoe_scan_kind kind = xoe_scan_kind_of(s);
    double least = needed(s, kind, ln_limit) - (kind == XOE_SCAN_TAILS ? 0 : log(64)); /* so many may share the evidence */
    size_t count = s->n < XOE_SPAN_MIN ? 0 : collect(s, kind, least, NULL);
    xoe_err rc = XOE_OK;
    if (count == 0) return XOE_OK;
    struct lead *leads = xoe_malloc(count * sizeof *leads);
    xoe_part *parts = xoe_realloc(f->parts, (f->n + count) * sizeof *parts);
    unsigned char *taken = xoe_calloc(s->n, 1);
    if (parts) f->parts = parts;
    if (!leads || !parts || !taken) {
        rc = xoe_error_set(e, XOE_ENOMEM, "no memory for %zu windows", count);
        goto out;
    }
    collect(s, kind, least, leads);
    qsort(leads, count, sizeof *leads, by_evidence);
    for (size_t i = 0; i < count; i++) {
        xoe_part part = {leads[i].first, leads[i].end, 0};
        if (overlaps(taken, part.first, part.end)) continue;
        part.ln_p = witness(s, kind, &leads[i], taken);
        if (part.ln_p > ln_limit) continue;
        refine(&part, s, taken);
        memset(taken + part.first, 1, part.end - part.first);
        f->parts[f->n++] = (xoe_part){offset + part.first, offset + part.end, part.ln_p};
    }
out:
    xoe_free(leads);
    xoe_free(taken);
    return rc;
}

xoe_err xoe_spans_find(const xoe_scan *s, double ln_limit, xoe_part **out, size_t *n_out, xoe_error *e)
{
    struct found f = {0};
    xoe_err rc = XOE_OK;
    size_t n_blocks = xoe_scan_n_blocks(s);
    double ln_blocks = log((double)n_blocks);
    for (size_t b = 0; b < n_blocks && rc == XOE_OK; b++) {
        xoe_scan block = xoe_scan_block(s, b);
        rc = find_in(&block, (size_t)(block.sums - s->sums), ln_limit - ln_blocks, &f, e);
    }
    if (rc != XOE_OK || f.n == 0) {
        xoe_free(f.parts);
        *out = NULL;
        *n_out = 0;
        return rc;
    }
    qsort(f.parts, f.n, sizeof *f.parts, by_place);
    *out = f.parts;
    *n_out = join(f.parts, f.n);
    for (size_t i = 0; i < *n_out; i++)
        f.parts[i].ln_p = fmin(0, f.parts[i].ln_p + ln_blocks);
    return XOE_OK;
}
