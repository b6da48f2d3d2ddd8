/* Inside of a completion turn: what completion*.c share. A turn has a branch for every choice; all of
 * it belongs to the request thread, but for the notes queue. */
#ifndef XOE_FLOW_COMPLETION_TURN_H
#define XOE_FLOW_COMPLETION_TURN_H

#include <stdatomic.h>
#include "flow/completion.h"
#include "flow/completion_cancel.h"
#include "flow/completion_filter.h"
#include "flow/completion_notes.h"

enum { XOE_ANSWER_BYTES_MAX = 16 << 20, XOE_TURN_STOPS_MAX = XOE_STOP_MAX + 16 };

typedef struct xoe_turn xoe_turn;

typedef struct xoe_branch {
    xoe_turn *turn;
    int index;
    xoe_writing *writing;   /* NULL: none submitted */
    bool generating;        /* DONE is still to come */
    bool rephrasing;        /* REPHRASED is still to come */
    bool truncated;         /* ended by max_tokens or the context */
    xoe_note done, rephrased;
    xoe_text_filter filter; /* the answer as generated */
    size_t shown;           /* bytes of it that went to the sink or the rephraser */
    xoe_logprob *logprobs;
    size_t *starts;         /* [n_logprobs] where each token's text begins in filter.text */
    int n_logprobs, cap_logprobs, n_logprobs_shown;
    int n_tokens, n_marked, n_drawn;
    double expected;        /* Σ expected score of marked tokens */
    uint32_t shift;
    uint64_t seed;
    xoe_rephraser *rephraser;
    pthread_t rephrase_thread;
    xoe_rephrase_result rewrite;
    bool rewritten;         /* rewrite holds the result */
} xoe_branch;

struct xoe_turn {
    xoe_app *app;
    const xoe_completion_request *req;
    xoe_cancel *cancel;
    xoe_completion_sink sink;
    void *sink_ud;
    xoe_notes notes;
    xoe_branch branches[XOE_N_MAX];
    int n;
    xoe_chat *chat;         /* NULL: raw prompt */
    bool parses;            /* the answer may hold tool calls or reasoning: read it with the template */
    int32_t *prompt;        /* owned; */
    size_t n_prompt;
    const char *stops[XOE_TURN_STOPS_MAX];
    size_t n_stops;
    char *echo;             /* the prompt's text, handed out before the answer; NULL: not asked */
    size_t n_echo;
    xoe_key key;            /* wiped at the end; id "" when nothing is marked */
    xoe_engine *paraphraser;
    int64_t start_ns, first_token_ns;
    double mark_ms;
    atomic_bool abandoned;  /* for rephrasers: stop, nobody wants the result */
    bool stopping;          /* all jobs are being canceled: rc and error say why */
    xoe_err rc;
    xoe_error error;
};

typedef struct xoe_message_opts {
    const char *request_id;
    int choice;
    const char *tools_json; /* the tools that were offered, NULL: none */
    bool final;             /* the answer is complete */
} xoe_message_opts;

/* ---- completion_branch.c: one choice while it is generated ---- */
/* Take a token. Errors: XOE_ENOMEM, XOE_ETOOBIG. */
xoe_err xoe_branch_token(xoe_branch *b, const xoe_note *note, xoe_error *e);
/* No more tokens come. */
xoe_err xoe_branch_end(xoe_branch *b, xoe_error *e);
/* Hand what was released to the sink (or to the rephraser). XOE_ECANCELED: the sink said stop. */
xoe_err xoe_branch_show(xoe_branch *b, xoe_error *e);
/* How the template's parser reads this branch's message. */
xoe_message_opts xoe_branch_message_opts(const xoe_branch *b, bool final);
void xoe_branch_free(xoe_branch *b);

/* ---- completion_rephrase.c ---- */
xoe_err xoe_branch_rephrase_open(xoe_branch *b, xoe_error *e);
/* The source is complete: a thread of the branch waits for the rewrite and posts REPHRASED. text: what
 * to feed now ("" when it was fed while it was generated). */
xoe_err xoe_branch_rephrase_finish(xoe_branch *b, const char *text, size_t n, xoe_error *e);
/* After REPHRASED. */
void xoe_branch_rephrase_join(xoe_branch *b);

/* ---- completion_result.c ---- */
/* Seal every choice and fill the result. Errors: XOE_ENOMEM, XOE_EIO (audit), XOE_ECANCELED. */
xoe_err xoe_turn_finish(xoe_turn *t, xoe_completion_result *out, xoe_error *e);

/* ---- completion_message.c: pure ---- */
/* The parsed message in OpenAI's shape with stable tool call ids, keys sorted, compact (xoe_free).
 * content (xoe_free): its text, "" when null. */
xoe_err xoe_message_shape(const char *parsed, const xoe_message_opts *o, char **out_json, char **content,
                          bool *has_tool_calls, xoe_error *e);
/* The same message with other content (xoe_free); NULL: no memory. */
char *xoe_message_with_content(const char *message_json, const char *text, size_t n);

/* ---- completion_seal.c: an answer becomes final ---- */
typedef struct xoe_seal {
    xoe_app *app;
    xoe_engine *tokenizer;  /* whose tokens carry the mark */
    const char *request_id, *user, *model;
    const xoe_key *key;           /* NULL: not marked */
    const char *why_unmarked;     /* static; used when not marked */
    bool gain_known;
    size_t n_marked;
    double gain;
    int index;
} xoe_seal;
/* Count the chunks of a rewrite in the metrics. */
void xoe_count_chunks(const xoe_rephrase_result *r);
/* Run our detector on text, decide is_watermarked, make the audit row durable.
 * hashed: what the row's hash is over. Errors: XOE_EIO. */
xoe_err xoe_seal_choice(const xoe_seal *s, xoe_choice *c, const char *text, size_t n,
                        const char *hashed, size_t n_hashed, xoe_error *e);

#endif
