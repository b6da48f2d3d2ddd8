/* The application: configuration, models, keyring, audit log. Opened once; what a turn needs. */
#ifndef XOE_FLOW_APP_H
#define XOE_FLOW_APP_H

#include "ops/config.h"
#include "trust/audit.h"
#include "trust/keyring.h"
#include "xoe/engine.h"

typedef struct xoe_app {
    const xoe_config *config;
    xoe_keyring *keyring;
    xoe_audit *audit;        /* NULL when opened without */
    xoe_engine *chat;        /* the default chat model */
    xoe_engine *embed;       /* NULL: none present */
    xoe_engine *paraphrase;  /* may be == chat; NULL: none present */
    int64_t started_wall_ms;
} xoe_app;

typedef enum xoe_app_parts {
    XOE_APP_CHAT = 1, XOE_APP_EMBED = 2, XOE_APP_PARAPHRASE = 4, XOE_APP_AUDIT = 8,
    XOE_APP_TOKENIZER = 16 /* the chat model's vocabulary only (xoe detect) */
} xoe_app_parts;

/* parts: what to open (OR). Errors say which model is missing and how to pull it. */
xoe_err xoe_app_open(xoe_app **out, const xoe_config *config, int parts, xoe_error *e);
void xoe_app_close(xoe_app *a);
/* A model by the name a client gave (manifest name, file stem or alias; NULL or "": the default).
 * Errors: XOE_ENOTFOUND (lists what there is). */
xoe_err xoe_app_model(xoe_app *a, const char *name, bool embeddings, xoe_engine **out, xoe_error *e);

#endif
