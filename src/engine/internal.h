/* What the files of engine/ share: the engine, its jobs and its slots. */
#ifndef XOE_ENGINE_INTERNAL_H
#define XOE_ENGINE_INTERNAL_H

#include <pthread.h>
#ifdef __cplusplus
#include <atomic>
using std::atomic_bool;
using std::atomic_int;
#else
#include <stdatomic.h>
#endif

#include "engine/sampler.h"
#include "llama.h"
#include "xoe/engine.h"

typedef enum xoe_job_kind { XOE_JOB_GENERATE, XOE_JOB_SCORE, XOE_JOB_READ, XOE_JOB_EMBED } xoe_job_kind;

struct xoe_job {
    xoe_engine *en;
    xoe_job_kind kind;
    xoe_priority priority;
    int64_t deadline_ms;
    int64_t queued_ns;
    uint64_t order; /* arrival */
    struct xoe_job *next; /* in the queue */
    atomic_bool cancel;
    bool done; /* guarded by the engine's lock */

    int32_t *prompt; /* generate: the prompt; score, embed: all tokens */
    size_t n_prompt;

    /* generate */
    xoe_sampler *sampler;
    bool exact; /* seeded: prompt computed afresh, or from its family, in fixed pieces */
    uint64_t family;
    size_t n_written;
    int max_tokens, n_probs;
    int32_t *preserved; /* control tokens whose text is shown */
    size_t n_preserved;
    xoe_event_cb on_event;
    void *ud;

    /* score: tokens from n_prefix on; read: tokens before n_prefix are kept; embed: n_texts texts of lens tokens */
    size_t n_prefix, n_texts;
    int layer;
    const size_t *lens;
    float *out, *entropies;
    xoe_token_prob *top; /* [][n_top], or NULL */
    int n_top;
    xoe_error error;
};

typedef struct xoe_slot {
    int seq;         /* llama sequence id */
    xoe_job *job;    /* NULL: free, the cache is kept for its prefix */
    int32_t *cache;  /* [n_ctx_slot] tokens whose keys and values the sequence holds */
    size_t n_cache;
    uint64_t family; /* of exact jobs that computed it; 0: others did */
    uint64_t used;   /* when it was last used, for LRU */
    /* of the running job */
    size_t n_done;   /* prompt tokens in the cache */
    int n_cached;    /* of them, taken over */
    bool answering;  /* the prompt is done */
    int32_t *answer; /* [n_ctx_slot] */
    size_t n_answer; /* what was written before included */
    int32_t last;    /* sampled, not yet in the cache */
    int batch_index; /* row of this step's batch whose logits it needs; −1: none */
    int64_t start_ns, first_ns;
} xoe_slot;

enum { XOE_ADAPTERS_MAX = 4 };

/* A model in memory with its adapters, and how many engines have it. Adapters come and go with it: contexts that are at work look at the list. */
struct xoe_weights {
    struct llama_model *model;
    struct llama_adapter_lora *adapters[XOE_ADAPTERS_MAX]; /* freed with the model */
    int n_adapters;
    atomic_int users;
};
/* *out: also after an error, to be released. */
xoe_err xoe_weights_read(struct xoe_weights **out, const xoe_engine_opts *o, xoe_error *e);
struct xoe_weights *xoe_weights_share(struct xoe_weights *w);
void xoe_weights_release(struct xoe_weights *w); /* takes NULL */

struct xoe_engine {
    char *name, *path, *desc, *title;
    struct xoe_weights *weights;
    struct llama_model *model; /* the weights' */
    struct llama_context *ctx;
    int adapter; /* counted from 1; 0: none */
    const struct llama_vocab *vocab;
    struct xoe_chat_templates *templates; /* engine/chat.cpp's */
    int n_vocab, n_ctx_slot, n_slots, n_batch, n_prefill, n_threads, queue_max;
    bool embeddings;
    const int32_t *suppress;
    int n_suppress;

    pthread_t worker;
    bool has_worker;
    pthread_mutex_t lock; /* guards queue, stats, stop and every job's done; nothing taken inside */
    pthread_cond_t wake, finished;
    xoe_job *queue;
    int n_queue;
    uint64_t order;
    bool stop;
    xoe_engine_stats stats;

    /* the worker's own */
    xoe_slot *slots;
    struct llama_batch batch;
    uint64_t clock;
    double prompt_rate; /* tokens/s of prompts of late */
    float *row;       /* [n_vocab] logits of one row, to change */
    char *piece;      /* [piece_cap] the bytes of a token; the longest fits */
    size_t piece_cap;
    float *watch_out; /* where the last row of the tensor watch_name goes; NULL: nothing is watched */
    char watch_name[24];
};

void *xoe_worker_main(void *engine);
/* engine/chat.cpp: templates are parsed once a model. Free takes NULL. */
#ifdef __cplusplus
extern "C" {
#endif
struct xoe_chat_templates *xoe_chat_templates_new(const struct llama_model *model);
void xoe_chat_templates_delete(struct xoe_chat_templates *t);
#ifdef __cplusplus
}
#endif
/* engine/embed.c: one EMBED job, on the worker. */
xoe_err xoe_worker_embed(xoe_engine *en, xoe_job *job, xoe_error *e);
/* One llama_decode or llama_encode under the compute budget. Returns llama's code. */
int xoe_worker_decode(xoe_engine *en, struct llama_batch batch, xoe_priority priority, bool encode);
/* Score jobs of this step; n_answers: how many answers run. */
void xoe_worker_score(xoe_engine *en, int n_answers);
/* engine/read.c: reading jobs of this step, and what llama.cpp calls for every node of the graph. */
void xoe_worker_read(xoe_engine *en);
bool xoe_reader_on_node(struct ggml_tensor *t, bool ask, void *engine);
/* Cut the slot's cache to its first n tokens. */
void xoe_worker_cut_cache(xoe_engine *en, xoe_slot *s, size_t n);
/* DONE to the slot's job, which is then no more the worker's; the slot keeps its cache. */
void xoe_worker_end_slot(xoe_engine *en, xoe_slot *s, xoe_finish finish, const xoe_error *error);
/* All running jobs end with an error. */
void xoe_worker_fail(xoe_engine *en, int code);
/* Count one decode call. */
void xoe_worker_note(xoe_engine *en, int n_prompt, int n_answers, double seconds);
void xoe_batch_add(struct llama_batch *b, int32_t token, int pos, int seq, bool logits);

#endif
