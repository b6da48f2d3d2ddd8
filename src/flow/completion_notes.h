/* Messages from engine workers and rephrasers to the request thread that owns a turn: a FIFO of copied
 * notes. Posting never blocks longer than a pointer swap. Thread: post from any, take from one. */
#ifndef XOE_FLOW_COMPLETION_NOTES_H
#define XOE_FLOW_COMPLETION_NOTES_H

#include <pthread.h>
#include <stdbool.h>
#include "xoe/engine.h"

typedef enum xoe_note_kind {
    XOE_NOTE_STARTED,  /* the prompt is in the cache */
    XOE_NOTE_TOKEN,
    XOE_NOTE_DONE,     /* the generation of this choice is over */
    XOE_NOTE_CHUNK,    /* a rewritten chunk */
    XOE_NOTE_REPHRASED /* the rephraser of this choice is done */
} xoe_note_kind;

typedef struct xoe_note {
    struct xoe_note *next;
    xoe_note_kind kind;
    int choice;
    bool fixed;                /* belongs to its choice: not freed with the list */
    /* STARTED, DONE */
    int n_prompt, n_cached;
    xoe_finish finish;
    double prompt_ms, predicted_ms, queued_ms;
    int n_drawn;
    xoe_error error;           /* DONE with XOE_FINISH_ERROR, REPHRASED that failed */
    int64_t mono_ns;           /* when it was posted */
    /* TOKEN, CHUNK */
    int32_t token;
    float logprob;
    bool marked;
    double expected_score;
    const char *bytes;
    size_t n_bytes;
    const xoe_token_prob *top;
    int n_top;
} xoe_note;

typedef struct xoe_notes {
    pthread_mutex_t mu; /* guards all below; innermost, nothing is called under it */
    pthread_cond_t cond;
    xoe_note *first, **last;
    bool lost;          /* a note could not be copied for want of memory */
} xoe_notes;

void xoe_notes_init(xoe_notes *q);
void xoe_notes_free(xoe_notes *q);
/* Copy an engine event (STARTED or TOKEN). */
void xoe_notes_post_event(xoe_notes *q, int choice, const xoe_event *ev);
/* Copy a DONE event into `note`, which its choice owns, and post that. */
void xoe_notes_post_done(xoe_notes *q, int choice, const xoe_event *ev, xoe_note *note);
void xoe_notes_post_text(xoe_notes *q, int choice, const char *text, size_t n);
/* A note that its choice owns (DONE, REPHRASED): cannot be lost. */
void xoe_notes_post_fixed(xoe_notes *q, xoe_note *note);
/* Waits until there is something; the whole list, oldest first. *lost as above. */
xoe_note *xoe_notes_take(xoe_notes *q, bool *lost);
void xoe_notes_release(xoe_note *list);

#endif
