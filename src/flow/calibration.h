/* How often the deployed detector calls the owner's own unmarked text marked: measured by flow/calibrate.h,
 * stored in DATA/calibration.json (docs/formats/calibration.md), told beside every verdict. Thread: safe. */
#ifndef XOE_FLOW_CALIBRATION_H
#define XOE_FLOW_CALIBRATION_H

#include <jansson.h>
#include "flow/corpus.h"
#include "ops/manifest.h"
#include "trust/keyring.h"

enum {
    XOE_CALIBRATION_LEVELS = 3,
    XOE_VOCABULARIES_MAX = 2 * XOE_MODEL_NAME_MAX + 4,
};

typedef struct xoe_calibration_level {
    double fpr;             /* nominal: 1e-2, 1e-3, 1e-4 */
    size_t n_alarms;        /* passages with p at most that */
    double rate, low, high; /* observed, and its interval (Clopper and Pearson, 95 %) */
    double excess_p;        /* chance of so many alarms or more, were the nominal rate true */
} xoe_calibration_level;

typedef struct xoe_calibration {
    int64_t made_ms;                      /* Unix; 0: there is none */
    char version[32];                     /* of Xoe */
    char vocabularies[XOE_VOCABULARIES_MAX]; /* models whose vocabularies were tried: "a" or "a, b" */
    char keys[65];                        /* SHA-256 over the keys' ids and parameters */
    size_t n_keys, words;                 /* words of a passage */
    xoe_corpus_stats corpus;
    size_t n_too_short;                   /* passages that cannot carry a mark; counted all the same */
    xoe_calibration_level level[XOE_CALIBRATION_LEVELS];
    const char *stale;                    /* static: why it is not of this detection; NULL: it is */
} xoe_calibration;

/* Levels from their counts of alarms. */
void xoe_calibration_levels(xoe_calibration *c, const size_t n_alarms[XOE_CALIBRATION_LEVELS]);
/* Are there more alarms than the nominal rate explains (chance under 1e-3, for all levels together)? That means marked text
 * in the corpus, or a detector that is wrong. */
bool xoe_calibration_excess(const xoe_calibration *c);

/* What keys are looked for, in 64 hex digits; key_ids NULL: all. Retiring a key changes nothing.
 * Errors: the keyring's. */
xoe_err xoe_calibration_keys(xoe_keyring *ring, const char *const *key_ids, size_t n_key_ids, char out[65], size_t *n_keys,
                             xoe_error *e);

xoe_err xoe_calibration_save(const xoe_calibration *c, xoe_keyring *ring, const char *data_dir, xoe_error *e);
/* out->made_ms is 0 when there is no file; one that does not parse counts as none and is logged. */
void xoe_calibration_load(xoe_calibration *out, const char *data_dir);
/* Set c->stale by comparing with what a detection looks for. */
void xoe_calibration_compare(xoe_calibration *c, const char *keys, const char *vocabularies);
/* What a verdict tells of it; JSON null when there is none. */
json_t *xoe_calibration_json(const xoe_calibration *c);

#endif
