/* Messages and tools of a chat request: checked entry by entry, then handed to the model's template as
 * JSON text in one plain form: content is one string (text parts are joined by a line break), the
 * role "developer" is "system" (templates do not know it). */
#include <stdio.h>
#include <string.h>

#include "serve/json_in.h"
#include "serve/openai_request.h"

static void fail_at(xoe_fields *f, xoe_err code, size_t i, const char *field, const char *what)
{
    char name[48];
    snprintf(name, sizeof name, "messages[%zu]%s%s", i, *field ? "." : "", field);
    xoe_fields_fail(f, code, name, "%s: %s", name, what);
}

/* An array of content parts as one string; NULL after a fault. */
static json_t *joined_parts(xoe_fields *f, xoe_arena *a, size_t i, const json_t *parts)
{
    size_t total = 1, n = 0;
    for (size_t k = 0; k < json_array_size(parts); k++) {
        const json_t *p = json_array_get(parts, k);
        const char *type = json_string_value(json_object_get(p, "type"));
        const json_t *text = json_object_get(p, type && !strcmp(type, "refusal") ? "refusal" : "text");
        if (!type) {
            fail_at(f, XOE_EINVAL, i, "content", "a content part must be an object with a type");
            return NULL;
        }
        if (strcmp(type, "text") && strcmp(type, "refusal")) {
            fail_at(f, XOE_EUNSUPPORTED, i, "content",
                    "this model reads text only; images, audio and files are not supported");
            return NULL;
        }
        if (!json_is_string(text)) {
            fail_at(f, XOE_EINVAL, i, "content", "a text part must have a string in text");
            return NULL;
        }
        total += json_string_length(text) + 1;
    }
    char *s = xoe_arena_alloc(a, total);
    if (!s) {
        xoe_fields_fail(f, XOE_ENOMEM, "", "no memory for the request");
        return NULL;
    }
    for (size_t k = 0; k < json_array_size(parts); k++) {
        const json_t *p = json_array_get(parts, k);
        const json_t *text = json_object_get(p, "text");
        if (!text) text = json_object_get(p, "refusal");
        if (k) s[n++] = '\n';
        memcpy(s + n, json_string_value(text), json_string_length(text));
        n += json_string_length(text);
    }
    return json_stringn(s, n);
}

static json_t *checked_tool_calls(xoe_fields *f, size_t i, const json_t *calls)
{
    if (!json_is_array(calls)) {
        fail_at(f, XOE_EINVAL, i, "tool_calls", "must be an array");
        return NULL;
    }
    for (size_t k = 0; k < json_array_size(calls); k++) {
        const json_t *call = json_array_get(calls, k), *fn = json_object_get(call, "function");
        if (!json_is_string(json_object_get(fn, "name")) || !json_is_string(json_object_get(fn, "arguments"))) {
            fail_at(f, XOE_EINVAL, i, "tool_calls",
                    "each must have an id and a function with the strings name and arguments");
            return NULL;
        }
    }
    return json_deep_copy(calls);
}

static void set(json_t *m, const char *key, json_t *value)
{
    if (value) json_object_set_new(m, key, value);
}

/* The plain form of one message; NULL after a fault. */
static json_t *plain_message(xoe_fields *f, xoe_arena *a, size_t i, const json_t *in)
{
    const char *role = json_string_value(json_object_get(in, "role"));
    const json_t *content = json_object_get(in, "content"), *calls = json_object_get(in, "tool_calls");
    static const char *const roles[] = {"system", "developer", "user", "assistant", "tool"};
    size_t r = 0;
    while (role && r < 5 && strcmp(role, roles[r]))
        r++;
    if (!json_is_object(in)) fail_at(f, XOE_EINVAL, i, "", "must be an object");
    else if (!role || r == 5)
        fail_at(f, XOE_EINVAL, i, "role", "must be one of system, developer, user, assistant, tool");
    if (f->rc) return NULL;
    json_t *m = json_object();
    set(m, "role", json_string(r == 1 ? "system" : role));
    if (json_is_null(calls)) calls = NULL;
    if (json_is_string(content)) {
        set(m, "content", json_stringn(json_string_value(content), json_string_length(content)));
    } else if (json_is_array(content)) {
        set(m, "content", joined_parts(f, a, i, content));
    } else if (content && !json_is_null(content)) {
        fail_at(f, XOE_EINVAL, i, "content", "must be a string or an array of content parts");
    } else if (r != 3 || !calls) {
        fail_at(f, XOE_EINVAL, i, "content", "is required");
    } else {
        set(m, "content", json_string(""));
    }
    if (calls && r == 3) set(m, "tool_calls", checked_tool_calls(f, i, calls));
    if (r == 4) {
        const json_t *id = json_object_get(in, "tool_call_id");
        if (!json_is_string(id)) fail_at(f, XOE_EINVAL, i, "tool_call_id", "is required for the role tool");
        else set(m, "tool_call_id", json_string(json_string_value(id)));
    }
    const json_t *name = json_object_get(in, "name");
    if (json_is_string(name)) set(m, "name", json_string(json_string_value(name)));
    if (f->rc) {
        json_decref(m);
        return NULL;
    }
    return m;
}

