/* POST /v1/embeddings: all inputs of a request go to the engine in one call, which batches them. */
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ops/metrics.h"
#include "serve/openai_handlers.h"

typedef struct batch {
    int32_t *tokens;
    size_t n_tokens, cap;
    size_t *lens; /* [n_texts] */
    float *out;   /* [n_texts][n_embd] */
} batch;

static xoe_err add_tokens(batch *b, size_t i, const int32_t *ids, size_t n, xoe_error *e)
{
    if (b->n_tokens + n > b->cap) {
        size_t cap = (b->n_tokens + n) * 2;
        int32_t *p = xoe_realloc(b->tokens, cap * sizeof *p);
        if (!p) return xoe_error_set(e, XOE_ENOMEM, "no memory for the input");
        b->tokens = p;
        b->cap = cap;
    }
    if (n) memcpy(b->tokens + b->n_tokens, ids, n * sizeof *ids);
    b->n_tokens += n;
    b->lens[i] = n;
    return XOE_OK;
}

static xoe_err gather(batch *b, const xoe_engine *en, const xoe_engine_info *info, const xoe_ask_embed *ask,
                      xoe_error *e)
{
    for (size_t i = 0; i < ask->n_inputs; i++) {
        const xoe_prompt *p = &ask->inputs[i];
        int32_t *ids = NULL;
        size_t n = 0;
        xoe_err rc = XOE_OK;
        for (size_t k = 0; p->tokens && k < p->n; k++)
            if (p->tokens[k] >= info->n_vocab)
                return xoe_error_param(e, XOE_EINVAL, "input", "token %d is not in the model's vocabulary of %d",
                                       p->tokens[k], info->n_vocab);
        if (p->text) rc = xoe_engine_tokenize(en, p->text, p->n, true, false, &ids, &n, e);
        if (!rc) rc = add_tokens(b, i, p->text ? ids : p->tokens, p->text ? n : p->n, e);
        xoe_tokens_free(ids);
        if (rc) return rc;
    }
    return XOE_OK;
}

/* Little-endian float32, base64: what OpenAI's clients ask for by default. */
static json_t *base64_vector(const float *v, size_t n)
{
    size_t bytes = n * sizeof *v;
    unsigned char *text = xoe_malloc(4 * ((bytes + 2) / 3) + 1);
    if (!text) return NULL;
    int len = EVP_EncodeBlock(text, (const unsigned char *)v, (int)bytes);
    json_t *j = json_stringn((const char *)text, (size_t)len);
    xoe_free(text);
    return j;
}

static json_t *float_vector(const float *v, size_t n)
{
    json_t *a = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(a, json_real((double)v[i]));
    return a;
}

static json_t *answer(const xoe_ask_embed *ask, const xoe_engine_info *info, const batch *b)
{
    json_t *data = json_array();
    size_t dim = (size_t)info->n_embd;
    for (size_t i = 0; i < ask->n_inputs; i++) {
        const float *v = b->out + i * dim;
        json_array_append_new(data, json_pack("{s:s, s:I, s:o}", "object", "embedding", "index", (json_int_t)i,
                                              "embedding", ask->base64 ? base64_vector(v, dim) : float_vector(v, dim)));
    }
    return json_pack("{s:s, s:o, s:s, s:{s:I, s:I}}", "object", "list", "data", data, "model", info->name, "usage",
                     "prompt_tokens", (json_int_t)b->n_tokens, "total_tokens", (json_int_t)b->n_tokens);
}

static xoe_err embed(xoe_engine *en, const xoe_engine_info *info, const xoe_ask_embed *ask, batch *b, xoe_error *e)
{
    xoe_err rc;
    if (ask->dimensions && ask->dimensions != info->n_embd)
        return xoe_error_param(e, XOE_EINVAL, "dimensions", "%s has %d dimensions; leave dimensions out", info->name,
                               info->n_embd);
    b->lens = xoe_calloc(ask->n_inputs, sizeof *b->lens);
    b->out = xoe_calloc(ask->n_inputs * (size_t)info->n_embd, sizeof *b->out);
    if (!b->lens || !b->out) return xoe_error_set(e, XOE_ENOMEM, "no memory for the embeddings");
    if ((rc = gather(b, en, info, ask, e))) return rc;
    rc = xoe_engine_embed(en, b->tokens, b->lens, ask->n_inputs, XOE_PRIORITY_BATCH, b->out, e);
    if (rc == XOE_ELIMIT && e && !*e->param) snprintf(e->param, sizeof e->param, "input");
    return rc;
}

void xoe_embeddings_handler(xoe_http_req *r, void *ud)
{
    xoe_server *s = ud;
    size_t n;
    const char *body = xoe_http_body(r, &n);
    xoe_error e = XOE_ERROR_INIT;
    xoe_ask_embed ask;
    xoe_engine *en = NULL;
    xoe_engine_info info;
    batch b = {0};
    xoe_err rc = xoe_ask_parse_embed(xoe_http_arena(r), body, n, &ask, &e);
    if (!rc) rc = xoe_app_model(s->app, ask.model, true, &en, &e);
    if (!rc) {
        xoe_engine_get_info(en, &info);
        rc = embed(en, &info, &ask, &b, &e);
    }
    if (rc) xoe_reply_error(r, &e);
    else xoe_reply_json(r, 200, answer(&ask, &info, &b));
    xoe_free(b.tokens);
    xoe_free(b.lens);
    xoe_free(b.out);
    xoe_app_release(s->app, en);
}
