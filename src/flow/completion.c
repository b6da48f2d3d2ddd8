/* One completion turn, from prompt to sealed answers.
 *
 * Every choice is written by the engine (flow/writing.h). Events come on its thread and are only copied into a
 * queue there; the request thread, which runs all of this file, takes them out, filters text, and
 * calls the sink, which may block on a slow client without holding up any other answer.
 *
 *   prepare (key, prompt, stops) → start n writings → notes until every branch ended → read messages,
 *   rephrase → seal (detector, audit row) → result (completion_result.c)
 *
 * Invariants: a writing is closed exactly once, after its DONE; the first failure cancels all branches and
 * is what the caller gets; no text, finish or usage reaches the caller as final before its audit row is
 * durable (the sink sees text early; the end of an answer is our return).
 * The key is wiped when the turn ends. */
#include "flow/completion.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "flow/completion_turn.h"

/* ---- preparation ---- */

static xoe_err prompt_of_chat(xoe_turn *t, xoe_error *e)
{
    size_t n;
    xoe_err rc = xoe_chat_render(&t->chat, t->req->engine, t->req->chat, e);
    if (rc) return rc;
    const char *text = xoe_chat_prompt(t->chat, &n);
    const char *const *stops;
    size_t n_stops = xoe_chat_stops(t->chat, &stops);
    for (size_t i = 0; i < n_stops && t->n_stops < XOE_TURN_STOPS_MAX; i++)
        if (*stops[i]) t->stops[t->n_stops++] = stops[i];
    xoe_sampling s = t->req->sampling;
    xoe_engine_info info;
    const xoe_chat_inputs *in = t->req->chat;
    bool tools = in->tools_json && (!in->tool_choice || strcmp(in->tool_choice, "none"));
    xoe_chat_apply_grammar(t->chat, &s);
    if (tools && !s.grammar) { /* a template that knows tools gives a grammar for their calls */
        xoe_engine_get_info(t->req->engine, &info);
        return xoe_error_param(e, XOE_EUNSUPPORTED, "tools", "the chat template of %s cannot call tools; take another "
                               "model, or ask for JSON with response_format", info.name);
    }
    t->parses = tools || in->enable_thinking;
    return xoe_engine_tokenize(t->req->engine, text, n, true, true, &t->prompt, &t->n_prompt, e);
}

static xoe_err prompt_of_tokens(xoe_turn *t, xoe_error *e)
{
    xoe_engine_info info;
    xoe_engine_get_info(t->req->engine, &info);
    size_t n = t->req->n_prompt_tokens;
    for (size_t i = 0; i < n; i++)
        if (t->req->prompt_tokens[i] < 0 || t->req->prompt_tokens[i] >= info.n_vocab)
            return xoe_error_param(e, XOE_EINVAL, "prompt", "token %d is not in the model's vocabulary of %d",
                                   t->req->prompt_tokens[i], info.n_vocab);
    return XOE_OK;
}

static xoe_err prepare_echo(xoe_turn *t, xoe_error *e)
{
    xoe_text_filter f;
    xoe_text_filter_init(&f, NULL, 0, XOE_ANSWER_BYTES_MAX);
    int rc = 0;
    if (t->req->prompt) rc = xoe_text_filter_push(&f, t->req->prompt, t->req->n_prompt);
    for (size_t i = 0; !rc && i < t->req->n_prompt_tokens; i++) {
        char bytes[512];
        size_t n = xoe_engine_token_bytes(t->req->engine, t->req->prompt_tokens[i], false, bytes, sizeof bytes);
        rc = xoe_text_filter_push(&f, bytes, n < sizeof bytes ? n : sizeof bytes);
    }
    if (!rc) rc = xoe_text_filter_finish(&f);
    if (!rc) t->echo = xoe_strndup(xoe_buf_cstr(&f.text), f.text.len);
    t->n_echo = f.text.len;
    xoe_text_filter_free(&f);
    return t->echo ? XOE_OK : xoe_error_set(e, XOE_ENOMEM, "no memory for the prompt");
}

