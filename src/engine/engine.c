/* Opening and closing an engine, its queue, and jobs as their owners see them.
 *
 * The worker thread (worker.c) owns the llama.cpp context; other threads only touch the queue, under
 * one mutex. A job belongs to whoever submitted it: the worker marks it done as its last act, and
 * xoe_job_close waits for that. */
#include "engine/internal.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/compute.h"
#include "engine/schedule.h"
#include "engine/llama_log.h"

static char *stem_of(const char *path)
{
    const char *base = strrchr(path, '/');
    base = base ? base + 1 : path;
    size_t n = strlen(base);
    if (n > 5 && !strcmp(base + n - 5, ".gguf")) n -= 5;
    return xoe_strndup(base, n);
}

static int or_default(int value, int def)
{
    return value > 0 ? value : def;
}

static xoe_err take_model(xoe_engine *en, const xoe_engine_opts *o, xoe_error *e)
{
    xoe_err rc = XOE_OK;
    if (o->same_as)
        en->weights = xoe_weights_share(o->same_as->weights);
    else if ((rc = xoe_weights_read(&en->weights, o, e)))
        return rc;
    en->model = en->weights->model;
    en->vocab = llama_model_get_vocab(en->model);
    en->n_vocab = llama_vocab_n_tokens(en->vocab);
    en->suppress = llama_vocab_get_suppress_tokens(en->vocab, &en->n_suppress);
    char desc[128], title[128] = "";
    llama_model_desc(en->model, desc, sizeof desc);
    llama_model_meta_val_str(en->model, "general.name", title, sizeof title);
    en->desc = xoe_strdup(desc);
    en->title = xoe_strdup(title);
    return en->desc && en->title ? XOE_OK : xoe_error_set(e, XOE_ENOMEM, "no memory");
}

/* No token has more bytes than its name in the vocabulary, where a byte takes one or more. */
static size_t longest_piece(const xoe_engine *en)
{
    size_t most = 0;
    for (int id = 0; id < en->n_vocab; id++) {
        size_t n = strlen(llama_vocab_get_text(en->vocab, id));
        if (n > most) most = n;
    }
    return most;
}

static xoe_err make_context(xoe_engine *en, const xoe_engine_opts *o, xoe_error *e)
{
    struct llama_context_params cp = llama_context_default_params();
    int trained = llama_model_n_ctx_train(en->model);
    en->n_ctx_slot = or_default(o->n_ctx_slot, en->embeddings || trained < 4096 ? trained : 4096);
    if (trained > 0 && en->n_ctx_slot > trained) en->n_ctx_slot = trained;
    en->n_slots = or_default(o->n_slots, 8);
    en->n_prefill = or_default(o->n_prefill, 128);
    en->prompt_rate = XOE_PROMPT_RATE;
    en->n_batch = or_default(o->n_batch, XOE_PROMPT_MOST(en->n_prefill) + en->n_slots); /* the largest step */
    if (en->n_prefill > en->n_batch) en->n_prefill = en->n_batch;
    if (en->n_slots > (int)llama_max_parallel_sequences() || en->n_ctx_slot > INT32_MAX / en->n_slots)
        return xoe_error_set(e, XOE_EINVAL, "%d slots of %d tokens are too many; at most %zu slots", en->n_slots,
                             en->n_ctx_slot, llama_max_parallel_sequences());
    if (en->embeddings && en->n_batch < en->n_ctx_slot) en->n_batch = en->n_ctx_slot;
    if (en->n_batch < en->n_slots) en->n_batch = en->n_slots;
    cp.n_ctx = (uint32_t)(en->n_ctx_slot * en->n_slots);
    cp.n_batch = cp.n_ubatch = (uint32_t)en->n_batch;
    cp.n_seq_max = (uint32_t)en->n_slots;
    cp.n_threads = cp.n_threads_batch = en->n_threads;
    cp.embeddings = en->embeddings;
    cp.no_perf = true;
    cp.kv_unified = false;
    cp.cb_eval = xoe_reader_on_node;
    cp.cb_eval_user_data = en;
    en->ctx = llama_init_from_model(en->model, cp);
    if (!en->ctx) {
        char why[200];
        xoe_llama_last_error(why, sizeof why);
        return xoe_error_set(e, XOE_ENOMEM, "cannot make a context of %u tokens for %s: %s; try fewer slots or a smaller context", cp.n_ctx, en->name, why);
    }
    en->batch = llama_batch_init(en->n_batch, 0, 1);
    en->slots = xoe_calloc((size_t)en->n_slots, sizeof *en->slots);
    en->row = xoe_malloc((size_t)en->n_vocab * sizeof *en->row);
    en->piece_cap = longest_piece(en) + 1;
    en->piece = xoe_malloc(en->piece_cap);
    if (!en->slots || !en->row || !en->piece) return xoe_error_set(e, XOE_ENOMEM, "no memory for slots");
    for (int i = 0; i < en->n_slots; i++) {
        xoe_slot *s = &en->slots[i];
        s->seq = i;
        s->cache = xoe_malloc((size_t)en->n_ctx_slot * sizeof *s->cache);
        s->answer = xoe_malloc((size_t)en->n_ctx_slot * sizeof *s->answer);
        if (!s->cache || !s->answer) return xoe_error_set(e, XOE_ENOMEM, "no memory for slots");
    }
    return XOE_OK;
}

