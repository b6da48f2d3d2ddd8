/* A flag that another thread sets when the client is gone, and what is being written and must then stop. A turn
 * watches at most XOE_N_MAX at once. Thread: all functions from any thread; the mutex is held
 * while they are canceled, so that none is closed meanwhile (xoe_writing_cancel never waits). */
#include "flow/completion_cancel.h"

#include <pthread.h>

#include "base/mem.h"

struct xoe_cancel {
    pthread_mutex_t mu; /* guards all below */
    bool fired;
    xoe_writing *writings[XOE_N_MAX];
    int n;
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
    for (int i = 0; i < c->n; i++)
        xoe_writing_cancel(c->writings[i]);
    pthread_mutex_unlock(&c->mu);
}

void xoe_cancel_free(xoe_cancel *c)
{
    if (!c) return;
    XOE_ASSERT(c->n == 0);
    pthread_mutex_destroy(&c->mu);
    xoe_free(c);
}

void xoe_cancel_watch(xoe_cancel *c, xoe_writing *w)
{
    if (!c) return;
    pthread_mutex_lock(&c->mu);
    XOE_ASSERT(c->n < XOE_N_MAX);
    c->writings[c->n++] = w;
    if (c->fired) xoe_writing_cancel(w);
    pthread_mutex_unlock(&c->mu);
}

void xoe_cancel_drop(xoe_cancel *c, xoe_writing *w)
{
    if (!c) return;
    pthread_mutex_lock(&c->mu);
    for (int i = 0; i < c->n; i++)
        if (c->writings[i] == w) {
            c->writings[i] = c->writings[--c->n];
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
