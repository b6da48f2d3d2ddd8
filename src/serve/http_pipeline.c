/* Did a request's head come out of libwebsockets' own buffer (it was pipelined), or by a read of the socket?
 *
 * Why it matters: for a head with a body to come, lws_http_action() hands everything in that buffer to the
 * body parser, and at that point the buffer still begins with the head itself. So the head is taken as body,
 * and the loop around it never ends once the body is complete (4.1.6 to at least 4.5: one client stops the
 * whole server). Closing from inside that loop frees the connection under its caller's feet. The only safe
 * way out is to refuse in LWS_CALLBACK_HTTP, before the loop, and lws does not tell what it has buffered.
 *
 * The kernel does: bytes received in order, less those not yet read, are the bytes that lws has read. When
 * the number has not moved since the last answer ended, a new head can only have come from the buffer. And
 * when it has moved, the buffer was empty: lws reads the socket only then. What could blur the number is
 * kept out: a FIN counts as a byte (the state tells), urgent data skews the unread count (it is taken in
 * line), and bytes may arrive between the two questions (asked until they agree). In doubt the answer is
 * "unknown", on which callers do not keep the connection. Loop thread only. */
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "serve/http_loop.h"

enum { TRIES = 16 };

static int received(int fd, uint64_t *n)
{
    struct tcp_info t;
    socklen_t size = sizeof t;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &t, &size)) return -1;
    if (size < offsetof(struct tcp_info, tcpi_bytes_received) + sizeof t.tcpi_bytes_received) return -1;
    *n = t.tcpi_bytes_received;
    return t.tcpi_state == 1 /* TCP_ESTABLISHED */ ? 0 : -1;
}

int64_t xoe_http_bytes_read(int fd)
{
    uint64_t before, after;
    int unread;
    for (int i = 0; i < TRIES; i++)
        if (received(fd, &before) || ioctl(fd, FIONREAD, &unread) || received(fd, &after))
            return -1;
        else if (before == after && unread >= 0 && (uint64_t)unread <= after)
            return (int64_t)(after - (uint64_t)unread);
    return -1;
}
