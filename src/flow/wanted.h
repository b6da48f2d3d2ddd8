/* What a text is looked through for: keys of the keyring, or one scheme that the asker names. Thread: one
 * owner; testing is safe from many. */
#ifndef XOE_FLOW_WANTED_H
#define XOE_FLOW_WANTED_H

#include "flow/named_scheme.h"
#include "trust/keyring.h"

/* Zeroed is empty. */
typedef struct xoe_wanted {
    xoe_key *all; /* the keyring's list */
    size_t n_all;
    xoe_mark_params *params; /* [n] of our keys */
    uint8_t (*bytes)[XOE_MARK_KEY_BYTES];
    const char **ids;
    size_t n;
    xoe_interop *peer; /* another program's: instead of keys */
    const char *peer_name;
    size_t peer_list; /* entries that are drawn anew for every token; 0: none */
} xoe_wanted;

/* key_ids NULL: all keys. Errors: XOE_ENOTFOUND (no such key), XOE_EINVAL, XOE_ENOMEM, the keyring's. */
xoe_err xoe_wanted_keys(xoe_wanted *w, xoe_keyring *ring, const char *const *key_ids, size_t n_key_ids, xoe_error *e);
/* Errors: XOE_EINVAL (names the field), XOE_ENOMEM. */
xoe_err xoe_wanted_scheme(xoe_wanted *w, const xoe_named_scheme *s, int n_vocab, xoe_error *e);
void xoe_wanted_free(xoe_wanted *w); /* wipes; also after an error */

/* Errors: as xoe_detect_tokens and xoe_interop_detect; XOE_ELIMIT (hf-greenlist: text too long). */
xoe_err xoe_wanted_test(const xoe_wanted *w, const int32_t *tokens, size_t n_tokens, const xoe_detect_opts *o, xoe_verdict *out,
                        xoe_error *e);
/* Of a verdict's key_index: the key's id ("" for a named scheme), the scheme's name, the mean score by chance. */
const char *xoe_wanted_id(const xoe_wanted *w, size_t key_index);
const char *xoe_wanted_method(const xoe_wanted *w, size_t key_index);
double xoe_wanted_chance(const xoe_wanted *w, size_t key_index);

#endif
