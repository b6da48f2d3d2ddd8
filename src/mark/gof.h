/* Goodness of fit of exponential scores to chance. Pure functions. */
#ifndef XOE_MARK_GOF_H
#define XOE_MARK_GOF_H

#include <stddef.h>

/* ln of a valid p-value of [n] scores −ln(1 − u), independent Exp(1) under the null. */
double xoe_gof_ln_p(const double *scores, size_t n);

#endif
