/* The transport under clients that misbehave: pipelined bodies, bytes behind a request, leaving in the middle,
 * sending slowly, taking nothing, too many connections, guessing keys. After each the server serves others and idles.
 * Times are generous: a slow machine must not fail these. */
#include "httptest.h"

#include <sys/resource.h>

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void wait_for_connections(int want)
{
    for (int i = 0; i < 3000 && xoe_metric_get(XOE_M_HTTP_CONNECTIONS) != want; i++)
        usleep(10000);
    assert_int_equal(xoe_metric_get(XOE_M_HTTP_CONNECTIONS), want);
}

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
    wait_for_connections(0);
    double t0 = cpu_s();
    usleep(1000000);
    assert_true(cpu_s() - t0 < 0.1);
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
    assert_int_equal(ask("GET /ping HTTP/1.1\r\nHost: x\r\n\r\n", out, sizeof out), 200); /* others are served */
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

/* A client that asks for much and takes nothing loses its connection, and the handler its wait. */
static void test_not_reading(void **s)
{
    (void)s;
    static const char *const asks[] = {"GET /big HTTP/1.1\r\nHost: x\r\n" AUTH "\r\n",
                                       "GET /stream?n=40000 HTTP/1.1\r\nHost: x\r\n" AUTH "\r\n"};
    int fd[2], small = 4096;
    wait_for_connections(0);
    for (int i = 0; i < 2; i++) {
        fd[i] = dial();
        setsockopt(fd[i], SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
        say(fd[i], asks[i]);
    }
    wait_for(&streams, 1);
    wait_for(&streams, 0);
    wait_for_connections(0);
    close(fd[0]);
    close(fd[1]);
}

/* A slow one that does take something gets all of it, however often the time limit passes. */
static void test_reading_slowly(void **s)
{
    (void)s;
    static char piece[1 << 20];
    int fd = dial(), small = 1 << 17;
    size_t total = 0;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    say(fd, "GET /big HTTP/1.1\r\nHost: x\r\n" AUTH "Connection: close\r\n\r\n");
    for (;;) {
        int64_t t0 = xoe_clock_mono_ms();
        ssize_t got = recv(fd, piece, total < 60 * 65536 ? 65536 : sizeof piece, 0);
        if (got <= 0) break;
        total += (size_t)got;
        while (total < 60 * 65536 && xoe_clock_mono_ms() - t0 < 100) /* for six seconds, three time limits */
            usleep(10000);
    }
    assert_true(total > BIG_BYTES);
    close(fd);
}

/* No descriptor is left: who waits is taken later, who is there is served, and the loop does not spin. */
static void test_no_descriptors(void **s)
{
    (void)s;
    enum { MANY = 256, WAITING = 5 };
    char out[8192];
    struct rlimit before, low;
    int spare[MANY], n = 0, waiting[WAITING], there = dial();
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)xoe_http_port(server)), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    say(there, GET_PING);
    assert_int_equal(hear(there, out, sizeof out), 200);
    for (int i = 0; i < WAITING; i++)
        waiting[i] = socket(AF_INET, SOCK_STREAM, 0);
    getrlimit(RLIMIT_NOFILE, &before);
    low = before;
    low.rlim_cur = 128;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    while (n < MANY && (spare[n] = dup(there)) >= 0)
        n++;
    assert_true(n > 0 && n < MANY);
    for (int i = 0; i < WAITING; i++) {
        assert_int_equal(connect(waiting[i], (struct sockaddr *)&a, sizeof a), 0); /* the backlog takes it */
        say(waiting[i], GET_PING);
    }
    usleep(100000);
    double t0 = cpu_s();
    usleep(1000000);
    double used = cpu_s() - t0;
    say(there, GET_PING);
    int status = hear(there, out, sizeof out);
    for (int i = 0; i < n; i++)
        close(spare[i]);
    setrlimit(RLIMIT_NOFILE, &before);
    assert_true(used < 0.1);
    assert_int_equal(status, 200);
    for (int i = 0; i < WAITING; i++) {
        struct timeval tv = {20, 0};
        setsockopt(waiting[i], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
        assert_int_equal(hear(waiting[i], out, sizeof out), 200);
        close(waiting[i]);
    }
    close(there);
}

static int try_key(const char *address, const char *key, char *out, size_t cap)
{
    char request[512];
    int fd = dial_from(address);
    snprintf(request, sizeof request, "POST /echo HTTP/1.1\r\nHost: x\r\n%s%s%sContent-Length: 0\r\n\r\n", key ? "Authorization: Bearer " : "",
             key ? key : "", key ? "\r\n" : "");
    say(fd, request);
    int status = hear(fd, out, cap);
    close(fd);
    return status;
}

/* Six wrong keys a minute from an address, then it waits, with the right key too; others do not. */
static void test_guessing_keys(void **s)
{
    (void)s;
    char out[8192], key[16];
    int refused = 0, limited = 0;
    for (int i = 0; i < 10; i++)
        assert_int_equal(try_key("127.0.0.2", NULL, out, sizeof out), 401); /* no key is no guess */
    for (int i = 0; i < 12; i++) {
        snprintf(key, sizeof key, "guess%d", i);
        int status = try_key("127.0.0.2", key, out, sizeof out);
        refused += status == 401;
        limited += status == 429;
    }
    assert_int_equal(refused + limited, 12);
    assert_in_range(refused, 6, 8); /* one comes back every ten seconds */
    for (int i = 0; i < 8 && try_key("127.0.0.2", "wrong", out, sizeof out) != 429; i++)
        ;
    assert_int_equal(try_key("127.0.0.2", "sekret", out, sizeof out), 429);
    assert_non_null(strstr(out, "\"code\":\"rate_limit_exceeded\""));
    char *after = strstr(out, "retry-after: ");
    assert_non_null(after);
    assert_in_range(atoi(after + 13), 1, 11);
    assert_int_equal(try_key("127.0.0.3", "sekret", out, sizeof out), 200);
    assert_int_equal(try_key("127.0.0.3", "wrong", out, sizeof out), 401);
    assert_int_equal(try_key("127.0.0.3", "sekret", out, sizeof out), 200);
}

static int stop(void **s)
{
    (void)s;
    xoe_http_stop(server);
    pthread_join(loop, NULL);
    xoe_http_close(server);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pipelining),     cmocka_unit_test(test_stray_bytes),
        cmocka_unit_test(test_pipeline_and_leave), cmocka_unit_test(test_slow_and_idle),
        cmocka_unit_test(test_not_reading),    cmocka_unit_test(test_reading_slowly),
        cmocka_unit_test(test_no_descriptors), cmocka_unit_test(test_guessing_keys),
    };
    return cmocka_run_group_tests(tests, setup, stop);
}