static xoe_err prepare(xoe_turn *t, xoe_error *e)
{
    const xoe_completion_request *r = t->req;
    xoe_err rc;
    for (int i = 0; i < r->n_stop && i < XOE_STOP_MAX; i++)
        t->stops[t->n_stops++] = r->stop[i];
    const char *key_id = r->mark_mode == XOE_MARK_REPHRASE ? xoe_app_rephrase_key(t->app, r->key_id) : r->key_id;
    if (r->mark_mode != XOE_MARK_OFF && (rc = xoe_keyring_get(t->app->keyring, key_id, &t->key, e)))
        return rc;
    if (r->mark_mode == XOE_MARK_REPHRASE && (rc = xoe_app_paraphraser(t->app, &t->paraphraser, e)))
        return rc;
    if (r->chat) rc = prompt_of_chat(t, e);
    else if (r->prompt) rc = xoe_engine_tokenize(r->engine, r->prompt, r->n_prompt, true, true, &t->prompt,
                                                 &t->n_prompt, e);
    else rc = prompt_of_tokens(t, e);
    if (!rc && r->echo) rc = prepare_echo(t, e);
    return rc;
}

/* ---- writing ---- */

static void on_event(const xoe_event *ev, void *ud)
{
    xoe_branch *b = ud;
    if (ev->kind == XOE_EVENT_DONE) xoe_notes_post_done(&b->turn->notes, b->index, ev, &b->done);
    else xoe_notes_post_event(&b->turn->notes, b->index, ev);
}

/* Choices differ in seed and in the shift of the key; all follow from the request's seed alone. */
static void draw(xoe_turn *t)
{
    uint64_t base = t->req->sampling.seed;
    xoe_rng rng;
    if (!t->req->sampling.has_seed && xoe_random_bytes(&base, sizeof base))
        base = (uint64_t)xoe_clock_mono_ns();
    xoe_rng_seed(&rng, base);
    uint32_t n_shifts = t->key.params.n_shifts > 0 ? (uint32_t)t->key.params.n_shifts : 1;
    uint32_t first = (uint32_t)xoe_rng_below(&rng, n_shifts);
    for (int i = 0; i < t->n; i++) {
        t->branches[i].seed = base + (uint64_t)i;
        t->branches[i].shift = (first + (uint32_t)i) % n_shifts;
    }
}

static xoe_err submit(xoe_turn *t, xoe_branch *b, xoe_error *e)
{
    const xoe_completion_request *r = t->req;
    xoe_gen_request g = {.size = sizeof g, .prompt = t->prompt ? t->prompt : r->prompt_tokens,
        .n_prompt = t->prompt ? t->n_prompt : r->n_prompt_tokens, .sampling = r->sampling,
        .max_tokens = r->max_tokens, .n_probs = r->n_probs, .priority = r->priority,
        .deadline_mono_ms = r->deadline_mono_ms, .on_event = on_event, .ud = b};
    g.sampling.seed = b->seed; /* has_seed stays the client's: an exact answer uses no cached prefix */
    if (t->chat) xoe_chat_apply_grammar(t->chat, &g.sampling);
    if (r->mark_mode == XOE_MARK_GENERATE) {
        g.mark = &t->key.params;
        g.mark_key = t->key.bytes;
        g.mark_shift = b->shift;
        g.mark_payload = r->payload;
    }
    xoe_draft_plan plan = xoe_draft_plan_of(t->app->config);
    xoe_err rc = xoe_writing_start(&b->writing, r->engine, &g, &plan, e);
    if (rc) return rc;
    b->generating = true;
    xoe_cancel_watch(t->cancel, b->writing);
    return XOE_OK;
}

static void stop_all(xoe_turn *t, xoe_err rc, const xoe_error *why)
{
    if (t->stopping) return;
    t->stopping = true;
    t->rc = rc;
    t->error = *why;
    t->error.code = rc;
    atomic_store(&t->abandoned, true); /* rephrasers poll it */
    for (int i = 0; i < t->n; i++)
        if (t->branches[i].generating) xoe_writing_cancel(t->branches[i].writing);
}

