/* Fuzz target: parameters, options and tokens of the detector from bytes. Checks what must hold for
 * every verdict. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "xoe/mark.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD = 24, MAX_TOKENS = 300 };

static double small(uint8_t b)
{
    return b == 255 ? NAN : b == 254 ? -1 : (double)b / 64;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int32_t tokens[MAX_TOKENS];
    static double weights[MAX_TOKENS], probs[MAX_TOKENS];
    uint8_t keys[2][XOE_MARK_KEY_BYTES] = {{0}, {1}};
    xoe_mark_params p[2];
    if (size < HEAD) return 0;
    memset(p, 0, sizeof p);
    for (int i = 0; i < 2; i++) {
        const uint8_t *h = data + 8 * i;
        p[i].scheme = (xoe_scheme)(h[0] % 9);
        p[i].width = (int8_t)h[1];
        p[i].n_shifts = (int8_t)h[2] % 9;
        p[i].gamma = small(h[3]);
        p[i].delta = small(h[4]);
        p[i].alpha = small(h[5]);
        p[i].depth = (int8_t)h[6];
        p[i].payload_bits = h[7] > 128 ? 0 : h[7] % 6;
        keys[i][0] = h[3];
    }
    size_t n_keys = 1 + data[16] % 2, n = (size - HEAD) / 2;
    if (n > MAX_TOKENS) n = MAX_TOKENS;
    for (size_t i = 0; i < n; i++) {
        int16_t id;
        memcpy(&id, data + HEAD + 2 * i, 2);
        tokens[i] = id;
        weights[i] = small(data[HEAD + 2 * i]);
        probs[i] = small(data[HEAD + 2 * i]) / 4;
    }
    xoe_detect_opts o = {small(data[17]), data[18] & 1, data[18] & 2 ? weights : NULL, data[18] & 4 ? probs : NULL,
                         (xoe_mark_test)(data[18] >> 3 & 3)};
    xoe_verdict v;
    xoe_error e = XOE_ERROR_INIT;
    long live = xoe_mem_live();
    if (xoe_detect_tokens(p, (const uint8_t(*)[XOE_MARK_KEY_BYTES])keys, n_keys, tokens, n, &o, &v,
                          &e) == XOE_OK) {
        XOE_ASSERT(v.log10_p <= 0 && v.p_value >= 0 && v.p_value <= 1);
        XOE_ASSERT(v.confidence >= 0 && v.confidence <= 1);
        XOE_ASSERT(v.n_scored <= v.n_tokens && v.n_tokens == n && v.key_index < n_keys);
        for (size_t i = 0; i < v.n_spans; i++)
            XOE_ASSERT(v.spans[i].first < v.spans[i].end && v.spans[i].end <= n &&
                       (i == 0 || v.spans[i - 1].end <= v.spans[i].first));
        xoe_verdict_clear(&v);
    } else {
        XOE_ASSERT(e.code != XOE_OK && e.msg[0]);
    }
    XOE_ASSERT(xoe_mem_live() == live);

    xoe_marker *m;
    if (xoe_marker_open(&m, p, keys[0], 0, 0, NULL) == XOE_OK) xoe_marker_close(m);
    return 0;
}
