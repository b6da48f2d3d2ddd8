/* The model's own chat template, tool-call grammar and tool-call parser, and JSON schema to grammar:
 * llama.cpp's `common` library (C++) behind C. JSON travels as text. Thread: safe on one engine. */
#ifndef XOE_ENGINE_CHAT_H
#define XOE_ENGINE_CHAT_H

#include "xoe/engine.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct xoe_chat xoe_chat; /* a rendered prompt and how to read the answer */

typedef struct xoe_chat_inputs {
    const char *messages_json;    /* OpenAI's array, text */
    const char *tools_json;       /* OpenAI's array or NULL */
    const char *tool_choice;      /* "auto", "required", "none" or NULL */
    const char *json_schema;      /* a JSON schema the answer must obey, or NULL */
    const char *grammar;          /* GBNF or NULL */
    bool parallel_tool_calls;
    bool enable_thinking;
} xoe_chat_inputs;

/* Errors: XOE_EINVAL (messages the template refuses, bad schema), XOE_EUNSUPPORTED (no template). */
xoe_err xoe_chat_render(xoe_chat **out, const xoe_engine *en, const xoe_chat_inputs *in, xoe_error *e);
void xoe_chat_close(xoe_chat *c);

const char *xoe_chat_prompt(const xoe_chat *c, size_t *n); /* to tokenize with parse_special */
/* Fill the grammar fields of s; pointers are borrowed from c. */
void xoe_chat_apply_grammar(const xoe_chat *c, xoe_sampling *s);
size_t xoe_chat_stops(const xoe_chat *c, const char *const **out); /* extra stop strings */

/* Read the answer so far. out_json (xoe_free): an OpenAI message object {"role":"assistant",
 * "content":…, "reasoning_content"?:…, "tool_calls"?:[…]}. Called again with longer text while
 * partial. Errors: XOE_EFORMAT (final text that is no valid answer: hand it out as content). */
xoe_err xoe_chat_parse(const xoe_chat *c, const char *text, size_t n, bool partial, char **out_json,
                       xoe_error *e);

/* A JSON schema as GBNF (xoe_free). schema NULL: any JSON object. Errors: XOE_EINVAL. */
xoe_err xoe_json_schema_to_grammar(const char *schema, char **out_gbnf, xoe_error *e);

#ifdef __cplusplus
}
#endif
#endif
