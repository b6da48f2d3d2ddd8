/* Errors of libxoe: one table makes the enum, the name, the text, the HTTP status, the OpenAI error
 * type and the metric label. Codes are never renumbered; add at the end. */
#ifndef XOE_ERROR_H
#define XOE_ERROR_H

#include <stddef.h>
#include "xoe/version.h"

#ifdef __cplusplus
extern "C" {
#endif

/* X(NAME, value, http_status, openai_type, label, text) */
#define XOE_ERR_TABLE(X)                                                                           \
    X(OK, 0, 200, "", "ok", "success")                                                             \
    X(EINVAL, -1, 400, "invalid_request_error", "invalid", "invalid argument")                     \
    X(ENOMEM, -2, 500, "server_error", "no_memory", "out of memory")                               \
    X(EIO, -3, 500, "server_error", "io", "input/output error")                                    \
    X(ENOTFOUND, -4, 404, "invalid_request_error", "not_found", "not found")                       \
    X(EBUSY, -5, 429, "rate_limit_error", "queue_full", "queue is full")                           \
    X(ECANCELED, -6, 499, "server_error", "canceled", "canceled")                                  \
    X(EDEADLINE, -7, 504, "server_error", "deadline", "deadline exceeded")                         \
    X(EFORMAT, -8, 400, "invalid_request_error", "format", "malformed data")                       \
    X(ELIMIT, -9, 400, "invalid_request_error", "limit", "a limit was exceeded")                   \
    X(EAUTH, -10, 401, "authentication_error", "auth", "authentication failed")                    \
    X(EPERM, -11, 403, "permission_error", "permission", "not permitted")                          \
    X(EINTERNAL, -12, 500, "server_error", "internal", "internal error")                           \
    X(EUNSUPPORTED, -13, 400, "invalid_request_error", "unsupported", "not supported")             \
    X(EUNAVAILABLE, -14, 503, "server_error", "unavailable", "not available now")                  \
    X(ERATE, -15, 429, "rate_limit_error", "rate_limited", "rate limit exceeded")                  \
    X(EHASH, -16, 500, "server_error", "hash_mismatch", "hash does not match")                     \
    X(EEXIST, -17, 409, "invalid_request_error", "exists", "already exists")                       \
    X(ETOOBIG, -18, 413, "invalid_request_error", "too_big", "too large")                          \
    X(EMETHOD, -19, 405, "invalid_request_error", "method", "method not allowed")

typedef enum xoe_err {
#define XOE_ERR_ENUM(name, value, status, type, label, text) XOE_##name = (value),
    XOE_ERR_TABLE(XOE_ERR_ENUM)
#undef XOE_ERR_ENUM
} xoe_err;

/* Owned by the caller, passed as last argument; NULL means "do not want the message".
 * Set once, where the error happens; upper layers pass it on. */
typedef struct xoe_error {
    xoe_err code;
    int foreign_code;   /* errno, SQLite, OpenSSL … code; 0 if none */
    const char *origin; /* static: "errno", "sqlite", "llama", … or NULL */
    char param[64];     /* name of the offending request field, "" if none */
    char msg[256];      /* what happened and what to do, UTF-8 */
} xoe_error;

#define XOE_ERROR_INIT {XOE_OK, 0, NULL, "", ""}

XOE_API const char *xoe_err_name(xoe_err code);        /* "XOE_EINVAL" */
XOE_API const char *xoe_err_text(xoe_err code);        /* "invalid argument" */
XOE_API const char *xoe_err_label(xoe_err code);       /* metric label, "invalid" */
XOE_API const char *xoe_err_openai_type(xoe_err code); /* "invalid_request_error" */
XOE_API int xoe_err_http_status(xoe_err code);

/* Fill *e (if not NULL) and return code. */
XOE_API xoe_err xoe_error_set(xoe_error *e, xoe_err code, const char *fmt, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 3, 4)))
#endif
    ;
/* The same, from errno: "fmt: strerror". */
XOE_API xoe_err xoe_error_errno(xoe_error *e, xoe_err code, const char *fmt, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 3, 4)))
#endif
    ;
/* The same, naming the request field at fault (OpenAI's "param"). */
XOE_API xoe_err xoe_error_param(xoe_error *e, xoe_err code, const char *param, const char *fmt, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 4, 5)))
#endif
    ;

#ifdef __cplusplus
}
#endif
#endif
