/* The arbiter of cores.
 *
 * Two engines with a spinning thread pool each on two cores run at a third of their speed (measured:
 * 37 tokens/s alone, 11 each together), while one core each gives 24 and 24. So a decode call asks
 * here first and sets its thread count to what it is granted. An engine alone gets all cores; when a
 * second one asks, it gets the next core that is released, and the first, which asks again for its
 * next call, gets the rest.
 *
 * State: cores free, and how many wait at each priority. One mutex guards all of it; nothing else is
 * held with it. */
#include "engine/compute.h"

#include <pthread.h>
#include <sched.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards what follows */
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int total, in_use;
static int waiting[XOE_PRIORITY_VOICE + 1];

int xoe_compute_cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set)) return 1;
    int n = CPU_COUNT(&set);
    return n > 0 ? n : 1;
}

void xoe_compute_set_cores(int n)
{
    pthread_mutex_lock(&lock);
    total = n;
    pthread_mutex_unlock(&lock);
}

/* Those that wait at priority p or above. */
static int waiting_from(int p)
{
    int n = 0;
    for (int i = p; i <= XOE_PRIORITY_VOICE; i++)
        n += waiting[i];
    return n;
}

int xoe_compute_waiting(void)
{
    pthread_mutex_lock(&lock);
    int n = waiting_from(0);
    pthread_mutex_unlock(&lock);
    return n;
}

int xoe_compute_acquire(int wanted, xoe_priority priority)
{
    pthread_mutex_lock(&lock);
    if (total == 0) total = xoe_compute_cores();
    waiting[priority]++;
    while (in_use >= total || waiting_from((int)priority + 1) >= total - in_use)
        pthread_cond_wait(&changed, &lock);
    waiting[priority]--;
    int grant = total - in_use - waiting_from(0); /* leave one for each other */
    if (grant < 1) grant = 1;
    if (grant > wanted) grant = wanted;
    in_use += grant;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    return grant;
}

void xoe_compute_release(int granted)
{
    pthread_mutex_lock(&lock);
    in_use -= granted;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}
