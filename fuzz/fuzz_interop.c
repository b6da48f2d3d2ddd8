/* Fuzz target: parameters, candidates and tokens of the marks of other programs, from bytes. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "mark/interop.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD = 24, MAX_TOKENS = 120, CANDS = 5 };

static double small(uint8_t b)
{
    return b == 255 ? NAN : b == 254 ? -1 : (double)b / 256;
}

static double half(void *ud)
{
    (void)ud;
    return 0.5;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int32_t tokens[MAX_TOKENS];
    xoe_interop_params p;
    xoe_interop *h;
    xoe_error e = XOE_ERROR_INIT;
    if (size < HEAD + 8) return 0;
    memset(&p, 0, sizeof p);
    p.kind = (xoe_interop_kind)(data[0] % (XOE_INTEROP_KINDS + 1));
    /* its table of a million places costs too much a run: it has a unit test */
    if (p.kind == XOE_INTEROP_HF_GREEN_SELFHASH) return 0;
    memcpy(&p.key, data + 8, 8);
    memcpy(&p.key_b, data + 16, 8);
    p.width = (int8_t)data[1];
    p.gamma = small(data[2]);
    p.delta = small(data[3]) * 8;
    p.alpha = small(data[4]);
    p.depth = (int8_t)data[5];
    p.n_vocab = data[6] * 8;
    p.dedup = (xoe_dedup)(data[7] % 4);
    p.table_size = data[7] > 128 ? 0 : data[7];
    for (int i = 0; i < XOE_INTEROP_DEPTH_MAX; i++)
        p.keys[i] = (int64_t)(p.key * (uint64_t)(i + 1));
    size_t n = (size - HEAD) / 4;
    if (n > MAX_TOKENS) n = MAX_TOKENS;
    memcpy(tokens, data + HEAD, n * 4);
    long live = xoe_mem_live();
    if (xoe_interop_open(&h, &p, &e) == XOE_OK) {
        xoe_verdict v;
        xoe_pick pick;
        xoe_cand c[CANDS];
        double p_out[CANDS];
        XOE_ASSERT(xoe_interop_detect(h, tokens, n, 0, &v, NULL, &e) == XOE_OK);
        XOE_ASSERT(v.log10_p <= 0 && v.p_value >= 0 && v.p_value <= 1 && v.n_scored <= n &&
                   v.weak_key_note);
        xoe_verdict_clear(&v);
        for (size_t i = 0; i < CANDS; i++)
            c[i] = (xoe_cand){tokens[i % n], (float)small(data[i + 3])};
        XOE_ASSERT(xoe_interop_pick(h, c, CANDS, tokens, n - 1, half, NULL, &pick, p_out, &e) ==
                   XOE_OK);
        XOE_ASSERT(pick.index < CANDS);
        xoe_interop_close(h);
    } else {
        XOE_ASSERT(e.code != XOE_OK && e.msg[0]);
    }
    XOE_ASSERT(xoe_mem_live() == live);
    return 0;
}
