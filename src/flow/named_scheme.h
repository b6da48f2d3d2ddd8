/* A scheme that the asker names, with its key: one of ours outside the keyring, or a mark of another
 * program. Built from texts, field by field, so that the command line and HTTP have the same fields,
 * checks and messages. Pure functions; thread: one owner. */
#ifndef XOE_FLOW_NAMED_SCHEME_H
#define XOE_FLOW_NAMED_SCHEME_H

#include "mark/interop.h"

typedef struct xoe_named_scheme {
    bool other; /* another program's: peer counts, else params and key */
    bool has_key, has_key_b;
    xoe_mark_params params;
    uint8_t key[XOE_MARK_KEY_BYTES];
    xoe_interop_params peer;
} xoe_named_scheme;

/* X(FIELD, "name", "value", "help"): what may be set. */
#define XOE_NAMED_FIELDS(X)                                                                                            \
    X(KEY, "key", "KEY", "its key: 64 hex digits for ours, a number for others, a list of numbers for hf-synthid")     \
    X(KEY_B, "key_b", "KEY", "second key (textseal-dual-key, sglang-dual-key-gumbel)")                                 \
    X(WIDTH, "width", "N", "tokens of context")                                                                        \
    X(SHIFTS, "shifts", "N", "variants of the key (ours)")                                                             \
    X(PAYLOAD_BITS, "payload_bits", "N", "bits of payload (ours)")                                                     \
    X(GAMMA, "gamma", "X", "green share")                                                                              \
    X(ALPHA, "alpha", "X", "weight of the first of two keys")                                                          \
    X(DEPTH, "depth", "N", "layers of a tournament")                                                                   \
    X(VOCAB, "vocab", "N", "vocabulary that the list was drawn from (hf-greenlist; the tokenizer's by default)")       \
    X(DEDUP, "dedup", "HOW", "what counts once: context, pair (context and token) or none (others; context by default)") \
    X(TABLE_SIZE, "table_size", "N", "entries of the table (hf-synthid)")                                              \
    X(TABLE_SEED, "table_seed", "N", "seed of the table (hf-synthid)")

typedef enum xoe_named_field {
#define XOE_NAMED_ENUM(id, name, value, help) XOE_NAMED_##id,
    XOE_NAMED_FIELDS(XOE_NAMED_ENUM)
#undef XOE_NAMED_ENUM
        XOE_NAMED_N_FIELDS
} xoe_named_field;

const char *xoe_named_field_name(xoe_named_field f);
/* Names of all schemes, ours first; NULL after the last. */
const char *xoe_named_scheme_at(size_t i);
/* What a scheme's name stands for: the program, and "" for ours. Static. */
const char *xoe_named_scheme_origin(const char *name);

/* Errors of all: XOE_EINVAL, with the field as param ("scheme.key"). */
xoe_err xoe_named_scheme_start(xoe_named_scheme *s, const char *name, xoe_error *e);
/* A field that the scheme has no use for is refused. */
xoe_err xoe_named_scheme_set(xoe_named_scheme *s, xoe_named_field f, const char *text, xoe_error *e);
/* Is all there that detection needs? n_vocab: the tokenizer's. Resolves our parameters. */
xoe_err xoe_named_scheme_finish(xoe_named_scheme *s, int n_vocab, xoe_error *e);
const char *xoe_named_scheme_name(const xoe_named_scheme *s);
void xoe_named_scheme_wipe(xoe_named_scheme *s);

#endif
