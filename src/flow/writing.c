/* One handle over a job of the engine or a set of drafts: the only place that knows which scheme needs which.
 * Invariant: exactly one of job and drafts is set. Thread: start and close from the owner, cancel from any. */
#include "flow/writing.h"

#include "base/mem.h"
#include "flow/drafts.h"

enum { DRAFTS = 8, PIECE = 16 };

struct xoe_writing {
    xoe_job *job;
    xoe_drafts *drafts;
};

xoe_draft_plan xoe_draft_plan_of(const xoe_config *c)
{
    return (xoe_draft_plan){.n_drafts = (int)c->watermax_drafts, .piece = (int)c->watermax_piece};
}

bool xoe_writing_drafts(const xoe_mark_params *mark, const xoe_sampling *s)
{
    return mark && xoe_scheme_needs_drafts(mark->scheme) && s->temperature > 0;
}

xoe_err xoe_writing_start(xoe_writing **out, xoe_engine *en, const xoe_gen_request *r, const xoe_draft_plan *plan, xoe_error *e)
{
    xoe_writing *w = xoe_calloc(1, sizeof *w);
    *out = NULL;
    if (!w) return xoe_error_set(e, XOE_ENOMEM, "no memory for a request");
    xoe_err rc = xoe_writing_drafts(r->mark, &r->sampling)
                     ? xoe_drafts_start(&w->drafts, en, r, plan && plan->n_drafts ? plan->n_drafts : DRAFTS,
                                        plan && plan->piece ? plan->piece : PIECE, e)
                     : xoe_engine_generate(en, r, &w->job, e);
    if (rc) xoe_free(w);
    else *out = w;
    return rc;
}

void xoe_writing_cancel(xoe_writing *w)
{
    if (w->job) xoe_job_cancel(w->job);
    else xoe_drafts_cancel(w->drafts);
}

void xoe_writing_close(xoe_writing *w)
{
    if (!w) return;
    xoe_job_close(w->job);
    xoe_drafts_close(w->drafts);
    xoe_free(w);
}
