/* From messages that grow to OpenAI's deltas: content, reasoning and tool calls of one streamed choice.
 * Pure; thread: one owner. */
#ifndef XOE_SERVE_OPENAI_DELTA_H
#define XOE_SERVE_OPENAI_DELTA_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum { XOE_DELTA_CALLS_MAX = 64 };

/* Zero it to begin. Bytes of each text that were sent. */
typedef struct xoe_delta {
    bool role_sent;
    size_t content, reasoning;
    size_t n_calls;
    size_t arguments[XOE_DELTA_CALLS_MAX];
} xoe_delta;

/* The role alone, or NULL when it was sent. */
json_t *xoe_delta_role(xoe_delta *d);
/* A piece of plain content. */
json_t *xoe_delta_text(xoe_delta *d, const char *text, size_t n);
/* What message (OpenAI's shape) has beyond what was sent; NULL: nothing new. final: the message will
 * not grow any more. */
json_t *xoe_delta_message(xoe_delta *d, const json_t *message, bool final);

#endif
