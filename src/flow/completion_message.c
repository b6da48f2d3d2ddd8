/* What the chat template's parser read, as OpenAI's message object. Ids of tool calls are made from
 * the request's id, the choice and the call's place, so that partial and final parses, and the audit
 * row, agree. Text form: keys sorted, compact; that form is what the audit row's hash is over.
 *
 * Small models often write a call as bare JSON, fenced or not, instead of in their template's tags. When
 * tools were offered and the whole text is {"name": an offered tool, "arguments": {…}}, or an array of
 * these, it is taken as the call that it means; until it is complete such a text is held back. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
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

static json_t *tool_call(const char *name, const char *args, const xoe_message_opts *o, size_t index)
{
    char seed[192], hex[XOE_SHA256_HEX];
    int n = snprintf(seed, sizeof seed, "%.128s#%d#%zu", o->request_id ? o->request_id : "", o->choice, index);
    xoe_sha256_hex(seed, (size_t)n, hex);
    return json_pack("{s:o, s:s, s:{s:s, s:s}}", "id", json_sprintf("call_%.24s", hex), "type", "function", "function",
                     "name", name ? name : "", "arguments", args ? args : "");
}

/* Calls as the template's parser found them; NULL: none. */
static json_t *parsed_calls(const json_t *list, const xoe_message_opts *o)
{
    json_t *out = json_array_size(list) ? json_array() : NULL;
    for (size_t i = 0; out && i < json_array_size(list); i++) {
        const json_t *f = json_object_get(json_array_get(list, i), "function");
        json_array_append_new(out, tool_call(json_string_value(json_object_get(f, "name")),
                                             json_string_value(json_object_get(f, "arguments")), o, i));
    }
    return out;
}

/* ---- calls written as bare JSON ---- */

static const char fence[] = "```json";

static bool offered(const json_t *tools, const char *name)
{
    for (size_t i = 0; name && i < json_array_size(tools); i++) {
        const json_t *f = json_object_get(json_array_get(tools, i), "function");
        const char *have = json_string_value(json_object_get(f, "name"));
        if (have && !strcmp(have, name)) return true;
    }
    return false;
}

static bool space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* May become a bare call: begins with a bracket, or with the fence or a part of it. */
static bool may_be_bare(const char *s, size_t n)
{
    while (n && space(*s))
        s++, n--;
    size_t k = n < sizeof fence - 1 ? n : sizeof fence - 1;
    return n && (*s == '{' || *s == '[' || !memcmp(s, fence, k));
}

static json_t *bare_call(const json_t *j, const json_t *tools, const xoe_message_opts *o, size_t index)
{
    const char *name = json_string_value(json_object_get(j, "name"));
    const json_t *args = json_object_get(j, "arguments");
    if (!offered(tools, name) || !json_is_object(args) || json_object_size(j) != 2) return NULL;
    char *text = json_dumps(args, JSON_COMPACT);
    json_t *call = text ? tool_call(name, text, o, index) : NULL;
    free(text);
    return call;
}

/* The calls that a text means; NULL: it is a text. */
static json_t *bare_calls(const char *s, size_t n, const xoe_message_opts *o)
{
    while (n && space(*s))
        s++, n--;
    while (n && space(s[n - 1]))
        n--;
    size_t k = sizeof fence - 1;
    if (n > k + 3 && !memcmp(s, fence, k) && !memcmp(s + n - 3, "```", 3)) {
        s += k;
        n -= k + 3;
    }
    json_t *j = json_loadb(s, n, 0, NULL), *tools = json_loads(o->tools_json, 0, NULL), *out = NULL;
    size_t count = json_is_array(j) ? json_array_size(j) : json_is_object(j) ? 1 : 0;
    if (count) out = json_array();
    for (size_t i = 0; out && i < count; i++) {
        json_t *call = bare_call(json_is_array(j) ? json_array_get(j, i) : j, tools, o, i);
        if (!call) {
            json_decref(out);
            out = NULL;
        } else {
            json_array_append_new(out, call);
        }
    }
    json_decref(j);
    json_decref(tools);
    return out;
}

/* ---- the message ---- */

xoe_err xoe_message_shape(const char *parsed, const xoe_message_opts *o, char **out_json, char **content,
                          bool *has_tool_calls, xoe_error *e)
{
    json_t *in = json_loads(parsed, 0, NULL), *out = json_object();
    *out_json = *content = NULL;
    *has_tool_calls = false;
    if (!json_is_object(in)) {
        json_decref(in);
        json_decref(out);
        return xoe_error_set(e, XOE_EFORMAT, "the answer could not be read as a message");
    }
    const json_t *text = json_object_get(in, "content");
    const json_t *reasoning = json_object_get(in, "reasoning_content");
    const char *s = json_string_value(text);
    size_t n = json_string_length(text);
    json_t *calls = parsed_calls(json_object_get(in, "tool_calls"), o);
    if (!calls && o->tools_json && n && may_be_bare(s, n)) {
        if (o->final) calls = bare_calls(s, n, o);
        if (calls || !o->final) n = 0;
    }
    *has_tool_calls = calls != NULL;
    int rc = json_object_set_new(out, "role", json_string("assistant"));
    rc |= json_object_set_new(out, "content", n || !calls ? json_stringn(s ? s : "", n) : json_null());
    if (json_string_length(reasoning))
        rc |= json_object_set(out, "reasoning_content", (json_t *)(uintptr_t)reasoning);
    if (calls) rc |= json_object_set_new(out, "tool_calls", calls);
    *out_json = rc ? NULL : dump(out);
    *content = xoe_strndup(s ? s : "", n);
    json_decref(out);
    json_decref(in);
    if (*out_json && *content) return XOE_OK;
    xoe_free(*out_json);
    xoe_free(*content);
    *out_json = *content = NULL;
    return xoe_error_set(e, XOE_ENOMEM, "no memory for the message");
}

char *xoe_message_with_content(const char *message_json, const char *text, size_t n)
{
    json_t *m = json_loads(message_json, 0, NULL);
    char *out = NULL;
    if (m && !json_object_set_new(m, "content", json_stringn(text, n))) out = dump(m);
    json_decref(m);
    return out;
}
