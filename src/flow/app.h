/* The application: configuration, models, keyring, audit log. Opened once; what a turn needs.
 * Thread: open and close from one thread; all else is safe. */
#ifndef XOE_FLOW_APP_H
#define XOE_FLOW_APP_H

#include "ops/config.h"
#include "ops/manifest.h"
#include "trust/audit.h"
#include "trust/keyring.h"
#include "xoe/engine.h"

typedef struct xoe_app {
    const xoe_config *config;
    xoe_keyring *keyring;
    xoe_audit *audit;        /* NULL when opened without */
    xoe_engine *chat;        /* the default chat model */
    xoe_engine *embed;       /* NULL: none present */
    xoe_engine *paraphrase;  /* may be == chat; NULL: not opened (see xoe_app_paraphraser) */
    xoe_engine *judge;       /* the same model as paraphrase, without an adapter; opened with it */
    int64_t started_wall_ms;
} xoe_app;

typedef enum xoe_app_parts {
    XOE_APP_CHAT = 1, XOE_APP_EMBED = 2, XOE_APP_PARAPHRASE = 4, XOE_APP_AUDIT = 8,
    XOE_APP_TOKENIZER = 16 /* the chat model's vocabulary only (xoe detect) */
} xoe_app_parts;

/* parts: what to open (OR); the keyring always is. An absent embedding or paraphrase model is no error
 * here. Errors say which model is missing and how to pull it. */
xoe_err xoe_app_open(xoe_app **out, const xoe_config *config, int parts, xoe_error *e);
void xoe_app_close(xoe_app *a); /* takes NULL; no turn may run */

/* A model by the name a client gave (manifest name, file stem or alias; NULL or "": the default).
 * One that is not loaded is loaded; beyond config's max_models the least recently used one that no
 * turn holds is closed first. Give it back with xoe_app_release.
 * Errors: XOE_ENOTFOUND (lists what there is), XOE_EINVAL (not for this use), XOE_EUNAVAILABLE (all
 * loaded models are busy), as xoe_engine_open. */
xoe_err xoe_app_model(xoe_app *a, const char *name, bool embeddings, xoe_engine **out, xoe_error *e);
void xoe_app_release(xoe_app *a, xoe_engine *en); /* takes NULL */

/* The model that rephrases, opened at first use; the chat model when there is no better one.
 * Errors: as xoe_app_open. */
xoe_err xoe_app_paraphraser(xoe_app *a, xoe_engine **out, xoe_error *e);
/* Its vocabulary, without loading the model for it. Errors: as above. */
xoe_err xoe_app_paraphrase_tokenizer(xoe_app *a, xoe_engine **out, xoe_error *e);
/* What is wrong with the paraphraser that we have, for the answer's metadata; "" when nothing. */
const char *xoe_app_paraphraser_warning(xoe_app *a);

/* The key to rephrase with, where `asked` (NULL: none) does not say which: the configuration's. NULL: the active one. */
const char *xoe_app_rephrase_key(const xoe_app *a, const char *asked);

typedef struct xoe_app_model_info {
    char name[XOE_MODEL_NAME_MAX];
    bool embeddings, paraphrase, loaded, is_default;
    int64_t modified_s;      /* of the file, Unix */
} xoe_app_model_info;
/* What a client may name now: models of the manifest that are present, loaded ones, and aliases of the
 * configuration. out: freed with xoe_free. */
xoe_err xoe_app_models(xoe_app *a, xoe_app_model_info **out, size_t *n, xoe_error *e);

#endif
