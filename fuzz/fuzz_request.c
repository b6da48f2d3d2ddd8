/* Bodies of the generating and embedding endpoints, as clients may send them. The first byte picks the
 * parser. A request that is taken must be usable: ranges hold, texts are UTF-8 and end. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "serve/openai_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(int ok)
{
    if (!ok) abort();
}

static void check_ask(const xoe_ask *q)
{
    expect(q->n >= 1 && q->n <= XOE_N_MAX && q->n_stop >= 0 && q->n_stop <= XOE_STOP_MAX);
    expect(isfinite(q->sampling.temperature) && q->sampling.temperature >= 0 && q->sampling.temperature <= 2);
    expect(q->sampling.top_p > 0 && q->sampling.top_p <= 1 && q->sampling.top_k >= 0 && q->max_tokens >= 0);
    for (int i = 0; i < q->n_stop; i++)
        expect(q->stop[i][0] && xoe_utf8_valid(q->stop[i], strlen(q->stop[i])));
    if (q->is_chat) expect(q->chat.messages_json && q->chat.messages_json[0] == '[');
    else expect(q->n_prompts >= 1);
    for (size_t i = 0; i < q->n_prompts; i++)
        expect(q->prompts[i].n >= 1 && (!q->prompts[i].text ^ !q->prompts[i].tokens));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size) return 0;
    xoe_arena *a = xoe_arena_new(0);
    xoe_error e = XOE_ERROR_INIT;
    const char *body = (const char *)data + 1;
    xoe_ask *q = calloc(1, sizeof *q);
    xoe_ask_embed embed;
    if (!a || !q) abort();
    xoe_err rc;
    switch (data[0] % 3) {
    case 0:
        rc = xoe_ask_parse_chat(a, body, size - 1, q, &e);
        if (!rc) check_ask(q);
        break;
    case 1:
        rc = xoe_ask_parse_completion(a, body, size - 1, q, &e);
        if (!rc) check_ask(q);
        break;
    default:
        rc = xoe_ask_parse_embed(a, body, size - 1, &embed, &e);
        if (!rc) expect(embed.n_inputs >= 1);
    }
    expect(rc == XOE_OK || (e.code == rc && e.msg[0] && xoe_utf8_valid(e.msg, strlen(e.msg))));
    free(q);
    xoe_arena_free(a);
    return 0;
}
