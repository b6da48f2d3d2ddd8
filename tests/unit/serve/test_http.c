/* The transport over real sockets: routes, limits, bodies, keep-alive, streams, disconnects, a full queue, the
 * key, draining. Clients that misbehave are in test_http_abuse.c. */
#include "httptest.h"

#include <jansson.h>

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

#define CHUNKED "POST /echo HTTP/1.1\r\nHost: x\r\n" AUTH "Transfer-Encoding: chunked\r\n"

static void test_chunked_bodies(void **s)
{
    (void)s;
    static char out[8192], big_one[4096];
    assert_int_equal(ask(CHUNKED "\r\n2\r\nhi\r\n3;x=y\r\n ho\r\n0\r\nT: x\r\n\r\n", out, sizeof out), 200);
    assert_non_null(strstr(out, "\r\n\r\nhi ho"));
    assert_non_null(strstr(out, "connection: close\r\n"));
    assert_int_equal(ask(CHUNKED "\r\n0\r\n\r\n", out, sizeof out), 200);
    static const char *const bad[] = {"zz\r\n", "2\nhi\n0\n\n", "2\r\nhiho", "\r\n"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(big_one, sizeof big_one, CHUNKED "\r\n%s", bad[i]);
        assert_int_equal(ask(big_one, out, sizeof out), 400);
    }
    int n = snprintf(big_one, sizeof big_one, CHUNKED "\r\n5dc\r\n");
    memset(big_one + n, 'a', 1500);
    snprintf(big_one + n + 1500, sizeof big_one - (size_t)n - 1500, "\r\n0\r\n\r\n");
    assert_int_equal(ask(big_one, out, sizeof out), 413);
    /* what two readers could understand in two ways */
    assert_int_equal(ask(CHUNKED "Content-Length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n", out, sizeof out), 400);
    assert_int_equal(ask("POST /echo HTTP/1.1\r\nHost: x\r\n" AUTH "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", out, sizeof out), 400);
    assert_int_equal(ask("GET /ping HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", out, sizeof out), 400);
    assert_int_equal(ask("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", out, sizeof out), 401);
    /* in pieces, after 100-continue, and with bytes behind its end */
    int fd = dial();
    static const char body[] = "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n" GET_PING;
    say(fd, CHUNKED "Expect: 100-continue\r\n\r\n");
    ssize_t got = recv(fd, out, sizeof out - 1, 0);
    assert_true(got > 12 && !memcmp(out, "HTTP/1.1 100", 12));
    for (size_t i = 0; i < sizeof body - 1; i++) {
        send(fd, body + i, 1, MSG_NOSIGNAL);
        usleep(500);
    }
    assert_int_equal(hear(fd, out, sizeof out), 200);
    assert_non_null(strstr(out, "\r\n\r\nabcdefg"));
    close(fd);
}

/* Who asks before it sends is answered at once where the answer is no. */
static void test_expect(void **s)
{
    (void)s;
    char out[8192];
    assert_int_equal(ask("POST /echo HTTP/1.1\r\nHost: x\r\n" AUTH "Content-Length: 5000\r\nExpect: 100-continue\r\n\r\n", out, sizeof out), 413);
    assert_int_equal(ask("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-Continue\r\n\r\n", out, sizeof out), 401);
    assert_int_equal(ask("POST /none HTTP/1.1\r\nHost: x\r\n" AUTH "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n", out, sizeof out), 404);
}

/* An error is JSON whatever bytes its path holds. */
static void test_errors_are_json(void **s)
{
    (void)s;
    static char out[8192], request[2048], longest[600];
    for (size_t i = 0; i + 2 < sizeof longest; i += 2)
        memcpy(longest + i, "\xc3\xa4", 3);
    const char *const paths[] = {"/v1/\xff\xfe", "/v1/%ff%c3%28", "/v1/%22%5c%0a%1b%7f", "/v1/\xc3", longest};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        snprintf(request, sizeof request, "POST /%s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", paths[i] + 1);
        assert_int_equal(ask(request, out, sizeof out), 404);
        json_error_t why;
        json_t *j = json_loads(strstr(out, "\r\n\r\n") + 4, 0, &why);
        assert_non_null(j);
        assert_non_null(strstr(json_string_value(json_object_get(json_object_get(j, "error"), "message")), "there is nothing at /"));
        json_decref(j);
    }
}

static void test_bodiless(void **s)
{
    (void)s;
    char out[8192];
    int fd = dial();
    say(fd, "GET /unchanged HTTP/1.1\r\nHost: x\r\n\r\n" GET_PING);
    hear_all(fd, out, sizeof out);
    close(fd);
    assert_int_equal(count(out, "HTTP/1.1 304 Not Modified"), 1);
    assert_int_equal(count(out, "content-length: "), 1); /* of the second answer */
    static const char *const heads[] = {"HEAD /ping", "HEAD /stream?n=3", "HEAD /echo", "HEAD /v1/none"};
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        char request[256];
        fd = dial();
        snprintf(request, sizeof request, "%s HTTP/1.1\r\nHost: x\r\n" AUTH "Connection: close\r\n\r\n", heads[i]);
        say(fd, request);
        hear_all(fd, out, sizeof out);
        close(fd);
        char *end = strstr(out, "\r\n\r\n");
        assert_non_null(end);
        assert_int_equal(strlen(end), 4);
    }
}

