/* A message is parsed anew with every piece, and its texts only grow; what is beyond the bytes already
 * sent is the delta. A tool call is held back until it is certain (another began, or the message is
 * final), because parsers may close unfinished arguments on the way ("{\"a\":1}" for "{\"a\":1"); it
 * then goes out in one delta, which OpenAI's clients take as well as many. */
#include "serve/openai_delta.h"

#include <string.h>

json_t *xoe_delta_role(xoe_delta *d)
{
    if (d->role_sent) return NULL;
    d->role_sent = true;
    return json_pack("{s:s, s:s}", "role", "assistant", "content", "");
}

json_t *xoe_delta_text(xoe_delta *d, const char *text, size_t n)
{
    json_t *j = json_object();
    if (!d->role_sent) {
        d->role_sent = true;
        json_object_set_new(j, "role", json_string("assistant"));
    }
    json_object_set_new(j, "content", json_stringn(text, n));
    d->content += n;
    return j;
}

/* Set name to the new part of value, if any. A cut inside a character waits for the next message. */
static void grow(json_t *delta, const char *name, const json_t *value, size_t *sent)
{
    size_t n = json_string_length(value);
    const char *s = json_string_value(value);
    if (n <= *sent) return;
    json_t *part = json_stringn(s + *sent, n - *sent);
    if (!part) return;
    json_object_set_new(delta, name, part);
    *sent = n;
}

static json_t *new_call(size_t index, const json_t *call)
{
    const json_t *f = json_object_get(call, "function");
    return json_pack("{s:I, s:O, s:s, s:{s:O, s:s}}", "index", (json_int_t)index, "id", json_object_get(call, "id"),
                     "type", "function", "function", "name", json_object_get(f, "name"), "arguments", "");
}

json_t *xoe_delta_message(xoe_delta *d, const json_t *message, bool final)
{
    json_t *delta = json_object(), *calls = json_array();
    const json_t *list = json_object_get(message, "tool_calls");
    grow(delta, "reasoning_content", json_object_get(message, "reasoning_content"), &d->reasoning);
    grow(delta, "content", json_object_get(message, "content"), &d->content);
    size_t n = json_array_size(list);
    for (size_t i = 0; i < n && i < XOE_DELTA_CALLS_MAX; i++) {
        const json_t *call = json_array_get(list, i);
        const json_t *args = json_object_get(json_object_get(call, "function"), "arguments");
        bool certain = final || i + 1 < n;
        json_t *out = NULL;
        if (i >= d->n_calls && certain) {
            out = new_call(i, call);
            d->n_calls = i + 1;
        }
        if (i < d->n_calls && certain && json_string_length(args) > d->arguments[i]) {
            if (!out) out = json_pack("{s:I, s:{}}", "index", (json_int_t)i, "function");
            grow(json_object_get(out, "function"), "arguments", args, &d->arguments[i]);
        }
        if (out) json_array_append_new(calls, out);
    }
    if (json_array_size(calls)) json_object_set(delta, "tool_calls", calls);
    json_decref(calls);
    if (!json_object_size(delta)) {
        json_decref(delta);
        return NULL;
    }
    if (!d->role_sent) {
        d->role_sent = true;
        json_object_set_new(delta, "role", json_string("assistant"));
    }
    return delta;
}
