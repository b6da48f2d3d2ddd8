/* What clients may ask: bodies of /v1/chat/completions, /v1/completions and /v1/embeddings as structs.
 * Pure: no engine, no configuration. Everything lives in the request's arena. */
#ifndef XOE_SERVE_OPENAI_REQUEST_H
#define XOE_SERVE_OPENAI_REQUEST_H

#include "base/arena.h"
#include "flow/completion.h"

enum {
    XOE_MESSAGES_MAX = 4096,
    XOE_TOOLS_MAX = 128,
    XOE_PROMPTS_MAX = 64,
    XOE_CHOICES_MAX = 128,       /* prompts × n */
    XOE_STOP_BYTES_MAX = 1024,
    XOE_LOGIT_BIAS_MAX = 4096,
    XOE_TOP_LOGPROBS_MAX = 20,
    XOE_EMBED_INPUTS_MAX = 2048,
    XOE_TEXT_BYTES_MAX = 1 << 20 /* a text to detect or to mark */
};

/* How the answer is to be marked, as far as the client said. */
typedef struct xoe_ask_mark {
    bool has_apply, apply; /* apply_watermark */
    const char *mode;      /* "generate", "rephrase", "off"; NULL: not said */
    const char *scheme;    /* NULL: the key's */
    const char *key_id;    /* NULL: the active one */
    bool has_payload;
    uint64_t payload;
    bool async;
} xoe_ask_mark;

typedef struct xoe_prompt {
    const char *text; /* NULL: tokens */
    size_t n;
    const int32_t *tokens;
} xoe_prompt;

typedef struct xoe_ask {
    bool is_chat;
    const char *model; /* NULL: the default */
    const char *user;
    bool stream, include_usage;
    int n, max_tokens; /* max_tokens 0: what fits */
    int n_probs;       /* −1: none */
    xoe_sampling sampling;
    const char *stop[XOE_STOP_MAX];
    int n_stop;
    bool any_json;           /* response_format json_object */
    const char *json_schema; /* text; NULL: none */
    const char *grammar;     /* GBNF; NULL: none */
    xoe_ask_mark mark;
    xoe_chat_inputs chat;    /* chat */
    xoe_prompt *prompts;     /* completions: [n_prompts] */
    size_t n_prompts;
    bool echo;
} xoe_ask;

xoe_err xoe_ask_parse_chat(xoe_arena *a, const char *body, size_t n, xoe_ask *out, xoe_error *e);
xoe_err xoe_ask_parse_completion(xoe_arena *a, const char *body, size_t n, xoe_ask *out, xoe_error *e);

typedef struct xoe_ask_embed {
    const char *model, *user;
    xoe_prompt *inputs; /* [n_inputs] */
    size_t n_inputs;
    bool base64;
    int dimensions;     /* 0: native */
} xoe_ask_embed;
xoe_err xoe_ask_parse_embed(xoe_arena *a, const char *body, size_t n, xoe_ask_embed *out, xoe_error *e);

/* ---- shared by the parsers ---- */
struct xoe_fields;
struct json_t;
/* "watermark" and "apply_watermark". */
void xoe_ask_parse_mark(struct xoe_fields *f, xoe_ask_mark *out);
/* A string, strings, token ids, or arrays of them. */
void xoe_ask_parse_prompts(struct xoe_fields *f, xoe_arena *a, const char *name, size_t max,
                           xoe_prompt **out, size_t *n);
/* "messages", "tools", "tool_choice" and what goes with them. */
void xoe_ask_parse_messages(struct xoe_fields *f, xoe_arena *a, xoe_chat_inputs *out);
void xoe_ask_parse_tools(struct xoe_fields *f, xoe_arena *a, xoe_chat_inputs *out);

#endif
