/* Text to tokens and back: pure functions of the vocabulary. Thread: safe. */
#include "engine/internal.h"

#include <limits.h>
#include <string.h>

#include "base/mem.h"

xoe_err xoe_engine_tokenize(const xoe_engine *en, const char *text, size_t n, bool add_special,
                            bool parse_special, int32_t **out, size_t *n_out, xoe_error *e)
{
    *out = NULL;
    *n_out = 0;
    if (n > INT_MAX / 2) return xoe_error_set(e, XOE_ETOOBIG, "text of %zu bytes is too long", n);
    size_t cap = n / 2 + 16;
    for (;;) {
        int32_t *ids = xoe_malloc(cap * sizeof *ids);
        if (!ids) return xoe_error_set(e, XOE_ENOMEM, "no memory for %zu tokens", cap);
        int got = llama_tokenize(en->vocab, text, (int32_t)n, ids, (int32_t)cap, add_special, parse_special);
        if (got >= 0) {
            *out = ids;
            *n_out = (size_t)got;
            return XOE_OK;
        }
        xoe_free(ids);
        if (got == INT32_MIN || (size_t)-got <= cap) return xoe_error_set(e, XOE_EINTERNAL, "the tokenizer failed");
        cap = (size_t)-got;
    }
}

void xoe_tokens_free(int32_t *tokens)
{
    xoe_free(tokens);
}

size_t xoe_engine_token_bytes(const xoe_engine *en, int32_t id, bool special, char *out, size_t cap)
{
    if (id < 0 || id >= en->n_vocab) return 0;
    int n = llama_token_to_piece(en->vocab, id, out, (int32_t)cap, 0, special);
    return (size_t)(n < 0 ? -n : n);
}

bool xoe_engine_is_eog(const xoe_engine *en, int32_t id)
{
    return id >= 0 && id < en->n_vocab && llama_vocab_is_eog(en->vocab, id);
}
