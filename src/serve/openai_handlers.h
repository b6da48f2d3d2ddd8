/* Handlers of the OpenAI-shaped routes; ud is an xoe_server. Run on request threads. */
#ifndef XOE_SERVE_OPENAI_HANDLERS_H
#define XOE_SERVE_OPENAI_HANDLERS_H

#include "serve/openai_answer.h"
#include "serve/openai_request.h"
#include "serve/server.h"

void xoe_chat_completions_handler(xoe_http_req *r, void *ud);
void xoe_completions_handler(xoe_http_req *r, void *ud);
void xoe_embeddings_handler(xoe_http_req *r, void *ud);
void xoe_models_handler(xoe_http_req *r, void *ud);         /* GET /v1/models */
void xoe_model_handler(xoe_http_req *r, void *ud);          /* GET /v1/models/{id} */
void xoe_detect_handler(xoe_http_req *r, void *ud);         /* POST /v1/detect-watermark */
void xoe_watermark_handler(xoe_http_req *r, void *ud);      /* POST /v1/watermark */
void xoe_watermark_job_handler(xoe_http_req *r, void *ud);  /* GET /v1/watermark/jobs/{id} */

/* ---- shared ---- */
/* Answer with JSON; j is taken over, NULL counts as out of memory. */
void xoe_reply_json(xoe_http_req *r, int status, json_t *j);
void xoe_reply_error(xoe_http_req *r, const xoe_error *e);
/* The pseudonym for the audit log: the key's or address's, with the client's own `user` under it. */
const char *xoe_user_of(xoe_http_req *r, const char *user_field);
int64_t xoe_deadline_of(const xoe_server *s, const xoe_http_req *r);
/* Run a parsed generating request to its last byte. */
void xoe_openai_run(xoe_server *s, xoe_http_req *r, const xoe_ask *ask);
/* A marked text as the answer of POST /v1/watermark; NULL: no memory. */
json_t *xoe_marking_answer(const char *id, int64_t created_s, const char *model, const char *scheme,
                           const xoe_completion_result *result, const char *warning);

#endif
