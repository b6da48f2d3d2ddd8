/* Fields that every generating request shares, and the two request kinds. Types and ranges are
 * OpenAI's where OpenAI has the field, llama.cpp's where it does not (top_k, min_p, repeat_penalty,
 * grammar). What we cannot do is refused by name rather than ignored, when ignoring it would change
 * the answer's meaning. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "serve/json_in.h"
#include "serve/openai_request.h"

static void no_memory(xoe_fields *f)
{
    xoe_fields_fail(f, XOE_ENOMEM, "", "no memory for the request");
}

static void parse_stop(xoe_fields *f, xoe_ask *out)
{
    const json_t *v = xoe_field_any(f, "stop");
    size_t n = json_is_array(v) ? json_array_size(v) : 1;
    if (!v) return;
    if (n > XOE_STOP_MAX) {
        xoe_fields_fail(f, XOE_EINVAL, "stop", "stop has %zu strings; at most %d are taken", n, XOE_STOP_MAX);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *s = json_is_array(v) ? json_array_get(v, i) : v;
        if (!json_is_string(s)) {
            xoe_fields_fail(f, XOE_EINVAL, "stop", "stop must be a string or an array of strings, not %s",
                            json_is_array(v) ? "an array with something else" : xoe_json_type_name(v));
            return;
        }
        if (!json_string_length(s) || json_string_length(s) > XOE_STOP_BYTES_MAX) {
            xoe_fields_fail(f, XOE_EINVAL, "stop", "a stop string must have 1 to %d bytes", XOE_STOP_BYTES_MAX);
            return;
        }
        out->stop[out->n_stop++] = json_string_value(s);
    }
}

static void parse_logit_bias(xoe_fields *f, xoe_arena *a, xoe_sampling *s)
{
    const json_t *v = xoe_field_object(f, "logit_bias");
    size_t n = json_object_size(v), i = 0;
    const char *key;
    json_t *value;
    if (!n) return;
    if (n > XOE_LOGIT_BIAS_MAX) {
        xoe_fields_fail(f, XOE_EINVAL, "logit_bias", "logit_bias has %zu entries; at most %d are taken", n,
                        XOE_LOGIT_BIAS_MAX);
        return;
    }
    xoe_logit_bias *bias = xoe_arena_alloc(a, n * sizeof *bias);
    if (!bias) {
        no_memory(f);
        return;
    }
    json_object_foreach((json_t *)(uintptr_t)v, key, value) {
        char *end;
        long id = strtol(key, &end, 10);
        double b = json_number_value(value);
        if (*key < '0' || *key > '9' || *end || id > INT32_MAX) {
            xoe_fields_fail(f, XOE_EINVAL, "logit_bias", "'%.40s' is not a token id", key);
            return;
        }
        if (!json_is_number(value) || !(b >= -100 && b <= 100)) {
            xoe_fields_fail(f, XOE_EINVAL, "logit_bias", "the bias of token %ld must be a number from -100 to 100", id);
            return;
        }
        bias[i++] = (xoe_logit_bias){(int32_t)id, (float)b};
    }
    s->logit_bias = bias;
    s->n_logit_bias = i;
}

static void parse_sampling(xoe_fields *f, xoe_arena *a, xoe_sampling *s)
{
    double d;
    int64_t i;
    *s = (xoe_sampling)XOE_SAMPLING_INIT;
    if (xoe_field_num(f, "temperature", 0, 2, &d)) s->temperature = (float)d;
    if (xoe_field_num(f, "top_p", 0, 1, &d)) s->top_p = d > 0 ? (float)d : 1e-6f; /* 0: the best one only */
    if (xoe_field_int(f, "top_k", -1, INT_MAX, &i)) s->top_k = i > 0 ? (int)i : 0;
    if (xoe_field_num(f, "min_p", 0, 1, &d)) s->min_p = (float)d;
    if (xoe_field_num(f, "frequency_penalty", -2, 2, &d)) s->frequency_penalty = (float)d;
    if (xoe_field_num(f, "presence_penalty", -2, 2, &d)) s->presence_penalty = (float)d;
    if (xoe_field_num(f, "repeat_penalty", 0.01, 10, &d)) s->repeat_penalty = (float)d;
    if (xoe_field_int(f, "seed", INT64_MIN, INT64_MAX, &i)) {
        s->has_seed = true;
        s->seed = (uint64_t)i;
    }
    parse_logit_bias(f, a, s);
}

