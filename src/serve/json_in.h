/* Strict reading of a JSON request body: every field has a type and a range, the first fault is kept
 * with the field's path, unknown fields are ignored. Pure; thread: one owner. */
#ifndef XOE_SERVE_JSON_IN_H
#define XOE_SERVE_JSON_IN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "xoe/error.h"

enum { XOE_JSON_DEPTH_MAX = 100 };

/* A JSON object. It is freed with the arena. Errors: XOE_EINVAL (not JSON, not UTF-8, not an object,
 * nested too deeply), XOE_ENOMEM. */
xoe_err xoe_json_body(xoe_arena *a, const char *body, size_t n, json_t **out, xoe_error *e);

/* A reader of one object's fields. null counts as absent, as OpenAI does. */
typedef struct xoe_fields {
    const json_t *obj;
    const char *prefix; /* "" or "watermark." */
    xoe_err rc;         /* the first fault; nothing is read after it */
    xoe_error *e;
} xoe_fields;

xoe_fields xoe_fields_of(const json_t *obj, const char *prefix, xoe_error *e);
/* Readers tell whether the field is there; *out is left alone when it is not. */
bool xoe_field_bool(xoe_fields *f, const char *name, bool *out);
bool xoe_field_int(xoe_fields *f, const char *name, int64_t min, int64_t max, int64_t *out);
bool xoe_field_num(xoe_fields *f, const char *name, double min, double max, double *out);
bool xoe_field_text(xoe_fields *f, const char *name, size_t max_bytes, const char **out, size_t *n);
/* Absent or empty is a fault. */
void xoe_field_needed_text(xoe_fields *f, const char *name, size_t max_bytes, const char **out, size_t *n);
/* One of the names in choices ("a|b|c"); *out points into the document. */
bool xoe_field_choice(xoe_fields *f, const char *name, const char *choices, const char **out);
const json_t *xoe_field_object(xoe_fields *f, const char *name);
const json_t *xoe_field_array(xoe_fields *f, const char *name);
/* Of any type; NULL: absent or null. */
const json_t *xoe_field_any(xoe_fields *f, const char *name);
void xoe_fields_fail(xoe_fields *f, xoe_err code, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

const char *xoe_json_type_name(const json_t *j); /* "a string", … */
/* Compact text in the arena; NULL: no memory. */
const char *xoe_json_text(xoe_arena *a, const json_t *j);

#endif
