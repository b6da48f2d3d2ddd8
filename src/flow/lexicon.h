/* Lists of words with a meaning that a rewrite must keep: numbers, units, opposites, negations. English
 * first; negations in a few more languages. Thread: safe. */
#ifndef XOE_FLOW_LEXICON_H
#define XOE_FLOW_LEXICON_H

#include "flow/words.h"

/* "twenty" → 20, "twice" → 2, "third" → 3; −1: no number word. "One", "a", "first" and "second" have too many
 * other uses and are none. *ordinal: "third", and the like. */
int xoe_number_word(const xoe_word *w, bool *ordinal);

/* Which unit, or −1. free: only those that need no number beside them to be one (times, money, lengths). */
int xoe_unit_word(const xoe_word *w, bool free);

bool xoe_is_negation(const xoe_word *w);
/* "may", "possible", "allowed" and other ways to leave something open. */
bool xoe_is_possibility(const xoe_word *w);
/* Words without content of their own: articles, pronouns, prepositions, auxiliaries. */
bool xoe_is_function_word(const xoe_word *w);

/* Pairs of opposite words. */
typedef struct xoe_opposites {
    const char *one, *other; /* lists for xoe_word_in */
} xoe_opposites;
extern const xoe_opposites xoe_opposite_pairs[];
extern const size_t xoe_n_opposite_pairs;
/* Sets of which a text should keep the one it uses: how many, how sure, what is allowed. */
extern const char *const xoe_degrees[];
extern const size_t xoe_n_degrees;

#endif
