/* The transport over real sockets: routes, limits, keep-alive, streams, disconnects, slow and idle
 * clients, a full queue, the key, draining. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <fcntl.h>
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

static xoe_http_server *server;
static pthread_t loop;
static atomic_int gone_calls, sleepers, release_all;

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
    xoe_http_stream_begin(r, 200, "text/event-stream");
    for (int i = 0; i < n; i++) {
        snprintf(line, sizeof line, "data: %d", i);
        size_t len = n > 100 ? sizeof line : strlen(line);
        if (xoe_http_stream_write(r, line, len)) break;
    }
    xoe_http_stream_end(r);
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
    {"POST", "/echo", echo, false, false, false},   {"GET", "/sleep", sleeper, false, false, false},
    {"POST", "/sleep", sleeper, false, false, false}, {"GET", "/stream", stream, false, false, false}, {"GET", "/silent", silent, false, false, false},
    {"GET", "/ping", ping, true, true, false},       {"GET", "/files/*", ping, true, true, false},
    {"GET", "/*", ping, true, true, false},
};

static xoe_http_opts options(void)
{
    return (xoe_http_opts){.host = "127.0.0.1", .api_key = "sekret", .max_body_bytes = 1000, .n_threads = 4, .queue_max = 2,
                           .idle_timeout_s = 2, .routes = routes, .n_routes = sizeof routes / sizeof routes[0]};
}

static void *run(void *s)
{
    xoe_http_run(s, 3000, NULL);
    return NULL;
}

static int dial(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)xoe_http_port(server)), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct timeval tv = {10, 0};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static void say(int fd, const char *s)
{
    assert_int_equal(send(fd, s, strlen(s), MSG_NOSIGNAL), strlen(s));
}

/* Read one answer with a Content-Length (or until the end); returns its status. */
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