static void close_writing(xoe_branch *b)
{
    xoe_cancel_drop(b->turn->cancel, b->writing);
    xoe_writing_close(b->writing);
    b->writing = NULL;
    b->generating = false;
}

/* ---- notes ---- */

static xoe_err finish_error(const xoe_note *note, xoe_error *e)
{
    switch (note->finish) {
    case XOE_FINISH_CANCELED:
        return xoe_error_set(e, XOE_ECANCELED, "the request was canceled");
    case XOE_FINISH_DEADLINE:
        return xoe_error_set(e, XOE_EDEADLINE,
                             "the answer took longer than request_timeout_s allows; ask for fewer tokens");
    case XOE_FINISH_ERROR:
        *e = note->error;
        if (!e->code) return xoe_error_set(e, XOE_EINTERNAL, "the engine failed");
        return e->code;
    default:
        return XOE_OK;
    }
}

static xoe_err begin_rephrase(xoe_branch *b, xoe_error *e)
{
    char *parsed = NULL, *message = NULL, *content = NULL;
    bool tools = false;
    xoe_err rc;
    const char *text = "";
    size_t n = 0;
    xoe_message_opts opts = xoe_branch_message_opts(b, true);
    if (b->turn->parses) { /* not fed while it came: it might have been a tool call */
        text = xoe_buf_cstr(&b->filter.text);
        n = b->filter.released;
        if (!xoe_chat_parse(b->turn->chat, text, n, false, &parsed, NULL) &&
            !xoe_message_shape(parsed, &opts, &message, &content, &tools, NULL)) {
            text = content;
            n = strlen(content);
        }
    }
    rc = tools ? XOE_OK : xoe_branch_rephrase_finish(b, text, n, e);
    xoe_free(parsed);
    xoe_free(message);
    xoe_free(content);
    return rc;
}

static xoe_err on_done(xoe_turn *t, xoe_branch *b, const xoe_note *note, xoe_error *e)
{
    xoe_err rc = XOE_OK;
    bool stopped = b->filter.stopped;
    close_writing(b);
    b->n_drawn = note->n_drawn;
    if (t->stopping) return XOE_OK;
    if (!stopped && (rc = finish_error(note, e))) return rc;
    b->truncated = !stopped && note->finish == XOE_FINISH_LENGTH;
    if ((rc = xoe_branch_end(b, e)) || (rc = xoe_branch_show(b, e))) return rc;
    return b->rephraser ? begin_rephrase(b, e) : XOE_OK;
}

static xoe_err on_started(xoe_turn *t, const xoe_note *note, xoe_completion_result *out, xoe_error *e)
{
    if (!out->prompt_tokens) {
        out->prompt_tokens = note->n_prompt;
        out->cached_tokens = note->n_cached;
    }
    if (!t->sink) return XOE_OK;
    xoe_completion_piece piece = {.index = note->choice, .text = t->echo ? t->echo : "", .n = t->n_echo};
    return t->sink(&piece, t->sink_ud) ? xoe_error_set(e, XOE_ECANCELED, "the client went away") : XOE_OK;
}

static xoe_err on_chunk(xoe_turn *t, const xoe_note *note, xoe_error *e)
{
    xoe_completion_piece piece = {.index = note->choice, .text = note->bytes, .n = note->n_bytes};
    if (!t->sink || t->stopping) return XOE_OK;
    return t->sink(&piece, t->sink_ud) ? xoe_error_set(e, XOE_ECANCELED, "the client went away") : XOE_OK;
}

