/* AES-256 through OpenSSL, on batches of blocks so that AES-NI pipelines them (about 1 ns a block).
 *
 * Why CBC-MAC of two blocks: for messages of one fixed length it is a proven PRF if AES is one
 * (Bellare, Kilian & Rogaway 2000), its first block is computed once a context, and it needs
 * nothing but the block cipher. A call of the cipher with a key set cannot fail for want of
 * anything; that is an invariant here. Thread: one owner. */
#include "mark/prf.h"

#include <limits.h>

#include "base/mem.h"

xoe_err xoe_prf_rekey(xoe_prf *prf, const uint8_t key[XOE_MARK_KEY_BYTES], xoe_error *e)
{
    if (EVP_EncryptInit_ex2(prf->ctx, prf->cipher, key, NULL, NULL) != 1 ||
        EVP_CIPHER_CTX_set_padding(prf->ctx, 0) != 1)
        return xoe_error_set(e, XOE_ENOMEM, "no memory for an AES-256 key schedule");
    return XOE_OK;
}

xoe_err xoe_prf_open(xoe_prf *prf, const uint8_t key[XOE_MARK_KEY_BYTES], xoe_error *e)
{
    prf->cipher = EVP_CIPHER_fetch(NULL, "AES-256-ECB", NULL);
    prf->ctx = EVP_CIPHER_CTX_new();
    xoe_err rc = !prf->cipher || !prf->ctx
                     ? xoe_error_set(e, XOE_ENOMEM, "OpenSSL offers no AES-256-ECB")
                     : xoe_prf_rekey(prf, key, e);
    if (rc != XOE_OK) xoe_prf_close(prf);
    return rc;
}

void xoe_prf_close(xoe_prf *prf)
{
    EVP_CIPHER_CTX_free(prf->ctx);
    EVP_CIPHER_free(prf->cipher);
    prf->ctx = NULL;
    prf->cipher = NULL;
}

void xoe_prf_encrypt(xoe_prf *prf, const xoe_block *in, xoe_block *out, size_t n)
{
    while (n) {
        size_t m = n < INT_MAX / 16 ? n : INT_MAX / 16;
        int bytes = (int)(m * sizeof *in), done = 0;
        XOE_ASSERT(EVP_EncryptUpdate(prf->ctx, (unsigned char *)out, &done,
                                     (const unsigned char *)in, bytes) == 1 &&
                   done == bytes);
        in += m;
        out += m;
        n -= m;
    }
}
