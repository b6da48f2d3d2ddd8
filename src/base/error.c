/* Error codes' texts and the one place where an xoe_error is filled. Thread: pure functions. */
#include "xoe/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

struct err_row {
    xoe_err code;
    int http_status;
    const char *name, *openai_type, *label, *text;
};

static const struct err_row rows[] = {
#define ROW(name, value, status, type, label, text) {XOE_##name, status, "XOE_" #name, type, label, text},
    XOE_ERR_TABLE(ROW)
#undef ROW
};

static const struct err_row *row_of(xoe_err code)
{
    size_t i = (size_t)(-(int)code);
    if ((int)code > 0 || i >= sizeof rows / sizeof rows[0]) i = (size_t)(-(int)XOE_EINTERNAL);
    return &rows[i];
}

const char *xoe_err_name(xoe_err code)
{
    return row_of(code)->name;
}
const char *xoe_err_text(xoe_err code)
{
    return row_of(code)->text;
}
const char *xoe_err_label(xoe_err code)
{
    return row_of(code)->label;
}
const char *xoe_err_openai_type(xoe_err code)
{
    return row_of(code)->openai_type;
}
int xoe_err_http_status(xoe_err code)
{
    return row_of(code)->http_status;
}

/* Texts in a message may be cut inside a character, by a precision or by the message's end. */
static void mend_utf8(char *s)
{
    for (size_t n = strlen(s); n;) {
        size_t ok = xoe_utf8_valid_prefix(s, n, NULL);
        s += ok;
        n -= ok;
        if (n) {
            *s++ = '?';
            n--;
        }
    }
}

static void fill(xoe_error *e, xoe_err code, const char *fmt, va_list ap)
{
    memset(e, 0, sizeof *e);
    e->code = code;
    vsnprintf(e->msg, sizeof e->msg, fmt, ap);
    mend_utf8(e->msg);
}

xoe_err xoe_error_set(xoe_error *e, xoe_err code, const char *fmt, ...)
{
    if (e) {
        va_list ap;
        va_start(ap, fmt);
        fill(e, code, fmt, ap);
        va_end(ap);
    }
    return code;
}

xoe_err xoe_error_errno(xoe_error *e, xoe_err code, const char *fmt, ...)
{
    int saved = errno;
    if (e) {
        va_list ap;
        va_start(ap, fmt);
        fill(e, code, fmt, ap);
        va_end(ap);
        e->foreign_code = saved;
        e->origin = "errno";
        size_t n = strlen(e->msg);
        char why[96];
        snprintf(e->msg + n, sizeof e->msg - n, ": %s", strerror_r(saved, why, sizeof why));
        mend_utf8(e->msg);
    }
    return code;
}

xoe_err xoe_error_param(xoe_error *e, xoe_err code, const char *param, const char *fmt, ...)
{
    if (e) {
        va_list ap;
        va_start(ap, fmt);
        fill(e, code, fmt, ap);
        va_end(ap);
        snprintf(e->param, sizeof e->param, "%s", param);
        mend_utf8(e->param);
    }
    return code;
}
