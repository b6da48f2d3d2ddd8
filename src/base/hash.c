/* OpenSSL's SHA-256 and HMAC behind names of our own. Thread: safe. */
#include "base/hash.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdio.h>

void xoe_sha256(const void *p, size_t n, unsigned char out[XOE_SHA256_BYTES])
{
    SHA256(p, n, out);
}

void xoe_sha256_hex(const void *p, size_t n, char out[XOE_SHA256_HEX])
{
    unsigned char d[XOE_SHA256_BYTES];
    SHA256(p, n, d);
    xoe_hex(d, sizeof d, out);
}

xoe_err xoe_sha256_file(const char *path, char out[XOE_SHA256_HEX],
                        void (*progress)(void *, unsigned long long), void *ud, xoe_error *e)
{
    xoe_err rc = XOE_OK;
    unsigned char d[XOE_SHA256_BYTES];
    char *chunk = NULL;
    unsigned long long done = 0;
    size_t got;
    enum { CHUNK = 1 << 20 };
    EVP_MD_CTX *ctx = NULL;
    FILE *f = fopen(path, "rb");
    if (!f)
        return xoe_error_errno(e, errno == ENOENT ? XOE_ENOTFOUND : XOE_EIO, "cannot open %s", path);
    ctx = EVP_MD_CTX_new();
    chunk = xoe_malloc(CHUNK);
    if (!ctx || !chunk || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1) {
        rc = xoe_error_set(e, XOE_ENOMEM, "no memory to hash %s", path);
        goto out;
    }
    while ((got = fread(chunk, 1, CHUNK, f)) > 0) {
        EVP_DigestUpdate(ctx, chunk, got);
        done += got;
        if (progress) progress(ud, done);
    }
    if (ferror(f)) {
        rc = xoe_error_errno(e, XOE_EIO, "cannot read %s", path);
        goto out;
    }
    EVP_DigestFinal_ex(ctx, d, NULL);
    xoe_hex(d, sizeof d, out);
out:
    xoe_free(chunk);
    EVP_MD_CTX_free(ctx);
    fclose(f);
    return rc;
}

void xoe_hmac_sha256(const void *key, size_t key_n, const void *p, size_t n,
                     unsigned char out[XOE_SHA256_BYTES])
{
    unsigned int len = XOE_SHA256_BYTES;
    HMAC(EVP_sha256(), key, (int)key_n, p, n, out, &len);
}
