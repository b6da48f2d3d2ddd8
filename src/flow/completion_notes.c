/* The queue between the threads of one completion turn. An engine's event is borrowed for the callback
 * only, so each is copied into one allocation: the note, its candidates, its bytes. The notes that end
 * a choice live in the choice itself, so that being out of memory can lose a token (the turn then
 * fails) but never the end that the request thread waits for. */
#include "flow/completion_notes.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

void xoe_notes_init(xoe_notes *q)
{
    *q = (xoe_notes){0};
    pthread_mutex_init(&q->mu, NULL);
    pthread_cond_init(&q->cond, NULL);
    q->last = &q->first;
}

void xoe_notes_free(xoe_notes *q)
{
    xoe_notes_release(q->first);
    pthread_cond_destroy(&q->cond);
    pthread_mutex_destroy(&q->mu);
}

static void post(xoe_notes *q, xoe_note *note)
{
    pthread_mutex_lock(&q->mu);
    if (note) {
        note->next = NULL;
        *q->last = note;
        q->last = &note->next;
    } else {
        q->lost = true;
    }
    pthread_cond_signal(&q->cond);
    pthread_mutex_unlock(&q->mu);
}

static xoe_note *new_note(xoe_note_kind kind, int choice, const char *bytes, size_t n_bytes,
                          const xoe_token_prob *top, int n_top)
{
    size_t n_probs = n_top > 0 ? (size_t)n_top : 0;
    xoe_note *note = xoe_malloc(sizeof *note + n_probs * sizeof *top + n_bytes + 1);
    if (!note) return NULL;
    *note = (xoe_note){.kind = kind, .choice = choice, .n_bytes = n_bytes, .n_top = (int)n_probs};
    xoe_token_prob *probs = (xoe_token_prob *)(note + 1);
    char *copy = (char *)(probs + n_probs);
    if (n_probs) memcpy(probs, top, n_probs * sizeof *top);
    if (n_bytes) memcpy(copy, bytes, n_bytes);
    copy[n_bytes] = 0;
    note->top = probs;
    note->bytes = copy;
    note->mono_ns = xoe_clock_mono_ns();
    return note;
}

void xoe_notes_post_event(xoe_notes *q, int choice, const xoe_event *ev)
{
    xoe_note *note;
    if (ev->kind == XOE_EVENT_STARTED) {
        note = new_note(XOE_NOTE_STARTED, choice, NULL, 0, NULL, 0);
        if (note) {
            note->n_prompt = ev->n_prompt;
            note->n_cached = ev->n_cached;
        }
    } else {
        note = new_note(XOE_NOTE_TOKEN, choice, ev->bytes, ev->n_bytes, ev->top, ev->n_top);
        if (note) {
            note->token = ev->token;
            note->logprob = ev->logprob;
            note->marked = ev->marked;
            note->expected_score = ev->expected_score;
        }
    }
    post(q, note);
}

void xoe_notes_post_text(xoe_notes *q, int choice, const char *text, size_t n)
{
    post(q, new_note(XOE_NOTE_CHUNK, choice, text, n, NULL, 0));
}

void xoe_notes_post_fixed(xoe_notes *q, xoe_note *note)
{
    note->fixed = true;
    note->mono_ns = xoe_clock_mono_ns();
    post(q, note);
}

void xoe_notes_post_done(xoe_notes *q, int choice, const xoe_event *ev, xoe_note *note)
{
    *note = (xoe_note){.kind = XOE_NOTE_DONE, .choice = choice, .finish = ev->finish, .prompt_ms = ev->prompt_ms,
                       .predicted_ms = ev->predicted_ms, .queued_ms = ev->queued_ms, .n_drawn = ev->n_drawn};
    if (ev->error) note->error = *ev->error;
    xoe_notes_post_fixed(q, note);
}

xoe_note *xoe_notes_take(xoe_notes *q, bool *lost)
{
    pthread_mutex_lock(&q->mu);
    while (!q->first && !q->lost)
        pthread_cond_wait(&q->cond, &q->mu);
    xoe_note *list = q->first;
    q->first = NULL;
    q->last = &q->first;
    *lost = q->lost;
    q->lost = false; /* told once; the turn then only waits for its ends */
    pthread_mutex_unlock(&q->mu);
    return list;
}

void xoe_notes_release(xoe_note *list)
{
    while (list) {
        xoe_note *next = list->next;
        if (!list->fixed) xoe_free(list);
        list = next;
    }
}
