/* Request threads: a fixed pool that runs handlers; a bounded queue before it. */
#include <string.h>

#include "base/mem.h"
#include "serve/http_internal.h"

static void *pool_main(void *arg)
{
    xoe_http_server *s = arg;
    pthread_mutex_lock(&s->lock);
    for (;;) {
        while (!s->queue && !s->quit) {
            s->n_idle++;
            pthread_cond_wait(&s->work, &s->lock);
            s->n_idle--;
        }
        xoe_http_req *r = s->queue;
        if (!r) break;
        s->queue = r->next;
        if (!s->queue) s->queue_tail = &s->queue;
        s->n_queue--;
        pthread_mutex_unlock(&s->lock);
        if (!xoe_http_gone(r)) r->route->handler(r, s->opts.ud);
        xoe_error e = XOE_ERROR_INIT;
        xoe_error_set(&e, XOE_EINTERNAL, "the request was not answered");
        xoe_http_reply_error(r, &e); /* does nothing when it was */
        xoe_http_on_gone(r, NULL, NULL);
        xoe_http_req_unref(r);
        pthread_mutex_lock(&s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

xoe_err xoe_http_pool_start(xoe_http_server *s, xoe_error *e)
{
    int want = s->opts.n_threads > 0 ? s->opts.n_threads : 16;
    pthread_attr_t attr;
    s->queue_tail = &s->queue;
    s->threads = xoe_calloc((size_t)want, sizeof *s->threads);
    if (!s->threads) return xoe_error_set(e, XOE_ENOMEM, "no memory for request threads");
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 1 << 20); /* templates and grammars recurse a little */
    while (s->n_threads < want && pthread_create(&s->threads[s->n_threads], &attr, pool_main, s) == 0)
        s->n_threads++;
    pthread_attr_destroy(&attr);
    if (s->n_threads < want) return xoe_error_set(e, XOE_EINTERNAL, "cannot start %d request threads", want);
    return XOE_OK;
}

void xoe_http_pool_stop(xoe_http_server *s)
{
    pthread_mutex_lock(&s->lock);
    s->quit = true;
    pthread_cond_broadcast(&s->work);
    pthread_mutex_unlock(&s->lock);
    for (int i = 0; i < s->n_threads; i++)
        pthread_join(s->threads[i], NULL);
    xoe_free(s->threads);
    s->threads = NULL;
    s->n_threads = 0;
}

bool xoe_http_pool_give(xoe_http_server *s, xoe_http_req *r)
{
    pthread_mutex_lock(&s->lock);
    bool room = s->n_queue < s->n_idle + (s->opts.queue_max > 0 ? s->opts.queue_max : 64);
    if (room) {
        pthread_mutex_lock(&r->lock);
        r->refs++; /* the handler's */
        pthread_mutex_unlock(&r->lock);
        r->next = NULL;
        *s->queue_tail = r;
        s->queue_tail = &r->next;
        s->n_queue++;
        pthread_cond_signal(&s->work);
    }
    pthread_mutex_unlock(&s->lock);
    return room;
}