static void parse_format(xoe_fields *f, xoe_arena *a, xoe_ask *out)
{
    const json_t *v = xoe_field_object(f, "response_format");
    const char *type = NULL, *gbnf = NULL;
    size_t n = 0;
    if (v) {
        xoe_fields g = xoe_fields_of(v, "response_format.", f->e);
        const json_t *schema = NULL;
        if (!xoe_field_choice(&g, "type", "text|json_object|json_schema", &type))
            xoe_fields_fail(&g, XOE_EINVAL, "type", "response_format needs a type");
        if (!g.rc && !strcmp(type, "json_schema")) {
            const json_t *wrap = xoe_field_object(&g, "json_schema");
            xoe_fields h = xoe_fields_of(wrap, "response_format.json_schema.", f->e);
            schema = g.rc ? NULL : xoe_field_object(&h, "schema");
            if (!g.rc && !h.rc && !schema)
                xoe_fields_fail(&h, XOE_EINVAL, "schema", "response_format.json_schema needs a schema");
            if (h.rc) g.rc = h.rc;
        } else if (!g.rc && !strcmp(type, "json_object")) {
            schema = xoe_field_object(&g, "schema"); /* llama.cpp's extension */
            out->any_json = !schema;
        }
        if (g.rc) {
            f->rc = g.rc;
            return;
        }
        if (schema && !(out->json_schema = xoe_json_text(a, schema))) no_memory(f);
    }
    if (xoe_field_text(f, "grammar", XOE_TEXT_BYTES_MAX, &gbnf, &n) && n) {
        if (out->json_schema || out->any_json)
            xoe_fields_fail(f, XOE_EINVAL, "grammar", "give a grammar or a response_format, not both");
        out->grammar = out->sampling.grammar = gbnf;
    }
}

void xoe_ask_parse_mark(xoe_fields *f, xoe_ask_mark *out)
{
    int64_t payload = 0;
    *out = (xoe_ask_mark){0};
    out->has_apply = xoe_field_bool(f, "apply_watermark", &out->apply);
    const json_t *v = xoe_field_object(f, "watermark");
    if (!v) return;
    xoe_fields g = xoe_fields_of(v, "watermark.", f->e);
    xoe_field_choice(&g, "mode", "generate|rephrase|off", &out->mode);
    xoe_field_text(&g, "scheme", 32, &out->scheme, NULL);
    xoe_field_text(&g, "key_id", XOE_KEY_ID_MAX - 1, &out->key_id, NULL);
    out->has_payload = xoe_field_int(&g, "payload", 0, INT64_MAX, &payload);
    out->payload = (uint64_t)payload;
    xoe_field_bool(&g, "async", &out->async);
    if (out->has_apply && out->mode && out->apply == !strcmp(out->mode, "off"))
        xoe_fields_fail(&g, XOE_EINVAL, "mode", "apply_watermark and watermark.mode contradict each other");
    if (g.rc) f->rc = g.rc;
}

static void parse_common(xoe_fields *f, xoe_arena *a, xoe_ask *out)
{
    int64_t i;
    xoe_field_text(f, "model", 256, &out->model, NULL);
    xoe_field_text(f, "user", 512, &out->user, NULL);
    xoe_field_bool(f, "stream", &out->stream);
    const json_t *so = xoe_field_object(f, "stream_options");
    if (so) {
        xoe_fields g = xoe_fields_of(so, "stream_options.", f->e);
        xoe_field_bool(&g, "include_usage", &out->include_usage);
        if (g.rc) f->rc = g.rc;
        if (!out->stream)
            xoe_fields_fail(f, XOE_EINVAL, "stream_options", "stream_options is only for stream: true");
    }
    out->n = 1;
    if (xoe_field_int(f, "n", 1, XOE_N_MAX, &i)) out->n = (int)i;
    if (xoe_field_int(f, "max_tokens", 1, INT_MAX, &i)) out->max_tokens = (int)i;
    parse_sampling(f, a, &out->sampling);
    parse_stop(f, out);
    parse_format(f, a, out);
    xoe_ask_parse_mark(f, &out->mark);
}

