/* Could a text carry a mark at all? */
#ifndef XOE_MARK_CAPACITY_H
#define XOE_MARK_CAPACITY_H

#include "mark/scheme.h"

/* Could a text of n scored tokens reach fpr after n_tests corrections, if it were very good text?
 */
bool xoe_can_carry(const xoe_mark_params *p, size_t n, double n_tests, double fpr);

#endif
