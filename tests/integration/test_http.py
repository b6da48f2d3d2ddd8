"""The transport of a real server under clients that misbehave: it stays idle, serves others, and says what it does."""

import os
import socket
import time

from harness import eventually

DETECT = b'{"text":"x"}'
POST = b"POST /v1/detect-watermark HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(DETECT) + DETECT
GET = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"


def cpu_ticks(server):
    with open(f"/proc/{server.process.pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def idle_ticks(server, seconds=1.0):
    before = cpu_ticks(server)
    time.sleep(seconds)
    return cpu_ticks(server) - before


BEHIND = [POST, POST[:40], GET, b"\r\n", b"\0junk" * 3000]


def test_pipelining_and_leaving(fresh):
    """Each attacker sends a request and more behind it, and leaves in one of three ways; then nothing is left of it."""
    s = fresh()
    assert s.post("/v1/detect-watermark", DETECT)[0] == 200  # what the first request sets up is done
    before = s.metric("xoe_http_connections")
    for i in range(450):
        c = s.connect()
        c.sendall(POST + BEHIND[i % len(BEHIND)])
        if i % 3 == 1:
            c.shutdown(socket.SHUT_WR)
        if i % 3 == 2:
            time.sleep(0.002)
        c.close()
    assert eventually(lambda: s.metric("xoe_http_connections") <= before, 5)
    assert idle_ticks(s) < os.sysconf("SC_CLK_TCK") / 10
    assert s.alive()
