/* The arithmetic of scheduling, apart from the worker so that it can be tested. Pure functions. */
#include "engine/schedule.h"

double xoe_prompt_rank(int priority, size_t n_left, int64_t waited_ns, double tokens_per_s)
{
    return -1e9 * priority + (double)n_left - (double)waited_ns * 1e-9 * tokens_per_s;
}

int xoe_prompt_step(double tokens_per_s, int n_prefill, bool has_answers)
{
    double n = tokens_per_s * (has_answers ? XOE_STEP_BESIDE_S : XOE_STEP_ALONE_S);
    int least = has_answers ? (n_prefill + 1) / 2 : n_prefill, most = XOE_STEP_MOST * n_prefill;
    return n <= least ? least : n >= most ? most : (int)n;
}

int xoe_prompt_piece(size_t n_left, int n_used, int n_prefill, int n_step, int room, bool exact)
{
    int whole = exact ? n_prefill : n_used ? (n_prefill < n_step ? n_prefill : n_step) : n_step + n_step / 4;
    if (whole > room) whole = room;
    if (n_used >= whole || (exact && n_used && n_left > (size_t)(whole - n_used))) return 0;
    if (n_left <= (size_t)(whole - n_used)) return (int)n_left;
    return n_used || exact ? whole - n_used : n_step < whole ? n_step : whole;
}

xoe_placement xoe_place(const xoe_slot_view *v, int n, size_t copy_min)
{
    int own = -1, oldest = -1, donor = -1;
    for (int i = 0; i < n; i++) {
        if (donor < 0 || v[i].shared > v[donor].shared) donor = i;
        if (v[i].busy) continue;
        if (oldest < 0 || v[i].used < v[oldest].used) oldest = i;
        if (own < 0 || v[i].shared > v[own].shared ||
            (v[i].shared == v[own].shared && v[i].n_cache < v[own].n_cache))
            own = i;
    }
    if (oldest < 0) return (xoe_placement){-1, -1, 0};
    size_t waste = v[own].n_cache - v[own].shared;
    if (v[own].shared == 0 || (waste > v[own].shared && waste > XOE_WASTE_MAX)) own = oldest;
    if (v[donor].shared >= v[own].shared + copy_min) {
        /* the copy replaces what the slot holds, so it goes to the oldest */
        return (xoe_placement){oldest, donor, v[donor].shared};
    }
    return (xoe_placement){own, -1, v[own].shared};
}

size_t xoe_common_prefix(const int32_t *a, size_t n, const int32_t *b, size_t m)
{
    size_t i = 0, end = n < m ? n : m;
    while (i < end && a[i] == b[i])
        i++;
    return i;
}
