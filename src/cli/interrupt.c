/* SIGINT as a message: xoe_cancel_fire takes locks, so it must not run in a signal handler. The signal is
 * blocked everywhere and a thread waits for it.
 * Lock: `mutex` guards target and leave_when_idle; xoe_cancel_fire is called under it so that the owner cannot free the
 * flag meanwhile (it only sets flags and never waits). */
#include "cli/interrupt.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static xoe_cancel *target;
static pthread_t watcher;
static bool running, leave_when_idle = true;

static void *watch(void *ud)
{
    sigset_t set;
    int sig;
    (void)ud;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGUSR2); /* cli_interrupt_close */
    while (sigwait(&set, &sig) == 0 && sig == SIGINT) {
        pthread_mutex_lock(&mutex);
        if (target)
            xoe_cancel_fire(target);
        else if (leave_when_idle)
            _exit(128 + SIGINT);
        else
            fputs("\n(Ctrl-D or /quit leaves)\n", stderr);
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

int cli_interrupt_open(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGUSR2);
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) || pthread_create(&watcher, NULL, watch, NULL)) return -1;
    running = true;
    return 0;
}

void cli_interrupt_close(void)
{
    if (!running) return;
    pthread_kill(watcher, SIGUSR2);
    pthread_join(watcher, NULL);
    running = false;
}

void cli_interrupt_target(xoe_cancel *cancel)
{
    pthread_mutex_lock(&mutex);
    target = cancel;
    pthread_mutex_unlock(&mutex);
}

void cli_interrupt_keep(void)
{
    pthread_mutex_lock(&mutex);
    leave_when_idle = false;
    pthread_mutex_unlock(&mutex);
}
