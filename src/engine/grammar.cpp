/* The shim over llama.cpp's grammar sampler. No exception leaves this file. */
#include "engine/grammar.h"

#include <cmath>
#include <exception>
#include <new>
#include <vector>

#include "llama.h"

struct xoe_grammar {
    llama_sampler *sampler = nullptr;
    std::vector<llama_token_data> data;
};

extern "C" xoe_err xoe_grammar_open(xoe_grammar **out, const llama_vocab *vocab, const xoe_sampling *s,
                                    xoe_error *e)
{
    *out = nullptr;
    try {
        auto *g = new xoe_grammar;
        if (s->grammar_lazy) {
            std::vector<const char *> patterns(s->grammar_trigger_patterns,
                                               s->grammar_trigger_patterns + s->n_grammar_trigger_patterns);
            g->sampler = llama_sampler_init_grammar_lazy_patterns(
                vocab, s->grammar, "root", patterns.data(), patterns.size(), s->grammar_trigger_tokens,
                s->n_grammar_trigger_tokens);
        } else {
            g->sampler = llama_sampler_init_grammar(vocab, s->grammar, "root");
        }
        if (!g->sampler) {
            delete g;
            return xoe_error_param(e, XOE_EINVAL, "grammar",
                                   "the grammar does not parse as GBNF with a rule named root");
        }
        try {
            for (size_t i = 0; !s->grammar_lazy && i < s->n_grammar_prefill; i++)
                llama_sampler_accept(g->sampler, s->grammar_prefill[i]);
        } catch (...) {
            xoe_grammar_close(g);
            throw;
        }
        *out = g;
        return XOE_OK;
    } catch (const std::bad_alloc &) {
        return xoe_error_set(e, XOE_ENOMEM, "no memory for a grammar");
    } catch (const std::exception &ex) {
        return xoe_error_param(e, XOE_EINVAL, "grammar", "bad grammar: %.160s", ex.what());
    }
}

extern "C" void xoe_grammar_close(xoe_grammar *g)
{
    if (!g) return;
    llama_sampler_free(g->sampler);
    delete g;
}

extern "C" size_t xoe_grammar_mask(xoe_grammar *g, const int32_t *ids, float *logits, size_t n)
{
    size_t left = 0;
    try {
        g->data.resize(n);
        for (size_t i = 0; i < n; i++)
            g->data[i] = {ids[i], logits[i], 0};
        llama_token_data_array a = {g->data.data(), n, -1, false};
        llama_sampler_apply(g->sampler, &a);
        for (size_t i = 0; i < n; i++) {
            logits[i] = g->data[i].logit;
            left += std::isfinite(logits[i]);
        }
    } catch (const std::exception &) {
        for (size_t i = 0; i < n; i++)
            logits[i] = -INFINITY;
        return 0;
    }
    return left;
}

extern "C" int xoe_grammar_accept(xoe_grammar *g, int32_t id)
{
    try {
        llama_sampler_accept(g->sampler, id);
        return 0;
    } catch (const std::exception &) {
        return -1;
    }
}
