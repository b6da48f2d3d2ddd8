/* Reading jobs, on the worker: the residual stream after one block at a text's last token. Tokens that will come
 * again go through all blocks, in pieces, and stay in the cache. The rest goes in a call of its own, so that the
 * last row is the text's; that call ends after the block that is wanted, which saves the work of those above,
 * and leaves the cache of those without the rest: it is cut off again. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "engine/internal.h"
#include "ggml-backend.h"

/* llama.cpp shows every node of its graph here, before (ask) and after it is computed; false after: stop here. */
bool xoe_reader_on_node(struct ggml_tensor *t, bool ask, void *engine)
{
    xoe_engine *en = engine;
    if (!en->watch_out || strcmp(t->name, en->watch_name) || t->type != GGML_TYPE_F32 || t->ne[1] < 1) return false;
    if (ask) return true;
    size_t row = (size_t)t->ne[0] * sizeof(float);
    ggml_backend_tensor_get(t, en->watch_out, (size_t)(t->ne[1] - 1) * t->nb[1], row);
    en->watch_out = NULL;
    return false;
}

static void read_piece(xoe_engine *en, xoe_slot *s)
{
    xoe_job *j = s->job;
    struct llama_batch *b = &en->batch;
    size_t n_kept = s->n_cache, left = j->n_prompt - s->n_done;
    bool last = s->n_done >= j->n_prefix && left <= (size_t)en->n_batch;
    size_t n = last ? left : (size_t)en->n_prefill;
    if (s->n_done < j->n_prefix && n > j->n_prefix - s->n_done) n = j->n_prefix - s->n_done;
    b->n_tokens = 0;
    for (size_t i = 0; i < n; i++) {
        s->cache[s->n_cache] = j->prompt[s->n_done];
        xoe_batch_add(b, j->prompt[s->n_done++], (int)s->n_cache++, s->seq, last && i + 1 == n); /* the highest block has rows for those with logits alone */
    }
    if (last) {
        snprintf(en->watch_name, sizeof en->watch_name, "l_out-%d", j->layer); /* as llama.cpp names the block's result */
        en->watch_out = j->out;
    }
    int64_t t0 = xoe_clock_mono_ns();
    int code = xoe_worker_decode(en, *b, j->priority, false);
    bool seen = !en->watch_out;
    en->watch_out = NULL;
    if (code) {
        xoe_worker_fail(en, code);
        return;
    }
    if (!last) {
        xoe_worker_note(en, b->n_tokens, 0, (double)(xoe_clock_mono_ns() - t0) * 1e-9);
        return;
    }
    xoe_worker_cut_cache(en, s, n_kept);
    xoe_error e = XOE_ERROR_INIT;
    if (!seen) xoe_error_set(&e, XOE_EUNSUPPORTED, "%s does not show its block %d", en->name, j->layer);
    xoe_worker_end_slot(en, s, seen ? XOE_FINISH_STOP : XOE_FINISH_ERROR, seen ? NULL : &e);
}

void xoe_worker_read(xoe_engine *en)
{
    for (int i = 0; i < en->n_slots; i++)
        if (en->slots[i].job && en->slots[i].job->kind == XOE_JOB_READ) read_piece(en, &en->slots[i]);
}
