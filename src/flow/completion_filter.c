/* Two stages over one buffer. Stage 1 turns bytes into valid UTF-8: a character cut by a token's end
 * waits in `part`, bytes that can never be a character become U+FFFD. Stage 2 looks for stop strings
 * in what is not yet released, and holds back the longest tail that is the beginning of one.
 *
 * Invariants: text is valid UTF-8; text[0, released) never shrinks or changes; no stop string lies in
 * it, whole or begun. A match found first in time wins, among several at once the leftmost: so the
 * result does not depend on what a stop string could still have become. */
#include "flow/completion_filter.h"

#include <stdint.h>
#include <string.h>

#include "base/text.h"

static const char replacement[] = "\xef\xbf\xbd";

void xoe_text_filter_init(xoe_text_filter *f, const char *const *stops, size_t n_stops, size_t max_bytes)
{
    *f = (xoe_text_filter){.stops = stops, .n_stops = n_stops};
    xoe_buf_init(&f->text, max_bytes);
}

void xoe_text_filter_free(xoe_text_filter *f)
{
    xoe_buf_free(&f->text);
}

/* Append as valid UTF-8; keep an incomplete tail (at most 3 bytes) in part. */
static int add_bytes(xoe_text_filter *f, const char *p, size_t n)
{
    while (n) {
        bool incomplete = false;
        size_t ok = xoe_utf8_valid_prefix(p, n, &incomplete);
        if (ok && xoe_buf_add(&f->text, p, ok)) return -1;
        p += ok;
        n -= ok;
        if (!n) break;
        if (incomplete) {
            memcpy(f->part, p, n);
            f->n_part = n;
            break;
        }
        if (xoe_buf_puts(&f->text, replacement)) return -1;
        p++;
        n--;
    }
    return 0;
}

static int decode(xoe_text_filter *f, const char *bytes, size_t n)
{
    /* A waiting character takes bytes one by one until it is whole or can no longer become so. */
    while (f->n_part && n) {
        char c[sizeof f->part];
        size_t m = f->n_part;
        memcpy(c, f->part, m);
        c[m++] = *bytes++;
        n--;
        f->n_part = 0;
        if (add_bytes(f, c, m)) return -1;
    }
    return add_bytes(f, bytes, n);
}

/* Cut the text at the leftmost stop string, or hold back what may begin one. */
static void match(xoe_text_filter *f)
{
    const char *tail = f->text.data ? f->text.data + f->released : "";
    size_t n = f->text.len - f->released, cut = SIZE_MAX, hold = 0;
    for (size_t i = 0; i < f->n_stops; i++) {
        size_t m = strlen(f->stops[i]), at = xoe_mem_find(tail, n, f->stops[i], m);
        if (at < cut) cut = at;
        for (size_t k = m - 1 < n ? m - 1 : n; k > hold; k--)
            if (!memcmp(tail + n - k, f->stops[i], k)) {
                hold = k;
                break;
            }
    }
    if (cut != SIZE_MAX) {
        f->stopped = true;
        f->n_part = 0;
        f->released += cut;
        f->text.len = f->released;
        f->text.data[f->text.len] = 0;
        return;
    }
    f->released = f->text.len - hold;
}

int xoe_text_filter_push(xoe_text_filter *f, const char *bytes, size_t n)
{
    if (f->stopped) return 0;
    if (decode(f, bytes, n)) return -1;
    match(f);
    return 0;
}

int xoe_text_filter_finish(xoe_text_filter *f)
{
    if (f->stopped) return 0;
    if (f->n_part) {
        f->n_part = 0;
        if (xoe_buf_puts(&f->text, replacement)) return -1;
        match(f);
    }
    f->released = f->text.len;
    return 0;
}
