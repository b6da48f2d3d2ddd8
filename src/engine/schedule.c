/* The arithmetic of scheduling, apart from the worker so that it can be tested. Pure functions. */
#include "engine/schedule.h"

double xoe_prompt_rank(int priority, size_t n_left, int64_t waited_ns, double tokens_per_s)
{
    return -1e9 * priority + (double)n_left - (double)waited_ns * 1e-9 * tokens_per_s;
}

size_t xoe_common_prefix(const int32_t *a, size_t n, const int32_t *b, size_t m)
{
    size_t i = 0, end = n < m ? n : m;
    while (i < end && a[i] == b[i])
        i++;
    return i;
}
