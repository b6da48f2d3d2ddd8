/* Canonical form: any bytes; what is accepted is valid UTF-8 again, its offsets are ordered, and it is a
 * fixed point: making it canonical again changes nothing. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "flow/canon.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    xoe_canon c, f, again;
    if (xoe_canon_make(&c, (const char *)data, size, NULL) != XOE_OK) return 0;
    if (!xoe_utf8_valid(c.text, c.n)) abort();
    for (size_t i = 1; i <= c.n; i++)
        if (c.source[i] < c.source[i - 1] || c.source[i] > size) abort();
    if (xoe_canon_make(&again, c.text, c.n, NULL) == XOE_OK) {
        if (again.n != c.n || memcmp(again.text, c.text, c.n)) abort();
        xoe_canon_clear(&again);
    }
    if (xoe_canon_reflow(&f, &c, NULL) == XOE_OK) {
        if (!xoe_utf8_valid(f.text, f.n) || f.n > c.n) abort();
        xoe_canon_clear(&f);
    }
    xoe_canon_clear(&c);
    return 0;
}
