/* Reading a text with a model, window by window: a window overlaps the one before by half, so that each token
 * is judged with at least half a context before it. Thread: any. */
#include "flow/token_probs.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

xoe_err xoe_token_probs(xoe_engine *en, const int32_t *tokens, size_t n, xoe_priority priority, double *probs, xoe_error *e)
{
    xoe_engine_info info;
    xoe_engine_get_info(en, &info);
    if (info.n_ctx_slot < 2) return xoe_error_param(e, XOE_EUNSUPPORTED, "weights", "only the vocabulary of %.100s is loaded", info.name);
    if (n > XOE_TOKEN_PROBS_MAX)
        return xoe_error_param(e, XOE_ELIMIT, "weights", "the text has %zu tokens; with weights at most %d are read, without them any number", n,
                               XOE_TOKEN_PROBS_MAX);
    memset(probs, 0, n * sizeof *probs);
    if (n < 2) return XOE_OK;
    size_t window = (size_t)info.n_ctx_slot;
    float *lp = xoe_malloc(n * sizeof *lp);
    xoe_err rc = lp ? XOE_OK : xoe_error_set(e, XOE_ENOMEM, "no memory to read %zu tokens", n);
    for (size_t from = 1; rc == XOE_OK && from < n;) {
        size_t first = from > window / 2 ? from - window / 2 : 0, end = n - first > window ? first + window : n;
        rc = xoe_engine_score(en, tokens + first, end - first, from - first, priority, lp, NULL, e);
        for (size_t i = from; rc == XOE_OK && i < end; i++)
            probs[i] = fmin(1, exp((double)lp[i - from]));
        from = end;
    }
    xoe_free(lp);
    return rc;
}
