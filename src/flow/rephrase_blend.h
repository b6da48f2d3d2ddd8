/* Rewrites of one source that keep its order differ from it in places; each place can be taken from one rewrite, or another, or left as it
 * was. A handful of good rewrites so stand for thousands of texts, among which the one is sought that carries the most of the
 * mark: what WaterMax (Giboulot & Furon 2403.04808) does with drafts, done with edits. Pure; thread: one owner. */
#ifndef XOE_FLOW_REPHRASE_BLEND_H
#define XOE_FLOW_REPHRASE_BLEND_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

enum { XOE_BLEND_WORDS_MAX = 256, XOE_BLEND_EDITS_MAX = 128 };

typedef struct xoe_blend_word { size_t first, end; } xoe_blend_word; /* bytes of its text */

/* Words [first, end) of the source become these bytes; neither is empty. */
typedef struct xoe_blend_edit {
    size_t first, end;
    const char *text;
    size_t n;
} xoe_blend_edit;

typedef struct xoe_blend {
    const char *source;
    size_t n_source, n_words, n_edits;
    xoe_blend_word words[XOE_BLEND_WORDS_MAX]; /* of the source */
    xoe_blend_edit edits[XOE_BLEND_EDITS_MAX];
} xoe_blend;

typedef struct xoe_blend_choice { bool on[XOE_BLEND_EDITS_MAX]; } xoe_blend_choice;

/* source: borrowed. One with too many words has no edits. */
void xoe_blend_init(xoe_blend *b, const char *source, size_t n);
/* The edits that make a rewrite of the source, added where they are new; *choice: those of this rewrite. rewrite: borrowed.
 * False: it shares less than half of its words, in order, with the source, or there is no room; nothing is added then. */
bool xoe_blend_add(xoe_blend *b, const char *rewrite, size_t m, xoe_blend_choice *choice);
/* The source with the edits that are chosen, to out (emptied before). Returns 0, or -1: no memory. */
int xoe_blend_write(const xoe_blend *b, const xoe_blend_choice *choice, xoe_buf *out);

/* Turn edit i on or off; those that meet one turned on are turned off. */
void xoe_blend_turn(const xoe_blend *b, xoe_blend_choice *choice, size_t i);

/* Climb: turn the edit that makes worth(text) largest, while there is one. Changes *choice; out: its text. Returns its worth; −INFINITY without memory. */
double xoe_blend_climb(const xoe_blend *b, xoe_blend_choice *choice, double (*worth)(const char *text, size_t n, void *ud), void *ud, xoe_buf *out);

#endif