static void wait_for(atomic_int *v, int want)
{
    for (int i = 0; i < 500 && atomic_load(v) != want; i++)
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

static void test_routes(void **s)
{
    (void)s;
    char out[8192];
    assert_int_equal(ask("GET /ping HTTP/1.1\r\nHost: x\r\n\r\n", out, sizeof out), 200);
    assert_non_null(strstr(out, "x-request-id: req-"));
    assert_non_null(strstr(out, "\r\n\r\npong"));
    assert_int_equal(ask("GET /files/a/b HTTP/1.1\r\nHost: x\r\n\r\n", out, sizeof out), 200);
    assert_int_equal(ask("POST /nothing HTTP/1.1\r\nHost: x\r\n" AUTH "Content-Length: 0\r\n\r\n", out, sizeof out), 404);
    assert_non_null(strstr(out, "\"type\":\"invalid_request_error\""));
    assert_int_equal(ask("GET /echo HTTP/1.1\r\nHost: x\r\n" AUTH "\r\n", out, sizeof out), 405);
    assert_non_null(strstr(out, "allow: POST"));
    assert_int_equal(ask("HEAD /ping HTTP/1.1\r\nHost: x\r\n\r\n", out, sizeof out), 200);
    assert_null(strstr(out, "pong"));
    assert_int_equal(ask("GET /silent HTTP/1.1\r\nHost: x\r\n" AUTH "\r\n", out, sizeof out), 500);
    assert_int_equal(ask("GET /ping HTTP/1.1\r\nHost: x\r\nX-Request-Id: my-id.7\r\n\r\n", out, sizeof out), 200);
    assert_non_null(strstr(out, "x-request-id: my-id.7\r\n"));
    assert_int_equal(ask("GET /ping HTTP/1.1\r\nHost: x\r\nX-Request-Id: bad id<>\r\n\r\n", out, sizeof out), 200);
    assert_null(strstr(out, "bad id"));
}

static void test_key(void **s)
{
    (void)s;
    char out[8192];
    assert_int_equal(ask("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi", out, sizeof out), 401);
    assert_non_null(strstr(out, "invalid_api_key"));
    assert_int_equal(ask("POST /echo HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer wrong\r\nContent-Length: 2\r\n\r\nhi", out, sizeof out), 401);
    assert_null(strstr(out, "wrong\r"));
    assert_int_equal(ask("POST /echo HTTP/1.1\r\nHost: x\r\n" AUTH "Content-Length: 2\r\n\r\nhi", out, sizeof out), 200);
    assert_non_null(strstr(out, "\r\n\r\nhi"));
}

static void test_bodies(void **s)
{
    (void)s;
    static char big[300000], out[8192];
    memset(big, 'a', sizeof big - 1);
    int n = snprintf(big, sizeof big, "POST /echo HTTP/1.1\r\nHost: x\r\n" AUTH "Content-Length: 200000\r\n\r\n");
    big[n] = 'a';
    big[n + 200000] = 0;
    assert_int_equal(ask(big, out, sizeof out), 413);
    assert_non_null(strstr(out, "200000"));
    assert_int_equal(ask("POST /echo HTTP/1.1\r\nHost: x\r\n" AUTH "Content-Length: 99999999999\r\n\r\n", out, sizeof out), 413);
    assert_int_equal(ask("POST /echo HTTP/1.1\r\nHost: x\r\n" AUTH "Content-Length: -5\r\n\r\n", out, sizeof out), 400);
    assert_int_equal(ask("POST /echo HTTP/1.1\r\nHost: x\r\n" AUTH "Content-Length: 5x\r\n\r\n", out, sizeof out), 400);
    assert_int_equal(ask("POST /echo HTTP/1.1\r\nHost: x\r\n" AUTH "\r\n", out, sizeof out), 400);
    assert_int_equal(ask("POST /echo HTTP/1.1\r\nHost: x\r\n" AUTH "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", out, sizeof out), 400);
    assert_int_equal(ask("POST /echo HTTP/1.1\r\nHost: x\r\n" AUTH "Content-Length: 0\r\n\r\n", out, sizeof out), 200);
    /* in pieces, after 100-continue */
    int fd = dial();
    say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\n" AUTH "Content-Length: 6\r\nExpect: 100-continue\r\n\r\n");
    ssize_t got = recv(fd, out, sizeof out - 1, 0);
    assert_true(got > 12 && !memcmp(out, "HTTP/1.1 100", 12));
    say(fd, "abc");
    usleep(20000);
    say(fd, "def");
    assert_int_equal(hear(fd, out, sizeof out), 200);
    assert_non_null(strstr(out, "abcdef"));
    close(fd);
}

static void test_keep_alive_and_garbage(void **s)
{
    (void)s;
    char out[8192];
    int fd = dial();
    for (int i = 0; i < 50; i++) {
        say(fd, i % 2 ? "GET /ping HTTP/1.1\r\nHost: x\r\n\r\n" : "POST /echo HTTP/1.1\r\nHost: x\r\n" AUTH "Content-Length: 3\r\n\r\nabc");
        assert_int_equal(hear(fd, out, sizeof out), 200);
    }
    say(fd, "GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_int_equal(hear(fd, out, sizeof out), 200);
    assert_int_equal(recv(fd, out, 1, 0), 0);
    close(fd);
    for (int i = 0; i < 20; i++) {
        fd = dial();
        static const char junk[] = "\x16\x03\x01 GET / \xff\xfe\r\n\r\n\0\0zzz";
        send(fd, junk, sizeof junk - 1 - (size_t)(i % 10), MSG_NOSIGNAL);
        if (i % 2) recv(fd, out, sizeof out, 0);
        close(fd);
    }
    assert_int_equal(ask("GET /ping HTTP/1.1\r\nHost: x\r\n\r\n", out, sizeof out), 200);
    assert_int_equal(ask("GET /ping HTTP/1.0\r\n\r\n", out, sizeof out), 200);
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

/* Several requests in one segment: in order where none but the first has a body; a later body is refused
 * (libwebsockets would spin on it for ever), and nobody else notices. */
static void test_pipelining(void **s)
{
    (void)s;
    static char out[1 << 16];
    static const struct {
        const char *text;
        int ok, refused;
    } cases[] = {
        {GET_PING GET_PING GET_PING GET_PING GET_PING, 5, 0},
        {POST_ABC GET_PING GET_PING, 3, 0},
        {POST_ABC POST_ABC, 1, 1},
        {GET_PING POST_ABC GET_PING, 1, 1},
        {GET_PING "POST /echo HTTP/1.1\r\nHost: x\r\n" AUTH "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 1, 1},
        {GET_PING "POST /echo HTTP/1.1\r\nHost: x\r\n" AUTH "\r\nabc", 1, 1},
        {GET_PING "GET /ping HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", 1, 1},
        {POST_ABC "PUT /echo HTTP/1.1\r\nHost: x\r\n" AUTH "Content-Length: 900\r\n\r\nabc", 1, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int fd = dial();
        say(fd, cases[i].text);
        hear_all(fd, out, sizeof out);
        assert_int_equal(count(out, "HTTP/1.1 200"), cases[i].ok);
        assert_int_equal(count(out, "HTTP/1.1 400"), cases[i].refused);
        if (cases[i].refused) assert_non_null(strstr(out, "connection: close"));
        close(fd);
        assert_int_equal(ask(GET_PING, out, sizeof out), 200);
    }
    /* a head cut in two: its end comes by a read of its own, so its body is whole */
    int fd = dial();
    say(fd, GET_PING "POST /echo HTTP/1.1\r\nHost: x\r\nContent-");
    usleep(100000);
    say(fd, "Length: 4\r\n" AUTH "\r\nwxyz");
    hear_all(fd, out, sizeof out);
    assert_int_equal(count(out, "HTTP/1.1 200"), 2);
    assert_non_null(strstr(out, "\r\n\r\nwxyz"));
    close(fd);
}

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Bytes that wait behind a request at work do not keep the loop busy. */
static void test_stray_bytes(void **s)
{
    (void)s;
    char out[8192];
    static const char *const firsts[] = {"POST /sleep HTTP/1.1\r\nHost: x\r\n" AUTH "Content-Length: 3\r\n\r\nabc",
                                         "GET /sleep HTTP/1.1\r\nHost: x\r\n" AUTH "\r\n"};
    static const char *const strays[] = {"\r\n", GET_PING};
    for (int k = 0; k < 8; k++) {
        int fd = dial(), before = k & 1;
        say(fd, firsts[k >> 2]);
        if (before) say(fd, strays[k >> 1 & 1]);
        wait_for(&sleepers, 1);
        if (!before) say(fd, strays[k >> 1 & 1]);
        usleep(50000);
        double t0 = cpu_s();
        usleep(500000);
        assert_true(cpu_s() - t0 < 0.2); /* the sleeper's own polling is a few per cent */
        atomic_store(&release_all, 1);
        assert_int_equal(hear(fd, out, sizeof out), 200);
        close(fd);
        wait_for(&sleepers, 0);
        atomic_store(&release_all, 0);
    }
}

/* Clients that pipeline and leave while the first answer is under way: their connections go, and then the
 * process is idle (libwebsockets forgets the order to close a connection that has bytes behind a body). */
static void test_pipeline_and_leave(void **s)
{
    (void)s;
    static const char *const behind[] = {"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Le", POST_ABC, GET_PING, "\r\n"};
    for (int i = 0; i < 1200; i++) {
        int fd = dial();
        char text[512];
        snprintf(text, sizeof text, "%s%s", POST_ABC, behind[i & 3]);
        send(fd, text, strlen(text), MSG_NOSIGNAL);
        if (i % 3 == 1) shutdown(fd, SHUT_WR);
        if (i % 3 == 2) {
            struct linger hard = {1, 0};
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        }
        if (i % 7 == 0) usleep(300);
        close(fd);
    }
    for (int i = 0; i < 500 && xoe_metric_get(XOE_M_HTTP_CONNECTIONS) > 0; i++)
        usleep(10000);
    assert_int_equal(xoe_metric_get(XOE_M_HTTP_CONNECTIONS), 0);
    double t0 = cpu_s();
    usleep(1000000);
    assert_true(cpu_s() - t0 < 0.1);
}

static void test_stream(void **s)
{
    (void)s;
    static char out[1 << 16];
    assert_int_equal(ask("GET /stream?n=3 HTTP/1.1\r\nHost: x\r\n" AUTH "\r\n", out, sizeof out), 200);
    assert_non_null(strstr(out, "text/event-stream"));
    assert_non_null(strstr(out, "7\r\ndata: 2\r\n"));
    /* a reader that does not read: its writer blocks, others are served, its leaving frees the handler */
    int fd = dial();
    int small = 4096;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    say(fd, "GET /stream?n=20000 HTTP/1.1\r\nHost: x\r\n" AUTH "\r\n");
    usleep(200000);
    assert_int_equal(ask("POST /echo HTTP/1.1\r\nHost: x\r\n" AUTH "Content-Length: 2\r\n\r\nhi", out, sizeof out), 200);
    close(fd);
}

static void test_gone(void **s)
{
    (void)s;
    atomic_store(&gone_calls, 0);
    int fd = dial();
    say(fd, "GET /sleep HTTP/1.1\r\nHost: x\r\n" AUTH "\r\n");
    wait_for(&sleepers, 1);
    int64_t t0 = xoe_clock_mono_ms();
    close(fd);
    wait_for(&gone_calls, 1);
    assert_true(xoe_clock_mono_ms() - t0 < 500);
    wait_for(&sleepers, 0);
}

static void test_full_queue(void **s)
{
    (void)s;
    char out[8192];
    int fd[6];
    for (int i = 0; i < 6; i++) { /* 4 threads and 2 places */
        fd[i] = dial();
        say(fd[i], "GET /sleep HTTP/1.1\r\nHost: x\r\n" AUTH "\r\n");
        if (i < 4) wait_for(&sleepers, i + 1);
    }
    usleep(50000);
    assert_int_equal(ask("POST /echo HTTP/1.1\r\nHost: x\r\n" AUTH "Content-Length: 2\r\n\r\nhi", out, sizeof out), 429);
    assert_non_null(strstr(out, "retry-after: "));
    assert_non_null(strstr(out, "queue_full"));
    assert_int_equal(ask("GET /ping HTTP/1.1\r\nHost: x\r\n\r\n", out, sizeof out), 200); /* health answers all the same */
    for (int i = 0; i < 6; i++)
        close(fd[i]);
    wait_for(&sleepers, 0);
}

static void test_slow_and_idle(void **s)
{
    (void)s;
    char out[8192];
    enum { N = 300 };
    int fd[N];
    for (int i = 0; i < N; i++) {
        fd[i] = dial();
        say(fd[i], i % 3 == 0 ? "" : i % 3 == 1 ? "GET /pi" : "POST /echo HTTP/1.1\r\nHost: x\r\n" AUTH "Content-Length: 900\r\n\r\nabc");
    }
    int64_t t0 = xoe_clock_mono_ms();
    assert_int_equal(ask("GET /ping HTTP/1.1\r\nHost: x\r\n\r\n", out, sizeof out), 200);
    assert_true(xoe_clock_mono_ms() - t0 < 1000);
    for (int k = 0; k < 40; k++) { /* a byte now and then does not buy time */
        for (int i = 2; i < N; i += 3)
            send(fd[i], "x", 1, MSG_NOSIGNAL);
        usleep(100000);
    }
    for (int i = 0; i < N; i++) { /* all were closed by the server */
        assert_true(recv(fd[i], out, sizeof out, 0) <= 0);
        close(fd[i]);
    }
}

static void test_port_in_use(void **s)
{
    (void)s;
    xoe_http_server *other;
    xoe_error e = XOE_ERROR_INIT;
    xoe_http_opts o = options();
    o.port = xoe_http_port(server);
    assert_int_equal(xoe_http_open(&other, &o, &e), XOE_EEXIST);
    assert_non_null(strstr(e.msg, "--port"));
    o.host = "not an address";
    assert_int_equal(xoe_http_open(&other, &o, &e), XOE_EINVAL);
}

static void test_drain(void **s) /* last: stops the server */
{
    (void)s;
    char out[8192];
    int busy = dial(), idle = dial();
    say(busy, "GET /sleep HTTP/1.1\r\nHost: x\r\n" AUTH "\r\n");
    say(idle, "GET /ping HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(hear(idle, out, sizeof out), 200);
    wait_for(&sleepers, 1);
    xoe_http_stop(server);
    say(idle, "POST /echo HTTP/1.1\r\nHost: x\r\n" AUTH "Content-Length: 2\r\n\r\nhi");
    assert_int_equal(hear(idle, out, sizeof out), 503);
    assert_non_null(strstr(out, "retry-after"));
    atomic_store(&release_all, 1);
    assert_int_equal(hear(busy, out, sizeof out), 200);
    assert_non_null(strstr(out, "woke"));
    pthread_join(loop, NULL);
    xoe_http_close(server);
    close(busy);
    close(idle);
}

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_routes),     cmocka_unit_test(test_key),        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_keep_alive_and_garbage), cmocka_unit_test(test_pipelining), cmocka_unit_test(test_stray_bytes), cmocka_unit_test(test_pipeline_and_leave), cmocka_unit_test(test_stream), cmocka_unit_test(test_gone),
        cmocka_unit_test(test_full_queue), cmocka_unit_test(test_slow_and_idle), cmocka_unit_test(test_port_in_use),
        cmocka_unit_test(test_drain),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
