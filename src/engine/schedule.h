/* The pure part of scheduling: who is next. Thread: pure functions. */
#ifndef XOE_ENGINE_SCHEDULE_H
#define XOE_ENGINE_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Rank of a prompt that waits to be computed; the lowest goes first. Priority classes are strict.
 * Within one, the shortest remaining prompt goes first, which minimises the mean time to first token,
 * and each second of waiting is worth as many tokens as a second computes at `tokens_per_s`, so that a
 * long prompt is passed over only by those that would have been done before it anyway. */
double xoe_prompt_rank(int priority, size_t n_left, int64_t waited_ns, double tokens_per_s);

/* Length of the common prefix of a and b. */
size_t xoe_common_prefix(const int32_t *a, size_t n, const int32_t *b, size_t m);

#endif
