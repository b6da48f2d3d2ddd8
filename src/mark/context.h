/* Contexts: which positions of a text are scored. A position counts when `width` tokens of the same
 * text stand before it and that context did not stand before an earlier position. Writer and
 * detector use the same rule. */
#ifndef XOE_MARK_CONTEXT_H
#define XOE_MARK_CONTEXT_H

#include "mark/prf.h"

/* A set of contexts, each kept as its encryption under a secret key: equal blocks are equal
 * contexts, and nobody can choose texts that collide in the table. Zeroed is empty. Thread: one
 * owner. */
typedef struct xoe_context_set {
    xoe_block *slots; /* [n_slots]; all zero: free */
    size_t n_slots, n;
} xoe_context_set;

/* 1: new, 0: was there, −1: no memory. */
int xoe_context_set_add(xoe_context_set *s, const xoe_block *encrypted);
bool xoe_context_set_has(const xoe_context_set *s, const xoe_block *encrypted);
/* Room for n more without growing. 0, or −1: no memory. */
int xoe_context_set_reserve(xoe_context_set *s, size_t n);
void xoe_context_set_reset(xoe_context_set *s);
void xoe_context_set_free(xoe_context_set *s);

/* The scored positions of a text. */
typedef struct xoe_scored {
    size_t *pos;         /* [n] ascending */
    int32_t *tokens;     /* [n] the tokens there */
    xoe_block *contexts; /* [n] first PRF blocks, not encrypted */
    size_t n;
} xoe_scored;

/* prf: any key that the text's author does not know. Errors: XOE_ENOMEM. */
xoe_err xoe_scored_build(xoe_scored *out, const int32_t *tokens, size_t n_tokens, int width,
                         xoe_prf *prf, xoe_error *e);
void xoe_scored_free(xoe_scored *s);

#endif
