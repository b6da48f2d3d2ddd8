/* Chat and text completions, whole and in chunks. */
#include "serve/openai_answer.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/rng.h"
#include "base/text.h"

void xoe_answer_id(const char *prefix, char out[XOE_ANSWER_ID_MAX])
{
    unsigned char b[12] = {0};
    char hex[25];
    if (xoe_random_bytes(b, sizeof b)) memset(b, 0, sizeof b);
    xoe_hex(b, sizeof b, hex);
    snprintf(out, XOE_ANSWER_ID_MAX, "%.32s%s", prefix, hex);
}

void xoe_answer_fingerprint(const xoe_engine_info *info, char out[32])
{
    char text[512], hex[XOE_SHA256_HEX];
    int n = snprintf(text, sizeof text, "%s|%.200s|%llu|%llu|%d", xoe_version(), info->name,
                     (unsigned long long)info->n_bytes, (unsigned long long)info->n_params, info->n_ctx_slot);
    xoe_sha256_hex(text, (size_t)n, hex);
    snprintf(out, 32, "fp_%.10s", hex);
}

/* Bytes as text; what is no whole character (of a token, of a message cut short) shows as U+FFFD. */
static json_t *shown_text(const char *bytes, size_t n)
{
    char out[1024];
    size_t len = 0;
    while (n && len + 4 < sizeof out) {
        size_t ok = xoe_utf8_valid_prefix(bytes, n, NULL);
        if (ok > sizeof out - len - 4) break;
        memcpy(out + len, bytes, ok);
        len += ok;
        bytes += ok;
        n -= ok;
        if (!n) break;
        memcpy(out + len, "\xef\xbf\xbd", 3);
        len += 3;
        bytes++;
        n--;
    }
    return json_stringn(out, len);
}

static json_t *head(const xoe_answer_head *h, const char *object)
{
    return json_pack("{s:s, s:s, s:I, s:s, s:s}", "id", h->id, "object", object, "created",
                     (json_int_t)h->created_s, "model", h->model, "system_fingerprint", h->fingerprint);
}

json_t *xoe_answer_usage(const xoe_completion_result *r, size_t n)
{
    int prompt = 0, completion = 0, cached = 0;
    for (size_t i = 0; i < n; i++) {
        prompt += r[i].prompt_tokens;
        completion += r[i].completion_tokens;
        cached += r[i].cached_tokens;
    }
    return json_pack("{s:i, s:i, s:i, s:{s:i}}", "prompt_tokens", prompt, "completion_tokens", completion,
                     "total_tokens", prompt + completion, "prompt_tokens_details", "cached_tokens", cached);
}

static json_t *choice_message(const xoe_choice *c)
{
    if (c->message_json) return json_loads(c->message_json, 0, NULL);
    return json_pack("{s:s, s:o, s:n}", "role", "assistant", "content", json_stringn(c->text, c->n), "refusal");
}

static json_t *choice_mark(const xoe_choice *c)
{
    return json_pack("{s:b, s:f, s:f, s:f, s:f, s:s}", "is_watermarked", c->is_watermarked, "signal",
                     xoe_answer_signal(c), "confidence", c->confidence < 0 ? 0.0 : c->confidence, "log10_p",
                     c->log10_p, "expected_gain", c->signal_expected, "unmarked_reason",
                     c->unmarked_reason ? c->unmarked_reason : "");
}

static json_t *one_choice(const xoe_answer_head *h, const xoe_choice *c, int index)
{
    json_t *j = json_pack("{s:i, s:s, s:o}", "index", index, "finish_reason", c->finish_reason, "watermark",
                          choice_mark(c));
    json_t *logprobs = json_null();
    if (c->logprobs && h->is_chat) logprobs = xoe_answer_logprobs_chat(h, c->logprobs, c->n_logprobs);
    else if (c->logprobs) logprobs = xoe_answer_logprobs_text(h, c->logprobs, c->n_logprobs, 0);
    if (h->is_chat) json_object_set_new(j, "message", choice_message(c));
    else json_object_set_new(j, "text", json_stringn(c->text, c->n));
    json_object_set_new(j, "logprobs", logprobs);
    return j;
}

json_t *xoe_answer_full(const xoe_answer_head *h, const xoe_completion_result *r, size_t n,
                        const xoe_answer_mark *mark)
{
    json_t *j = head(h, h->is_chat ? "chat.completion" : "text_completion"), *choices = json_array();
    int index = 0;
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < r[i].n; k++)
            json_array_append_new(choices, one_choice(h, &r[i].choices[k], index++));
    if (json_object_set_new(j, "choices", choices) || json_object_set_new(j, "usage", xoe_answer_usage(r, n)) ||
        xoe_answer_add_mark(j, h, r, n, mark)) {
        json_decref(j);
        return NULL;
    }
    return j;
}

