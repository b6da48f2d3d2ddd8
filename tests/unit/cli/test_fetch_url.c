/* cli/fetch_url.c against a real HTTP server of this process: whole, resumed, restarted, refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "cli/fetch.h"

enum { SIZE = 300000 };

static struct {
    int fd, port;
    pthread_t thread;
    char body[SIZE];
    /* behaviour, set before a request */
    bool ranges;   /* answers Range with 206; else ignores it */
    int cut_after; /* closes after so many bytes; 0: never */
    int status;    /* 0: 200 */
    /* seen */
    int requests;
    long range_from; /* of the last request; −1: none */
} server;

static char folder[] = "/tmp/xoe-fetch-XXXXXX", part[64], url[64];

static void send_all(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t put = send(fd, p, n, MSG_NOSIGNAL);
        if (put <= 0) return;
        p += put;
        n -= (size_t)put;
    }
}

static void answer(int fd)
{
    char in[4096], head[256];
    size_t n = 0;
    while (n < sizeof in - 1) {
        ssize_t got = recv(fd, in + n, sizeof in - 1 - n, 0);
        if (got <= 0) return;
        n += (size_t)got;
        in[n] = 0;
        if (strstr(in, "\r\n\r\n")) break;
    }
    const char *range = strcasestr(in, "Range: bytes=");
    server.requests++;
    server.range_from = range ? strtol(range + 13, NULL, 10) : -1;
    long from = range && server.ranges ? server.range_from : 0, left = SIZE - from;
    int h = snprintf(head, sizeof head, "HTTP/1.1 %d x\r\nContent-Length: %ld\r\nConnection: close\r\n",
                     server.status ? server.status : from ? 206 : 200, left);
    if (from)
        h += snprintf(head + h, sizeof head - (size_t)h, "Content-Range: bytes %ld-%d/%d\r\n", from, SIZE - 1, SIZE);
    h += snprintf(head + h, sizeof head - (size_t)h, "\r\n");
    send_all(fd, head, (size_t)h);
    if (server.cut_after && server.cut_after < left) left = server.cut_after;
    send_all(fd, server.body + from, (size_t)left);
}

static void *serve(void *ud)
{
    (void)ud;
    for (int fd; (fd = accept(server.fd, NULL, NULL)) >= 0; close(fd))
        answer(fd);
    return NULL;
}

static int setup(void **s)
{
    (void)s;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    for (int i = 0; i < SIZE; i++)
        server.body[i] = (char)(i * 31 + i / 7);
    server.fd = socket(AF_INET, SOCK_STREAM, 0);
    if (!mkdtemp(folder) || bind(server.fd, (void *)&a, sizeof a) || listen(server.fd, 8) ||
        getsockname(server.fd, (void *)&a, &len))
        return -1;
    server.port = ntohs(a.sin_port);
    snprintf(part, sizeof part, "%s/f.part", folder);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/f", server.port);
    setenv("no_proxy", "127.0.0.1", 1);
    return pthread_create(&server.thread, NULL, serve, NULL);
}

static int teardown(void **s)
{
    (void)s;
    shutdown(server.fd, SHUT_RDWR);
    pthread_join(server.thread, NULL);
    close(server.fd);
    unlink(part);
    return rmdir(folder);
}

static int fresh(void **s)
{
    (void)s;
    unlink(part);
    server.ranges = true;
    server.cut_after = server.status = server.requests = 0;
    return 0;
}

static void is_whole(void)
{
    xoe_buf b;
    xoe_error e;
    xoe_buf_init(&b, 2 * SIZE);
    assert_int_equal(xoe_file_read(part, &b, &e), XOE_OK);
    assert_int_equal(b.len, SIZE);
    assert_memory_equal(b.data, server.body, SIZE);
    xoe_buf_free(&b);
}

static xoe_err fetch(int64_t expected, bool *unreachable, xoe_error *e)
{
    return cli_fetch_url(url, part, expected, "f", true, unreachable, e);
}

static void test_whole(void **s)
{
    (void)s;
    bool unreachable;
    xoe_error e = XOE_ERROR_INIT;
    assert_int_equal(fetch(SIZE, &unreachable, &e), XOE_OK);
    is_whole();
    assert_int_equal(server.range_from, -1);
    assert_int_equal(fetch(SIZE, &unreachable, &e), XOE_OK); /* nothing left to ask for */
    assert_int_equal(server.requests, 1);
}

static void test_unknown_size(void **s)
{
    (void)s;
    bool unreachable;
    xoe_error e = XOE_ERROR_INIT;
    assert_int_equal(fetch(0, &unreachable, &e), XOE_OK);
    is_whole();
}

static void test_resume(void **s)
{
    (void)s;
    bool unreachable;
    xoe_error e = XOE_ERROR_INIT;
    server.cut_after = 100000;
    assert_int_equal(fetch(SIZE, &unreachable, &e), XOE_EUNAVAILABLE);
    assert_false(unreachable); /* it was reached */
    server.cut_after = 0;
    assert_int_equal(fetch(SIZE, &unreachable, &e), XOE_OK);
    assert_int_equal(server.range_from, 100000);
    is_whole();
}

static void test_no_ranges(void **s)
{
    (void)s;
    bool unreachable;
    xoe_error e = XOE_ERROR_INIT;
    server.cut_after = 100000;
    assert_int_equal(fetch(SIZE, &unreachable, &e), XOE_EUNAVAILABLE);
    server.cut_after = 0;
    server.ranges = false; /* it sends the start again: that must not be appended */
    assert_int_equal(fetch(SIZE, &unreachable, &e), XOE_OK);
    is_whole();
}

static void test_refused(void **s)
{
    (void)s;
    bool unreachable;
    xoe_error e = XOE_ERROR_INIT;
    server.status = 404;
    assert_int_equal(fetch(SIZE, &unreachable, &e), XOE_ENOTFOUND);
    assert_non_null(strstr(e.msg, "status 404"));
    assert_false(unreachable);
    server.status = 0;
    assert_int_equal(fetch(1000, &unreachable, &e), XOE_EFORMAT); /* longer than the manifest says */
    assert_int_equal(access(part, F_OK), -1);
}

static void test_unreachable(void **s)
{
    (void)s;
    bool unreachable = false;
    xoe_error e = XOE_ERROR_INIT;
    int fd = socket(AF_INET, SOCK_STREAM, 0); /* a port that nobody listens on */
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    char closed[64];
    assert_int_equal(bind(fd, (void *)&a, sizeof a), 0);
    assert_int_equal(getsockname(fd, (void *)&a, &len), 0);
    snprintf(closed, sizeof closed, "http://127.0.0.1:%d/f", ntohs(a.sin_port));
    assert_int_equal(cli_fetch_url(closed, part, SIZE, "f", true, &unreachable, &e), XOE_EUNAVAILABLE);
    assert_true(unreachable);
    assert_non_null(strstr(e.msg, "127.0.0.1"));
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_whole, fresh),   cmocka_unit_test_setup(test_unknown_size, fresh),
        cmocka_unit_test_setup(test_resume, fresh),  cmocka_unit_test_setup(test_no_ranges, fresh),
        cmocka_unit_test_setup(test_refused, fresh), cmocka_unit_test_setup(test_unreachable, fresh),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
