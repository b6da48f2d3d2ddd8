/* UTF-8 by table 3-7 of Unicode 15, hex, search. Pure functions. */
#include "base/text.h"

#include <openssl/crypto.h>
#include <string.h>

size_t xoe_utf8_valid_prefix(const char *s, size_t n, bool *incomplete)
{
    const unsigned char *p = (const unsigned char *)s;
    size_t i = 0;
    if (incomplete) *incomplete = false;
    while (i < n) {
        unsigned char c = p[i], lo = 0x80, hi = 0xbf;
        size_t need;
        if (c < 0x80) {
            i++;
            continue;
        } else if (c >= 0xc2 && c <= 0xdf) {
            need = 1;
        } else if (c >= 0xe0 && c <= 0xef) {
            need = 2;
            if (c == 0xe0) lo = 0xa0;
            if (c == 0xed) hi = 0x9f;
        } else if (c >= 0xf0 && c <= 0xf4) {
            need = 3;
            if (c == 0xf0) lo = 0x90;
            if (c == 0xf4) hi = 0x8f;
        } else {
            return i;
        }
        for (size_t k = 1; k <= need; k++) {
            if (i + k >= n) {
                if (incomplete) *incomplete = true;
                return i;
            }
            if (p[i + k] < lo || p[i + k] > hi) return i;
            lo = 0x80;
            hi = 0xbf;
        }
        i += need + 1;
    }
    return i;
}

bool xoe_utf8_valid(const char *s, size_t n)
{
    return xoe_utf8_valid_prefix(s, n, NULL) == n;
}

size_t xoe_utf8_count(const char *s, size_t n)
{
    size_t chars = 0;
    for (size_t i = 0; i < n; i++)
        chars += ((unsigned char)s[i] & 0xc0) != 0x80;
    return chars;
}

void xoe_hex(const void *p, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *b = p;
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[b[i] >> 4];
        out[2 * i + 1] = digits[b[i] & 15];
    }
    out[2 * n] = 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

int xoe_unhex(const char *s, size_t n, void *out)
{
    unsigned char *b = out;
    if (n % 2) return -1;
    for (size_t i = 0; i < n / 2; i++) {
        int hi = hex_digit(s[2 * i]), lo = hex_digit(s[2 * i + 1]);
        if (hi < 0 || lo < 0) return -1;
        b[i] = (unsigned char)(hi << 4 | lo);
    }
    return 0;
}

size_t xoe_mem_find(const char *hay, size_t n, const char *needle, size_t m)
{
    const char *p = memmem(hay, n, needle, m);
    return p ? (size_t)(p - hay) : SIZE_MAX;
}

bool xoe_ct_equal(const void *a, const void *b, size_t n)
{
    return CRYPTO_memcmp(a, b, n) == 0;
}
