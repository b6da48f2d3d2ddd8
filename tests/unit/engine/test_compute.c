/* The arbiter of cores: never more granted than there are, everybody gets some, priority first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#include "engine/compute.h"

enum { CORES = 4, THREADS = 6, ROUNDS = 2000 };

static atomic_int held, worst, rounds_done;

static void *taker(void *arg)
{
    int wanted = 1 + (int)(intptr_t)arg % CORES;
    for (int i = 0; i < ROUNDS; i++) {
        int got = xoe_compute_acquire(wanted, (xoe_priority)((int)(intptr_t)arg % 3));
        int now = atomic_fetch_add(&held, got) + got, w = atomic_load(&worst);
        while (now > w && !atomic_compare_exchange_weak(&worst, &w, now))
            ;
        if (got < 1 || got > wanted) atomic_store(&worst, 1000);
        sched_yield();
        atomic_fetch_sub(&held, got);
        xoe_compute_release(got);
        atomic_fetch_add(&rounds_done, 1);
    }
    return NULL;
}

static void test_never_more_than_there_are(void **state)
{
    (void)state;
    pthread_t t[THREADS];
    xoe_compute_set_cores(CORES);
    for (intptr_t i = 0; i < THREADS; i++)
        pthread_create(&t[i], NULL, taker, (void *)i);
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    assert_in_range(atomic_load(&worst), 1, CORES);
    assert_int_equal(atomic_load(&rounds_done), THREADS * ROUNDS);
    xoe_compute_set_cores(0);
}

static void test_alone_gets_all(void **state)
{
    (void)state;
    xoe_compute_set_cores(CORES);
    int got = xoe_compute_acquire(CORES, XOE_PRIORITY_BATCH);
    assert_int_equal(got, CORES);
    xoe_compute_release(got);
    got = xoe_compute_acquire(2, XOE_PRIORITY_BATCH);
    assert_int_equal(got, 2);
    xoe_compute_release(got);
    xoe_compute_set_cores(0);
}

static atomic_int sequence, turn_of[2];

static void *waiter(void *arg)
{
    int i = (int)(intptr_t)arg;
    int got = xoe_compute_acquire(1, i ? XOE_PRIORITY_VOICE : XOE_PRIORITY_BATCH);
    atomic_store(&turn_of[i], atomic_fetch_add(&sequence, 1) + 1);
    xoe_compute_release(got);
    return NULL;
}

static void test_priority_first(void **state)
{
    (void)state;
    pthread_t t[2];
    xoe_compute_set_cores(1);
    int got = xoe_compute_acquire(1, XOE_PRIORITY_VOICE);
    for (intptr_t i = 0; i < 2; i++) { /* the batch job comes first and has to wait longer */
        pthread_create(&t[i], NULL, waiter, (void *)i);
        while (xoe_compute_waiting() < i + 1)
            usleep(1000);
    }
    xoe_compute_release(got);
    pthread_join(t[0], NULL);
    pthread_join(t[1], NULL);
    assert_int_equal(atomic_load(&turn_of[1]), 1);
    assert_int_equal(atomic_load(&turn_of[0]), 2);
    xoe_compute_set_cores(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alone_gets_all),
        cmocka_unit_test(test_never_more_than_there_are),
        cmocka_unit_test(test_priority_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
