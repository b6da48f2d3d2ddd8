/* The gate for request bodies. jansson refuses what is not JSON (NaN, 1e999, lone surrogates, NUL in a
 * string); before it, bytes that are not UTF-8 are refused with their place; after it, documents nested
 * so deeply that recursive readers behind us (templates, schemas) could run out of stack. */
#include "serve/json_in.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

static void drop(void *j)
{
    json_decref(j);
}

static bool too_deep(const json_t *j, int left)
{
    if (left == 0) return json_is_object(j) || json_is_array(j);
    if (json_is_array(j)) {
        for (size_t i = 0; i < json_array_size(j); i++)
            if (too_deep(json_array_get(j, i), left - 1)) return true;
    } else if (json_is_object(j)) {
        const char *key;
        json_t *value;
        json_object_foreach((json_t *)(uintptr_t)j, key, value)
            if (too_deep(value, left - 1)) return true;
    }
    return false;
}

xoe_err xoe_json_body(xoe_arena *a, const char *body, size_t n, json_t **out, xoe_error *e)
{
    json_error_t je;
    *out = NULL;
    size_t valid = xoe_utf8_valid_prefix(body, n, NULL);
    if (valid < n)
        return xoe_error_set(e, XOE_EINVAL, "the request body is not valid UTF-8 (byte %zu is 0x%02x)", valid,
                             (unsigned)(unsigned char)body[valid]);
    if (!n) return xoe_error_set(e, XOE_EINVAL, "the request body is empty; send a JSON object");
    json_t *j = json_loadb(body, n, 0, &je);
    if (!j && json_error_code(&je) == json_error_out_of_memory)
        return xoe_error_set(e, XOE_ENOMEM, "no memory for the request");
    if (!j)
        return xoe_error_set(e, XOE_EINVAL, "the request body is not valid JSON: %.120s (line %d, column %d)",
                             je.text, je.line, je.column);
    if (xoe_arena_defer(a, drop, j)) {
        json_decref(j);
        return xoe_error_set(e, XOE_ENOMEM, "no memory for the request");
    }
    if (!json_is_object(j))
        return xoe_error_set(e, XOE_EINVAL, "the request body must be a JSON object, not %s", xoe_json_type_name(j));
    if (too_deep(j, XOE_JSON_DEPTH_MAX))
        return xoe_error_set(e, XOE_EINVAL, "the request body is nested more than %d levels deep",
                             XOE_JSON_DEPTH_MAX);
    *out = j;
    return XOE_OK;
}

xoe_fields xoe_fields_of(const json_t *obj, const char *prefix, xoe_error *e)
{
    return (xoe_fields){.obj = obj, .prefix = prefix, .e = e};
}

void xoe_fields_fail(xoe_fields *f, xoe_err code, const char *name, const char *fmt, ...)
{
    char msg[256], param[64];
    va_list ap;
    if (f->rc) return;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    snprintf(param, sizeof param, "%s%s", f->prefix, name);
    f->rc = xoe_error_param(f->e, code, param, "%s", msg);
}

const char *xoe_json_type_name(const json_t *j)
{
    switch (j ? json_typeof(j) : JSON_NULL) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "an array";
    case JSON_STRING: return "a string";
    case JSON_INTEGER:
    case JSON_REAL: return "a number";
    case JSON_TRUE:
    case JSON_FALSE: return "a boolean";
    default: return "null";
    }
}

const json_t *xoe_field_any(xoe_fields *f, const char *name)
{
    const json_t *v = f->rc ? NULL : json_object_get(f->obj, name);
    return json_is_null(v) ? NULL : v;
}

static void wrong_type(xoe_fields *f, const char *name, const char *want, const json_t *got)
{
    xoe_fields_fail(f, XOE_EINVAL, name, "%s%s must be %s, not %s", f->prefix, name, want, xoe_json_type_name(got));
}

