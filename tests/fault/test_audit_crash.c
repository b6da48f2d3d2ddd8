/* kill -9 at random moments: every row that append returned for is there, and the chain is whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/hash.h"
#include "trust/audit.h"

enum { ROUNDS = 20, THREADS = 4 };
static int report_fd;

static void *append_forever(void *a)
{
    char hash[XOE_SHA256_HEX] = "";
    memset(hash, 'a', 64);
    for (;;) {
        xoe_audit_row r = {.request_id = "r#0", .user_id = "u", .text_hash = hash, .model_version = "m", .key_id = "", .detection_confidence = -1};
        if (xoe_audit_append(a, &r, NULL) != XOE_OK) _exit(3);
        if (write(report_fd, "x", 1) != 1) _exit(4);
    }
}

static void test_kill(void **s)
{
    (void)s;
    char dir[] = "/tmp/xoe-crash-XXXXXX", buf[4096];
    int64_t acknowledged = 0, rows, bad;
    assert_non_null(mkdtemp(dir));
    srand(7);
    for (int i = 0; i < ROUNDS; i++) {
        int fd[2];
        assert_int_equal(pipe(fd), 0);
        pid_t pid = fork();
        if (pid == 0) {
            xoe_audit *a;
            pthread_t t;
            close(fd[0]);
            report_fd = fd[1];
            if (xoe_audit_open(&a, dir, NULL) != XOE_OK) _exit(2);
            for (int k = 1; k < THREADS; k++)
                pthread_create(&t, NULL, append_forever, a);
            append_forever(a);
        }
        close(fd[1]);
        ssize_t got = read(fd[0], buf, 1); /* it writes */
        assert_int_equal(got, 1);
        acknowledged++;
        usleep((useconds_t)(rand() % 60000));
        kill(pid, SIGKILL);
        while ((got = read(fd[0], buf, sizeof buf)) > 0)
            acknowledged += got;
        close(fd[0]);
        int status;
        waitpid(pid, &status, 0);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(xoe_audit_verify(dir, &rows, &bad, NULL), XOE_OK);
        assert_int_equal(bad, 0);
        assert_true(rows >= acknowledged);
        acknowledged = rows; /* rows that were durable but not reported count from here on */
    }
    print_message("%d kills, %lld rows, none lost\n", ROUNDS, (long long)rows);
    assert_true(rows > ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kill)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
