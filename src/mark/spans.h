/* Localised detection: which parts of a text are marked. */
#ifndef XOE_MARK_SPANS_H
#define XOE_MARK_SPANS_H

#include "mark/scheme.h"

enum { XOE_SPAN_MIN = 32 }; /* scored tokens of the shortest window */

/* Windows of the cover of n scored positions; 0 when n < XOE_SPAN_MIN. */
size_t xoe_spans_n_windows(size_t n);
/* ln of the smallest window p-value, uncorrected; 0 when there is no window. prefix: [n + 1]
 * running sums of scores, prefix[0] = 0. */
double xoe_spans_best(const xoe_mark_params *p, const double *prefix, size_t n);

/* A part of the scored positions, and ln p of the window that found it, uncorrected. */
typedef struct xoe_part {
    size_t first, end;
    double ln_p;
} xoe_part;

/* All disjoint parts whose window has ln p ≤ ln_limit, ends refined, in order; freed with xoe_free.
 * Errors: XOE_ENOMEM. */
xoe_err xoe_spans_find(const xoe_mark_params *p, const double *prefix, size_t n, double ln_limit,
                       xoe_part **out, size_t *n_out, xoe_error *e);

#endif
