/* Shared by the tests of other programs' marks. */
#ifndef INTEROPTEST_H
#define INTEROPTEST_H

#include "marktest.h"
#include "mark/interop.h"

static inline xoe_interop *open_it(const xoe_interop_params *p)
{
    xoe_interop *h;
    xoe_error e = XOE_ERROR_INIT;
    if (xoe_interop_open(&h, p, &e) != XOE_OK) fail_msg("%s", e.msg);
    return h;
}

static inline xoe_verdict detect(const xoe_interop_params *p, const int32_t *t, size_t n, double *sum)
{
    xoe_verdict v;
    xoe_interop *h = open_it(p);
    assert_int_equal(xoe_interop_detect(h, t, n, 0, &v, sum, NULL), XOE_OK);
    xoe_interop_close(h);
    assert_non_null(v.weak_key_note);
    return v;
}

#endif
