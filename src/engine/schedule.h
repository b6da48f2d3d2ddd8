/* The pure part of scheduling: who is next. Thread: pure functions. */
#ifndef XOE_ENGINE_SCHEDULE_H
#define XOE_ENGINE_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define XOE_PROMPT_RATE 100.0 /* tokens/s of a small model on two cores: the guess before the first prompt */
#define XOE_STEP_ALONE_S 2.0  /* what may come meanwhile waits for a prompt's piece no longer than this */
#define XOE_STEP_BESIDE_S 1.0 /* and an answer that runs pauses no longer */
#define XOE_STEP_MOST 4       /* the longest piece, in n_prefill; the kernels gain nothing above */

/* Rank of a prompt that waits to be computed; the lowest goes first. Priority classes are strict.
 * Within one, the shortest remaining prompt goes first, which minimises the mean time to first token,
 * and each second of waiting is worth as many tokens as a second computes at `tokens_per_s`, so that a
 * long prompt is passed over only by those that would have been done before it anyway. */
double xoe_prompt_rank(int priority, size_t n_left, int64_t waited_ns, double tokens_per_s);

/* Prompt tokens that a step may compute: what fits the times above at the measured rate, n_prefill at least where no
 * answer runs and half as many where one does. */
int xoe_prompt_step(double tokens_per_s, int n_prefill, bool has_answers);

/* How many of a prompt's n_left tokens a step computes that has n_used prompt tokens already and holds `room`; 0: none.
 * The first prompt takes up to n_step, and a rest of up to a quarter more, for a short step of its own would be slow.
 * Others join up to n_prefill, so that a short one need not wait for a long one. exact: the pieces must be the same
 * whatever else runs, so only whole ones of n_prefill. */
int xoe_prompt_piece(size_t n_left, int n_used, int n_prefill, int n_step, int room, bool exact);
/* The most that the above returns. */
#define XOE_PROMPT_MOST(n_prefill) (XOE_STEP_MOST * (n_prefill) * 5 / 4)

/* What placing a job needs to know of a slot. */
typedef struct xoe_slot_view {
    bool busy;
    size_t n_cache; /* tokens that it holds */
    size_t shared;  /* of them, from the start, those that the job can use */
    uint64_t used;  /* when it was last used; the smallest is the oldest */
} xoe_slot_view;

enum {
    XOE_COPY_MIN = 12,   /* copying a cache costs about as much as computing so many tokens, or fewer */
    XOE_WAIT_MIN = 32,   /* tokens that another job computes just now and that are worth waiting for */
    XOE_WASTE_MAX = 128, /* cached tokens of another text that a job may overwrite without much gain */
};

typedef struct xoe_placement {
    int slot;      /* −1: all are busy */
    int donor;     /* copy this slot's cache first; −1: use the slot's own */
    size_t shared; /* cached tokens that the job starts with */
} xoe_placement;

/* Where a job goes: to the free slot that shares the longest prefix with it, unless that would
 * overwrite a long text of somebody else; then, and when a busy slot shares more, to the slot that was
 * unused for longest, with a copy of the prefix if it is copy_min tokens longer than what is there. */
xoe_placement xoe_place(const xoe_slot_view *slots, int n, size_t copy_min);

/* Length of the common prefix of a and b. */
size_t xoe_common_prefix(const int32_t *a, size_t n, const int32_t *b, size_t m);

#endif