json_t *xoe_answer_chunk(const xoe_answer_head *h, int index, json_t *delta, const char *text, size_t n,
                         const xoe_logprob *l, int n_l, size_t text_offset, const char *finish)
{
    json_t *j = head(h, h->is_chat ? "chat.completion.chunk" : "text_completion");
    json_t *c = json_pack("{s:i, s:o}", "index", index, "finish_reason", finish ? json_string(finish) : json_null());
    json_t *logprobs = json_null();
    if (l && n_l > 0)
        logprobs = h->is_chat ? xoe_answer_logprobs_chat(h, l, n_l) : xoe_answer_logprobs_text(h, l, n_l, text_offset);
    json_object_set_new(c, "logprobs", logprobs);
    if (h->is_chat) json_object_set_new(c, "delta", delta ? delta : json_object());
    else json_object_set_new(c, "text", json_stringn(text, n));
    if (json_object_set_new(j, "choices", json_pack("[o]", c))) {
        json_decref(j);
        return NULL;
    }
    return j;
}

json_t *xoe_answer_usage_chunk(const xoe_answer_head *h, const xoe_completion_result *r, size_t n)
{
    json_t *j = head(h, h->is_chat ? "chat.completion.chunk" : "text_completion");
    if (json_object_set_new(j, "choices", json_array()) || json_object_set_new(j, "usage", xoe_answer_usage(r, n))) {
        json_decref(j);
        return NULL;
    }
    return j;
}

/* ---- logprobs ---- */

static json_t *byte_array(const char *bytes, size_t n)
{
    json_t *a = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(a, json_integer((unsigned char)bytes[i]));
    return a;
}

/* JSON has no infinity: a banned token's −inf is OpenAI's −9999. */
static double finite_logprob(float logprob)
{
    return logprob > -9999.0f ? (double)logprob : -9999.0;
}

static json_t *chat_entry(const char *bytes, size_t n, float logprob)
{
    return json_pack("{s:o, s:f, s:o}", "token", shown_text(bytes, n), "logprob", finite_logprob(logprob), "bytes",
                     byte_array(bytes, n));
}

json_t *xoe_answer_logprobs_chat(const xoe_answer_head *h, const xoe_logprob *l, int n)
{
    json_t *content = json_array();
    for (int i = 0; i < n; i++) {
        json_t *entry = chat_entry(l[i].bytes, l[i].n_bytes, l[i].logprob), *top = json_array();
        for (int k = 0; h->engine && k < l[i].n_top; k++) {
            char bytes[256];
            size_t len = xoe_engine_token_bytes(h->engine, l[i].top[k].id, true, bytes, sizeof bytes);
            json_array_append_new(top, chat_entry(bytes, len < sizeof bytes ? len : sizeof bytes, l[i].top[k].logprob));
        }
        json_object_set_new(entry, "top_logprobs", top);
        json_array_append_new(content, entry);
    }
    return json_pack("{s:o, s:n}", "content", content, "refusal");
}

json_t *xoe_answer_logprobs_text(const xoe_answer_head *h, const xoe_logprob *l, int n, size_t offset)
{
    json_t *tokens = json_array(), *probs = json_array(), *tops = json_array(), *offsets = json_array();
    for (int i = 0; i < n; i++) {
        json_t *top = json_object();
        json_array_append_new(tokens, shown_text(l[i].bytes, l[i].n_bytes));
        json_array_append_new(probs, json_real(finite_logprob(l[i].logprob)));
        json_array_append_new(offsets, json_integer((json_int_t)offset));
        offset += xoe_utf8_count(l[i].bytes, l[i].n_bytes);
        for (int k = 0; h->engine && k < l[i].n_top; k++) {
            char bytes[256];
            size_t len = xoe_engine_token_bytes(h->engine, l[i].top[k].id, true, bytes, sizeof bytes);
            json_t *name = shown_text(bytes, len < sizeof bytes ? len : sizeof bytes);
            if (name) json_object_set_new(top, json_string_value(name), json_real(finite_logprob(l[i].top[k].logprob)));
            json_decref(name);
        }
        json_array_append_new(tops, top);
    }
    return json_pack("{s:o, s:o, s:o, s:o}", "tokens", tokens, "token_logprobs", probs, "top_logprobs", tops,
                     "text_offset", offsets);
}

/* ---- errors ---- */

const char *xoe_answer_error_code(const xoe_error *e)
{
    switch (e->code) {
    case XOE_ENOTFOUND:
        return strcmp(e->param, "model") ? "not_found" : "model_not_found";
    case XOE_ELIMIT:
        return "context_length_exceeded";
    case XOE_EAUTH:
        return "invalid_api_key";
    case XOE_EBUSY:
    case XOE_ERATE:
        return "rate_limit_exceeded";
    case XOE_EUNSUPPORTED:
        return "unsupported";
    case XOE_EINVAL:
        return *e->param ? "invalid_value" : NULL;
    default:
        return xoe_err_label(e->code);
    }
}

json_t *xoe_answer_error(const xoe_error *e)
{
    const char *code = xoe_answer_error_code(e), *msg = *e->msg ? e->msg : xoe_err_text(e->code);
    return json_pack("{s:{s:o, s:s, s:o, s:o}}", "error", "message", shown_text(msg, strlen(msg)),
                     "type", xoe_err_openai_type(e->code), "param", *e->param ? json_string(e->param) : json_null(),
                     "code", code ? json_string(code) : json_null());
}
