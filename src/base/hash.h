/* SHA-256 and HMAC-SHA-256 through OpenSSL. Thread: safe. */
#ifndef XOE_BASE_HASH_H
#define XOE_BASE_HASH_H

#include <stddef.h>
#include "xoe/error.h"

enum { XOE_SHA256_BYTES = 32, XOE_SHA256_HEX = 65 };

void xoe_sha256(const void *p, size_t n, unsigned char out[XOE_SHA256_BYTES]);
void xoe_sha256_hex(const void *p, size_t n, char out[XOE_SHA256_HEX]);
/* Hash a file; progress (may be NULL) is told the bytes done. Errors: XOE_ENOTFOUND, XOE_EIO. */
xoe_err xoe_sha256_file(const char *path, char out[XOE_SHA256_HEX],
                        void (*progress)(void *ud, unsigned long long done), void *ud, xoe_error *e);
void xoe_hmac_sha256(const void *key, size_t key_n, const void *p, size_t n,
                     unsigned char out[XOE_SHA256_BYTES]);

#endif
