/* Rewrites of one chunk that were found right, and the text that can be made of them all. Thread: one owner. */
#ifndef XOE_FLOW_REPHRASE_POOL_H
#define XOE_FLOW_REPHRASE_POOL_H

#include "flow/meaning.h"
#include "flow/rephrase_blend.h"

enum { XOE_POOL_MAX = 32 };

typedef struct xoe_pool_entry {
    xoe_buf text;
    double gain, quality; /* quality: mean log-likelihood of a token */
    xoe_meaning verdict;
    xoe_blend_choice choice;
    bool blends; /* it is the source with edits */
} xoe_pool_entry;

typedef struct xoe_pool {
    xoe_blend blend;
    xoe_pool_entry good[XOE_POOL_MAX];
    int n;
} xoe_pool;

/* source: borrowed. */
void xoe_pool_init(xoe_pool *p, const char *source, size_t n);
void xoe_pool_clear(xoe_pool *p);
bool xoe_pool_has(const xoe_pool *p, const char *text, size_t n);
/* text: copied. Returns 0; −1: no memory, or there are XOE_POOL_MAX already. */
int xoe_pool_add(xoe_pool *p, const char *text, size_t n, double gain, double quality, const xoe_meaning *verdict);
/* Their gains anew, after what stands before them has changed, or the key's shift. */
void xoe_pool_weigh(xoe_pool *p, double (*gain)(const char *text, size_t n, void *ud), void *ud);
/* The one that gains most; NULL: there is none. */
const xoe_pool_entry *xoe_pool_best(const xoe_pool *p);
/* What of their edits goes together so that worth is largest, to out; empty where that is no more than the best one's gain. Returns its worth. */
double xoe_pool_blend(xoe_pool *p, double (*worth)(const char *text, size_t n, void *ud), void *ud, xoe_buf *out);

#endif
