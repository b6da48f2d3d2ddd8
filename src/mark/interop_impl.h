/* Inside of interop: the kinds, the handle, the words. */
#ifndef XOE_MARK_INTEROP_IMPL_H
#define XOE_MARK_INTEROP_IMPL_H

#include "mark/interop.h"
#include "mark/scheme.h"

enum xoe_peer {
    XOE_PEER_TEXTSEAL,
    XOE_PEER_VLLM,
    XOE_PEER_SGLANG,
    XOE_PEER_HF_SYNTHID,
    XOE_PEER_HF_GREEN,
    XOE_PEER_HF_SELFHASH
};

struct xoe_kind {
    enum xoe_peer peer;
    xoe_scheme scheme; /* whose pick() chooses */
    const char *weak;  /* weak_key_note */
};
extern const struct xoe_kind xoe_kinds[XOE_INTEROP_KINDS];

struct xoe_interop {
    xoe_interop_params p; /* resolved */
    uint64_t key[2];
    uint8_t *table; /* hf-synthid: [table_size] */
    int32_t *fixed; /* hf-greenlist-selfhash: [n_fixed] */
    size_t n_fixed, n_green;
    double share;                          /* of ones or green under the null */
    double weights[XOE_INTEROP_DEPTH_MAX]; /* textseal-synthid-weighted */
};

/* First position that is scored. */
size_t xoe_interop_first(const xoe_interop *h);
/* The width tokens before position at, −1 where there is none. */
void xoe_interop_window(const xoe_interop *h, const int32_t *tokens, size_t at, int32_t *window);
/* Score of the token at a position, as the peer counts it. */
double xoe_interop_score(const xoe_interop *h, const int32_t *tokens, size_t at);
/* Seed of the list for `token` at a position. */
uint32_t xoe_hf_green_seed(const xoe_interop *h, const int32_t *tokens, size_t at, int32_t token);

#endif
