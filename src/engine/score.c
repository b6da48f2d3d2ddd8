/* Scoring jobs, on the worker: log-probabilities of given tokens, a piece a step. A piece is a decode
 * call of its own, because it keeps the logits of many rows; it is short, so that answers that run
 * meanwhile are not held up. */
#include "base/clock.h"
#include "engine/internal.h"
#include "engine/logits.h"
#include "engine/schedule.h"

enum { SCORE_PIECE = 32 }; /* rows of logits a call keeps: 20 MB at a vocabulary of 150,000 */

/* One piece of a scoring job, in a call of its own: it keeps many rows of logits. */
static void score_piece(xoe_engine *en, xoe_slot *s)
{
    xoe_job *j = s->job;
    struct llama_batch *b = &en->batch;
    size_t first = s->n_done, scored = 0;
    b->n_tokens = 0;
    while (s->n_done + 1 < j->n_prompt && scored < SCORE_PIECE && b->n_tokens < en->n_prefill) {
        bool want = s->n_done + 1 >= j->n_prefix;
        scored += want;
        s->cache[s->n_cache] = j->prompt[s->n_done];
        xoe_batch_add(b, j->prompt[s->n_done++], (int)s->n_cache++, s->seq, want);
    }
    int64_t t0 = xoe_clock_mono_ns();
    int code = xoe_worker_decode(en, *b, j->priority, false);
    xoe_worker_note(en, b->n_tokens, 0, (double)(xoe_clock_mono_ns() - t0) * 1e-9);
    if (code) {
        xoe_worker_fail(en, code);
        return;
    }
    for (size_t i = first; i < s->n_done; i++) {
        if (i + 1 < j->n_prefix) continue;
        const float *logits = llama_get_logits_ith(en->ctx, (int)(i - first));
        size_t row = i + 1 - j->n_prefix;
        float h = 0;
        if (j->top)
            j->out[row] = xoe_logprobs(logits, en->n_vocab, j->prompt[i + 1], j->top + row * (size_t)j->n_top, j->n_top);
        else
            h = xoe_entropy(logits, en->n_vocab, j->prompt[i + 1], &j->out[row]);
        if (j->entropies) j->entropies[row] = h;
    }
    if (s->n_done + 1 == j->n_prompt) xoe_worker_end_slot(en, s, XOE_FINISH_STOP, NULL);
}

/* While answers run, one scoring job computes one piece a step, so that they wait for no more than one. */
void xoe_worker_score(xoe_engine *en, int n_answers)
{
    int64_t now = xoe_clock_mono_ns();
    xoe_slot *best = NULL;
    double best_rank = 0;
    for (int i = 0; i < en->n_slots; i++) {
        xoe_slot *s = &en->slots[i];
        if (!s->job || s->job->kind != XOE_JOB_SCORE) continue;
        if (!n_answers) {
            score_piece(en, s);
            continue;
        }
        double rank = xoe_prompt_rank((int)s->job->priority, s->job->n_prompt - s->n_done, now - s->job->queued_ns,
                                      en->prompt_rate);
        if (!best || rank < best_rank) {
            best = s;
            best_rank = rank;
        }
    }
    if (best) score_piece(en, best);
}
