/* For prompts that Xoe itself writes: to rephrase, to ask about meaning. */
#include "flow/chat_tokens.h"

#include "engine/chat.h"

int xoe_chat_turn(json_t *chat, const char *role, json_t *content)
{
    return json_array_append_new(chat, json_pack("{s:s, s:o}", "role", role, "content", content));
}

xoe_err xoe_chat_tokens(const xoe_engine *en, const char *messages_json, int32_t **tokens, size_t *n_tokens, xoe_error *e)
{
    xoe_chat *chat = NULL;
    size_t len;
    xoe_chat_inputs in = {.messages_json = messages_json};
    xoe_err rc = xoe_chat_render(&chat, en, &in, e);
    if (rc == XOE_OK) {
        const char *prompt = xoe_chat_prompt(chat, &len);
        rc = xoe_engine_tokenize(en, prompt, len, true, true, tokens, n_tokens, e);
    }
    xoe_chat_close(chat);
    return rc;
}
