/* A conversation as the model's own template writes it, in tokens. Thread: safe. */
#ifndef XOE_FLOW_CHAT_TOKENS_H
#define XOE_FLOW_CHAT_TOKENS_H

#include <jansson.h>

#include "xoe/engine.h"

/* One more message. Takes content, which may be NULL (not UTF-8, no memory): then, as without memory, not 0. */
int xoe_chat_turn(json_t *chat, const char *role, json_t *content);

/* messages_json: an array of messages. tokens: freed by xoe_tokens_free. Errors: as xoe_chat_render and
 * xoe_engine_tokenize. */
xoe_err xoe_chat_tokens(const xoe_engine *en, const char *messages_json, int32_t **tokens, size_t *n_tokens, xoe_error *e);

#endif
