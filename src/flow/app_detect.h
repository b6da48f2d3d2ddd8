/* Detection with every vocabulary that this installation marks in. */
#ifndef XOE_FLOW_APP_DETECT_H
#define XOE_FLOW_APP_DETECT_H

#include "flow/app.h"
#include "flow/detect.h"

/* model: whose vocabulary; NULL or "": the chat model's, and the paraphraser's too where it is another,
 * with p corrected for the second try (not with opts->scheme: the asker knows whose tokens they are). model_out: [XOE_MODEL_NAME_MAX] the one that out is of.
 * With opts->weights the paraphraser's vocabulary is read without them.
 * Errors: as xoe_app_model and xoe_detect_text. Thread: safe. */
xoe_err xoe_app_detect(xoe_app *app, const char *model, const char *text, size_t n,
                       const xoe_text_detect_opts *opts, xoe_text_verdict *out, char *model_out, xoe_error *e);

/* Correct a verdict for a number of independent or dependent tries (Bonferroni). Pure. */
void xoe_verdict_correct(xoe_text_verdict *v, double fpr, double tries);

#endif