xoe_err xoe_ask_parse_chat(xoe_arena *a, const char *body, size_t n, xoe_ask *out, xoe_error *e)
{
    json_t *j;
    int64_t i;
    bool logprobs = false;
    xoe_err rc = xoe_json_body(a, body, n, &j, e);
    *out = (xoe_ask){.is_chat = true, .n_probs = -1};
    if (rc) return rc;
    xoe_fields f = xoe_fields_of(j, "", e);
    parse_common(&f, a, out);
    if (xoe_field_int(&f, "max_completion_tokens", 1, INT_MAX, &i)) out->max_tokens = (int)i;
    xoe_field_bool(&f, "logprobs", &logprobs);
    if (logprobs) out->n_probs = 0;
    if (xoe_field_int(&f, "top_logprobs", 0, XOE_TOP_LOGPROBS_MAX, &i)) {
        if (!logprobs) xoe_fields_fail(&f, XOE_EINVAL, "top_logprobs", "top_logprobs needs logprobs: true");
        out->n_probs = (int)i;
    }
    if (xoe_field_any(&f, "functions") || xoe_field_any(&f, "function_call"))
        xoe_fields_fail(&f, XOE_EUNSUPPORTED, "functions", "functions was replaced by tools; send tools");
    const json_t *modalities = xoe_field_array(&f, "modalities");
    for (size_t k = 0; k < json_array_size(modalities); k++) {
        const char *m = json_string_value(json_array_get(modalities, k));
        if (!m || strcmp(m, "text"))
            xoe_fields_fail(&f, XOE_EUNSUPPORTED, "modalities", "answers are text; modalities must be [\"text\"]");
    }
    xoe_ask_parse_messages(&f, a, &out->chat);
    xoe_ask_parse_tools(&f, a, &out->chat);
    const json_t *kwargs = xoe_field_object(&f, "chat_template_kwargs");
    if (kwargs) {
        xoe_fields g = xoe_fields_of(kwargs, "chat_template_kwargs.", e);
        xoe_field_bool(&g, "enable_thinking", &out->chat.enable_thinking);
        if (g.rc) f.rc = g.rc;
    }
    if (out->chat.tools_json) out->chat.json_schema = out->any_json ? "{\"type\":\"object\"}" : out->json_schema;
    if (out->grammar && out->chat.tools_json)
        xoe_fields_fail(&f, XOE_EINVAL, "grammar", "tools have a grammar of their own; leave grammar or tools out");
    return f.rc;
}

xoe_err xoe_ask_parse_completion(xoe_arena *a, const char *body, size_t n, xoe_ask *out, xoe_error *e)
{
    json_t *j;
    int64_t i;
    xoe_err rc = xoe_json_body(a, body, n, &j, e);
    *out = (xoe_ask){.n_probs = -1};
    if (rc) return rc;
    xoe_fields f = xoe_fields_of(j, "", e);
    parse_common(&f, a, out);
    if (xoe_field_int(&f, "logprobs", 0, XOE_TOP_LOGPROBS_MAX, &i)) out->n_probs = (int)i;
    xoe_field_bool(&f, "echo", &out->echo);
    const char *suffix = NULL;
    size_t n_suffix = 0;
    if (xoe_field_text(&f, "suffix", SIZE_MAX, &suffix, &n_suffix) && n_suffix)
        xoe_fields_fail(&f, XOE_EUNSUPPORTED, "suffix", "text before a suffix cannot be generated; leave suffix out");
    if (xoe_field_int(&f, "best_of", 1, XOE_N_MAX, &i) && i != out->n)
        xoe_fields_fail(&f, XOE_EUNSUPPORTED, "best_of", "best_of must equal n: answers are not ranked here");
    if (out->echo && out->n_probs >= 0)
        xoe_fields_fail(&f, XOE_EUNSUPPORTED, "echo", "echo and logprobs cannot be combined");
    xoe_ask_parse_prompts(&f, a, "prompt", XOE_PROMPTS_MAX, &out->prompts, &out->n_prompts);
    if (out->n_prompts * (size_t)out->n > XOE_CHOICES_MAX)
        xoe_fields_fail(&f, XOE_EINVAL, "n", "%zu prompts with n %d are more than %d choices", out->n_prompts,
                        out->n, XOE_CHOICES_MAX);
    return f.rc;
}

