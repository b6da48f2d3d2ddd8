/* From a text that is right to one that scores more. Tries show edits, most of them right, some not; what is known to be right is one text made
 * of some of them. A step turns a few edits that gain something, and the caller judges the text that comes of it: first all that one try offers,
 * then two edits, then one. A reading is so spent on nothing that would not gain. Pure; thread: one owner. */
#ifndef XOE_FLOW_REPHRASE_SEARCH_H
#define XOE_FLOW_REPHRASE_SEARCH_H

#include "flow/rephrase_blend.h"

enum { XOE_SEARCH_TRIES_MAX = 48, XOE_SEARCH_REFUSED_MAX = 128 };

typedef struct xoe_search {
    xoe_blend blend;       /* all edits that were seen */
    xoe_blend_choice at;   /* what is right */
    double gain;           /* of it */
    char *texts[XOE_SEARCH_TRIES_MAX];
    xoe_blend_choice tries[XOE_SEARCH_TRIES_MAX];
    int n_tries, n_offered; /* of the tries: how many were proposed as a whole */
    bool dead[XOE_BLEND_EDITS_MAX]; /* refused alone */
    xoe_blend_choice refused[XOE_SEARCH_REFUSED_MAX];
    int n_refused;
    /* the step that is proposed */
    xoe_blend_choice step;
    double step_gain;
    size_t turned; /* the edit, where it is one; XOE_BLEND_EDITS_MAX: several */
    bool pair;     /* it is two edits */
    bool single;   /* two were refused: one is next */
} xoe_search;

/* source: borrowed. */
void xoe_search_init(xoe_search *s, const char *source, size_t n);
void xoe_search_clear(xoe_search *s);
/* Its edits are searched too. text: copied. False: it cannot be taken apart (flow/rephrase_blend.h), or there is no room. */
bool xoe_search_add(xoe_search *s, const char *text, size_t n);
/* Stand at this text; its edits are added where they are new. False: as for add; nothing changes then. */
bool xoe_search_start(xoe_search *s, const char *text, size_t n, double gain);
/* The next step's text to out; s->step_gain: its gain. False: nothing is left that gains. worth: the gain of a text. */
bool xoe_search_next(xoe_search *s, double (*worth)(const char *text, size_t n, void *ud), void *ud, xoe_buf *out);
/* Was it right? Then the search stands there. */
void xoe_search_judged(xoe_search *s, bool good);

#endif
