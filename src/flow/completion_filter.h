/* What a client may see of the bytes that a model emits: whole UTF-8 characters, and nothing that is
 * or may become a stop string. Pure; thread: one owner. */
#ifndef XOE_FLOW_COMPLETION_FILTER_H
#define XOE_FLOW_COMPLETION_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include "base/buf.h"

typedef struct xoe_text_filter {
    const char *const *stops; /* [n_stops], valid UTF-8, not empty; borrowed */
    size_t n_stops;
    xoe_buf text;             /* valid UTF-8: released, then held back */
    size_t released;          /* bytes that the client may see; only grows */
    char part[4];             /* a character not yet whole */
    size_t n_part;
    bool stopped;             /* a stop string was found; text ends before it */
} xoe_text_filter;

void xoe_text_filter_init(xoe_text_filter *f, const char *const *stops, size_t n_stops, size_t max_bytes);
void xoe_text_filter_free(xoe_text_filter *f);
/* Bytes of the next token. After a stop nothing is taken. 0, or −1: the limit or no memory. */
int xoe_text_filter_push(xoe_text_filter *f, const char *bytes, size_t n);
/* No more comes: what was held back is released; a character that never became whole is U+FFFD. */
int xoe_text_filter_finish(xoe_text_filter *f);

#endif
