/* Fuzz target: names and fields of a scheme that the asker names, as HTTP and the command line pass them on:
 * lines of "field text" after a first line with the name. What is taken must open or be refused in words. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "flow/wanted.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_BYTES = 2000 };

static void expect_refusal(xoe_err rc, const xoe_error *e)
{
    XOE_ASSERT(rc == XOE_OK || (e->code == rc && e->msg[0]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int32_t tokens[40] = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8, 4};
    char text[MAX_BYTES + 1], *at = text, *line;
    xoe_named_scheme s;
    xoe_wanted w;
    xoe_verdict v;
    xoe_error e = XOE_ERROR_INIT;
    const xoe_detect_opts o = {.fpr = 1e-3};
    long live = xoe_mem_live();
    if (size > MAX_BYTES) return 0;
    memcpy(text, data, size);
    text[size] = 0;
    xoe_err rc = xoe_named_scheme_start(&s, strsep(&at, "\n"), &e);
    expect_refusal(rc, &e);
    if (rc != XOE_OK) return 0;
    while ((line = strsep(&at, "\n"))) {
        char *name = strsep(&line, " ");
        for (unsigned f = 0; line && f < XOE_NAMED_N_FIELDS; f++)
            if (!strcmp(name, xoe_named_field_name((xoe_named_field)f)))
                expect_refusal(xoe_named_scheme_set(&s, (xoe_named_field)f, line, &e), &e);
    }
    /* its table of a million places costs too much a run: it has a unit test */
    if (s.other && s.peer.kind == XOE_INTEROP_HF_GREEN_SELFHASH) return 0;
    rc = xoe_wanted_scheme(&w, &s, 1000, &e);
    expect_refusal(rc, &e);
    if (rc == XOE_OK) {
        XOE_ASSERT(xoe_wanted_test(&w, tokens, 40, &o, &v, &e) == XOE_OK);
        XOE_ASSERT(v.log10_p <= 0 && xoe_wanted_method(&w, v.key_index));
        xoe_verdict_clear(&v);
    }
    xoe_wanted_free(&w);
    XOE_ASSERT(xoe_mem_live() == live);
    return 0;
}
