/* From logits to the next token: bias, penalties, grammar, temperature, truncation, then the mark or
 * a seeded draw. Needs no model: logits come as an array. Thread: one owner. */
#ifndef XOE_ENGINE_SAMPLER_H
#define XOE_ENGINE_SAMPLER_H

#include "base/rng.h"
#include "engine/grammar.h"
#include "xoe/engine.h"

typedef struct xoe_sampler xoe_sampler;

typedef struct xoe_sampled {
    int32_t id;      /* −1: the grammar allows no token */
    bool marked;
    double expected; /* see xoe_pick */
} xoe_sampled;

/* Copies what it needs of s. suppress: [n] ids never drawn; borrowed. grammar: taken over (also on
 * failure), may be NULL. mark: taken over likewise, may be NULL. */
xoe_err xoe_sampler_open(xoe_sampler **out, const xoe_sampling *s, int n_vocab, const int32_t *suppress,
                         size_t n_suppress, xoe_grammar *grammar, xoe_marker *mark, xoe_error *e);
void xoe_sampler_close(xoe_sampler *s);

/* recent: the prompt's last tokens, for repeat_penalty. Call once before the first sample. */
void xoe_sampler_seed_history(xoe_sampler *s, const int32_t *prompt, size_t n);

/* Go on from an answer's first tokens, which were drawn elsewhere. Errors: XOE_EINVAL (the grammar refuses one). */
xoe_err xoe_sampler_go_on(xoe_sampler *s, const int32_t *answer, size_t n, xoe_error *e);

/* logits: [n_vocab], changed in place. answer: tokens so far. The token is accepted (history and
 * grammar move on). */
xoe_sampled xoe_sampler_sample(xoe_sampler *s, float *logits, const int32_t *answer, size_t n_answer);

#endif
