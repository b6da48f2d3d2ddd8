/* One pass over code points: each step emits canonical bytes and notes where they came from. Look-alikes
 * are only changed in Latin words (look_alikes.c), so Russian or Greek text stays as it is; joiners
 * only next to Latin letters, so emoji and Persian stay as they are. */
#include "flow/canon.h"

#include <stdlib.h>
#include <string.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#include "base/mem.h"
#include "base/text.h"
#include "flow/look_alikes.h"

static bool is_invisible(ucs4_t c)
{
    return c == 0x200B || c == 0x2060 || c == 0xFEFF || c == 0xAD || c == 0x180E || (c >= 0x2061 && c <= 0x2064) || (c >= 0xE0000 && c <= 0xE007F);
}

static bool is_space(ucs4_t c)
{
    return c == 0xA0 || (c >= 0x2000 && c <= 0x200A) || c == 0x202F || c == 0x205F;
}

/* ---- steps over an array of code points, in place ---- */

static size_t decode(const char *text, size_t n, xoe_codepoint *out)
{
    size_t k = 0;
    for (size_t i = 0; i < n;) {
        int len = u8_mbtouc_unsafe(&out[k].c, (const uint8_t *)text + i, n - i);
        out[k++].at = i;
        i += (size_t)len;
    }
    return k;
}

static size_t drop_invisible(xoe_codepoint *p, size_t n)
{
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        ucs4_t c = p[i].c;
        if (is_invisible(c)) continue;
        if (c == '\r') {
            if (i + 1 < n && p[i + 1].c == '\n') continue;
            c = '\n';
        }
        if (is_space(c)) c = ' ';
        if ((c >= 0xFF10 && c <= 0xFF19) || (c >= 0xFF21 && c <= 0xFF3A) || (c >= 0xFF41 && c <= 0xFF5A)) c -= 0xFEE0;
        p[k++] = (xoe_codepoint){c, p[i].at};
    }
    return k;
}

/* Joiners do nothing after a Latin letter or its marks. */
static size_t drop_joiners(xoe_codepoint *p, size_t n)
{
    size_t k = 0;
    bool latin = false;
    for (size_t i = 0; i < n; i++) {
        if (latin && xoe_is_joiner(p[i].c)) continue;
        if (uc_combining_class(p[i].c) == 0) latin = xoe_is_latin(p[i].c);
        p[k++] = p[i];
    }
    return k;
}

/* Vowels and finals of Hangul join the letter before them without being combining marks. */
static bool is_joining(ucs4_t c)
{
    return uc_combining_class(c) != 0 || (c >= 0x1161 && c <= 0x1175) || (c >= 0x11A8 && c <= 0x11C2);
}

/* NFC, a letter and its marks at a time; more than RUN_MAX marks are left as they are. out: room for as
 * many as the text has bytes (a character of b bytes never becomes more than b). Returns the new number,
 * -1: no memory. */
static long compose(const xoe_codepoint *p, size_t n, xoe_codepoint *out)
{
    enum { RUN_MAX = 32, FIRST_CHANGED = 0x340 }; /* single characters below it are NFC */
    size_t k = 0;
    for (size_t i = 0, end; i < n; i = end) {
        ucs4_t in[RUN_MAX], buf[4 * RUN_MAX], *made;
        size_t m = 4 * RUN_MAX;
        for (end = i + 1; end < n && is_joining(p[end].c);)
            end++;
        if (end - i > RUN_MAX || (end == i + 1 && p[i].c < FIRST_CHANGED)) {
            for (size_t j = i; j < end; j++)
                out[k++] = p[j];
            continue;
        }
        for (size_t j = i; j < end; j++)
            in[j - i] = p[j].c;
        made = u32_normalize(UNINORM_NFC, in, end - i, buf, &m);
        if (!made) return -1;
        for (size_t j = 0; j < m; j++)
            out[k++] = (xoe_codepoint){made[j], p[i].at};
        if (made != buf) free(made);
    }
    return (long)k;
}

static xoe_err encode(xoe_canon *c, const xoe_codepoint *p, size_t k, size_t n_source, xoe_error *e)
{
    c->text = xoe_malloc(4 * k + 1);
    c->source = xoe_malloc((4 * k + 1) * sizeof *c->source);
    if (!c->text || !c->source) return xoe_error_set(e, XOE_ENOMEM, "no memory for a text of %zu characters", k);
    for (size_t i = 0; i < k; i++) {
        int len = u8_uctomb((uint8_t *)c->text + c->n, p[i].c, 4);
        for (int j = 0; j < len; j++)
            c->source[c->n++] = p[i].at;
    }
    c->text[c->n] = 0;
    c->source[c->n] = n_source;
    return XOE_OK;
}

xoe_err xoe_canon_make(xoe_canon *out, const char *text, size_t n, xoe_error *e)
{
    *out = (xoe_canon){0};
    size_t valid = xoe_utf8_valid_prefix(text, n, NULL);
    if (valid != n) return xoe_error_param(e, XOE_EINVAL, "text", "the text is not UTF-8 (byte %zu)", valid);
    xoe_codepoint *p = xoe_malloc(2 * n * sizeof *p), *whole = p ? p + n : NULL;
    xoe_err rc = XOE_OK;
    if (!p) return xoe_error_set(e, XOE_ENOMEM, "no memory for a text of %zu bytes", n);
    /* Composed before, since a compatibility sign may hide a Latin letter, and after, since a letter that was
     * changed may now join its marks. */
    long k = compose(p, drop_invisible(p, decode(text, n, p)), whole);
    if (k >= 0) {
        rc = xoe_look_alikes_undo(whole, (size_t)k, e);
        k = compose(whole, drop_joiners(whole, (size_t)k), p);
    }
    if (k < 0)
        rc = xoe_error_set(e, XOE_ENOMEM, "no memory for a text of %zu bytes", n);
    else if (rc == XOE_OK)
        rc = encode(out, p, (size_t)k, n, e);
    xoe_free(p);
    if (rc != XOE_OK) xoe_canon_clear(out);
    return rc;
}

xoe_err xoe_canon_reflow(xoe_canon *out, const xoe_canon *in, xoe_error *e)
{
    *out = (xoe_canon){.text = xoe_malloc(in->n + 1), .source = xoe_malloc((in->n + 1) * sizeof *out->source)};
    if (!out->text || !out->source) {
        xoe_canon_clear(out);
        return xoe_error_set(e, XOE_ENOMEM, "no memory for a text of %zu bytes", in->n);
    }
    for (size_t i = 0; i < in->n;) {
        size_t at = i, lines = 0;
        while (i < in->n && (in->text[i] == ' ' || in->text[i] == '\n' || in->text[i] == '\t'))
            lines += in->text[i++] == '\n';
        if (i > at) {
            const char *gap = lines > 1 ? "\n\n" : " ";
            if (i == in->n) break; /* nothing after the last word */
            for (size_t j = 0; gap[j] && j < i - at; j++) {
                out->source[out->n] = in->source[at];
                out->text[out->n++] = gap[j];
            }
            continue;
        }
        out->source[out->n] = in->source[i];
        out->text[out->n++] = in->text[i++];
    }
    out->text[out->n] = 0;
    out->source[out->n] = in->source[in->n];
    return XOE_OK;
}

void xoe_canon_clear(xoe_canon *c)
{
    xoe_free(c->text);
    xoe_free(c->source);
    *c = (xoe_canon){0};
}
