/* Small things that all handlers share: JSON answers, errors, who asks, until when. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "ops/metrics.h"
#include "serve/openai_handlers.h"

void xoe_reply_json(xoe_http_req *r, int status, json_t *j)
{
    char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;
    json_decref(j);
    if (text) {
        xoe_http_reply(r, status, "application/json", text, strlen(text));
    } else {
        xoe_error e;
        xoe_error_set(&e, XOE_ENOMEM, "no memory for the answer");
        xoe_http_reply_error(r, &e);
    }
    free(text);
}

void xoe_reply_error(xoe_http_req *r, const xoe_error *e)
{
    int status = xoe_err_http_status(e->code);
    if (e->code == XOE_EBUSY) xoe_metric_add(XOE_M_QUEUE_REFUSED, 1);
    if (status == 429 || status == 503) xoe_http_set_header(r, "retry-after", "1");
    xoe_reply_json(r, status, xoe_answer_error(e));
}

const char *xoe_user_of(xoe_http_req *r, const char *user_field)
{
    char hex[XOE_SHA256_HEX];
    const char *who = xoe_http_user(r);
    if (!who || !*who) who = "anonymous";
    if (!user_field || !*user_field) return who;
    xoe_sha256_hex(user_field, strlen(user_field), hex);
    const char *both = xoe_arena_printf(xoe_http_arena(r), "%s/%.16s", who, hex);
    return both ? both : who;
}

int64_t xoe_deadline_of(const xoe_server *s, const xoe_http_req *r)
{
    return xoe_http_accepted_mono_ms(r) + s->config->request_timeout_s * 1000;
}
