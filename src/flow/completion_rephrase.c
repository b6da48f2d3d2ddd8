/* The rephraser of a choice. It has its own thread (flow/rephrase.c) for the work; the wait for its end
 * has one too, because the request thread must go on taking notes: rewritten chunks of all choices
 * come through the same queue and are shown as they finish. */
#include <string.h>

#include "base/mem.h"
#include "flow/completion_turn.h"

static void on_chunk(const xoe_chunk_report *report, const char *text, size_t n, void *ud)
{
    xoe_branch *b = ud;
    (void)report;
    xoe_notes_post_text(&b->turn->notes, b->index, text, n);
}

static bool canceled(void *ud)
{
    const xoe_branch *b = ud;
    return atomic_load(&b->turn->abandoned) || xoe_cancel_fired(b->turn->cancel);
}

xoe_err xoe_branch_rephrase_open(xoe_branch *b, xoe_error *e)
{
    xoe_turn *t = b->turn;
    xoe_rephrase_opts opts = {
        .paraphraser = t->paraphraser, .judge = t->app->judge, .embedder = t->app->embed, .key = t->key, .seed = b->seed,
        .drafts = xoe_draft_plan_of(t->app->config), .priority = t->req->priority, .deadline_mono_ms = t->req->deadline_mono_ms,
        .canceled = canceled, .ud = b,
    };
    xoe_err rc = xoe_rephraser_open(&b->rephraser, &opts, on_chunk, b, e);
    xoe_zero(&opts.key, sizeof opts.key);
    return rc;
}

static void *wait_for_rewrite(void *arg)
{
    xoe_branch *b = arg;
    b->rewritten = !xoe_rephraser_finish(b->rephraser, &b->rewrite, &b->rephrased.error);
    xoe_notes_post_fixed(&b->turn->notes, &b->rephrased);
    return NULL;
}

xoe_err xoe_branch_rephrase_finish(xoe_branch *b, const char *text, size_t n, xoe_error *e)
{
    if (n) {
        xoe_err rc = xoe_rephraser_feed(b->rephraser, text, n, e);
        if (rc) return rc;
    }
    b->rephrased = (xoe_note){.kind = XOE_NOTE_REPHRASED, .choice = b->index};
    if (pthread_create(&b->rephrase_thread, NULL, wait_for_rewrite, b))
        return xoe_error_set(e, XOE_EUNAVAILABLE, "no thread for the paraphraser; try again");
    b->rephrasing = true;
    return XOE_OK;
}

void xoe_branch_rephrase_join(xoe_branch *b)
{
    pthread_join(b->rephrase_thread, NULL);
    b->rephrasing = false;
}