static xoe_err use_adapter(xoe_engine *en, int adapter, xoe_error *e)
{
    float scale = 1;
    struct xoe_weights *w = en->weights;
    en->adapter = adapter;
    if (adapter <= 0) return XOE_OK;
    if (adapter <= w->n_adapters && !llama_set_adapters_lora(en->ctx, &w->adapters[adapter - 1], 1, &scale)) return XOE_OK;
    return xoe_error_set(e, XOE_EINVAL, "%s has no adapter %d", en->name, adapter);
}

xoe_err xoe_engine_open(xoe_engine **out, const xoe_engine_opts *opts, xoe_error *e)
{
    *out = NULL;
    if (!opts || opts->size != sizeof *opts || !opts->path || !opts->path[0])
        return xoe_error_set(e, XOE_EINVAL, "an engine needs options with a model path");
    if (opts->n_adapters > XOE_ADAPTERS_MAX) return xoe_error_set(e, XOE_EINVAL, "an engine takes at most %d adapters", XOE_ADAPTERS_MAX);
    if (opts->same_as && (!opts->same_as->ctx || opts->vocab_only || strcmp(opts->same_as->path, opts->path)))
        return xoe_error_set(e, XOE_EINVAL, "weights can be those of an engine of the same file alone");
    xoe_llama_init_once();
    xoe_engine *en = xoe_calloc(1, sizeof *en);
    if (!en) return xoe_error_set(e, XOE_ENOMEM, "no memory for an engine");
    pthread_mutex_init(&en->lock, NULL);
    pthread_cond_init(&en->wake, NULL);
    pthread_cond_init(&en->finished, NULL);
    en->embeddings = opts->embeddings;
    en->n_threads = or_default(opts->n_threads, xoe_compute_cores());
    en->queue_max = or_default(opts->queue_max, 64);
    en->path = xoe_strdup(opts->path);
    en->name = opts->name ? xoe_strdup(opts->name) : stem_of(opts->path);
    xoe_err rc = !en->path || !en->name ? xoe_error_set(e, XOE_ENOMEM, "no memory for an engine") : take_model(en, opts, e);
    if (rc == XOE_OK) en->templates = xoe_chat_templates_new(en->model);
    if (rc == XOE_OK && !opts->vocab_only) rc = make_context(en, opts, e);
    if (rc == XOE_OK && en->ctx) rc = use_adapter(en, opts->adapter, e);
    if (rc == XOE_OK && !opts->vocab_only) {
        int code = pthread_create(&en->worker, NULL, xoe_worker_main, en);
        en->has_worker = code == 0;
        if (code) rc = xoe_error_set(e, XOE_EINTERNAL, "cannot start the engine's thread (error %d)", code);
    }
    if (rc != XOE_OK) {
        xoe_engine_close(en);
        return rc;
    }
    *out = en;
    return XOE_OK;
}

void xoe_engine_close(xoe_engine *en)
{
    if (!en) return;
    if (en->has_worker) {
        pthread_mutex_lock(&en->lock);
        en->stop = true;
        pthread_cond_broadcast(&en->wake);
        pthread_mutex_unlock(&en->lock);
        pthread_join(en->worker, NULL);
    }
    for (int i = 0; en->slots && i < en->n_slots; i++) {
        xoe_free(en->slots[i].cache);
        xoe_free(en->slots[i].answer);
    }
    xoe_free(en->slots);
    xoe_free(en->row);
    xoe_free(en->piece);
    if (en->batch.token) llama_batch_free(en->batch);
    xoe_chat_templates_delete(en->templates);
    if (en->ctx) llama_free(en->ctx);
    xoe_weights_release(en->weights);
    pthread_cond_destroy(&en->finished);
    pthread_cond_destroy(&en->wake);
    pthread_mutex_destroy(&en->lock);
    xoe_free(en->title);
    xoe_free(en->desc);
    xoe_free(en->name);
    xoe_free(en->path);
    xoe_free(en);
}

