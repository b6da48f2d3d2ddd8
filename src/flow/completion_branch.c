/* One choice while it is generated: tokens in, whole characters and finished logprobs out. A token's
 * logprob goes out with the text that it begins; tokens that lie wholly behind a stop string are
 * dropped with that text. Runs on the request thread. */
#include <string.h>

#include "base/mem.h"
#include "flow/completion_turn.h"

/* One allocation holds the candidates and, behind them, the bytes: freed through `top`. */
static xoe_err keep_logprob(xoe_branch *b, const xoe_note *note, size_t start, xoe_error *e)
{
    if (b->n_logprobs == b->cap_logprobs) {
        int cap = b->cap_logprobs ? b->cap_logprobs * 2 : 64;
        xoe_logprob *p = xoe_realloc(b->logprobs, (size_t)cap * sizeof *p);
        if (p) b->logprobs = p;
        size_t *s = xoe_realloc(b->starts, (size_t)cap * sizeof *s);
        if (s) b->starts = s;
        if (!p || !s) return xoe_error_set(e, XOE_ENOMEM, "no memory for log-probabilities");
        b->cap_logprobs = cap;
    }
    size_t n_top = note->n_top > 0 ? (size_t)note->n_top : 0;
    xoe_token_prob *top = xoe_malloc(n_top * sizeof *top + note->n_bytes + 1);
    if (!top) return xoe_error_set(e, XOE_ENOMEM, "no memory for log-probabilities");
    char *bytes = (char *)(top + n_top);
    if (n_top) memcpy(top, note->top, n_top * sizeof *top);
    if (note->n_bytes) memcpy(bytes, note->bytes, note->n_bytes);
    bytes[note->n_bytes] = 0;
    b->starts[b->n_logprobs] = start;
    b->logprobs[b->n_logprobs++] = (xoe_logprob){.id = note->token, .bytes = bytes,
        .n_bytes = note->n_bytes, .logprob = note->logprob, .top = top, .n_top = note->n_top};
    return XOE_OK;
}

xoe_err xoe_branch_token(xoe_branch *b, const xoe_note *note, xoe_error *e)
{
    if (b->filter.stopped) return XOE_OK;
    size_t start = b->filter.text.len;
    if (b->turn->req->n_probs >= 0) {
        xoe_err rc = keep_logprob(b, note, start, e);
        if (rc) return rc;
    }
    b->n_tokens++;
    if (note->marked) {
        b->n_marked++;
        b->expected += note->expected_score;
    }
    if (xoe_text_filter_push(&b->filter, note->bytes, note->n_bytes))
        return xoe_error_set(e, XOE_ETOOBIG, "the answer is longer than %d bytes; set max_tokens",
                             XOE_ANSWER_BYTES_MAX);
    if (b->filter.stopped && b->writing) xoe_writing_cancel(b->writing);
    return XOE_OK;
}

xoe_err xoe_branch_end(xoe_branch *b, xoe_error *e)
{
    if (xoe_text_filter_finish(&b->filter))
        return xoe_error_set(e, XOE_ENOMEM, "no memory for the answer");
    if (b->filter.stopped)
        while (b->n_logprobs > b->n_logprobs_shown && b->starts[b->n_logprobs - 1] >= b->filter.released)
            xoe_free((void *)b->logprobs[--b->n_logprobs].top);
    return XOE_OK;
}

/* How many logprobs may go out now: all whose text began to. */
static int ripe_logprobs(const xoe_branch *b)
{
    if (!b->generating) return b->n_logprobs;
    int i = b->n_logprobs_shown;
    while (i < b->n_logprobs && b->starts[i] < b->filter.released)
        i++;
    return i;
}

static xoe_err sink_piece(xoe_branch *b, const char *text, size_t n, int ripe, const char *message,
                          xoe_error *e)
{
    xoe_completion_piece piece = {.index = b->index, .text = text, .n = n, .message_json = message,
        .logprobs = ripe > b->n_logprobs_shown ? b->logprobs + b->n_logprobs_shown : NULL,
        .n_logprobs = ripe - b->n_logprobs_shown};
    if (b->turn->sink(&piece, b->turn->sink_ud))
        return xoe_error_set(e, XOE_ECANCELED, "the client went away");
    b->n_logprobs_shown = ripe;
    return XOE_OK;
}

xoe_message_opts xoe_branch_message_opts(const xoe_branch *b, bool final)
{
    const xoe_chat_inputs *in = b->turn->req->chat;
    bool tools = in && in->tools_json && (!in->tool_choice || strcmp(in->tool_choice, "none"));
    return (xoe_message_opts){.request_id = b->turn->req->request_id, .choice = b->index,
                              .tools_json = tools ? in->tools_json : NULL, .final = final};
}

/* Answers that the template must read: show the message so far. One that cannot be read yet is left
 * for later. */
static xoe_err show_message(xoe_branch *b, int ripe, xoe_error *e)
{
    char *parsed = NULL, *message = NULL, *content = NULL;
    bool tools = false;
    xoe_message_opts opts = xoe_branch_message_opts(b, false);
    xoe_err rc = XOE_OK;
    if (!xoe_chat_parse(b->turn->chat, xoe_buf_cstr(&b->filter.text), b->filter.released, true, &parsed,
                        NULL) &&
        !xoe_message_shape(parsed, &opts, &message, &content, &tools, NULL))
        rc = sink_piece(b, "", 0, ripe, message, e);
    xoe_free(parsed);
    xoe_free(message);
    xoe_free(content);
    return rc;
}

xoe_err xoe_branch_show(xoe_branch *b, xoe_error *e)
{
    size_t n = b->filter.released - b->shown;
    const char *text = xoe_buf_cstr(&b->filter.text) + b->shown;
    int ripe = ripe_logprobs(b);
    xoe_err rc = XOE_OK;
    if (!n && ripe == b->n_logprobs_shown) return XOE_OK;
    if (b->turn->req->mark_mode == XOE_MARK_REPHRASE) {
        if (n && b->rephraser && !b->turn->parses) rc = xoe_rephraser_feed(b->rephraser, text, n, e);
    } else if (b->turn->sink) {
        /* The last piece of a read message comes with the final parse, see completion.c. */
        if (!b->turn->parses) rc = sink_piece(b, text, n, ripe, NULL, e);
        else if (b->generating) rc = show_message(b, ripe, e);
    }
    b->shown = b->filter.released;
    return rc;
}

void xoe_branch_free(xoe_branch *b)
{
    xoe_text_filter_free(&b->filter);
    for (int i = 0; i < b->n_logprobs; i++)
        xoe_free((void *)b->logprobs[i].top);
    xoe_free(b->logprobs);
    xoe_free(b->starts);
    xoe_rephraser_close(b->rephraser);
    if (b->rewritten) xoe_rephrase_result_clear(&b->rewrite);
}
