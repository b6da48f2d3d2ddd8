/* A text that could take a chunk's place: what is known of it, and is it right? Thread: the rephraser's own. */
#ifndef XOE_FLOW_REPHRASE_CANDIDATE_H
#define XOE_FLOW_REPHRASE_CANDIDATE_H

#include "flow/meaning.h"
#include "flow/rephrase.h"

typedef struct xoe_candidate {
    const char *text;
    size_t n;
    bool ended, good;     /* ended: not cut off */
    double gain, quality; /* score over chance; mean log-likelihood of a token */
    double margin;        /* what the score of the meaning check must be at least */
    xoe_meaning verdict;
} xoe_candidate;

/* In this order they are judged: a nat a token more likely is worth as much as a gain of 20, the mark of a strong chunk. For qsort. */
int xoe_candidate_by_worth(const void *a, const void *b);
/* Fills in verdict and good. Errors: the engine's. */
xoe_err xoe_candidate_judge(const xoe_rephrase_opts *o, const char *source, size_t n, xoe_candidate *c, xoe_error *e);
/* Edits that do not go together make a text less likely, as a rewrite, than what was really written, or have a word that nobody expects: fills in good
 * and quality. worst: quality of the worst rewrite that is right; 0: there is none. Errors: the engine's. */
xoe_err xoe_candidate_reads_well(const xoe_rephrase_opts *o, const char *source, size_t n, double worst, xoe_candidate *c, xoe_error *e);

#endif
