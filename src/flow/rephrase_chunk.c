/* A chunk is given to the paraphraser with an instruction; its answer carries the mark. A try must pass the
 * meaning check. One that passes but mostly copies its source carries little of the mark, so a second one
 * is made and the better kept: among good tries the one whose tokens score best under the key (a choice
 * that only the text written here makes, so the detector's null is untouched).
 * Thread: the rephraser's own; a try's tokens come from the engine's thread through a small mailbox. */
#include "flow/rephrase_chunk.h"

#include <ctype.h>
#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "engine/chat.h"
#include "flow/meaning.h"

#define COPIED_MAX 0.6

static const char instruction[] =
    "You rephrase text. Say the same in other words and with another sentence structure. Keep every fact, number, unit, name, negation and "
    "quotation, and keep the language. Answer with the rephrased text only.";

struct try {
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    xoe_buf text;
    int32_t *tokens;
    size_t n_tokens, cap;
    bool done;
    xoe_finish finish;
    int n_prompt, n_predicted;
    xoe_error error;
};

static void on_event(const xoe_event *ev, void *ud)
{
    struct try *t = ud;
    pthread_mutex_lock(&t->lock);
    if (ev->kind == XOE_EVENT_TOKEN) {
        xoe_buf_add(&t->text, ev->bytes, ev->n_bytes);
        if (t->n_tokens < t->cap) t->tokens[t->n_tokens++] = ev->token;
    } else if (ev->kind == XOE_EVENT_DONE) {
        t->done = true;
        t->finish = ev->finish;
        t->n_prompt = ev->n_prompt;
        t->n_predicted = ev->n_predicted;
        if (ev->error) t->error = *ev->error;
        pthread_cond_broadcast(&t->changed);
    }
    pthread_mutex_unlock(&t->lock);
}

static xoe_err render(const xoe_engine *en, const char *source, size_t n, int32_t **tokens, size_t *n_tokens, xoe_error *e)
{
    xoe_chat *chat = NULL;
    size_t len;
    json_t *m = json_pack("[{s:s, s:s}, {s:s, s:o}]", "role", "system", "content", instruction, "role", "user", "content",
                          json_sprintf("Rephrase this text:\n\n%.*s", (int)n, source));
    char *text = m ? json_dumps(m, JSON_COMPACT) : NULL;
    xoe_chat_inputs in = {.messages_json = text};
    xoe_err rc = text ? xoe_chat_render(&chat, en, &in, e) : xoe_error_set(e, XOE_ENOMEM, "no memory for a prompt");
    if (rc == XOE_OK) {
        const char *prompt = xoe_chat_prompt(chat, &len);
        rc = xoe_engine_tokenize(en, prompt, len, true, true, tokens, n_tokens, e);
    }
    xoe_chat_close(chat);
    free(text);
    json_decref(m);
    return rc;
}

/* Wait for the answer; passes a cancellation on. */
static void wait_done(const xoe_rephrase_opts *o, struct try *t, xoe_job *job)
{
    bool told = false;
    pthread_mutex_lock(&t->lock);
    while (!t->done) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 50 * 1000000;
        if (until.tv_nsec >= 1000000000) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000;
        }
        pthread_cond_timedwait(&t->changed, &t->lock, &until);
        if (told || t->done || !o->canceled || !o->canceled(o->ud)) continue;
        told = true;
        pthread_mutex_unlock(&t->lock);
        xoe_job_cancel(job);
        pthread_mutex_lock(&t->lock);
    }
    pthread_mutex_unlock(&t->lock);
}

