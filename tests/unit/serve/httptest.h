/* A transport server with a few routes on its own thread, and a client over real sockets, for the tests of it. */
#ifndef XOE_TESTS_HTTPTEST_H
#define XOE_TESTS_HTTPTEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "ops/metrics.h"
#include "serve/http.h"
#include "serve/sse.h"

enum { BIG_BYTES = 24 << 20 };

static xoe_http_server *server;
static pthread_t loop;
static atomic_int gone_calls, sleepers, streams, release_all, stopped;

static void on_gone(void *ud)
{
    atomic_fetch_add((atomic_int *)ud, 1);
}

static void echo(xoe_http_req *r, void *ud)
{
    (void)ud;
    size_t n;
    const char *b = xoe_http_body(r, &n);
    xoe_http_reply(r, 200, "text/plain", b, n);
}

static void sleeper(xoe_http_req *r, void *ud) /* until the client goes or all are released */
{
    (void)ud;
    xoe_http_on_gone(r, on_gone, &gone_calls);
    atomic_fetch_add(&sleepers, 1);
    while (!xoe_http_gone(r) && !atomic_load(&release_all))
        usleep(2000);
    atomic_fetch_sub(&sleepers, 1);
    xoe_http_on_gone(r, NULL, NULL);
    xoe_http_reply(r, 200, "text/plain", "woke", 4);
}

static void stream(xoe_http_req *r, void *ud)
{
    (void)ud;
    const char *q = xoe_http_query(r, "n");
    int n = q ? atoi(q) : 3;
    char line[1024];
    memset(line, 'x', sizeof line);
    atomic_fetch_add(&streams, 1);
    xoe_sse_begin(r);
    for (int i = 0; i < n; i++) {
        snprintf(line, sizeof line, "data: %d", i);
        size_t len = n > 100 ? sizeof line : strlen(line);
        if (xoe_http_stream_write(r, line, len)) break;
    }
    xoe_http_stream_end(r);
    atomic_fetch_sub(&streams, 1);
}

static void big(xoe_http_req *r, void *ud)
{
    (void)ud;
    char *p = calloc(1, BIG_BYTES);
    xoe_http_reply(r, 200, "application/octet-stream", p, BIG_BYTES);
    free(p);
}

static void unchanged(xoe_http_req *r, void *ud)
{
    (void)ud;
    xoe_http_reply(r, 304, NULL, "", 0);
}

static void silent(xoe_http_req *r, void *ud)
{
    (void)r;
    (void)ud;
}

static void ping(xoe_http_req *r, void *ud)
{
    (void)ud;
    xoe_http_reply(r, 200, "text/plain", "pong", 4);
}

static const xoe_http_route routes[] = {
    {.method = "POST", .path = "/echo", .handler = echo},
    {.method = "GET", .path = "/sleep", .handler = sleeper},
    {.method = "POST", .path = "/sleep", .handler = sleeper},
    {.method = "GET", .path = "/stream", .handler = stream},
    {.method = "GET", .path = "/big", .handler = big},
    {.method = "GET", .path = "/silent", .handler = silent},
    {.method = "GET", .path = "/unchanged", .handler = unchanged, .open = true, .loop = true},
    {.method = "GET", .path = "/ping", .handler = ping, .open = true, .loop = true},
    {.method = "GET", .path = "/files/*", .handler = ping, .open = true, .loop = true},
    {.method = "GET", .path = "/*", .handler = ping, .open = true, .loop = true},
};

static xoe_http_opts options(void)
{
    return (xoe_http_opts){.host = "127.0.0.1", .api_key = "sekret", .max_body_bytes = 1000, .n_threads = 4, .queue_max = 2,
                           .auth_failures_per_minute = 6, .idle_timeout_s = 2, .write_timeout_s = 2,
                           .routes = routes, .n_routes = sizeof routes / sizeof routes[0]};
}

static void *run(void *s)
{
    xoe_http_run(s, 20000, NULL);
    atomic_store(&stopped, 1);
    return NULL;
}

/* From an address of its own, since some limits are an address's. */
static int dial_from(const char *address)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)xoe_http_port(server)), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct sockaddr_in from = {.sin_family = AF_INET};
    struct timeval tv = {20, 0};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    inet_pton(AF_INET, address, &from.sin_addr);
    assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof from), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static int dial(void)
{
    return dial_from("127.0.0.1");
}

static void say(int fd, const char *s)
{
    assert_int_equal(send(fd, s, strlen(s), MSG_NOSIGNAL), strlen(s));
}

/* Read one answer with a Content-Length, or a chunked one, or until the end; returns its status. */
static int hear(int fd, char *out, size_t cap)
{
    size_t n = 0, want = 0;
    for (;;) {
        ssize_t got = recv(fd, out + n, cap - 1 - n, 0);
        if (got <= 0) break;
        n += (size_t)got;
        out[n] = 0;
        char *end = strstr(out, "\r\n\r\n"), *cl = strstr(out, "content-length: ");
        if (end && cl && !want) want = (size_t)(end + 4 - out) + (size_t)atoi(cl + 16);
        if (want && n >= want) break;
        if (strstr(out, "0\r\n\r\n") && strstr(out, "chunked")) break;
    }
    out[n] = 0;
    return n > 12 ? atoi(out + 9) : 0;
}

/* Generous, since the machine may be busy: what is waited for takes milliseconds, or never comes. */
static void wait_for(atomic_int *v, int want)
{
    for (int i = 0; i < 3000 && atomic_load(v) != want; i++)
        usleep(10000);
    assert_int_equal(atomic_load(v), want);
}

#define AUTH "Authorization: Bearer sekret\r\n"

static int ask(const char *request, char *out, size_t cap)
{
    int fd = dial();
    say(fd, request);
    int status = hear(fd, out, cap);
    close(fd);
    return status;
}

static int count(const char *hay, const char *needle)
{
    int n = 0;
    for (const char *p = hay; (p = strstr(p, needle)); p++)
        n++;
    return n;
}

/* Everything until the server closes or says nothing for half a second. */
static void hear_all(int fd, char *out, size_t cap)
{
    struct timeval tv = {0, 500000};
    size_t n = 0;
    ssize_t got;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    while (n < cap - 1 && (got = recv(fd, out + n, cap - 1 - n, 0)) > 0)
        n += (size_t)got;
    out[n] = 0;
}

#define GET_PING "GET /ping HTTP/1.1\r\nHost: x\r\n\r\n"
#define POST_ABC "POST /echo HTTP/1.1\r\nHost: x\r\n" AUTH "Content-Length: 3\r\n\r\nabc"

static int setup(void **s)
{
    (void)s;
    xoe_error e = XOE_ERROR_INIT;
    xoe_http_opts o = options();
    xoe_log_set_level(XOE_LOG_OFF);
    if (xoe_http_open(&server, &o, &e) != XOE_OK) {
        print_error("%s\n", e.msg);
        return -1;
    }
    return pthread_create(&loop, NULL, run, server);
}

#endif
