/* "Did you mean …": the nearest of some names. Pure functions. */
#ifndef XOE_OPS_SUGGEST_H
#define XOE_OPS_SUGGEST_H

#include <stddef.h>

/* Edits (insert, delete, replace, swap of neighbours) from a to b; at most 64 bytes of each count. */
size_t xoe_edit_distance(const char *a, const char *b);
/* The nearest of names[0..n) when it is near enough to be meant, else NULL. */
const char *xoe_suggest(const char *word, const char *const *names, size_t n);

#endif
