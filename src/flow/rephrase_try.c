/* Tokens come from the engine's thread through a small mailbox. */
#include "flow/rephrase_try.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/mem.h"
#include "flow/queue_pause.h"
#include "flow/quoted.h"

enum { AVOID_WIDTH = 4 };

static void on_event(const xoe_event *ev, void *ud)
{
    xoe_try *t = ud;
    pthread_mutex_lock(&t->lock);
    if (ev->kind == XOE_EVENT_TOKEN) {
        xoe_buf_add(&t->text, ev->bytes, ev->n_bytes);
        t->n_tokens++;
        t->log_likelihood += (double)ev->logprob;
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

int32_t *xoe_try_avoid(const xoe_engine *en, const char *source, size_t n_source, const int32_t *tokens, size_t n)
{
    int32_t *out = xoe_malloc(n * sizeof *out);
    bool gap = false;
    size_t first = 0, quoted_end = 0; /* bytes of the source */
    for (size_t i = 0; out && i < n; i++) {
        char s[64];
        size_t whole = xoe_engine_token_bytes(en, tokens[i], false, s, sizeof s), len = whole < sizeof s ? whole : sizeof s, at = 0;
        bool begins = len == 0 || !isalnum((unsigned char)s[0]); /* a word begins, or none is here */
        while (at + 1 < len && !isalnum((unsigned char)s[at]) && (unsigned char)s[at] < 0x80)
            at++;
        bool strong = len > at && (isdigit((unsigned char)s[at]) || isupper((unsigned char)s[at]));
        gap = strong || (gap && !begins);
        quoted_end = xoe_quoted_until(source, n_source, first, first + whole, quoted_end);
        out[i] = gap || first < quoted_end ? XOE_AVOID_GAP : tokens[i];
        first += whole;
    }
    return out;
}

xoe_err xoe_try_start(xoe_try *t, const xoe_rephrase_opts *o, const xoe_try_from *from, xoe_error *e)
{
    *t = (xoe_try){.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    xoe_buf_init(&t->text, 1 << 20);
    xoe_gen_request r = {.size = sizeof r, .prompt = from->prompt, .n_prompt = from->n_prompt, .sampling = XOE_SAMPLING_INIT, .n_probs = 0,
                         .mark = from->marked ? &o->key.params : NULL, .mark_key = o->key.bytes, .mark_shift = o->shift, .priority = o->priority,
                         .deadline_mono_ms = o->deadline_mono_ms, .on_event = on_event, .ud = t, .max_tokens = from->max_tokens,
                         .reuse_prefix = true /* the instruction is the same for every chunk */};
    r.sampling.temperature = o->temperature > 0 ? o->temperature : 1.0f;
    r.sampling.top_p = o->top_p > 0 ? o->top_p : 0.8f;
    r.sampling.has_seed = true;
    r.sampling.seed = from->seed;
    r.sampling.avoid = from->avoid;
    r.sampling.n_avoid = from->n_avoid;
    r.sampling.avoid_width = AVOID_WIDTH;
    r.sampling.avoid_strength = from->avoid_strength;
    xoe_err rc;
    while ((rc = xoe_writing_start(&t->writing, o->paraphraser, &r, &o->drafts, e)) == XOE_EBUSY && from->patient)
        if ((rc = xoe_queue_pause(o->deadline_mono_ms, o->canceled, o->ud, e))) break;
    if (rc != XOE_OK) t->writing = NULL;
    return rc;
}

/* Wait for the answer; passes a cancellation on. */
static void wait_done(const xoe_rephrase_opts *o, xoe_try *t)
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
        xoe_writing_cancel(t->writing);
        pthread_mutex_lock(&t->lock);
    }
    pthread_mutex_unlock(&t->lock);
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

xoe_err xoe_try_wait(xoe_try *t, const xoe_rephrase_opts *o, const char *source, xoe_error *e)
{
    wait_done(o, t);
    xoe_writing_close(t->writing);
    t->writing = NULL;
    if (t->finish == XOE_FINISH_CANCELED) return xoe_error_set(e, XOE_ECANCELED, "canceled");
    if (t->finish == XOE_FINISH_DEADLINE) return xoe_error_set(e, XOE_EDEADLINE, "the time for rephrasing is over");
    if (t->finish == XOE_FINISH_ERROR) {
        if (e) *e = t->error;
        return t->error.code;
    }
    t->rewrite = xoe_buf_cstr(&t->text);
    t->n_rewrite = t->text.len;
    strip(&t->rewrite, &t->n_rewrite, source);
    return XOE_OK;
}

void xoe_try_clear(xoe_try *t)
{
    if (t->writing) {
        xoe_writing_cancel(t->writing);
        xoe_writing_close(t->writing);
    }
    xoe_buf_free(&t->text);
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->lock);
    *t = (xoe_try){0};
}
