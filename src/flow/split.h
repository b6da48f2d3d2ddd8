/* Source text into pieces that are rewritten and pieces that are kept. Pure; thread: safe. */
#ifndef XOE_FLOW_SPLIT_H
#define XOE_FLOW_SPLIT_H

#include <stdbool.h>
#include <stddef.h>

typedef struct xoe_piece {
    size_t n;   /* bytes; 0: more text is needed to tell */
    bool prose; /* false: kept as it is (white space, code, headings, quotations, tables, short lines) */
} xoe_piece;

/* The first piece of s. line_start: s begins a line. final: nothing follows. aim: bytes of a group of
 * sentences. With final, n > 0 whenever n_s > 0. */
xoe_piece xoe_split_next(const char *s, size_t n_s, bool line_start, bool final, size_t aim);

#endif
