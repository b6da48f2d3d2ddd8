/* A table of jobs and one worker that takes them in order. A job is queued → running → done or failed;
 * finished ones are forgotten after an hour, or when room is needed, oldest first. Jobs live in memory:
 * a restart forgets them (the audit rows of finished ones stay).
 *
 * Threads: `mu` guards the table; the worker holds it only to change states, never while it rephrases.
 * A running job is only touched by the worker until its state says it is finished. */
#include "serve/mark_jobs.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "serve/openai_handlers.h"

typedef enum job_state { JOB_FREE, JOB_QUEUED, JOB_RUNNING, JOB_DONE, JOB_FAILED } job_state;

typedef struct job {
    job_state state;
    char id[XOE_MARK_JOB_ID_MAX];
    char *user, *text, *key_id;
    size_t n;
    xoe_marking_request req;
    uint64_t order;       /* first in, first out */
    int64_t created_s, finished_mono_ms;
    json_t *result;       /* DONE */
    xoe_error error;      /* FAILED */
} job;

struct xoe_mark_jobs {
    xoe_app *app;
    pthread_mutex_t mu;
    pthread_cond_t cond;
    pthread_t worker;
    xoe_cancel *cancel;
    bool stopping;
    uint64_t next_order;
    job jobs[XOE_MARK_JOBS_MAX];
};

static void clear(job *j)
{
    xoe_free(j->user);
    xoe_free(j->text);
    xoe_free(j->key_id);
    json_decref(j->result);
    *j = (job){0};
}

static job *oldest(xoe_mark_jobs *js, job_state state)
{
    job *found = NULL;
    for (size_t i = 0; i < XOE_MARK_JOBS_MAX; i++) {
        job *j = &js->jobs[i];
        if (j->state == state && (!found || j->order < found->order)) found = j;
    }
    return found;
}

static void run_job(xoe_mark_jobs *js, job *j)
{
    xoe_completion_result result;
    xoe_engine *paraphraser;
    xoe_engine_info info;
    xoe_key key = {0};
    xoe_error e = XOE_ERROR_INIT;
    json_t *answer = NULL;
    j->req.deadline_mono_ms = xoe_clock_mono_ms() + js->app->config->request_timeout_s * 1000;
    xoe_err rc = xoe_marking_run(js->app, &j->req, js->cancel, &result, &e);
    if (!rc) {
        if (!xoe_keyring_get(js->app->keyring, j->key_id, &key, NULL) &&
            !xoe_app_paraphraser(js->app, &paraphraser, NULL)) {
            xoe_engine_get_info(paraphraser, &info);
            answer = xoe_marking_answer(j->id, j->created_s, info.name, xoe_scheme_name(key.params.scheme), &result,
                                        xoe_app_paraphraser_warning(js->app));
        }
        xoe_zero(&key, sizeof key);
        xoe_completion_result_clear(&result);
        if (!answer) rc = xoe_error_set(&e, XOE_ENOMEM, "no memory for the answer");
    }
    pthread_mutex_lock(&js->mu);
    j->result = answer;
    j->error = e;
    j->state = rc ? JOB_FAILED : JOB_DONE;
    j->finished_mono_ms = xoe_clock_mono_ms();
    pthread_mutex_unlock(&js->mu);
}

static void *work(void *ud)
{
    xoe_mark_jobs *js = ud;
    for (;;) {
        job *j = NULL;
        pthread_mutex_lock(&js->mu);
        while (!js->stopping && !(j = oldest(js, JOB_QUEUED)))
            pthread_cond_wait(&js->cond, &js->mu);
        if (js->stopping) j = NULL;
        if (j) j->state = JOB_RUNNING;
        pthread_mutex_unlock(&js->mu);
        if (!j) return NULL;
        run_job(js, j);
    }
}

xoe_err xoe_mark_jobs_open(xoe_mark_jobs **out, xoe_app *app, xoe_error *e)
{
    xoe_mark_jobs *js = xoe_calloc(1, sizeof *js);
    *out = NULL;
    if (!js || !(js->cancel = xoe_cancel_new())) {
        xoe_free(js);
        return xoe_error_set(e, XOE_ENOMEM, "no memory for the table of jobs");
    }
    js->app = app;
    pthread_mutex_init(&js->mu, NULL);
    pthread_cond_init(&js->cond, NULL);
    if (pthread_create(&js->worker, NULL, work, js)) {
        xoe_cancel_free(js->cancel);
        xoe_free(js);
        return xoe_error_set(e, XOE_EUNAVAILABLE, "no thread for marking jobs");
    }
    *out = js;
    return XOE_OK;
}

