/* Letters of other scripts that pass for Latin ones. Pure functions; thread: safe. */
#ifndef XOE_FLOW_LOOK_ALIKES_H
#define XOE_FLOW_LOOK_ALIKES_H

#include <stdbool.h>
#include <stddef.h>
#include <unitypes.h>

#include "xoe/error.h"

/* A character and the byte of the given text that it came from. */
typedef struct xoe_codepoint {
    ucs4_t c;
    size_t at;
} xoe_codepoint;

bool xoe_is_latin(ucs4_t c);  /* a Latin letter */
bool xoe_is_joiner(ucs4_t c); /* zero-width joiner or non-joiner */

/* Put Latin letters for look-alikes, in place, where they disguise Latin words. Errors: XOE_ENOMEM. */
xoe_err xoe_look_alikes_undo(xoe_codepoint *p, size_t n, xoe_error *e);

#endif
