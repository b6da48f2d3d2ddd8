/* The server: application, transport, routes, signals. */
#ifndef XOE_SERVE_SERVER_H
#define XOE_SERVE_SERVER_H

#include "flow/app.h"
#include "serve/http.h"
#include "serve/mark_jobs.h"

/* What every handler gets as ud. */
typedef struct xoe_server {
    const xoe_config *config;
    xoe_app *app;
    xoe_http_server *http;
    xoe_mark_jobs *jobs;
} xoe_server;

/* Open the models, listen, serve until SIGTERM or SIGINT, drain, close. ready (may be NULL) is told the
 * address of the page once requests are taken.
 * Errors: as xoe_app_open and xoe_http_open. Thread: the main one; installs signal handlers. */
xoe_err xoe_serve_run(const xoe_config *cfg, void (*ready)(const char *url, void *ud), void *ud, xoe_error *e);

#endif
