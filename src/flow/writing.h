/* An answer while it is written, whatever scheme marks it: most schemes mark in the sampler, so that the answer is one
 * job of the engine; watermax needs drafts (flow/drafts.h). Same events either way. */
#ifndef XOE_FLOW_WRITING_H
#define XOE_FLOW_WRITING_H

#include "ops/config.h"
#include "xoe/engine.h"

typedef struct xoe_writing xoe_writing;

/* How watermax drafts; the others do not look at it. 0: the defaults, 8 and 16. */
typedef struct xoe_draft_plan {
    int n_drafts; /* of each piece */
    int piece;    /* tokens */
} xoe_draft_plan;
xoe_draft_plan xoe_draft_plan_of(const xoe_config *c);

/* Will this request be drafted? */
bool xoe_writing_drafts(const xoe_mark_params *mark, const xoe_sampling *s);

/* Prompt, mark and key are copied; what the sampling points to is borrowed until close. The callback may come on any thread, and must not close. Errors: as
 * xoe_engine_generate's and xoe_drafts_start's. */
xoe_err xoe_writing_start(xoe_writing **out, xoe_engine *en, const xoe_gen_request *r, const xoe_draft_plan *plan, xoe_error *e);
/* Ask to stop; never waits. Thread: any, before close. */
void xoe_writing_cancel(xoe_writing *w);
/* Wait until DONE was delivered, then free. Takes NULL. Not from a callback. */
void xoe_writing_close(xoe_writing *w);

#endif
