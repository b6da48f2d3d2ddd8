/* Text in, verdict out: canonical form, the model's tokenizer, all keys of the keyring (or the one that
 * the asker names), spans as character offsets. Thread: safe. */
#ifndef XOE_FLOW_DETECT_H
#define XOE_FLOW_DETECT_H

#include "flow/calibration.h"
#include "flow/named_scheme.h"
#include "trust/keyring.h"
#include "xoe/engine.h"

typedef struct xoe_text_span {
    size_t first_byte, end_byte, first_char, end_char; /* of the text as given */
    double log10_p;
} xoe_text_span;

typedef struct xoe_text_token {
    size_t first_byte, end_byte, first_char, end_char; /* of the text as given */
    float score;                 /* NaN: not scored */
} xoe_text_token;

typedef struct xoe_text_verdict {
    xoe_verdict v;
    char key_id[XOE_KEY_ID_MAX]; /* "" when the asker named the scheme */
    double fpr;                  /* what was asked for */
    const char *method;          /* static: the scheme, "gumbel", … */
    bool weighted;               /* opts->weights was heeded */
    double chance;               /* what v.score is without a mark */
    xoe_text_span *spans;        /* [v.n_spans] */
    xoe_text_token *tokens;      /* [n_tokens] */
    size_t n_tokens;
    /* by xoe_app_detect: */
    char vocabularies[XOE_VOCABULARIES_MAX]; /* names of the models whose vocabularies were tried */
    xoe_calibration calibration; /* made_ms 0: there is none */
} xoe_text_verdict;

typedef struct xoe_text_detect_opts {
    double fpr;                  /* 0: 1e-3 */
    bool spans, tokens;
    const char *const *key_ids;  /* NULL: all keys, active and retired */
    size_t n_key_ids;
    xoe_mark_test test;          /* default: the sum of the scores */
    bool weights;                /* read the text with the model too, and weigh tokens by what they can carry:
                                    finds more, takes long; needs the tokenizer engine's weights */
    const xoe_named_scheme *scheme; /* NULL: the keyring; else only this, with its own key (no spans for
                                       other programs') */
} xoe_text_detect_opts;

/* keys: not used with opts->scheme. Errors: XOE_EINVAL (empty, not UTF-8, no such key), XOE_ENOMEM;
 * with weights also xoe_token_probs's. */
xoe_err xoe_detect_text(xoe_engine *tokenizer, xoe_keyring *keys, const char *text, size_t n,
                        const xoe_text_detect_opts *opts, xoe_text_verdict *out, xoe_error *e);
void xoe_text_verdict_clear(xoe_text_verdict *v);
/* The answer of POST /v1/detect-watermark and `xoe detect --json` as one JSON object (xoe_free). */
char *xoe_text_verdict_json(const xoe_text_verdict *v, bool with_tokens);

#endif