static xoe_err generate(const xoe_rephrase_opts *o, const int32_t *prompt, size_t n_prompt, size_t n_source_tokens, uint64_t seed, struct try *t, xoe_error *e)
{
    xoe_job *job;
    xoe_gen_request r = {.size = sizeof r, .prompt = prompt, .n_prompt = n_prompt, .sampling = XOE_SAMPLING_INIT, .n_probs = -1,
                         .mark = &o->key.params, .mark_key = o->key.bytes, .mark_shift = o->shift, .priority = o->priority,
                         .deadline_mono_ms = o->deadline_mono_ms, .on_event = on_event, .ud = t};
    r.sampling.temperature = o->temperature > 0 ? o->temperature : 1.0f;
    r.sampling.top_p = o->top_p > 0 ? o->top_p : 0.95f;
    r.sampling.has_seed = true;
    r.sampling.seed = seed;
    r.reuse_prefix = true; /* the instruction is the same for every chunk */
    r.max_tokens = (int)(n_source_tokens * 2 + 40);
    t->cap = (size_t)r.max_tokens;
    t->tokens = xoe_malloc(t->cap * sizeof *t->tokens);
    if (!t->tokens) return xoe_error_set(e, XOE_ENOMEM, "no memory to rephrase");
    xoe_err rc;
    while ((rc = xoe_engine_generate(o->paraphraser, &r, &job, e)) == XOE_EBUSY) { /* the queue is full: wait, we are in no hurry */
        struct timespec pause = {0, 50 * 1000000};
        if (o->canceled && o->canceled(o->ud)) return xoe_error_set(e, XOE_ECANCELED, "canceled");
        if (o->deadline_mono_ms && xoe_clock_mono_ms() > o->deadline_mono_ms) return xoe_error_set(e, XOE_EDEADLINE, "the time for rephrasing is over");
        nanosleep(&pause, NULL);
    }
    if (rc != XOE_OK) return rc;
    wait_done(o, t, job);
    xoe_job_close(job);
    if (t->finish == XOE_FINISH_CANCELED) return xoe_error_set(e, XOE_ECANCELED, "canceled");
    if (t->finish == XOE_FINISH_DEADLINE) return xoe_error_set(e, XOE_EDEADLINE, "the time for rephrasing is over");
    if (t->finish == XOE_FINISH_ERROR) {
        if (e) *e = t->error;
        return t->error.code;
    }
    return XOE_OK;
}

/* Take off white space, an announcement ("Here is the rephrased text:") and quotes around the whole. */
static void strip(const char **s, size_t *n, const char *source)
{
    static const char *const openings[] = {"here is", "here's", "sure", "certainly", "rephrased text:", "rephrased:", "rewritten text:"};
    while (*n && isspace((unsigned char)**s))
        ++*s, --*n;
    const char *line = memchr(*s, '\n', *n);
    for (size_t i = 0; line && i < sizeof openings / sizeof openings[0]; i++)
        if (*n > strlen(openings[i]) && !strncasecmp(*s, openings[i], strlen(openings[i])) && line > *s && line[-1] == ':') {
            *n -= (size_t)(line + 1 - *s);
            *s = line + 1;
            break;
        }
    while (*n && isspace((unsigned char)**s))
        ++*s, --*n;
    while (*n && isspace((unsigned char)(*s)[*n - 1]))
        --*n;
    if (*n > 2 && **s == '"' && (*s)[*n - 1] == '"' && source[0] != '"') {
        ++*s;
        *n -= 2;
    }
}

static double strength(const xoe_rephrase_opts *o, const char *s, size_t n)
{
    int32_t *tokens;
    size_t n_tokens;
    xoe_verdict v;
    double log10_p = 0;
    if (xoe_engine_tokenize(o->paraphraser, s, n, false, false, &tokens, &n_tokens, NULL) != XOE_OK) return 0;
    const uint8_t(*key)[XOE_MARK_KEY_BYTES] = (const uint8_t(*)[XOE_MARK_KEY_BYTES])o->key.bytes;
    if (n_tokens && xoe_detect_tokens(&o->key.params, key, 1, tokens, n_tokens, NULL, &v, NULL) == XOE_OK) {
        log10_p = v.log10_p;
        xoe_verdict_clear(&v);
    }
    xoe_tokens_free(tokens);
    return log10_p;
}

