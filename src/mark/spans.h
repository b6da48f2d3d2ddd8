/* Localised detection: which parts of a text are marked. */
#ifndef XOE_MARK_SPANS_H
#define XOE_MARK_SPANS_H

#include "mark/scan.h"

/* A part of the scored positions, and ln p that nothing in and around it is marked, corrected for all windows. */
typedef struct xoe_part {
    size_t first, end;
    double ln_p;
} xoe_part;

/* All disjoint parts with ln p ≤ ln_limit, ends refined, in order; freed with xoe_free.
 * Errors: XOE_ENOMEM. */
xoe_err xoe_spans_find(const xoe_scan *s, double ln_limit, xoe_part **out, size_t *n_out, xoe_error *e);

#endif