void xoe_engine_get_info(const xoe_engine *en, xoe_engine_info *out)
{
    *out = (xoe_engine_info){
        .name = en->name, .path = en->path, .desc = en->desc, .title = en->title, .n_vocab = en->n_vocab,
        .n_ctx_slot = en->n_ctx_slot, .n_slots = en->n_slots, .n_threads = en->n_threads,
        .n_embd = llama_model_n_embd_out(en->model), .n_layers = llama_model_n_layer(en->model), .n_params = llama_model_n_params(en->model),
        .n_bytes = llama_model_size(en->model), .embeddings = en->embeddings,
        .has_chat_template = llama_model_chat_template(en->model, NULL) != NULL, .adapter = en->adapter,
    };
}

void xoe_engine_get_stats(xoe_engine *en, xoe_engine_stats *out)
{
    pthread_mutex_lock(&en->lock);
    *out = en->stats;
    out->deferred = en->n_queue;
    pthread_mutex_unlock(&en->lock);
}

/* ---- jobs ---- */

static void job_free(xoe_job *j)
{
    if (!j) return;
    xoe_sampler_close(j->sampler);
    xoe_free(j->preserved);
    xoe_free(j->prompt);
    xoe_free(j);
}

static xoe_err check_tokens(const xoe_engine *en, const int32_t *tokens, size_t n, size_t limit, xoe_error *e)
{
    if (!en->ctx) return xoe_error_set(e, XOE_EUNSUPPORTED, "%s was opened as a tokenizer only", en->name);
    if (n == 0) return xoe_error_param(e, XOE_EINVAL, "prompt", "the prompt is empty");
    if (n > limit)
        return xoe_error_param(e, XOE_ELIMIT, "prompt", "the prompt has %zu tokens; %s takes at most %zu (context of %d). Shorten it, or start the server with a larger --ctx", n, en->name, limit, en->n_ctx_slot);
    for (size_t i = 0; i < n; i++)
        if (tokens[i] < 0 || tokens[i] >= en->n_vocab)
            return xoe_error_param(e, XOE_EINVAL, "prompt", "token %d is outside the vocabulary of %s (0 to %d)", tokens[i], en->name, en->n_vocab - 1);
    return XOE_OK;
}

static xoe_err job_new(xoe_job **out, xoe_engine *en, xoe_job_kind kind, const int32_t *tokens, size_t n, xoe_priority priority, xoe_error *e)
{
    xoe_job *j = xoe_calloc(1, sizeof *j);
    if (j) j->prompt = xoe_malloc(n * sizeof *tokens);
    if (!j || !j->prompt) {
        job_free(j);
        return xoe_error_set(e, XOE_ENOMEM, "no memory for a request");
    }
    memcpy(j->prompt, tokens, n * sizeof *tokens);
    j->en = en;
    j->kind = kind;
    j->n_prompt = n;
    j->priority = priority;
    *out = j;
    return XOE_OK;
}

static xoe_err enqueue(xoe_engine *en, xoe_job *j, xoe_error *e)
{
    xoe_err rc = XOE_OK;
    pthread_mutex_lock(&en->lock);
    if (en->stop) {
        rc = xoe_error_set(e, XOE_EUNAVAILABLE, "%s is being closed", en->name);
    } else if (en->n_queue >= en->queue_max) {
        en->stats.jobs_refused++;
        rc = xoe_error_set(e, XOE_EBUSY, "%d requests wait already; try again in a moment", en->n_queue);
    } else {
        xoe_job **at = &en->queue;
        while (*at)
            at = &(*at)->next;
        *at = j;
        en->n_queue++;
        j->order = en->order++;
        j->queued_ns = xoe_clock_mono_ns();
        pthread_cond_signal(&en->wake);
    }
    pthread_mutex_unlock(&en->lock);
    return rc;
}

static xoe_err check_sampling(const xoe_engine *en, const xoe_sampling *s, xoe_error *e)
{
    for (size_t i = 0; i < s->n_logit_bias; i++)
        if (s->logit_bias[i].id < 0 || s->logit_bias[i].id >= en->n_vocab)
            return xoe_error_param(e, XOE_EINVAL, "logit_bias", "token %d is outside the vocabulary (0 to %d)", s->logit_bias[i].id, en->n_vocab - 1);
    for (size_t i = 0; i < s->n_avoid; i++)
        if (s->avoid[i] < XOE_AVOID_GAP || s->avoid[i] >= en->n_vocab) return xoe_error_set(e, XOE_EINVAL, "a token to avoid is outside the vocabulary");
    return XOE_OK;
}