bool xoe_field_bool(xoe_fields *f, const char *name, bool *out)
{
    const json_t *v = xoe_field_any(f, name);
    if (!v) return false;
    if (!json_is_boolean(v)) {
        wrong_type(f, name, "a boolean", v);
        return false;
    }
    *out = json_is_true(v);
    return true;
}

bool xoe_field_int(xoe_fields *f, const char *name, int64_t min, int64_t max, int64_t *out)
{
    const json_t *v = xoe_field_any(f, name);
    if (!v) return false;
    if (!json_is_integer(v)) {
        wrong_type(f, name, "an integer", v);
        return false;
    }
    int64_t i = (int64_t)json_integer_value(v);
    if (i < min || i > max) {
        xoe_fields_fail(f, XOE_EINVAL, name, "%s%s must be from %lld to %lld, not %lld", f->prefix, name,
                        (long long)min, (long long)max, (long long)i);
        return false;
    }
    *out = i;
    return true;
}

bool xoe_field_num(xoe_fields *f, const char *name, double min, double max, double *out)
{
    const json_t *v = xoe_field_any(f, name);
    if (!v) return false;
    if (!json_is_number(v)) {
        wrong_type(f, name, "a number", v);
        return false;
    }
    double d = json_number_value(v);
    if (!(d >= min && d <= max)) {
        xoe_fields_fail(f, XOE_EINVAL, name, "%s%s must be from %g to %g, not %g", f->prefix, name, min, max, d);
        return false;
    }
    *out = d;
    return true;
}

bool xoe_field_text(xoe_fields *f, const char *name, size_t max_bytes, const char **out, size_t *n)
{
    const json_t *v = xoe_field_any(f, name);
    if (!v) return false;
    if (!json_is_string(v)) {
        wrong_type(f, name, "a string", v);
        return false;
    }
    if (json_string_length(v) > max_bytes) {
        xoe_fields_fail(f, XOE_EINVAL, name, "%s%s has %zu bytes; at most %zu are taken", f->prefix, name,
                        json_string_length(v), max_bytes);
        return false;
    }
    *out = json_string_value(v);
    if (n) *n = json_string_length(v);
    return true;
}

void xoe_field_needed_text(xoe_fields *f, const char *name, size_t max_bytes, const char **out, size_t *n)
{
    if (!xoe_field_text(f, name, max_bytes, out, n))
        xoe_fields_fail(f, XOE_EINVAL, name, "%s%s is required", f->prefix, name);
    else if (!*n)
        xoe_fields_fail(f, XOE_EINVAL, name, "%s%s must not be empty", f->prefix, name);
}

bool xoe_field_choice(xoe_fields *f, const char *name, const char *choices, const char **out)
{
    const char *got = NULL;
    size_t n = 0;
    if (!xoe_field_text(f, name, 64, &got, &n)) return false;
    for (const char *p = choices; *p;) {
        size_t len = strcspn(p, "|");
        if (len == n && !memcmp(p, got, n)) {
            *out = got;
            return true;
        }
        p += len + (p[len] == '|');
    }
    xoe_fields_fail(f, XOE_EINVAL, name, "%s%s must be one of %s, not '%.40s'", f->prefix, name, choices, got);
    return false;
}

const json_t *xoe_field_object(xoe_fields *f, const char *name)
{
    const json_t *v = xoe_field_any(f, name);
    if (v && !json_is_object(v)) {
        wrong_type(f, name, "an object", v);
        return NULL;
    }
    return v;
}

const json_t *xoe_field_array(xoe_fields *f, const char *name)
{
    const json_t *v = xoe_field_any(f, name);
    if (v && !json_is_array(v)) {
        wrong_type(f, name, "an array", v);
        return NULL;
    }
    return v;
}

const char *xoe_json_text(xoe_arena *a, const json_t *j)
{
    char *text = json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY);
    const char *copy = text ? xoe_arena_strndup(a, text, strlen(text)) : NULL;
    free(text);
    return copy;
}
