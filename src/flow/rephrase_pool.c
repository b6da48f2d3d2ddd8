/* A pool keeps its own copies: tries are gone when the next round begins. */
#include "flow/rephrase_pool.h"

#include <math.h>
#include <string.h>

enum { TEXT_MAX = 1 << 20 };

void xoe_pool_init(xoe_pool *p, const char *source, size_t n)
{
    xoe_blend_init(&p->blend, source, n);
    p->n = 0;
}

void xoe_pool_clear(xoe_pool *p)
{
    while (p->n)
        xoe_buf_free(&p->good[--p->n].text);
}

bool xoe_pool_has(const xoe_pool *p, const char *text, size_t n)
{
    for (int i = 0; i < p->n; i++)
        if (n == p->good[i].text.len && !memcmp(text, p->good[i].text.data, n)) return true;
    return false;
}

int xoe_pool_add(xoe_pool *p, const char *text, size_t n, double gain, double quality, const xoe_meaning *verdict)
{
    if (p->n == XOE_POOL_MAX) return -1;
    xoe_pool_entry *g = &p->good[p->n];
    *g = (xoe_pool_entry){.gain = gain, .quality = quality, .verdict = *verdict};
    xoe_buf_init(&g->text, TEXT_MAX);
    if (xoe_buf_add(&g->text, text, n)) {
        xoe_buf_free(&g->text);
        return -1;
    }
    g->blends = xoe_blend_add(&p->blend, g->text.data, g->text.len, &g->choice);
    p->n++;
    return 0;
}

void xoe_pool_weigh(xoe_pool *p, double (*gain)(const char *text, size_t n, void *ud), void *ud)
{
    for (int i = 0; i < p->n; i++)
        p->good[i].gain = gain(p->good[i].text.data, p->good[i].text.len, ud);
}

const xoe_pool_entry *xoe_pool_best(const xoe_pool *p)
{
    const xoe_pool_entry *best = NULL;
    for (int i = 0; i < p->n; i++)
        if (!best || p->good[i].gain > best->gain) best = &p->good[i];
    return best;
}

/* One edit alone is a step from the source. */
static bool starts_climb(const xoe_pool_entry *g)
{
    int n = 0;
    for (int i = 0; g->blends && i < XOE_BLEND_EDITS_MAX; i++)
        n += g->choice.on[i];
    return n > 1;
}

double xoe_pool_blend(xoe_pool *p, double (*worth)(const char *text, size_t n, void *ud), void *ud, xoe_buf *out)
{
    const xoe_pool_entry *best = xoe_pool_best(p);
    double most = best ? best->gain : -INFINITY;
    xoe_buf text;
    xoe_buf_init(&text, TEXT_MAX);
    xoe_buf_reset(out);
    for (int i = -1; i < p->n; i++) { /* from the source and from each of them */
        xoe_blend_choice choice = {0};
        if (i >= 0 ? !starts_climb(&p->good[i]) : !p->n) continue;
        if (i >= 0) choice = p->good[i].choice;
        double w = xoe_blend_climb(&p->blend, &choice, worth, ud, &text);
        if (!(w > most) || (text.len == p->blend.n_source && !memcmp(text.data, p->blend.source, text.len))) continue;
        most = w;
        xoe_buf_reset(out);
        xoe_buf_add(out, xoe_buf_cstr(&text), text.len);
    }
    xoe_buf_free(&text);
    if (out->failed) xoe_buf_reset(out);
    return most;
}
