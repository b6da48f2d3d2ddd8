/* Text as words: what the checks of a rewrite compare. Pure; thread: safe. */
#ifndef XOE_FLOW_WORDS_H
#define XOE_FLOW_WORDS_H

#include <stdbool.h>
#include <stddef.h>

enum { XOE_WORDS_MAX = 2048 };

typedef struct xoe_word {
    const char *s; /* borrowed from the text */
    size_t n;
    bool first;    /* of a sentence */
} xoe_word;

typedef struct xoe_words {
    xoe_word w[XOE_WORDS_MAX];
    size_t n;
} xoe_words;

/* Runs of letters and digits; a decimal point or a thousands' comma inside a number belongs to it. What is
 * beyond XOE_WORDS_MAX words is left out. */
void xoe_words_split(const char *s, size_t n, xoe_words *out);
/* Lower case for ASCII is disregarded in all that follows. */
bool xoe_word_is(const xoe_word *w, const char *s, size_t n);
bool xoe_word_same(const xoe_word *a, const xoe_word *b);
bool xoe_words_have(const xoe_words *w, const xoe_word *x);
/* list: words with a blank between, all lower case; "increas*" stands for every word that begins so. */
bool xoe_word_in(const xoe_word *w, const char *list);
/* The same but for a short ending (plural, possessive, tense), or a long common beginning. */
bool xoe_word_akin(const xoe_word *a, const xoe_word *b);

#endif
