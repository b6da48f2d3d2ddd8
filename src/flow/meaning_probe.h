/* A linear probe: what a chat model's inner state says about a rewrite, which is more than it would answer. The state
 * is the residual stream of one block after the question of meaning_model.h, where the answer would begin; the probe
 * is a weighted sum of it, fitted for one model by tools/fit_probe.py and kept in models/meaning_probes.json, together
 * with weights for the evidence of words. Thread: safe. Source: Alain & Bengio 2016 (1610.01644). */
#ifndef XOE_FLOW_MEANING_PROBE_H
#define XOE_FLOW_MEANING_PROBE_H

#include "flow/meaning.h"

typedef struct xoe_meaning_probe {
    char title[96]; /* the model's, as its file names it */
    int n_embd, n_layers, layer;
    xoe_meaning_weights weights; /* that of XOE_MEANING_PROBE is 1 */
    float *state;                /* [n_embd] */
} xoe_meaning_probe;

/* NULL: there is none for this model. */
const xoe_meaning_probe *xoe_meaning_probe_find(const xoe_engine *model);

/* The state itself, out: [n_embd]. Blocking. Errors: XOE_EDEADLINE, XOE_ELIMIT (longer than the context), the engine's. */
xoe_err xoe_meaning_state(xoe_engine *model, int layer, const char *source, size_t n_source, const char *rewrite, size_t n_rewrite,
                          xoe_priority priority, int64_t deadline_mono_ms, float *out, xoe_error *e);

/* *sum: Σ weight·state, as xoe_meaning_state finds it. Errors: its. */
xoe_err xoe_meaning_probe_ask(xoe_engine *model, const xoe_meaning_probe *p, const char *source, size_t n_source, const char *rewrite, size_t n_rewrite,
                              xoe_priority priority, int64_t deadline_mono_ms, double *sum, xoe_error *e);

#endif