xoe_err xoe_engine_generate(xoe_engine *en, const xoe_gen_request *r, xoe_job **out, xoe_error *e)
{
    *out = NULL;
    if (!r || r->size != sizeof *r || !r->on_event || (r->mark && !r->mark_key))
        return xoe_error_set(e, XOE_EINVAL, "a request needs its size, on_event, and a key if it has a mark");
    if (en->embeddings) return xoe_error_param(e, XOE_EUNSUPPORTED, "model", "%s makes embeddings, not text", en->name);
    if (r->mark && xoe_scheme_needs_drafts(r->mark->scheme) && r->sampling.temperature > 0)
        return xoe_error_param(e, XOE_EUNSUPPORTED, "scheme", "one answer cannot carry %s: drafts do", xoe_scheme_name(r->mark->scheme));
    if (r->n_written > r->n_prompt) return xoe_error_set(e, XOE_EINVAL, "more was written than the prompt holds");
    xoe_err rc = check_tokens(en, r->prompt, r->n_prompt, en->ctx ? (size_t)en->n_ctx_slot - 1 : 0, e);
    if (rc != XOE_OK || (rc = check_sampling(en, &r->sampling, e)) != XOE_OK) return rc;
    xoe_job *j = NULL;
    xoe_grammar *grammar = NULL;
    xoe_marker *mark = NULL;
    if ((rc = job_new(&j, en, XOE_JOB_GENERATE, r->prompt, r->n_prompt, r->priority, e)) != XOE_OK) return rc;
    j->deadline_ms = r->deadline_mono_ms;
    j->max_tokens = r->max_tokens > 0 ? r->max_tokens : en->n_ctx_slot;
    j->n_probs = r->n_probs;
    j->on_event = r->on_event;
    j->ud = r->ud;
    j->exact = r->sampling.has_seed && !r->reuse_prefix;
    j->family = j->exact ? r->family : 0;
    j->n_written = r->n_written;
    j->n_preserved = r->sampling.n_preserved_tokens;
    j->preserved = xoe_malloc(j->n_preserved * sizeof *j->preserved);
    if (!j->preserved) {
        job_free(j);
        return xoe_error_set(e, XOE_ENOMEM, "no memory for a request");
    }
    if (j->n_preserved) memcpy(j->preserved, r->sampling.preserved_tokens, j->n_preserved * sizeof *j->preserved);
    if (r->sampling.grammar && r->sampling.grammar[0])
        rc = xoe_grammar_open(&grammar, en->vocab, &r->sampling, e);
    if (rc == XOE_OK && r->mark && r->sampling.temperature > 0) {
        rc = xoe_marker_open(&mark, r->mark, r->mark_key, r->mark_shift, r->mark_payload, e);
        if (rc != XOE_OK) xoe_grammar_close(grammar);
    }
    if (rc == XOE_OK)
        rc = xoe_sampler_open(&j->sampler, &r->sampling, en->n_vocab, en->suppress, (size_t)en->n_suppress, grammar, mark, e);
    if (rc == XOE_OK) {
        xoe_sampler_seed_history(j->sampler, r->prompt, r->n_prompt);
        rc = xoe_sampler_go_on(j->sampler, r->prompt + r->n_prompt - r->n_written, r->n_written, e);
    }
    if (rc == XOE_OK) rc = enqueue(en, j, e);
    if (rc != XOE_OK) {
        job_free(j);
        return rc;
    }
    *out = j;
    return XOE_OK;
}

void xoe_job_cancel(xoe_job *j)
{
    atomic_store(&j->cancel, true);
    pthread_mutex_lock(&j->en->lock);
    pthread_cond_signal(&j->en->wake);
    pthread_mutex_unlock(&j->en->lock);
}

void xoe_job_close(xoe_job *j)
{
    if (!j) return;
    xoe_engine *en = j->en;
    pthread_mutex_lock(&en->lock);
    while (!j->done)
        pthread_cond_wait(&en->finished, &en->lock);
    pthread_mutex_unlock(&en->lock);
    job_free(j);
}

