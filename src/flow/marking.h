/* Post-hoc marking of finished text, from wherever it came: rephrase, our own detector, the audit row.
 * Blocking; thread: any. */
#ifndef XOE_FLOW_MARKING_H
#define XOE_FLOW_MARKING_H

#include "flow/completion.h"

typedef struct xoe_marking_request {
    const char *request_id, *user;
    const char *text; size_t n;
    const char *key_id;        /* NULL: active */
    float temperature, top_p;  /* 0: the rephraser's defaults */
    bool has_seed; uint64_t seed;
    bool measure;              /* perplexity of the chunks too, see flow/rephrase.h */
    xoe_priority priority;
    int64_t deadline_mono_ms;
    /* Progress, chunk by chunk, on the rephraser's thread; NULL: none. */
    void (*on_chunk)(const xoe_chunk_report *chunk, const char *text, size_t n, void *ud);
    void *chunk_ud;
} xoe_marking_request;

/* out: choices[0] with original, text, rephrase, verdict; prompt_tokens and completion_tokens are the
 * paraphraser's. Clear it with xoe_completion_result_clear. cancel may be NULL.
 * Errors: as the rephraser's; XOE_EIO (audit). */
xoe_err xoe_marking_run(xoe_app *app, const xoe_marking_request *req, xoe_cancel *cancel,
                        xoe_completion_result *out, xoe_error *e);

/* What a rephrased answer costs against an unmarked one: from the seconds that writing and rephrasing took this process so
 * far, refused tries and checks included, or from the models' sizes before there is enough of both. n_drafts: of a key that
 * needs them, else 1. basis: static, "measured" or "model size". */
double xoe_marking_cost_factor(xoe_engine *base, xoe_engine *paraphraser, double n_drafts, const char **basis);

#endif
