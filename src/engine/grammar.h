/* GBNF grammars of llama.cpp behind C: its calls may throw. Thread: one owner. */
#ifndef XOE_ENGINE_GRAMMAR_H
#define XOE_ENGINE_GRAMMAR_H

#include <stddef.h>
#include <stdint.h>
#include "xoe/engine.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct xoe_grammar xoe_grammar;
struct llama_vocab;

/* From the grammar fields of s. Errors: XOE_EINVAL (does not parse). */
xoe_err xoe_grammar_open(xoe_grammar **out, const struct llama_vocab *vocab, const xoe_sampling *s,
                         xoe_error *e);
void xoe_grammar_close(xoe_grammar *g);
/* Set logits[i] of refused ids to −INFINITY; returns how many are left. */
size_t xoe_grammar_mask(xoe_grammar *g, const int32_t *ids, float *logits, size_t n);
/* Move on by one token. −1: the grammar cannot go on. */
int xoe_grammar_accept(xoe_grammar *g, int32_t id);

#ifdef __cplusplus
}
#endif
#endif