/* A second server, for a page of another site. */
static void test_cors(void **s)
{
    (void)s;
    char out[8192];
    static const char preflight[] = "OPTIONS /echo HTTP/1.1\r\nHost: x\r\nOrigin: http://a.example\r\nAccess-Control-Request-Method: POST\r\n\r\n" GET_PING;
    assert_int_equal(ask(preflight, out, sizeof out), 405); /* none is allowed here */
    assert_null(strstr(out, "access-control"));
    xoe_http_opts o = options();
    xoe_http_server *mine = server;
    pthread_t t;
    o.cors_origin = "http://a.example";
    assert_int_equal(xoe_http_open(&server, &o, NULL), XOE_OK);
    pthread_create(&t, NULL, run, server);
    int fd = dial();
    say(fd, preflight);
    hear_all(fd, out, sizeof out);
    close(fd);
    assert_int_equal(count(out, "HTTP/1.1 204 No Content"), 1);
    assert_int_equal(count(out, "content-length: "), 1); /* of the ping */
    assert_int_equal(count(out, "access-control-allow-origin: http://a.example\r\n"), 2);
    assert_int_equal(count(out, "access-control-allow-headers: authorization, *\r\n"), 1);
    assert_int_equal(ask("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", out, sizeof out), 401);
    assert_int_equal(count(out, "access-control-allow-origin: http://a.example\r\n"), 1); /* a page may read the error */
    xoe_http_stop(server);
    pthread_join(t, NULL);
    xoe_http_close(server);
    server = mine;
    atomic_store(&stopped, 0);
}

static void test_stream(void **s)
{
    (void)s;
    static char out[1 << 16];
    assert_int_equal(ask("GET /stream?n=3 HTTP/1.1\r\nHost: x\r\n" AUTH "\r\n", out, sizeof out), 200);
    assert_int_equal(count(out, "content-type: text/event-stream\r\n"), 1);
    assert_int_equal(count(out, "cache-control: no-cache\r\n"), 1);
    assert_int_equal(count(out, "x-accel-buffering: no\r\n"), 1);
    assert_int_equal(count(out, "transfer-encoding: chunked\r\n"), 1);
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
    close(fd);
    wait_for(&gone_calls, 1); /* by the hang-up: the sleeper itself looks only whether it is gone */
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
    assert_non_null(strstr(out, "\"code\":\"rate_limit_exceeded\""));
    assert_int_equal(ask("GET /ping HTTP/1.1\r\nHost: x\r\n\r\n", out, sizeof out), 200); /* health answers all the same */
    for (int i = 0; i < 6; i++)
        close(fd[i]);
    wait_for(&sleepers, 0);
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
    int busy = dial(), idle = dial(), slow = dial(), small = 65536;
    setsockopt(slow, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    say(busy, "GET /sleep HTTP/1.1\r\nHost: x\r\n" AUTH "\r\n");
    say(idle, "GET /ping HTTP/1.1\r\nHost: x\r\n\r\n");
    say(slow, "GET /big HTTP/1.1\r\nHost: x\r\n" AUTH "Connection: close\r\n\r\n");
    assert_int_equal(hear(idle, out, sizeof out), 200);
    wait_for(&sleepers, 1);
    xoe_http_stop(server);
    say(idle, "POST /echo HTTP/1.1\r\nHost: x\r\n" AUTH "Content-Length: 2\r\n\r\nhi");
    assert_int_equal(hear(idle, out, sizeof out), 503);
    assert_non_null(strstr(out, "retry-after"));
    atomic_store(&release_all, 1);
    assert_int_equal(hear(busy, out, sizeof out), 200);
    assert_non_null(strstr(out, "woke"));
    size_t total = 0; /* the slow one gets the whole of its answer, and the server waits for it */
    for (;;) {
        static char piece[1 << 18];
        ssize_t got = recv(slow, piece, sizeof piece, 0);
        if (got <= 0) break;
        total += (size_t)got;
        if (total < BIG_BYTES - (1 << 20)) assert_int_equal(atomic_load(&stopped), 0);
        usleep(2000);
    }
    assert_true(total > BIG_BYTES);
    pthread_join(loop, NULL); /* at once, not at the time limit: the test's own would end it */
    xoe_http_close(server);
    close(busy);
    close(idle);
    close(slow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_routes),          cmocka_unit_test(test_key),
        cmocka_unit_test(test_bodies),          cmocka_unit_test(test_chunked_bodies),
        cmocka_unit_test(test_expect),          cmocka_unit_test(test_errors_are_json),
        cmocka_unit_test(test_bodiless),        cmocka_unit_test(test_cors),
        cmocka_unit_test(test_keep_alive_and_garbage), cmocka_unit_test(test_stream),
        cmocka_unit_test(test_gone),            cmocka_unit_test(test_full_queue),
        cmocka_unit_test(test_port_in_use),     cmocka_unit_test(test_drain),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
