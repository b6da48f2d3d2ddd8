/* What the client asked about the mark, what the server's policy says, and the key that follows. */
#ifndef XOE_SERVE_OPENAI_MARK_H
#define XOE_SERVE_OPENAI_MARK_H

#include "serve/openai_request.h"

/* Pure part: the mode. Errors: XOE_EPERM (policy), XOE_EINVAL (modes that exclude each other). */
xoe_err xoe_mark_mode_of(const xoe_config *c, const xoe_ask *ask, xoe_mark_mode *out, xoe_error *e);
/* The key to mark with, for a mode that marks. usual: its id where the request names none; NULL: the active one. out is wiped by the caller.
 * Errors: XOE_EINVAL (no such key, retired, other scheme, payload does not fit). */
xoe_err xoe_mark_key_of(xoe_keyring *keys, const xoe_ask_mark *ask, const char *usual, xoe_key *out, xoe_error *e);

#endif
