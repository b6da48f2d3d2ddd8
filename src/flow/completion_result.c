/* From ended branches to the result of a turn: messages are read for good, rewrites taken, every choice
 * sealed (completion_seal.c) before it is handed out. Runs on the request thread. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "flow/completion_turn.h"

static char *joined(const char *a, size_t na, const char *b, size_t nb)
{
    char *s = xoe_malloc(na + nb + 1);
    if (!s) return NULL;
    if (na) memcpy(s, a, na);
    if (nb) memcpy(s + na, b, nb);
    s[na + nb] = 0;
    return s;
}

/* Read the answer with the template: content and tool calls. A text that is no valid answer is content. */
static xoe_err read_message(xoe_branch *b, xoe_choice *c, bool *tools, xoe_error *e)
{
    char *parsed = NULL, *content = NULL;
    xoe_message_opts opts = xoe_branch_message_opts(b, true);
    xoe_err rc = xoe_chat_parse(b->turn->chat, c->text, c->n, false, &parsed, NULL);
    *tools = false;
    if (!rc)
        rc = xoe_message_shape(parsed, &opts, &c->message_json, &content, tools, e);
    xoe_free(parsed);
    if (rc == XOE_ENOMEM) return rc;
    if (rc) return XOE_OK;
    xoe_free(c->text);
    c->text = content;
    c->n = strlen(content);
    return XOE_OK;
}

static xoe_err take_rewrite(xoe_branch *b, xoe_choice *c, xoe_error *e)
{
    c->rephrase = b->rewrite;
    b->rewrite = (xoe_rephrase_result){0};
    xoe_count_chunks(&c->rephrase);
    c->original = c->text;
    c->n_original = c->n;
    c->n = c->rephrase.n;
    c->text = xoe_strndup(c->rephrase.text ? c->rephrase.text : "", c->n);
    if (!c->text) return xoe_error_set(e, XOE_ENOMEM, "no memory for the rewrite");
    if (!c->message_json) return XOE_OK;
    char *message = xoe_message_with_content(c->message_json, c->text, c->n);
    if (!message) return xoe_error_set(e, XOE_ENOMEM, "no memory for the rewrite");
    xoe_free(c->message_json);
    c->message_json = message;
    return XOE_OK;
}

static const char *why_unmarked(const xoe_branch *b, bool tools)
{
    const xoe_completion_request *r = b->turn->req;
    if (r->mark_mode == XOE_MARK_OFF) return "off";
    if (tools) return "tool call";
    if (r->mark_mode == XOE_MARK_REPHRASE) {
        for (size_t i = 0; i < b->rewrite.n_chunks; i++)
            if (b->rewrite.chunks[i].outcome == XOE_CHUNK_REWRITTEN) return NULL;
        return "no rewrite kept the meaning";
    }
    if (r->sampling.temperature <= 0) return "temperature 0";
    return NULL;
}

static xoe_err seal(xoe_branch *b, xoe_choice *c, xoe_error *e)
{
    xoe_turn *t = b->turn;
    xoe_engine_info info;
    xoe_err rc;
    c->n = t->n_echo + b->filter.released;
    c->text = joined(t->echo, t->n_echo, xoe_buf_cstr(&b->filter.text), b->filter.released);
    if (!c->text) return xoe_error_set(e, XOE_ENOMEM, "no memory for the answer");
    if (t->parses && (rc = read_message(b, c, &c->has_tool_calls, e))) return rc;
    c->finish_reason = b->truncated ? "length" : c->has_tool_calls ? "tool_calls" : "stop"; /* a call that was cut is none to run */
    const char *why = why_unmarked(b, c->has_tool_calls);
    if (b->rewritten && (rc = take_rewrite(b, c, e))) return rc;
    if (!c->original) {
        c->original = xoe_strndup(c->text, c->n);
        c->n_original = c->n;
        if (!c->original) return xoe_error_set(e, XOE_ENOMEM, "no memory for the answer");
    }
    c->logprobs = b->logprobs;
    c->n_logprobs = b->n_logprobs;
    b->logprobs = NULL;
    b->n_logprobs = 0;
    bool rephrased = t->req->mark_mode == XOE_MARK_REPHRASE;
    xoe_engine_get_info(t->req->engine, &info);
    xoe_seal s = {.app = t->app, .tokenizer = rephrased ? t->paraphraser : t->req->engine,
        .request_id = t->req->request_id, .user = t->req->user, .model = info.name, .index = b->index,
        .key = why ? NULL : &t->key, .why_unmarked = why, .gain_known = !rephrased,
        .n_marked = (size_t)b->n_marked, .gain = rephrased ? 0 : b->expected};
    return xoe_seal_choice(&s, c, c->text + t->n_echo, c->n - t->n_echo, c->has_tool_calls ? c->message_json : c->text,
                           c->has_tool_calls ? strlen(c->message_json) : c->n, e);
}

/* A message that the template read is shown whole once more, now final: the sink sends what is new. */
static xoe_err show_final(xoe_turn *t, const xoe_branch *b, const xoe_choice *c, xoe_error *e)
{
    if (!t->sink || !t->parses) return XOE_OK;
    xoe_completion_piece piece = {.index = b->index, .final = true, .text = b->rewritten ? "" : c->text,
        .n = b->rewritten ? 0 : c->n, .message_json = b->rewritten ? NULL : c->message_json,
        .logprobs = c->logprobs + b->n_logprobs_shown, .n_logprobs = c->n_logprobs - b->n_logprobs_shown};
    return t->sink(&piece, t->sink_ud) ? xoe_error_set(e, XOE_ECANCELED, "the client went away") : XOE_OK;
}

xoe_err xoe_turn_finish(xoe_turn *t, xoe_completion_result *out, xoe_error *e)
{
    xoe_err rc = XOE_OK;
    int64_t before = xoe_clock_mono_ns();
    out->n = t->n;
    for (int i = 0; !rc && i < t->n; i++) {
        rc = seal(&t->branches[i], &out->choices[i], e);
        if (!rc) rc = show_final(t, &t->branches[i], &out->choices[i], e);
        out->completion_tokens += t->branches[i].n_tokens;
        out->drawn_tokens += t->branches[i].n_drawn;
    }
    int64_t now = xoe_clock_mono_ns();
    snprintf(out->key_id, sizeof out->key_id, "%s", t->key.id);
    out->mark_ms = (double)(now - before) / 1e6;
    out->total_ms = (double)(now - t->start_ns) / 1e6;
    out->first_token_ms = (double)((t->first_token_ns ? t->first_token_ns : now) - t->start_ns) / 1e6;
    return rc;
}

void xoe_completion_result_clear(xoe_completion_result *r)
{
    for (int i = 0; i < XOE_N_MAX; i++) {
        xoe_choice *c = &r->choices[i];
        xoe_free(c->text);
        xoe_free(c->original);
        xoe_free(c->message_json);
        for (int k = 0; k < c->n_logprobs; k++)
            xoe_free((void *)c->logprobs[k].top);
        xoe_free(c->logprobs);
        xoe_rephrase_result_clear(&c->rephrase);
    }
    *r = (xoe_completion_result){0};
}
