/* A flag that another thread sets when the client is gone, and the running jobs that it stops. A turn
 * watches at most XOE_N_MAX jobs at once. Thread: all functions from any thread; the mutex is held
 * while jobs are canceled, so that a job cannot be closed meanwhile (xoe_job_cancel never waits). */
#include "flow/completion_cancel.h"

#include <pthread.h>

#include "base/mem.h"

struct xoe_cancel {
    pthread_mutex_t mu; /* guards all below */
    bool fired;
    xoe_job *jobs[XOE_N_MAX];
    int n_jobs;
};

xoe_cancel *xoe_cancel_new(void)
{
    xoe_cancel *c = xoe_calloc(1, sizeof *c);
    if (c) pthread_mutex_init(&c->mu, NULL);
    return c;
}

void xoe_cancel_fire(xoe_cancel *c)
{
    pthread_mutex_lock(&c->mu);
    c->fired = true;
    for (int i = 0; i < c->n_jobs; i++)
        xoe_job_cancel(c->jobs[i]);
    pthread_mutex_unlock(&c->mu);
}

void xoe_cancel_free(xoe_cancel *c)
{
    if (!c) return;
    XOE_ASSERT(c->n_jobs == 0);
    pthread_mutex_destroy(&c->mu);
    xoe_free(c);
}

void xoe_cancel_watch(xoe_cancel *c, xoe_job *job)
{
    if (!c) return;
    pthread_mutex_lock(&c->mu);
    XOE_ASSERT(c->n_jobs < XOE_N_MAX);
    c->jobs[c->n_jobs++] = job;
    if (c->fired) xoe_job_cancel(job);
    pthread_mutex_unlock(&c->mu);
}

void xoe_cancel_drop(xoe_cancel *c, xoe_job *job)
{
    if (!c) return;
    pthread_mutex_lock(&c->mu);
    for (int i = 0; i < c->n_jobs; i++)
        if (c->jobs[i] == job) {
            c->jobs[i] = c->jobs[--c->n_jobs];
            break;
        }
    pthread_mutex_unlock(&c->mu);
}

bool xoe_cancel_fired(xoe_cancel *c)
{
    if (!c) return false;
    pthread_mutex_lock(&c->mu);
    bool fired = c->fired;
    pthread_mutex_unlock(&c->mu);
    return fired;
}
