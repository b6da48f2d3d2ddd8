/* Scheme names, the table of schemes, and the check of a key's parameters. Thread: pure functions.
 */
#include <string.h>

#include "mark/scheme.h"

static const struct {
    xoe_scheme id;
    const char *name;
} names[] = {
#define ROW(name, value, text) {XOE_SCHEME_##name, text},
    XOE_SCHEME_TABLE(ROW)
#undef ROW
};
enum { N_NAMES = sizeof names / sizeof names[0] };

static const xoe_scheme_ops *const schemes[] = {
    &xoe_scheme_gumbel,    &xoe_scheme_green,    &xoe_scheme_synthid, &xoe_scheme_dipmark,
    &xoe_scheme_morphmark, &xoe_scheme_watermax, &xoe_scheme_dual,
};

const xoe_scheme_ops *xoe_scheme_find(xoe_scheme id)
{
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
        if (schemes[i]->id == id) return schemes[i];
    return NULL;
}

double xoe_one(const xoe_mark_params *p)
{
    (void)p;
    return 1;
}

double xoe_rich(const xoe_mark_params *p)
{
    (void)p;
    return 4;
}

const char *xoe_scheme_name(xoe_scheme s)
{
    for (size_t i = 0; i < N_NAMES; i++)
        if (names[i].id == s) return names[i].name;
    return NULL;
}

bool xoe_scheme_needs_drafts(xoe_scheme s)
{
    return s == XOE_SCHEME_WATERMAX;
}

xoe_err xoe_scheme_parse(const char *name, xoe_scheme *out, xoe_error *e)
{
    for (size_t i = 0; name && i < N_NAMES; i++)
        if (strcmp(names[i].name, name) == 0) {
            *out = names[i].id;
            return XOE_OK;
        }
    return xoe_error_param(e, XOE_EINVAL, "scheme",
                           "unknown watermark scheme \"%.40s\"; known are gumbel, green, synthid, "
                           "dipmark, morphmark, watermax, dual-gumbel",
                           name ? name : "");
}

/* A field outside [lo, hi] (or not a number) is refused by name. */
static xoe_err check(const char *field, double x, double lo, double hi, xoe_error *e)
{
    if (x >= lo && x <= hi) return XOE_OK;
    return xoe_error_param(e, XOE_EINVAL, field, "watermark %s is %g; it must be from %g to %g",
                           field, x, lo, hi);
}

xoe_err xoe_mark_params_resolve(xoe_mark_params *p, xoe_error *e)
{
    xoe_mark_params r = *p;
    xoe_err rc;
    if (r.scheme == 0) r.scheme = XOE_SCHEME_GUMBEL;
    if (!xoe_scheme_find(r.scheme))
        return xoe_error_param(e, XOE_EINVAL, "scheme", "unknown watermark scheme number %d",
                               (int)r.scheme);
    /* Only a choice that the key alone decides needs shifts for variety. */
    bool decided = r.scheme == XOE_SCHEME_GUMBEL || r.scheme == XOE_SCHEME_SYNTHID;
    if (r.width == 0) r.width = 3;
    if (r.n_shifts == 0) r.n_shifts = decided ? 4 : 1;
    if (r.gamma == 0) r.gamma = 0.25;
    if (r.delta == 0) r.delta = 2.0;
    if (r.alpha == 0) r.alpha = r.scheme == XOE_SCHEME_DUAL ? 0.5 : 0.45;
    if (r.depth == 0) r.depth = 30;
    if ((rc = check("width", r.width, 1, XOE_MARK_WIDTH_MAX, e)) != XOE_OK ||
        (rc = check("n_shifts", r.n_shifts, 1, XOE_MARK_SHIFTS_MAX, e)) != XOE_OK ||
        (rc = check("gamma", r.gamma, 0.01, 0.99, e)) != XOE_OK ||
        (rc = check("delta", r.delta, 0.01, 50, e)) != XOE_OK ||
        (rc = check("alpha", r.alpha, 0.01, r.scheme == XOE_SCHEME_DIPMARK ? 0.5 : 0.99, e)) !=
            XOE_OK ||
        (rc = check("depth", r.depth, 1, 64, e)) != XOE_OK ||
        (rc = check("payload_bits", r.payload_bits, 0, 64, e)) != XOE_OK)
        return rc;
    *p = r;
    return XOE_OK;
}
