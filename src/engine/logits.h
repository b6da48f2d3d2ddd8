/* Passes over a whole row of logits, which is as long as the vocabulary (150,000): written so that
 * compilers vectorise them. Pure functions. */
#ifndef XOE_ENGINE_LOGITS_H
#define XOE_ENGINE_LOGITS_H

#include <stddef.h>
#include <stdint.h>
#include "xoe/engine.h"

float xoe_logits_max(const float *x, int n); /* −INFINITY when there is none */

/* Σ e^((x_i − top)·inv_t) for top ≥ every x; relative error below 2e-6. */
double xoe_logits_mass(const float *x, int n, float top, float inv_t);

/* Ids and values of the entries ≥ floor, by id. ids, vals: room for n. Returns how many. */
size_t xoe_logits_gather(const float *x, int n, float floor, int32_t *ids, float *vals);

/* Natural log of the softmax of x at `id`, which is returned, and at the k best ids.
 * top: [k], best first. */
float xoe_logprobs(const float *x, int n, int32_t id, xoe_token_prob *top, int k);
/* Entropy of the softmax of x in nats; *logprob_of_id as above. */
float xoe_entropy(const float *x, int n, int32_t id, float *logprob_of_id);

#endif
