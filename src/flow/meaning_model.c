/* The model is asked, as a chat, whether two texts mean the same, and the probabilities of "Yes" and "No" as
 * the first token are compared: one decode call, nothing is sampled. Two questions are worth more than one,
 * because a small model's mistakes differ with the wording. Examples come as earlier turns of the chat: they
 * show the kinds of damage (roles swapped, direction turned, order of time) beside good rewrites. */
#include "flow/meaning_model.h"

#include <ctype.h>
#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "flow/chat_tokens.h"
#include "flow/queue_pause.h"
#include "flow/rephrase_prompt.h"

#define SURPRISE (-5.0) /* nats */
enum { TOP = 64 };

static const char system_text[] = "You compare two texts and find every difference in meaning.";

static const struct {
    const char *a, *b, *ask;
    bool examples;
} questions[XOE_N_QUESTIONS] = {
    {"A: ", "\nB: ", "\nDoes B mean exactly the same as A: who does what to whom, numbers, direction, time, place? Answer Yes or No.", true},
    {"Text A: ", "\nText B: ", "\nDo both texts state the same facts? Answer Yes or No.", false},
};

static const struct {
    const char *a, *b;
    bool same;
} examples[] = {
    {"The shop opened in March and closed two years later.", "Two years after it opened in March, the shop closed.", true},
    {"The dentist paid the painter 40 euros.", "The painter paid the dentist 40 euros.", false},
    {"Cold air sinks because it is heavier than warm air.", "Because it weighs more than warm air, cold air sinks.", true},
    {"Most guests left before midnight.", "Only after midnight did most guests leave.", false},
    {"The lock does not open without a key.", "A key is needed to open the lock.", true},
    {"Solar panels turn light into electricity.", "Solar panels turn electricity into light.", false},
    {"The clerk told the visitor that the lift was broken.", "The visitor was told by the clerk that the lift did not work.", true},
    {"Birds left the island after the rats arrived.", "Rats left the island after the birds arrived.", false},
    {"Nobody under 16 may enter the laboratory.", "You have to be 16 or older to go into the laboratory.", true},
    {"The north wall is thinner than the south wall, but drier.", "Thinner than the south wall, the north wall is also damper.", false},
    {"Lena borrowed the car from Paul, since hers was being repaired.", "As her own car was in repair, Lena borrowed Paul's.", true},
    {"The train to Graz leaves at nine, the one to Linz at ten.", "At nine the train to Linz leaves, and the Graz one at ten.", false},
};

static json_t *question(xoe_question q, const char *a, size_t n, const char *b, size_t m)
{
    return json_sprintf("%s%.*s%s%.*s%s", questions[q].a, (int)n, a, questions[q].b, (int)m, b, questions[q].ask);
}

static char *messages(xoe_question q, const char *a, size_t n, const char *b, size_t m)
{
    json_t *chat = json_array();
    int bad = xoe_chat_turn(chat, "system", json_string(system_text));
    for (size_t i = 0; questions[q].examples && i < sizeof examples / sizeof *examples; i++) {
        bad |= xoe_chat_turn(chat, "user", question(q, examples[i].a, strlen(examples[i].a), examples[i].b, strlen(examples[i].b)));
        bad |= xoe_chat_turn(chat, "assistant", json_string(examples[i].same ? "Yes" : "No"));
    }
    bad |= xoe_chat_turn(chat, "user", question(q, a, n, b, m));
    char *text = bad ? NULL : json_dumps(chat, JSON_COMPACT);
    json_decref(chat);
    return text;
}

xoe_err xoe_meaning_question(const xoe_engine *en, xoe_question q, const char *a, size_t n, const char *b, size_t m, int32_t **tokens, size_t *n_tokens,
                             xoe_error *e)
{
    char *text = messages(q, a, n, b, m);
    xoe_err rc = text ? xoe_chat_tokens(en, text, tokens, n_tokens, e) : xoe_error_set(e, XOE_EINVAL, "the texts to compare are not UTF-8, or there is no memory");
    free(text);
    return rc;
}

/* ---- one question ---- */

struct answer {
    const xoe_engine *en;
    pthread_mutex_t lock; /* guards done */
    pthread_cond_t changed;
    bool done;
    xoe_finish finish;
    double yes, no, least; /* probabilities; least: of the last in the list */
    xoe_error error;
};

static bool says(const xoe_engine *en, int32_t token, const char *what)
{
    char s[16];
    size_t n = xoe_engine_token_bytes(en, token, false, s, sizeof s), at = 0;
    while (at < n && n <= sizeof s && isspace((unsigned char)s[at]))
        at++;
    return n <= sizeof s && n - at == strlen(what) && !strncasecmp(s + at, what, n - at);
}

static void on_event(const xoe_event *ev, void *ud)
{
    struct answer *a = ud;
    if (ev->kind == XOE_EVENT_TOKEN)
        for (int i = 0; i < ev->n_top; i++) {
            double p = exp((double)ev->top[i].logprob);
            a->least = p;
            if (says(a->en, ev->top[i].id, "yes")) a->yes += p;
            if (says(a->en, ev->top[i].id, "no")) a->no += p;
        }
    if (ev->kind != XOE_EVENT_DONE) return;
    pthread_mutex_lock(&a->lock);
    a->done = true;
    a->finish = ev->finish;
    if (ev->error) a->error = *ev->error;
    pthread_cond_signal(&a->changed);
    pthread_mutex_unlock(&a->lock);
}

