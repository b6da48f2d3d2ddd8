/* A byte-wise state machine; data is copied in runs. Strict: line ends are CR LF only, a size is 1 to 15 hex digits,
 * extensions and trailers are skipped but bounded, so that no two readers can disagree on where a body ends. */
#include "serve/http_chunked.h"

enum { SIZE, EXTENSION, SIZE_LF, DATA, DATA_CR, DATA_LF, LINE, TRAILER, TRAILER_LF, END_LF, WHOLE, BAD };
enum { DIGITS_MAX = 15, LINE_MAX_BYTES = 1024, TRAILERS_MAX_BYTES = 8192 };

static int hex(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int size_byte(xoe_chunked *c, char b)
{
    int digit = hex(b);
    if (digit >= 0) {
        c->left = c->left * 16 + (size_t)digit;
        return ++c->line > DIGITS_MAX ? BAD : SIZE;
    }
    if (c->line == 0) return BAD;
    if (b == '\r') return SIZE_LF;
    return b == ';' || b == ' ' || b == '\t' ? EXTENSION : BAD;
}

/* The state after a byte that is not data. */
static int next_state(xoe_chunked *c, char b)
{
    switch (c->state) {
    case SIZE: return size_byte(c, b);
    case EXTENSION: return b == '\r' ? SIZE_LF : b == '\n' || ++c->line > LINE_MAX_BYTES ? BAD : EXTENSION;
    case SIZE_LF:
        c->line = 0;
        return b != '\n' ? BAD : c->left ? DATA : LINE;
    case DATA_CR: return b == '\r' ? DATA_LF : BAD;
    case DATA_LF: return b == '\n' ? SIZE : BAD;
    case LINE: /* a trailer's beginning, or the empty line */
        if (b == '\r') return END_LF;
        return b == '\n' || ++c->line > TRAILERS_MAX_BYTES ? BAD : TRAILER;
    case TRAILER: return b == '\r' ? TRAILER_LF : b == '\n' || ++c->line > TRAILERS_MAX_BYTES ? BAD : TRAILER;
    case TRAILER_LF:
        c->line += 2;
        return b == '\n' ? LINE : BAD;
    case END_LF: return b == '\n' ? WHOLE : BAD;
    default: return c->state;
    }
}

xoe_chunked_is xoe_chunked_take(xoe_chunked *c, const char *p, size_t n, xoe_buf *out)
{
    while (n && c->state != WHOLE && c->state != BAD) {
        size_t run = 1;
        if (c->state == DATA) {
            run = n < c->left ? n : c->left;
            if (out) xoe_buf_add(out, p, run);
            c->left -= run;
            if (c->left == 0) c->state = DATA_CR;
        } else {
            c->state = next_state(c, *p);
        }
        p += run;
        n -= run;
    }
    return c->state == WHOLE ? XOE_CHUNKED_WHOLE : c->state == BAD ? XOE_CHUNKED_BAD : XOE_CHUNKED_MORE;
}