/* "" when the rewrite is good. */
static xoe_err judge(const xoe_rephrase_opts *o, const char *source, size_t n, const struct try *t, const char *s, size_t m, double *similarity,
                     const char **why, xoe_error *e)
{
    *similarity = NAN;
    if (t->finish == XOE_FINISH_LENGTH)
        *why = "the paraphraser did not end";
    else if (memchr(s, '\n', m) && !memchr(source, '\n', n))
        *why = "the rewrite has another layout";
    else if (!xoe_utf8_valid(s, m))
        *why = "the rewrite is not UTF-8";
    if (**why) return XOE_OK;
    xoe_meaning_opts mo = {.embedder = o->embedder, .priority = o->priority};
    xoe_meaning v;
    xoe_err rc = xoe_meaning_check(&mo, source, n, s, m, false, &v, e);
    *similarity = v.similarity;
    *why = v.reason;
    return rc;
}

xoe_err xoe_rephrase_chunk(const xoe_rephrase_opts *o, const char *source, size_t n, size_t index, xoe_buf *out, xoe_chunk_report *report,
                           xoe_chunk_usage *usage, xoe_error *e)
{
    int64_t t0 = xoe_clock_mono_ns();
    int32_t *prompt = NULL, *plain = NULL;
    size_t n_prompt = 0, n_plain = 0;
    xoe_buf best;
    double best_strength = 1;
    int most = o->max_tries > 0 ? o->max_tries : 2;
    xoe_buf_init(&best, 1 << 20);
    report->outcome = XOE_CHUNK_KEPT_MEANING;
    report->reason = "";
    report->similarity = NAN;
    xoe_err rc = render(o->paraphraser, source, n, &prompt, &n_prompt, e);
    if (rc == XOE_OK) rc = xoe_engine_tokenize(o->paraphraser, source, n, false, false, &plain, &n_plain, e);
    for (int i = 0; i < most && rc == XOE_OK; i++) {
        struct try t = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
        double similarity = NAN;
        const char *why = "";
        xoe_buf_init(&t.text, 1 << 20);
        rc = generate(o, prompt, n_prompt, n_plain, o->seed + index * 16 + (uint64_t)i, &t, e);
        report->tries++;
        usage->n_prompt_tokens += t.n_prompt;
        usage->n_predicted_tokens += t.n_predicted;
        const char *s = xoe_buf_cstr(&t.text);
        size_t m = t.text.len;
        strip(&s, &m, source);
        if (rc == XOE_OK) rc = judge(o, source, n, &t, s, m, &similarity, &why, e);
        bool enough = false;
        if (rc == XOE_OK && *why == 0) {
            double log10_p = strength(o, s, m);
            enough = xoe_copied_share(source, n, s, m) <= COPIED_MAX;
            if (log10_p < best_strength) {
                best_strength = log10_p;
                xoe_buf_reset(&best);
                if (xoe_buf_add(&best, s, m)) rc = xoe_error_set(e, XOE_ENOMEM, "no memory for a rewrite");
                report->similarity = similarity;
            }
        } else if (best.len == 0) {
            report->reason = why;
            report->similarity = similarity;
        }
        xoe_buf_free(&t.text);
        xoe_free(t.tokens);
        if (enough) break;
    }
    if (rc == XOE_OK && best.len) {
        report->outcome = XOE_CHUNK_REWRITTEN;
        report->reason = "";
        report->log10_p = best_strength;
        xoe_buf_add(out, best.data, best.len);
        report->length_ratio = (double)best.len / (double)n;
    } else if (rc == XOE_OK) {
        xoe_buf_add(out, source, n);
        report->length_ratio = 1;
    }
    if (rc == XOE_OK && out->failed) rc = xoe_error_set(e, XOE_ENOMEM, "no memory for the rewritten text");
    report->ms = (double)(xoe_clock_mono_ns() - t0) * 1e-6;
    xoe_buf_free(&best);
    xoe_tokens_free(prompt);
    xoe_tokens_free(plain);
    return rc;
}
