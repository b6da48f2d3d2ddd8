/* The scan for marked parts: every window of a fixed cover is looked at, and one p-value is made of
 * them all. Pure functions; docs/watermark.md has the proofs. */
#ifndef XOE_MARK_SCAN_H
#define XOE_MARK_SCAN_H

#include <stdbool.h>
#include "mark/evidence.h"
#include "mark/scheme.h"

enum {
    XOE_SPAN_MIN = 32,         /* scored tokens of the shortest window */
    XOE_SCAN_BLOCK = 1 << 13, /* the longest text whose law is known; longer ones are scanned in blocks */
};
#define XOE_SCAN_EDGE_NATS 9.0
/* t of a window's ratio (1 − t)^length e^(t·sum): a stretch that it fits has about `edge` nats of evidence. */
double xoe_scan_tilt(size_t length, double edge);

/* How windows become one p-value. */
typedef enum xoe_scan_kind {
    XOE_SCAN_TAILS,   /* exact tails and the union bound: every law */
    XOE_SCAN_MIXTURE, /* likelihood ratios of exponential scores, averaged; calibrated (scan_law.c) */
    XOE_SCAN_RATIOS,  /* likelihood ratios under a model's probabilities, averaged; Markov */
} xoe_scan_kind;

/* A text to scan. Borrowed. */
typedef struct xoe_scan {
    const xoe_mark_params *params;
    size_t n;             /* scored positions */
    const double *sums;   /* [n + 1] running sums of scores, sums[0] = 0 */
    const double *ratios; /* [XOE_EVIDENCE_SHARES] rows of [n + 1] running sums of ln ratios, or NULL */
    size_t stride;        /* from row to row of ratios */
} xoe_scan;

xoe_scan_kind xoe_scan_kind_of(const xoe_scan *s);

/* Longer texts than the table knows are scanned in overlapping blocks, each a text of its own; a p-value of one is
 * multiplied by their number. b < n_blocks. */
size_t xoe_scan_n_blocks(const xoe_scan *s);
xoe_scan xoe_scan_block(const xoe_scan *s, size_t b);

/* The windows of one length: starts 0, step, 2·step, … */
typedef struct xoe_windows {
    size_t length, step, count;
    double weight; /* in the average */
    double tilt;   /* t of the ratio (1 − t)^length e^(t·sum) */
} xoe_windows;

/* Windows of the next length that fit into n; w zeroed before the first. False: no more. */
bool xoe_windows_next(xoe_windows *w, xoe_scan_kind kind, size_t n);
/* ln of the sum of all windows' weights (TAILS: of their number). */
double xoe_windows_ln_total(xoe_scan_kind kind, size_t n);

/* The functions below take a block. */

/* ln of one window's evidence against chance, before it is weighed. */
double xoe_scan_window(const xoe_scan *s, xoe_scan_kind kind, const xoe_windows *w, size_t first);
/* TAILS: the least sum of a window whose evidence reaches x, or a hair below. */
double xoe_scan_tails_sum(const xoe_scan *s, size_t length, double x);
/* ln of the evidence of all windows inside [first, end), weighed and divided by the total weight of the whole
 * text's windows: their sum, for TAILS the largest. */
double xoe_scan_evidence(const xoe_scan *s, xoe_scan_kind kind, size_t first, size_t end);
/* ln p of evidence that chance would make as strong somewhere in the text. */
double xoe_scan_evidence_ln_p(const xoe_scan *s, xoe_scan_kind kind, double ln_evidence);
/* Of the whole text, all blocks; 0 when it is too short for a window. */
double xoe_scan_ln_p(const xoe_scan *s);

/* Largest ln evidence that the table knows. */
#define XOE_SCAN_LAW_END 16.0
/* ln P(evidence of n ≤ XOE_SCAN_BLOCK exponential scores ≥ e^ln_evidence), an upper bound. */
double xoe_scan_law_ln_p(size_t n, double ln_evidence);

#endif
