/* Embedding jobs: as many texts a call as fit the batch, pooled by the model, made unit length. */
#include "engine/internal.h"

#include <math.h>
#include <string.h>

static void unit(const float *in, float *out, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += (double)in[i] * (double)in[i];
    double scale = sum > 0 ? 1 / sqrt(sum) : 0;
    for (int i = 0; i < n; i++)
        out[i] = (float)((double)in[i] * scale);
}

xoe_err xoe_worker_embed(xoe_engine *en, xoe_job *job, xoe_error *e)
{
    int n_embd = llama_model_n_embd_out(en->model);
    enum llama_pooling_type pooling = llama_pooling_type(en->ctx);
    bool encoder = llama_get_memory(en->ctx) == NULL;
    size_t text = 0, at = 0;
    while (text < job->n_texts) {
        struct llama_batch *b = &en->batch;
        size_t first = text;
        int last_row[64];
        if (atomic_load(&job->cancel)) return xoe_error_set(e, XOE_ECANCELED, "canceled");
        if (!encoder) llama_memory_clear(llama_get_memory(en->ctx), true);
        b->n_tokens = 0;
        while (text < job->n_texts && (int)(text - first) < en->n_slots && text - first < 64 &&
               b->n_tokens + (int)job->lens[text] <= en->n_batch) {
            for (size_t i = 0; i < job->lens[text]; i++)
                xoe_batch_add(b, job->prompt[at++], (int)i, (int)(text - first), true);
            last_row[text - first] = b->n_tokens - 1;
            text++;
        }
        int code = xoe_worker_decode(en, *b, job->priority, encoder);
        if (code) return xoe_error_set(e, XOE_EINTERNAL, "the embedding model failed (code %d)", code);
        for (size_t i = first; i < text; i++) {
            const float *v = pooling == LLAMA_POOLING_TYPE_NONE ? llama_get_embeddings_ith(en->ctx, last_row[i - first])
                                                                : llama_get_embeddings_seq(en->ctx, (int)(i - first));
            if (!v) return xoe_error_set(e, XOE_EINTERNAL, "%s gave no embedding", en->name);
            unit(v, job->out + i * (size_t)n_embd, n_embd);
        }
    }
    return XOE_OK;
}
