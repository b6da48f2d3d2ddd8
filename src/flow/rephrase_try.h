/* One try to rewrite a chunk: the paraphraser's answer, its tokens drawn with the mark. Thread: the rephraser's own. */
#ifndef XOE_FLOW_REPHRASE_TRY_H
#define XOE_FLOW_REPHRASE_TRY_H

#include <pthread.h>

#include "base/buf.h"
#include "flow/rephrase.h"

typedef struct xoe_try {
    pthread_mutex_t lock; /* guards what follows until done */
    pthread_cond_t changed;
    xoe_buf text;
    size_t n_tokens;
    double log_likelihood; /* of the tokens, under the model without mark, temperature and truncation */
    bool done;
    xoe_finish finish;
    int n_prompt, n_predicted;
    xoe_error error;
    xoe_writing *writing;
    /* after xoe_try_wait: what of the text is the rewrite */
    const char *rewrite;
    size_t n_rewrite;
} xoe_try;

/* What a try is made from, borrowed until it is cleared. avoid: tokens that press against copying, with gaps. */
typedef struct xoe_try_from {
    const int32_t *prompt, *avoid;
    size_t n_prompt, n_avoid;
    float avoid_strength; /* logits */
    int max_tokens;
    uint64_t seed;
    bool marked;          /* tokens are drawn with the mark; else freely: for variety, where the best of many is kept */
    bool patient;         /* wait while the engine's queue is full */
} xoe_try_from;

/* What tries are to avoid: the source's tokens, with gaps where copying is right: numbers, words with a capital, quotations, code. Freed with
 * xoe_free; NULL: no memory. */
int32_t *xoe_try_avoid(const xoe_engine *en, const char *source, size_t n_source, const int32_t *tokens, size_t n);
/* Errors: XOE_EBUSY (not patient), XOE_EDEADLINE, XOE_ECANCELED, the engine's. Either way clear it. */
xoe_err xoe_try_start(xoe_try *t, const xoe_rephrase_opts *o, const xoe_try_from *from, xoe_error *e);
/* Wait for its end; without what a model says around a rewrite. source: '\0'-terminated or not, its first byte is looked at.
 * Errors: XOE_EDEADLINE, XOE_ECANCELED, the engine's. */
xoe_err xoe_try_wait(xoe_try *t, const xoe_rephrase_opts *o, const char *source, xoe_error *e);
/* Stops it where it still runs. */
void xoe_try_clear(xoe_try *t);

#endif
