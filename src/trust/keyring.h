/* Watermark keys: DATA/keys.json, mode 0600, written atomically. A key is active (marks new text) or
 * retired (still detected). Thread: safe; a returned key is a copy that the caller wipes. */
#ifndef XOE_TRUST_KEYRING_H
#define XOE_TRUST_KEYRING_H

#include "xoe/mark.h"

enum { XOE_KEY_ID_MAX = 48 };

typedef struct xoe_key {
    char id[XOE_KEY_ID_MAX]; /* [a-z0-9._-], unique */
    uint8_t bytes[XOE_MARK_KEY_BYTES];
    xoe_mark_params params;  /* resolved */
    bool active;
    int64_t created_ms, retired_ms; /* Unix ms; 0: not retired */
} xoe_key;

typedef struct xoe_keyring xoe_keyring;

/* Open or create (with one fresh active key). Errors: XOE_EIO, XOE_EFORMAT, XOE_EPERM (file readable
 * by others: says which chmod mends it). */
xoe_err xoe_keyring_open(xoe_keyring **out, const char *data_dir, xoe_error *e);
void xoe_keyring_close(xoe_keyring *k);
/* id NULL: one is made from the date and randomness. make_active: the old active key is retired. */
xoe_err xoe_keyring_new(xoe_keyring *k, const char *id, const xoe_mark_params *params, bool make_active,
                        xoe_key *out, xoe_error *e);
xoe_err xoe_keyring_retire(xoe_keyring *k, const char *id, xoe_error *e);
/* id NULL: the active key. Errors: XOE_ENOTFOUND. */
xoe_err xoe_keyring_get(xoe_keyring *k, const char *id, xoe_key *out, xoe_error *e);
/* All keys, newest first; freed by xoe_keyring_list_free (which wipes). */
xoe_err xoe_keyring_list(xoe_keyring *k, xoe_key **out, size_t *n, xoe_error *e);
void xoe_keyring_list_free(xoe_key *keys, size_t n);

#endif
