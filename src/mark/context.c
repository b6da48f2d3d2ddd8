/* Deduplication of contexts by first occurrence.
 *
 * Why: text that repeats itself repeats its PRF values, and a score that counts the same draw twice
 * has no known law (peers: 15–44 % false alarms on repeated blocks). Counting each context once,
 * the draws are independent and the tails exact. Why by context and not by context and token: the
 * writer must decide before it knows the token, and both sides must agree.
 *
 * The set is open addressing with linear probing, at most half full. An encryption that is all zero
 * (one context in 2^128) is always "was there", on both sides. Thread: one owner. */
#include "mark/context.h"

#include <string.h>

#include "base/mem.h"

enum { FIRST_SLOTS = 512, CHUNK = 256 };

static size_t home(const xoe_block *b, size_t n_slots)
{
    return (b->w[0] | (size_t)b->w[1] << 32) & (n_slots - 1);
}

static bool equal(const xoe_block *a, const xoe_block *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static const xoe_block zero;

/* The slot of b, or the free one where it belongs. */
static xoe_block *find(xoe_block *slots, size_t n_slots, const xoe_block *b)
{
    size_t i = home(b, n_slots);
    while (!equal(&slots[i], &zero) && !equal(&slots[i], b))
        i = (i + 1) & (n_slots - 1);
    return &slots[i];
}

int xoe_context_set_reserve(xoe_context_set *s, size_t n)
{
    size_t want = s->n_slots ? s->n_slots : FIRST_SLOTS;
    if (n > SIZE_MAX / 64 - s->n) return -1;
    while (want < 2 * (s->n + n))
        want *= 2;
    if (want == s->n_slots) return 0;
    xoe_block *slots = xoe_calloc(want, sizeof *slots);
    if (!slots) return -1;
    for (size_t i = 0; i < s->n_slots; i++)
        if (!equal(&s->slots[i], &zero)) *find(slots, want, &s->slots[i]) = s->slots[i];
    xoe_free(s->slots);
    s->slots = slots;
    s->n_slots = want;
    return 0;
}

int xoe_context_set_add(xoe_context_set *s, const xoe_block *encrypted)
{
    if (equal(encrypted, &zero)) return 0;
    if (xoe_context_set_reserve(s, 1) != 0) return -1;
    xoe_block *slot = find(s->slots, s->n_slots, encrypted);
    if (equal(slot, encrypted)) return 0;
    *slot = *encrypted;
    s->n++;
    return 1;
}

bool xoe_context_set_has(const xoe_context_set *s, const xoe_block *encrypted)
{
    if (equal(encrypted, &zero)) return true;
    return s->n_slots && equal(find(s->slots, s->n_slots, encrypted), encrypted);
}

void xoe_context_set_reset(xoe_context_set *s)
{
    if (s->n) memset(s->slots, 0, s->n_slots * sizeof *s->slots);
    s->n = 0;
}

void xoe_context_set_free(xoe_context_set *s)
{
    xoe_free(s->slots);
    *s = (xoe_context_set){0};
}

xoe_err xoe_scored_build(xoe_scored *out, const int32_t *tokens, size_t n_tokens, int width,
                         xoe_prf *prf, xoe_error *e)
{
    xoe_err rc = XOE_OK;
    xoe_context_set set = {0};
    xoe_block context[CHUNK], encrypted[CHUNK];
    size_t w = (size_t)width, n_max = n_tokens > w ? n_tokens - w : 0;
    *out = (xoe_scored){0};
    if (n_max == 0) return XOE_OK;
    out->pos = xoe_malloc(n_max * sizeof *out->pos);
    out->tokens = xoe_malloc(n_max * sizeof *out->tokens);
    out->contexts = xoe_malloc(n_max * sizeof *out->contexts);
    if (!out->pos || !out->tokens || !out->contexts || xoe_context_set_reserve(&set, n_max) != 0) {
        rc = xoe_error_set(e, XOE_ENOMEM, "no memory to score %zu tokens", n_tokens);
        goto out;
    }
    for (size_t at = w; at < n_tokens; at += CHUNK) {
        size_t m = n_tokens - at < CHUNK ? n_tokens - at : CHUNK;
        for (size_t i = 0; i < m; i++)
            context[i] = xoe_prf_context(tokens + at + i - w, width);
        xoe_prf_encrypt(prf, context, encrypted, m);
        for (size_t i = 0; i < m; i++)
            __builtin_prefetch(&set.slots[home(&encrypted[i], set.n_slots)], 1);
        for (size_t i = 0; i < m; i++) {
            if (xoe_context_set_add(&set, &encrypted[i]) != 1) continue;
            out->pos[out->n] = at + i;
            out->tokens[out->n] = tokens[at + i];
            out->contexts[out->n++] = context[i];
        }
    }
out:
    xoe_context_set_free(&set);
    if (rc != XOE_OK) xoe_scored_free(out);
    return rc;
}

void xoe_scored_free(xoe_scored *s)
{
    xoe_free(s->pos);
    xoe_free(s->tokens);
    xoe_free(s->contexts);
    *s = (xoe_scored){0};
}
