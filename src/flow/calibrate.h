/* Measure the detector's false alarms on the owner's own text. Blocking; thread: any. */
#ifndef XOE_FLOW_CALIBRATE_H
#define XOE_FLOW_CALIBRATE_H

#include "flow/app.h"
#include "flow/calibration.h"

enum { XOE_CALIBRATE_WORDS = 300, XOE_CALIBRATE_WORDS_MAX = 5000 };

typedef struct xoe_calibrate_opts {
    const char *folder;
    const char *key_id; /* NULL: all keys, as deployed */
    size_t words;       /* of a passage; 0: XOE_CALIBRATE_WORDS */
    void (*on_progress)(void *ud, unsigned long long n_bytes, unsigned long long n_bytes_in_all); /* may be NULL */
    void *ud;
} xoe_calibrate_opts;

/* Detect in every passage as xoe_app_detect does by default (spans, every vocabulary), and count. Stores nothing.
 * Errors: as xoe_corpus_walk and xoe_app_detect; XOE_EINVAL (no passage long enough). */
xoe_err xoe_calibrate(xoe_app *app, const xoe_calibrate_opts *o, xoe_calibration *out, xoe_error *e);

#endif
