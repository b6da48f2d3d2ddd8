/* Passes over a row of logits.
 *
 * Without -ffast-math a compiler keeps the order of a floating-point reduction, so each pass keeps LANES
 * partial results and joins them at the end: that is what vectorises. Sums leave float for double every
 * few hundred entries, so their error does not grow with the vocabulary. The exponential is a polynomial,
 * since a call of expf an entry costs more than the rest of the sampler. */
#include "engine/logits.h"

#include <math.h>
#include <string.h>

enum { LANES = 16, BLOCK = 1024 }; /* a block is summed in float */

float xoe_logits_max(const float *x, int n)
{
    float m[LANES], best = -INFINITY;
    int i = 0;
    for (int j = 0; j < LANES; j++)
        m[j] = -INFINITY;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++)
            m[j] = x[i + j] > m[j] ? x[i + j] : m[j];
    for (int j = 0; j < LANES; j++)
        best = m[j] > best ? m[j] : best;
    for (; i < n; i++)
        best = x[i] > best ? x[i] : best;
    return best;
}

/* e^x for −80 ≤ x ≤ 0, as 2^k·e^r with |r| ≤ ln 2 / 2 and Taylor's series for e^r (next term below
 * 1.2e-7). No branch: it must vectorise. */
static inline float exp_neg(float x)
{
    const float shift = 12582912.0f; /* 1.5·2^23: adding it rounds to a whole number in the low bits */
    uint32_t bits;
    float k, scale;
    k = x * 1.44269504f + shift;
    memcpy(&bits, &k, sizeof bits);
    k -= shift;
    float r = x - k * 0.693359375f + k * 2.12194440e-4f; /* ln 2 in two parts */
    float e = 1 + r * (1 + r * (0.5f + r * (1 / 6.0f + r * (1 / 24.0f + r * (1 / 120.0f + r * (1 / 720.0f))))));
    bits = (bits + 127) << 23;
    memcpy(&scale, &bits, sizeof scale);
    return e * scale;
}

/* w[i] = e^max((x[i] − top)·inv_t, −80). The limit, which also takes what is not a number, has a loop of
 * its own: GCC 12 does not vectorise the two together. */
static void exp_block(const float *restrict x, float *restrict w, int n, float top, float inv_t)
{
    for (int i = 0; i < n; i++) {
        float d = (x[i] - top) * inv_t;
        w[i] = d > -80.0f ? d : -80.0f;
    }
    for (int i = 0; i < n; i++)
        w[i] = exp_neg(w[i]);
}

static double sum_block(const float *w, int n)
{
    float s[LANES] = {0};
    double sum = 0;
    int i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++)
            s[j] += w[i + j];
    for (int j = 0; j < LANES; j++)
        sum += (double)s[j];
    for (; i < n; i++)
        sum += (double)w[i];
    return sum;
}

double xoe_logits_mass(const float *x, int n, float top, float inv_t)
{
    float w[BLOCK];
    double sum = 0;
    for (int at = 0; at < n; at += BLOCK) {
        int m = n - at < BLOCK ? n - at : BLOCK;
        exp_block(x + at, w, m, top, inv_t);
        sum += sum_block(w, m);
    }
    return sum;
}

size_t xoe_logits_gather(const float *x, int n, float floor, int32_t *ids, float *vals)
{
    size_t out = 0;
    int i = 0;
    for (; i + LANES <= n; i += LANES) {
        int any = 0;
        for (int j = 0; j < LANES; j++)
            any |= x[i + j] >= floor;
        if (!any) continue;
        for (int j = 0; j < LANES; j++) {
            ids[out] = i + j; /* written always, kept if counted: no branch to mispredict */
            vals[out] = x[i + j];
            out += x[i + j] >= floor;
        }
    }
    for (; i < n; i++)
        if (x[i] >= floor) {
            ids[out] = i;
            vals[out++] = x[i];
        }
    return out;
}

float xoe_logprobs(const float *x, int n, int32_t id, xoe_token_prob *top, int k)
{
    float best = xoe_logits_max(x, n);
    double norm = (double)best + log(xoe_logits_mass(x, n, best, 1));
    int have = 0;
    for (int i = 0; i < n && k > 0; i++) {
        if (have == k && x[i] <= top[k - 1].logprob) continue;
        int at = have < k ? have++ : k - 1;
        while (at > 0 && top[at - 1].logprob < x[i]) {
            top[at] = top[at - 1];
            at--;
        }
        top[at] = (xoe_token_prob){i, x[i]};
    }
    for (int i = 0; i < have; i++)
        top[i].logprob = (float)((double)top[i].logprob - norm);
    return (float)((double)x[id] - norm);
}

float xoe_entropy(const float *x, int n, int32_t id, float *logprob_of_id)
{
    float top = xoe_logits_max(x, n);
    float w[BLOCK];
    double sum = 0, dot = 0;
    for (int at = 0; at < n; at += BLOCK) {
        int m = n - at < BLOCK ? n - at : BLOCK;
        exp_block(x + at, w, m, top, 1);
        sum += sum_block(w, m);
        for (int i = 0; i < m; i++) /* e^d·d, where d = −∞ stands for nothing */
            w[i] *= x[at + i] - top > -80.0f ? x[at + i] - top : 0;
        dot += sum_block(w, m);
    }
    *logprob_of_id = (float)((double)(x[id] - top) - log(sum));
    return (float)(log(sum) - dot / sum);
}