/* ---- prompts and embedding inputs ---- */

static bool token_array(const json_t *v)
{
    return json_is_array(v) && json_array_size(v) && json_is_integer(json_array_get(v, 0));
}

static void one_prompt(xoe_fields *f, xoe_arena *a, const char *name, const json_t *v, xoe_prompt *out)
{
    if (json_is_string(v)) {
        out->text = json_string_value(v);
        out->n = json_string_length(v);
        if (!out->n) xoe_fields_fail(f, XOE_EINVAL, name, "%s must not be empty", name);
        return;
    }
    if (!token_array(v)) {
        xoe_fields_fail(f, XOE_EINVAL, name, "%s must be a string, token ids, or an array of them; one entry is %s",
                        name, json_is_array(v) && !json_array_size(v) ? "an empty array" : xoe_json_type_name(v));
        return;
    }
    size_t n = json_array_size(v);
    int32_t *ids = xoe_arena_alloc(a, n * sizeof *ids);
    if (!ids) {
        no_memory(f);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *t = json_array_get(v, i);
        json_int_t id = json_integer_value(t);
        if (!json_is_integer(t) || id < 0 || id > INT32_MAX) {
            xoe_fields_fail(f, XOE_EINVAL, name, "%s: entry %zu is not a token id", name, i);
            return;
        }
        ids[i] = (int32_t)id;
    }
    out->tokens = ids;
    out->n = n;
}

void xoe_ask_parse_prompts(xoe_fields *f, xoe_arena *a, const char *name, size_t max, xoe_prompt **out,
                           size_t *n_out)
{
    const json_t *v = xoe_field_any(f, name);
    bool many = json_is_array(v) && !token_array(v);
    size_t n = many ? json_array_size(v) : 1;
    *n_out = 0;
    if (!v) xoe_fields_fail(f, XOE_EINVAL, name, "%s is required", name);
    else if (!n) xoe_fields_fail(f, XOE_EINVAL, name, "%s must not be empty", name);
    else if (n > max) xoe_fields_fail(f, XOE_EINVAL, name, "%s has %zu entries; at most %zu are taken", name, n, max);
    if (f->rc) return;
    if (!(*out = xoe_arena_alloc(a, n * sizeof **out))) {
        no_memory(f);
        return;
    }
    for (size_t i = 0; i < n; i++)
        one_prompt(f, a, name, many ? json_array_get(v, i) : v, &(*out)[i]);
    *n_out = n;
}

xoe_err xoe_ask_parse_embed(xoe_arena *a, const char *body, size_t n, xoe_ask_embed *out, xoe_error *e)
{
    json_t *j;
    int64_t i;
    const char *format = "float";
    xoe_err rc = xoe_json_body(a, body, n, &j, e);
    *out = (xoe_ask_embed){0};
    if (rc) return rc;
    xoe_fields f = xoe_fields_of(j, "", e);
    xoe_field_text(&f, "model", 256, &out->model, NULL);
    xoe_field_text(&f, "user", 512, &out->user, NULL);
    xoe_field_choice(&f, "encoding_format", "float|base64", &format);
    out->base64 = !strcmp(format, "base64");
    if (xoe_field_int(&f, "dimensions", 1, INT_MAX, &i)) out->dimensions = (int)i;
    xoe_ask_parse_prompts(&f, a, "input", XOE_EMBED_INPUTS_MAX, &out->inputs, &out->n_inputs);
    return f.rc;
}
