/* GET /v1/models and GET /v1/models/{id}: what can be named in a request now. */
#include <string.h>

#include "base/mem.h"
#include "serve/openai_handlers.h"

static const char prefix[] = "/v1/models/";

static json_t *model_json(const xoe_app_model_info *m)
{
    return json_pack("{s:s, s:s, s:I, s:s, s:{s:b, s:b, s:b}, s:b, s:b}", "id", m->name, "object", "model",
                     "created", (json_int_t)m->modified_s, "owned_by", "local", "capabilities", "completion",
                     !m->embeddings, "embedding", m->embeddings, "paraphrase", m->paraphrase, "loaded", m->loaded,
                     "default", m->is_default);
}

void xoe_models_handler(xoe_http_req *r, void *ud)
{
    xoe_server *s = ud;
    xoe_app_model_info *m = NULL;
    size_t n = 0;
    xoe_error e = XOE_ERROR_INIT;
    if (xoe_app_models(s->app, &m, &n, &e)) {
        xoe_reply_error(r, &e);
        return;
    }
    json_t *data = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(data, model_json(&m[i]));
    xoe_free(m);
    xoe_reply_json(r, 200, json_pack("{s:s, s:o}", "object", "list", "data", data));
}

void xoe_model_handler(xoe_http_req *r, void *ud)
{
    xoe_server *s = ud;
    const char *path = xoe_http_path(r);
    const char *name = strncmp(path, prefix, sizeof prefix - 1) ? "" : path + sizeof prefix - 1;
    xoe_app_model_info *m = NULL;
    size_t n = 0, i = 0;
    xoe_error e = XOE_ERROR_INIT;
    if (xoe_app_models(s->app, &m, &n, &e)) {
        xoe_reply_error(r, &e);
        return;
    }
    while (i < n && strcmp(m[i].name, name))
        i++;
    if (i < n) {
        xoe_reply_json(r, 200, model_json(&m[i]));
    } else {
        xoe_error_param(&e, XOE_ENOTFOUND, "model", "there is no model '%.60s' here; GET /v1/models lists them", name);
        xoe_reply_error(r, &e);
    }
    xoe_free(m);
}
