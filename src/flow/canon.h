/* The canonical form of text that is to be detected. Pure functions; thread: safe.
 *
 * It undoes what leaves a text looking the same and would hide a mark: zero-width characters and soft
 * hyphens, look-alike letters of other scripts inside Latin words, Unicode spaces, full-width letters,
 * decomposed accents, CRLF. It is the identity on what models write: one script a word, NFC, LF. */
#ifndef XOE_FLOW_CANON_H
#define XOE_FLOW_CANON_H

#include "xoe/error.h"

typedef struct xoe_canon {
    char *text;     /* canonical UTF-8, NUL-terminated */
    size_t n;
    size_t *source; /* [n + 1] byte of the given text that byte i came from; source[n]: its length */
} xoe_canon;

/* text: valid UTF-8. Errors: XOE_EINVAL (not UTF-8: says where), XOE_ENOMEM. */
xoe_err xoe_canon_make(xoe_canon *out, const char *text, size_t n, xoe_error *e);
/* The same with white space reflowed: runs of spaces and single line ends become one space (blank lines
 * stay). For text that was wrapped anew. */
xoe_err xoe_canon_reflow(xoe_canon *out, const xoe_canon *in, xoe_error *e);
void xoe_canon_clear(xoe_canon *c);

#endif
