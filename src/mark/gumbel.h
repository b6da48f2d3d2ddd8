/* The Gumbel-max choice, shared by gumbel, dual-gumbel and the interoperating schemes. */
#ifndef XOE_MARK_GUMBEL_H
#define XOE_MARK_GUMBEL_H

#include "mark/scheme.h"

/* argmax ln(u_i)/p_i, u_i from words[i × n_words]; candidates with p = 0 never win. */
size_t xoe_gumbel_argmax(const double *p, const uint64_t *words, size_t n_words, size_t n);

#endif
