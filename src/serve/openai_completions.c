/* POST /v1/chat/completions and POST /v1/completions. */
#include "serve/openai_handlers.h"

typedef xoe_err (*parser)(xoe_arena *a, const char *body, size_t n, xoe_ask *out, xoe_error *e);

static void handle(xoe_http_req *r, xoe_server *s, parser parse)
{
    size_t n;
    const char *body = xoe_http_body(r, &n);
    xoe_error e = XOE_ERROR_INIT;
    xoe_ask *ask = xoe_arena_alloc(xoe_http_arena(r), sizeof *ask);
    xoe_err rc = ask ? parse(xoe_http_arena(r), body, n, ask, &e)
                     : xoe_error_set(&e, XOE_ENOMEM, "no memory for the request");
    if (rc) xoe_reply_error(r, &e);
    else xoe_openai_run(s, r, ask);
}

void xoe_chat_completions_handler(xoe_http_req *r, void *ud)
{
    handle(r, ud, xoe_ask_parse_chat);
}

void xoe_completions_handler(xoe_http_req *r, void *ud)
{
    handle(r, ud, xoe_ask_parse_completion);
}