void xoe_mark_jobs_close(xoe_mark_jobs *js)
{
    if (!js) return;
    pthread_mutex_lock(&js->mu);
    js->stopping = true;
    pthread_cond_signal(&js->cond);
    pthread_mutex_unlock(&js->mu);
    xoe_cancel_fire(js->cancel);
    pthread_join(js->worker, NULL);
    for (size_t i = 0; i < XOE_MARK_JOBS_MAX; i++)
        clear(&js->jobs[i]);
    xoe_cancel_free(js->cancel);
    pthread_cond_destroy(&js->cond);
    pthread_mutex_destroy(&js->mu);
    xoe_free(js);
}

/* A free entry, after forgetting what is old; else the oldest finished one. Under mu. */
static job *entry_for_new(xoe_mark_jobs *js)
{
    int64_t now = xoe_clock_mono_ms();
    for (size_t i = 0; i < XOE_MARK_JOBS_MAX; i++) {
        job *j = &js->jobs[i];
        if (j->state >= JOB_DONE && now - j->finished_mono_ms > XOE_MARK_JOBS_KEEP_S * 1000LL) clear(j);
    }
    job *j = oldest(js, JOB_FREE), *done = oldest(js, JOB_DONE), *failed = oldest(js, JOB_FAILED);
    if (j) return j;
    if (!done || (failed && failed->order < done->order)) done = failed;
    if (done) clear(done);
    return done;
}

xoe_err xoe_mark_jobs_submit(xoe_mark_jobs *js, const xoe_marking_request *req, char id[XOE_MARK_JOB_ID_MAX],
                             xoe_error *e)
{
    xoe_err rc = XOE_OK;
    job new = {.state = JOB_QUEUED, .req = *req, .n = req->n, .created_s = xoe_clock_wall_ms() / 1000};
    new.user = xoe_strdup(req->user ? req->user : "");
    new.text = xoe_strndup(req->text, req->n);
    new.key_id = req->key_id ? xoe_strdup(req->key_id) : NULL;
    if (!new.user || !new.text || (req->key_id && !new.key_id)) {
        clear(&new);
        return xoe_error_set(e, XOE_ENOMEM, "no memory for the job");
    }
    xoe_answer_id("wmjob-", new.id);
    snprintf(id, XOE_MARK_JOB_ID_MAX, "%s", new.id);
    pthread_mutex_lock(&js->mu);
    job *j = entry_for_new(js);
    if (j) {
        new.order = js->next_order++;
        *j = new;
        j->req.text = j->text;
        j->req.user = j->user;
        j->req.key_id = j->key_id;
        j->req.request_id = j->id;
        pthread_cond_signal(&js->cond);
    } else {
        rc = xoe_error_set(e, XOE_EBUSY, "%d marking jobs are waiting; try again later", XOE_MARK_JOBS_MAX);
    }
    pthread_mutex_unlock(&js->mu);
    if (rc) clear(&new);
    return rc;
}

xoe_err xoe_mark_jobs_get(xoe_mark_jobs *js, const char *id, const char *user, json_t **out, xoe_error *e)
{
    static const char *const names[] = {"", "queued", "running", "done", "failed"};
    json_t *j = NULL;
    pthread_mutex_lock(&js->mu);
    for (size_t i = 0; i < XOE_MARK_JOBS_MAX && !j; i++) {
        const job *k = &js->jobs[i];
        if (k->state == JOB_FREE || strcmp(k->id, id) || strcmp(k->user, user)) continue;
        j = json_pack("{s:s, s:s, s:I, s:s}", "id", k->id, "object", "watermark.job", "created",
                      (json_int_t)k->created_s, "status", names[k->state]);
        if (k->state == JOB_DONE) json_object_set_new(j, "result", json_deep_copy(k->result));
        if (k->state == JOB_FAILED) {
            json_t *error = xoe_answer_error(&k->error);
            json_object_update(j, error);
            json_decref(error);
        }
    }
    pthread_mutex_unlock(&js->mu);
    *out = j;
    return j ? XOE_OK : xoe_error_param(e, XOE_ENOTFOUND, "id", "there is no job '%.60s'; jobs are kept for an hour", id);
}
