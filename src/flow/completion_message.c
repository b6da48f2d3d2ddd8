/* What the chat template's parser read, as OpenAI's message object. Ids of tool calls are made from
 * the request's id, the choice and the call's place, so that partial and final parses, and the audit
 * row, agree. Text form: keys sorted, compact; that form is what the audit row's hash is over. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "flow/completion_turn.h"

static char *dump(const json_t *j)
{
    char *text = json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS);
    char *copy = text ? xoe_strdup(text) : NULL;
    free(text);
    return copy;
}

static json_t *tool_call(const json_t *call, const char *request_id, int choice, size_t index)
{
    const json_t *f = json_object_get(call, "function");
    const char *name = json_string_value(json_object_get(f, "name"));
    const char *args = json_string_value(json_object_get(f, "arguments"));
    char seed[192], hex[XOE_SHA256_HEX];
    int n = snprintf(seed, sizeof seed, "%.128s#%d#%zu", request_id ? request_id : "", choice, index);
    xoe_sha256_hex(seed, (size_t)n, hex);
    return json_pack("{s:o, s:s, s:{s:s, s:s}}", "id", json_sprintf("call_%.24s", hex), "type",
                     "function", "function", "name", name ? name : "", "arguments", args ? args : "");
}

xoe_err xoe_message_shape(const char *parsed, const char *request_id, int choice, char **out_json,
                          char **content, bool *has_tool_calls, xoe_error *e)
{
    json_t *in = json_loads(parsed, 0, NULL), *out = json_object(), *calls = NULL;
    xoe_err rc = XOE_ENOMEM;
    *out_json = *content = NULL;
    *has_tool_calls = false;
    if (!json_is_object(in)) {
        rc = xoe_error_set(e, XOE_EFORMAT, "the answer could not be read as a message");
        goto out;
    }
    const json_t *list = json_object_get(in, "tool_calls");
    const json_t *text = json_object_get(in, "content");
    const json_t *reasoning = json_object_get(in, "reasoning_content");
    const char *s = json_string_value(text);
    size_t n = json_string_length(text);
    *has_tool_calls = json_array_size(list) > 0;
    if (json_object_set_new(out, "role", json_string("assistant")) ||
        json_object_set_new(out, "content", n || !*has_tool_calls ? json_stringn(s ? s : "", n) : json_null()))
        goto out;
    if (json_string_length(reasoning) && json_object_set(out, "reasoning_content", (json_t *)(uintptr_t)reasoning))
        goto out;
    if (*has_tool_calls) {
        calls = json_array();
        for (size_t i = 0; i < json_array_size(list); i++)
            if (json_array_append_new(calls, tool_call(json_array_get(list, i), request_id, choice, i)))
                goto out;
        if (json_object_set(out, "tool_calls", calls)) goto out;
    }
    *out_json = dump(out);
    *content = xoe_strndup(s ? s : "", n);
    if (*out_json && *content) rc = XOE_OK;
out:
    json_decref(calls);
    json_decref(out);
    json_decref(in);
    if (rc) {
        xoe_free(*out_json);
        xoe_free(*content);
        *out_json = *content = NULL;
        if (rc == XOE_ENOMEM) xoe_error_set(e, rc, "no memory for the message");
    }
    return rc;
}

char *xoe_message_with_content(const char *message_json, const char *text, size_t n)
{
    json_t *m = json_loads(message_json, 0, NULL);
    char *out = NULL;
    if (m && !json_object_set_new(m, "content", json_stringn(text, n))) out = dump(m);
    json_decref(m);
    return out;
}