void xoe_ask_parse_messages(xoe_fields *f, xoe_arena *a, xoe_chat_inputs *out)
{
    const json_t *v = xoe_field_array(f, "messages");
    size_t n = json_array_size(v);
    if (!v) xoe_fields_fail(f, XOE_EINVAL, "messages", "messages is required");
    else if (!n) xoe_fields_fail(f, XOE_EINVAL, "messages", "messages must not be empty");
    else if (n > XOE_MESSAGES_MAX)
        xoe_fields_fail(f, XOE_EINVAL, "messages", "%zu messages; at most %d are taken", n, XOE_MESSAGES_MAX);
    if (f->rc) return;
    json_t *plain = json_array();
    for (size_t i = 0; i < n && !f->rc; i++) {
        json_t *m = plain_message(f, a, i, json_array_get(v, i));
        if (m) json_array_append_new(plain, m);
    }
    if (!f->rc && (json_array_size(plain) != n || !(out->messages_json = xoe_json_text(a, plain))))
        xoe_fields_fail(f, XOE_ENOMEM, "", "no memory for the request");
    json_decref(plain);
}

static bool valid_tool(const json_t *t)
{
    const char *type = json_string_value(json_object_get(t, "type"));
    const json_t *fn = json_object_get(t, "function"), *params = json_object_get(fn, "parameters");
    return type && !strcmp(type, "function") && json_string_length(json_object_get(fn, "name")) &&
           (!params || json_is_object(params) || json_is_null(params));
}

static const json_t *tool_named(const json_t *tools, const char *name)
{
    for (size_t i = 0; i < json_array_size(tools); i++) {
        const json_t *t = json_array_get(tools, i);
        if (!strcmp(json_string_value(json_object_get(json_object_get(t, "function"), "name")), name)) return t;
    }
    return NULL;
}

/* {"type":"function","function":{"name":…}}: only that tool is offered, and one call is required. */
static const json_t *forced_tool(xoe_fields *f, const json_t *choice, const json_t *tools)
{
    const char *name = json_string_value(json_object_get(json_object_get(choice, "function"), "name"));
    const json_t *t = name ? tool_named(tools, name) : NULL;
    if (!name)
        xoe_fields_fail(f, XOE_EINVAL, "tool_choice",
                        "tool_choice must be auto, none, required or {\"type\":\"function\",\"function\":{\"name\":…}}");
    else if (!t) xoe_fields_fail(f, XOE_EINVAL, "tool_choice", "there is no tool named '%.60s'", name);
    return t;
}

void xoe_ask_parse_tools(xoe_fields *f, xoe_arena *a, xoe_chat_inputs *out)
{
    const json_t *tools = xoe_field_array(f, "tools"), *choice = xoe_field_any(f, "tool_choice");
    size_t n = json_array_size(tools);
    xoe_field_bool(f, "parallel_tool_calls", &out->parallel_tool_calls);
    if (n > XOE_TOOLS_MAX)
        xoe_fields_fail(f, XOE_EINVAL, "tools", "%zu tools; at most %d are taken", n, XOE_TOOLS_MAX);
    for (size_t i = 0; i < n && !f->rc; i++)
        if (!valid_tool(json_array_get(tools, i))) {
            char name[32];
            snprintf(name, sizeof name, "tools[%zu]", i);
            xoe_fields_fail(f, XOE_EINVAL, name,
                            "%s must be {\"type\":\"function\",\"function\":{\"name\":…,\"parameters\":{…}}}", name);
        }
    if (f->rc) return;
    const char *named = json_string_value(choice);
    const json_t *only = NULL;
    if (named && strcmp(named, "auto") && strcmp(named, "none") && strcmp(named, "required"))
        xoe_fields_fail(f, XOE_EINVAL, "tool_choice", "tool_choice must be auto, none or required, not '%.40s'", named);
    else if (choice && !n && !(named && strcmp(named, "required")))
        xoe_fields_fail(f, XOE_EINVAL, "tool_choice", "tool_choice needs tools");
    else if (choice && !named) only = forced_tool(f, choice, tools);
    /* "none": the template is not told of tools at all, or a small model calls them all the same. */
    if (f->rc || !n || (named && !strcmp(named, "none"))) return;
    json_t *one = only ? json_pack("[O]", only) : NULL;
    out->tools_json = xoe_json_text(a, one ? one : tools);
    json_decref(one);
    out->tool_choice = only || (named && !strcmp(named, "required")) ? "required" : "auto";
    if (!out->tools_json) xoe_fields_fail(f, XOE_ENOMEM, "", "no memory for the request");
}