xoe_err xoe_meaning_ask(xoe_engine *model, xoe_question q, const char *source, size_t n, const char *rewrite, size_t m, xoe_priority priority,
                        int64_t deadline_mono_ms, double *log_odds, xoe_error *e)
{
    struct answer a = {.en = model, .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .least = 1e-9};
    int32_t *prompt = NULL;
    size_t n_prompt = 0;
    xoe_job *job = NULL;
    *log_odds = NAN;
    xoe_err rc = xoe_meaning_question(model, q, source, n, rewrite, m, &prompt, &n_prompt, e);
    xoe_gen_request r = {.size = sizeof r, .prompt = prompt, .n_prompt = n_prompt, .sampling = XOE_SAMPLING_INIT, .max_tokens = 1, .n_probs = TOP,
                         .priority = priority, .deadline_mono_ms = deadline_mono_ms, .on_event = on_event, .ud = &a, .reuse_prefix = true};
    r.sampling.temperature = 0;
    while (rc == XOE_OK && (rc = xoe_engine_generate(model, &r, &job, e)) == XOE_EBUSY)
        rc = xoe_queue_pause(deadline_mono_ms, NULL, NULL, e);
    if (rc != XOE_OK) goto out;
    pthread_mutex_lock(&a.lock);
    while (!a.done)
        pthread_cond_wait(&a.changed, &a.lock);
    pthread_mutex_unlock(&a.lock);
    xoe_job_close(job);
    if (a.finish == XOE_FINISH_ERROR) {
        if (e) *e = a.error;
        rc = a.error.code;
    } else if (a.finish == XOE_FINISH_DEADLINE)
        rc = xoe_error_set(e, XOE_EDEADLINE, "the time for rephrasing is over");
    else if (a.finish == XOE_FINISH_CANCELED)
        rc = xoe_error_set(e, XOE_ECANCELED, "canceled");
    else
        *log_odds = log(fmax(a.yes, a.least)) - log(fmax(a.no, a.least));
out:
    xoe_tokens_free(prompt);
    return rc;
}

/* ---- likelihood ---- */

/* Log-probabilities of the text's tokens after start: *lp, [*n_lp], freed by the caller; both empty for a text without tokens. */
static xoe_err score_after(xoe_engine *model, const int32_t *start, size_t n_start, const char *text, size_t n, xoe_priority priority,
                           int64_t deadline_mono_ms, bool patient, float **lp, size_t *n_lp, xoe_error *e)
{
    int32_t *t = NULL, *all = NULL;
    size_t n_t = 0;
    xoe_engine_info info;
    *lp = NULL;
    *n_lp = 0;
    xoe_engine_get_info(model, &info);
    xoe_err rc = xoe_engine_tokenize(model, text, n, false, false, &t, &n_t, e);
    if (rc != XOE_OK || n_t == 0) goto out;
    if (n_start + 2 > (size_t)info.n_ctx_slot) {
        rc = xoe_error_set(e, XOE_ELIMIT, "a text to score is longer than the context");
        goto out;
    }
    if (n_t + n_start > (size_t)info.n_ctx_slot) n_t = (size_t)info.n_ctx_slot - n_start;
    all = xoe_malloc((n_start + n_t) * sizeof *all);
    *lp = xoe_malloc(n_t * sizeof **lp);
    if (!all || !*lp) {
        rc = xoe_error_set(e, XOE_ENOMEM, "no memory to score a text");
        goto out;
    }
    memcpy(all, start, n_start * sizeof *all);
    memcpy(all + n_start, t, n_t * sizeof *t);
    while ((rc = xoe_engine_score(model, all, n_start + n_t, n_start, priority, *lp, NULL, e)) == XOE_EBUSY && patient)
        if ((rc = xoe_queue_pause(deadline_mono_ms, NULL, NULL, e))) break;
    if (rc == XOE_OK) *n_lp = n_t;
out:
    xoe_tokens_free(t);
    xoe_free(all);
    return rc;
}

xoe_err xoe_text_nll(xoe_engine *model, const char *text, size_t n, xoe_priority priority, double *nll, xoe_error *e)
{
    int32_t *start = NULL;
    float *lp = NULL;
    size_t n_start = 0, n_lp = 0;
    double sum = 0;
    *nll = NAN;
    xoe_err rc = xoe_engine_tokenize(model, "\n", 1, true, false, &start, &n_start, e);
    if (rc == XOE_OK && n_start) rc = score_after(model, start, n_start, text, n, priority, 0, false, &lp, &n_lp, e);
    for (size_t i = 0; i < n_lp; i++)
        sum -= (double)lp[i];
    if (n_lp > 1) *nll = sum / (double)n_lp;
    xoe_tokens_free(start);
    xoe_free(lp);
    return rc;
}

xoe_err xoe_meaning_likelihood(xoe_engine *model, const char *given, size_t n, const char *text, size_t m, xoe_priority priority, int64_t deadline_mono_ms,
                               double *mean, double *surprises, xoe_error *e)
{
    int32_t *prompt = NULL;
    float *lp = NULL;
    size_t n_prompt = 0, n_lp = 0;
    *mean = *surprises = 0;
    xoe_err rc = xoe_rephrase_prompt(model, "", 0, given, n, "", &prompt, &n_prompt, e);
    if (rc == XOE_OK) rc = score_after(model, prompt, n_prompt, text, m, priority, deadline_mono_ms, true, &lp, &n_lp, e);
    for (size_t i = 0; i < n_lp; i++) {
        *mean += (double)lp[i] / (double)n_lp;
        *surprises += (double)lp[i] < SURPRISE;
    }
    xoe_tokens_free(prompt);
    xoe_free(lp);
    return rc;
}
