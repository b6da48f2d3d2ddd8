/* What a model gives each token of a text that it may have written: for weighted detection. Blocking. */
#ifndef XOE_FLOW_TOKEN_PROBS_H
#define XOE_FLOW_TOKEN_PROBS_H

#include "xoe/engine.h"

enum { XOE_TOKEN_PROBS_MAX = 8192 }; /* tokens of a text: about a minute of reading on two cores */

/* probs: [n], 0 for the first token (unknown). The prompt is not known, so these are rough: fit to weigh by,
 * not to compute with. Errors: XOE_ELIMIT (text too long), XOE_EUNSUPPORTED (no weights loaded, an embedding
 * model), as xoe_engine_score. */
xoe_err xoe_token_probs(xoe_engine *en, const int32_t *tokens, size_t n, xoe_priority priority, double *probs, xoe_error *e);

#endif