static xoe_err take_note(xoe_turn *t, const xoe_note *note, xoe_completion_result *out, xoe_error *e)
{
    xoe_branch *b = &t->branches[note->choice];
    switch (note->kind) {
    case XOE_NOTE_STARTED:
        return t->stopping ? XOE_OK : on_started(t, note, out, e);
    case XOE_NOTE_TOKEN:
        if (!t->first_token_ns) t->first_token_ns = note->mono_ns;
        return t->stopping ? XOE_OK : xoe_branch_token(b, note, e);
    case XOE_NOTE_DONE:
        if (note->queued_ms > out->queued_ms) out->queued_ms = note->queued_ms;
        if (note->prompt_ms > out->prompt_ms) out->prompt_ms = note->prompt_ms;
        if (note->predicted_ms > out->predicted_ms) out->predicted_ms = note->predicted_ms;
        return on_done(t, b, note, e);
    case XOE_NOTE_CHUNK:
        return on_chunk(t, note, e);
    case XOE_NOTE_REPHRASED:
        xoe_branch_rephrase_join(b);
        if (t->stopping || b->rewritten) return XOE_OK;
        *e = note->error;
        return e->code ? e->code : xoe_error_set(e, XOE_EINTERNAL, "the paraphraser failed");
    }
    return XOE_OK;
}

static bool busy(const xoe_turn *t)
{
    for (int i = 0; i < t->n; i++)
        if (t->branches[i].generating || t->branches[i].rephrasing) return true;
    return false;
}

/* Take notes until every branch has ended. Text that came in one go is shown in one piece. */
static void serve_notes(xoe_turn *t, xoe_completion_result *out)
{
    while (busy(t)) {
        bool lost = false;
        xoe_error e = XOE_ERROR_INIT;
        xoe_note *list = xoe_notes_take(&t->notes, &lost);
        if (lost) {
            xoe_error_set(&e, XOE_ENOMEM, "no memory for the answer's tokens");
            stop_all(t, XOE_ENOMEM, &e);
        }
        for (xoe_note *note = list, *next; note; note = next) {
            next = note->next; /* a fixed note is reused once it was taken */
            xoe_err rc = take_note(t, note, out, &e);
            if (rc) stop_all(t, rc, &e);
        }
        for (int i = 0; i < t->n && !t->stopping; i++) {
            xoe_err rc = t->branches[i].generating ? xoe_branch_show(&t->branches[i], &e) : XOE_OK;
            if (rc) stop_all(t, rc, &e);
        }
        xoe_notes_release(list);
    }
}

xoe_err xoe_completion_run(xoe_app *app, const xoe_completion_request *req, xoe_cancel *cancel,
                           xoe_completion_sink sink, void *ud, xoe_completion_result *out, xoe_error *e)
{
    xoe_error own = XOE_ERROR_INIT;
    xoe_turn *t = xoe_calloc(1, sizeof *t);
    xoe_err rc;
    *out = (xoe_completion_result){0};
    if (!e) e = &own;
    if (!t) return xoe_error_set(e, XOE_ENOMEM, "no memory for the request");
    t->app = app;
    t->req = req;
    t->cancel = cancel;
    t->sink = sink;
    t->sink_ud = ud;
    t->start_ns = xoe_clock_mono_ns();
    t->n = req->n > 0 ? req->n : 1;
    xoe_notes_init(&t->notes);
    if (t->n > XOE_N_MAX) {
        rc = xoe_error_param(e, XOE_EINVAL, "n", "at most %d choices", XOE_N_MAX);
        goto out;
    }
    if ((rc = prepare(t, e))) goto out;
    draw(t);
    for (int i = 0; i < t->n; i++) {
        xoe_branch *b = &t->branches[i];
        b->turn = t;
        b->index = i;
        xoe_text_filter_init(&b->filter, t->stops, t->n_stops, XOE_ANSWER_BYTES_MAX);
        if (req->mark_mode == XOE_MARK_REPHRASE) rc = xoe_branch_rephrase_open(b, e);
        if (!rc) rc = submit(t, b, e);
        if (rc) {
            stop_all(t, rc, e);
            break;
        }
    }
    serve_notes(t, out);
    rc = t->rc;
    if (rc) *e = t->error;
    else rc = xoe_turn_finish(t, out, e);
out:
    for (int i = 0; i < t->n && i < XOE_N_MAX; i++)
        xoe_branch_free(&t->branches[i]);
    xoe_notes_free(&t->notes);
    xoe_chat_close(t->chat);
    xoe_tokens_free(t->prompt);
    xoe_free(t->echo);
    xoe_zero(&t->key, sizeof t->key);
    xoe_free(t);
    if (rc) xoe_completion_result_clear(out);
    return rc;
}