/* Submit and wait. */
static xoe_err run_blocking(xoe_engine *en, xoe_job *j, xoe_error *e)
{
    xoe_err rc = enqueue(en, j, e);
    if (rc != XOE_OK) {
        job_free(j);
        return rc;
    }
    pthread_mutex_lock(&en->lock);
    while (!j->done)
        pthread_cond_wait(&en->finished, &en->lock);
    pthread_mutex_unlock(&en->lock);
    rc = j->error.code;
    if (rc != XOE_OK && e) *e = j->error;
    job_free(j);
    return rc;
}

/* What scoring and reading ask of a text. */
static xoe_err check_text(const xoe_engine *en, const int32_t *tokens, size_t n, xoe_error *e)
{
    if (en->embeddings) return xoe_error_param(e, XOE_EUNSUPPORTED, "model", "%s makes embeddings, not text", en->name);
    return check_tokens(en, tokens, n, (size_t)en->n_ctx_slot, e);
}

/* entropies or top, or neither */
static xoe_err score(xoe_engine *en, const int32_t *tokens, size_t n_tokens, size_t n_prefix, xoe_priority priority, float *logprobs,
                     float *entropies, xoe_token_prob *top, int n_top, xoe_error *e)
{
    xoe_err rc = check_text(en, tokens, n_tokens, e);
    if (rc != XOE_OK) return rc;
    if (n_prefix == 0 || n_prefix >= n_tokens)
        return xoe_error_set(e, XOE_EINVAL, "scoring needs at least one token before and one to score");
    xoe_job *j = NULL;
    if ((rc = job_new(&j, en, XOE_JOB_SCORE, tokens, n_tokens, priority, e)) != XOE_OK) return rc;
    j->n_prefix = n_prefix;
    j->out = logprobs;
    j->entropies = entropies;
    j->top = top;
    j->n_top = n_top;
    return run_blocking(en, j, e);
}

xoe_err xoe_engine_score(xoe_engine *en, const int32_t *tokens, size_t n_tokens, size_t n_prefix,
                         xoe_priority priority, float *logprobs, float *entropies, xoe_error *e)
{
    return score(en, tokens, n_tokens, n_prefix, priority, logprobs, entropies, NULL, 0, e);
}

xoe_err xoe_engine_score_top(xoe_engine *en, const int32_t *tokens, size_t n_tokens, size_t n_prefix,
                             xoe_priority priority, float *logprobs, xoe_token_prob *top, int n_top, xoe_error *e)
{
    if (n_top < 1 || n_top > en->n_vocab) return xoe_error_set(e, XOE_EINVAL, "the tokens to list are from 1 to %d", en->n_vocab);
    return score(en, tokens, n_tokens, n_prefix, priority, logprobs, NULL, top, n_top, e);
}

xoe_err xoe_engine_read(xoe_engine *en, const int32_t *tokens, size_t n_tokens, size_t n_keep, int layer,
                        xoe_priority priority, float *out, xoe_error *e)
{
    xoe_err rc = check_text(en, tokens, n_tokens, e);
    if (rc != XOE_OK) return rc;
    if (n_keep >= n_tokens || layer < 0 || layer >= llama_model_n_layer(en->model))
        return xoe_error_set(e, XOE_EINVAL, "reading needs a token that is not kept, and a block from 0 to %d", llama_model_n_layer(en->model) - 1);
    xoe_job *j = NULL;
    if ((rc = job_new(&j, en, XOE_JOB_READ, tokens, n_tokens, priority, e)) != XOE_OK) return rc;
    j->n_prefix = n_keep;
    j->layer = layer;
    j->out = out;
    return run_blocking(en, j, e);
}

xoe_err xoe_engine_embed(xoe_engine *en, const int32_t *tokens, const size_t *lens, size_t n_texts,
                         xoe_priority priority, float *out, xoe_error *e)
{
    size_t total = 0;
    if (!en->embeddings) return xoe_error_param(e, XOE_EUNSUPPORTED, "model", "%s does not make embeddings; choose an embedding model", en->name);
    if (n_texts == 0) return xoe_error_param(e, XOE_EINVAL, "input", "there is no text to embed");
    for (size_t i = 0; i < n_texts; i++) {
        xoe_err rc = check_tokens(en, tokens + total, lens[i], (size_t)en->n_ctx_slot, e);
        if (rc != XOE_OK) return rc;
        total += lens[i];
    }
    xoe_job *j = NULL;
    xoe_err rc = job_new(&j, en, XOE_JOB_EMBED, tokens, total, priority, e);
    if (rc != XOE_OK) return rc;
    j->lens = lens;
    j->n_texts = n_texts;
    j->out = out;
    return run_blocking(en, j, e);
}
