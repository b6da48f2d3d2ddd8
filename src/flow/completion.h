/* One completion turn: prompt or messages in, choices out; stop strings, UTF-8 whole, tool calls,
 * the mark, the audit row. Shapes of OpenAI live in serve/. Blocking; runs on a request thread. */
#ifndef XOE_FLOW_COMPLETION_H
#define XOE_FLOW_COMPLETION_H

#include "engine/chat.h"
#include "flow/app.h"
#include "flow/detect.h"
#include "flow/rephrase.h"

enum { XOE_STOP_MAX = 16, XOE_N_MAX = 16 };

typedef enum xoe_mark_mode { XOE_MARK_GENERATE, XOE_MARK_REPHRASE, XOE_MARK_OFF } xoe_mark_mode;

typedef struct xoe_completion_request {
    xoe_engine *engine;
    const char *request_id, *user;
    /* exactly one of: */
    const xoe_chat_inputs *chat;
    const char *prompt; size_t n_prompt;
    const int32_t *prompt_tokens; size_t n_prompt_tokens;
    xoe_sampling sampling;
    int n;                       /* choices; 0: 1 */
    int max_tokens;              /* 0: what fits */
    int n_probs;                 /* −1: none */
    bool echo;
    const char *stop[XOE_STOP_MAX]; int n_stop;
    xoe_mark_mode mark_mode;
    const char *key_id;          /* NULL: active */
    uint64_t payload;
    xoe_priority priority;
    int64_t deadline_mono_ms;
} xoe_completion_request;

typedef struct xoe_logprob { int32_t id; const char *bytes; size_t n_bytes; float logprob;
    const xoe_token_prob *top; int n_top; } xoe_logprob;

/* A piece of choice `index`: whole characters, nothing of a stop string. message_json: for chat
 * requests with tools the parsed message so far (OpenAI's shape), else NULL. The first piece of a choice
 * comes when its prompt is read, and is empty unless the prompt is echoed. Return −1 to stop. */
typedef struct xoe_completion_piece {
    int index;
    const char *text; size_t n;
    const xoe_logprob *logprobs; int n_logprobs;
    const char *message_json;
    bool final; /* message_json will not change any more */
} xoe_completion_piece;
typedef int (*xoe_completion_sink)(const xoe_completion_piece *p, void *ud);

typedef struct xoe_choice {
    char *text; size_t n;          /* what the client gets; watermarked text */
    char *original; size_t n_original; /* before rephrase; == text in mode generate */
    char *message_json;            /* chat: OpenAI message object */
    bool has_tool_calls;
    const char *finish_reason;     /* static: "stop", "length", "tool_calls" */
    xoe_logprob *logprobs; int n_logprobs;
    bool is_watermarked;
    double signal_expected;        /* Σ H(1/p) − 1 over marked tokens */
    double log10_p;                /* our own detector on the text; 0 when unmarked */
    double confidence;
    const char *unmarked_reason;   /* static: "temperature 0", "too short", …; "" */
    xoe_rephrase_result rephrase;  /* mode rephrase */
} xoe_choice;

typedef struct xoe_completion_result {
    xoe_choice choices[XOE_N_MAX]; int n;
    char key_id[XOE_KEY_ID_MAX];
    int prompt_tokens, completion_tokens, cached_tokens;
    int drawn_tokens; /* completion_tokens, and those of drafts that were not kept */
    double queued_ms, prompt_ms, predicted_ms, first_token_ms, mark_ms, total_ms;
} xoe_completion_result;

/* sink may be NULL (no streaming). canceled: set by another thread when the client is gone.
 * On XOE_OK every choice has its durable audit row. Errors: as the engine's; XOE_EIO (audit). */
typedef struct xoe_cancel xoe_cancel; /* shared flag that also cancels running jobs */
xoe_cancel *xoe_cancel_new(void);
void xoe_cancel_fire(xoe_cancel *c); /* thread: any */
void xoe_cancel_free(xoe_cancel *c);

xoe_err xoe_completion_run(xoe_app *app, const xoe_completion_request *req, xoe_cancel *cancel,
                           xoe_completion_sink sink, void *ud, xoe_completion_result *out, xoe_error *e);
void xoe_completion_result_clear(xoe_completion_result *r);

#endif
