"""The transport of a real server under clients that misbehave: it stays idle, serves others, and says what it does."""

import json
import os
import re
import socket
import threading
import time

import harness
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


def metric_families(text):
    """Prometheus' text format, strictly: {name: (type, {labels: value})}; raises where a scraper might stumble."""
    families, current = {}, None
    assert text.endswith("\n") and "\r" not in text
    for line in text.splitlines():
        if m := re.fullmatch(r"# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (\S.*)", line):
            assert m[1] not in families, f"{m[1]} comes twice"
            current = m[1]
            families[current] = (None, {})
        elif m := re.fullmatch(r"# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram)", line):
            assert m[1] == current and families[current] == (None, {}), f"TYPE of {m[1]} out of place"
            families[current] = (m[2], {})
        else:
            m = re.fullmatch(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-z_]+="[^"\\]*",?)*\})? ([-+0-9.e]+)', line)
            assert m, f"not a sample: {line!r}"
            kind, samples = families[current]
            name = re.sub(r"_(bucket|sum|count)$", "", m[1]) if kind == "histogram" else m[1]
            assert kind and name == current, f"{m[1]} stands under {current}"
            assert m[1] + (m[2] or "") not in samples, f"{line!r} comes twice"
            assert kind == "gauge" or float(m[3]) >= 0
            samples[m[1] + (m[2] or "")] = float(m[3])
    assert all(samples for _, samples in families.values())
    for name, (kind, samples) in families.items():
        if kind == "histogram":
            buckets = [v for k, v in samples.items() if k.startswith(name + "_bucket")]
            assert buckets == sorted(buckets) and buckets[-1] == samples[name + "_count"]
    return families


def test_metrics(fresh):
    s = fresh("--api-key", "sekret")
    auth = {"authorization": "Bearer sekret"}
    before = metric_families(s.get("/metrics")[2])
    for method, path, headers, status in [("GET", "/v1/models", auth, 200), ("GET", "/v1/none", auth, 404), ("GET", "/v1/models", None, 401),
                                          ("POST", "/v1/models", auth, 405), ("GET", "/", {"if-none-match": s.get("/")[1]["etag"]}, 304)]:
        assert s.request(method, path, headers=headers)[0] == status
    after = metric_families(s.get("/metrics")[2])
    grown = {k: v - before["xoe_http_requests_total"][1][k] for k, v in after["xoe_http_requests_total"][1].items()}
    assert grown == {f'xoe_http_requests_total{{class="{c}"}}': n for c, n in [("2xx", 3), ("3xx", 1), ("4xx", 3), ("5xx", 0), ("none", 0)]}
    assert after["xoe_request_seconds"][0] == "histogram" and after["xoe_http_connections"][0] == "gauge"


def test_limits(fresh):
    """Requests a minute, detector requests a minute, and wrong keys a minute; each 429 says how long to wait."""
    s = fresh("--api-key", "sekret", "--rate-per-minute", "20", "--detect-rate-per-minute", "5", "--auth-failures-per-minute", "3")
    auth = {"authorization": "Bearer sekret"}
    codes = [s.post("/v1/detect-watermark", DETECT, headers=auth)[0] for _ in range(8)]
    assert codes[:5] == [200] * 5 and codes[-1] == 429
    answers = [s.get("/v1/models", headers=auth) for _ in range(20)]
    assert answers[0][0] == 200 and answers[-1][0] == 429
    assert 1 <= int(answers[-1][1]["retry-after"]) <= 60 and answers[-1][2]["error"]["code"] == "rate_limit_exceeded"
    codes = [s.get("/v1/models", headers={"authorization": f"Bearer guess{i}"})[0] for i in range(6)]
    assert codes[:3] == [401] * 3 and codes[-1] == 429
    status, head, _ = s.get("/v1/models", headers=auth)
    assert status == 429 and 1 <= int(head["retry-after"]) <= 60
    assert s.alive() and s.get("/v1/models")[0] == 401  # no key is no guess, and health asks none


def test_no_descriptors(fresh):
    """More clients than descriptors: those that are there are served, the rest wait, and the log says so once."""
    s = fresh("--idle-timeout-s", "3", env={"XOE_LOG_LEVEL": "info"}, files=300)
    clients = [s.connect() for _ in range(400)]
    assert eventually(lambda: "no more can be taken" in s.tail(20000), 10)
    assert idle_ticks(s) < os.sysconf("SC_CLK_TCK") / 10
    assert s.post("/v1/detect-watermark", DETECT, timeout=60)[0] == 200  # once the idle ones have gone
    for c in clients:
        c.close()
    assert s.tail(200000).count("no more can be taken") == 1


def test_chunked_body(server):
    """As a proxy or a client that streams its body sends it."""
    import http.client
    body = json.dumps({"text": "x" * 3000}).encode()
    c = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    c.request("POST", "/v1/detect-watermark", body=(body[i:i + 100] for i in range(0, len(body), 100)), encode_chunked=True,
              headers={"Transfer-Encoding": "chunked"})
    answer = c.getresponse()
    assert answer.status == 200 and "verdict" in json.loads(answer.read())


def test_wire(server):
    """No header twice; a stream's are those of server-sent events."""
    body = json.dumps({"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4, "stream": True}).encode()
    for request in (b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body,
                    GET[:-2] + b"Connection: close\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                    b"GET /v1/\xff%ff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"):
        with server.connect() as c:
            c.sendall(request)
            raw = b""
            while piece := c.recv(65536):
                raw += piece
        head, _, rest = raw.partition(b"\r\n\r\n")
        names = [line.split(b":")[0].lower() for line in head.split(b"\r\n")[1:]]
        assert len(names) == len(set(names)), names
        if b"text/event-stream" in head:
            assert b"cache-control" in names and b"content-length" not in names and rest.endswith(b"0\r\n\r\n")
        if head.split()[1] == b"404":
            assert json.loads(rest)["error"]["message"]


def test_drain_waits_for_a_slow_reader():
    """SIGTERM while a client takes a large answer slowly: it gets all of it, then the server ends."""
    s = harness.Server()
    body = json.dumps({"input": ["word"] * 2000, "model": "all-minilm-l6-v2"}).encode()
    c = socket.socket()
    c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    c.settimeout(120)
    c.connect(("127.0.0.1", s.port))
    c.sendall(b"POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    raw = c.recv(4096)
    assert raw.startswith(b"HTTP/1.1 200"), raw[:200]
    length = int(re.search(rb"content-length: (\d+)", raw)[1])
    ended = []
    thread = threading.Thread(target=lambda: ended.append(s.stop()))
    thread.start()
    total = len(raw) - raw.index(b"\r\n\r\n") - 4
    while total < length:
        assert not ended or length - total < 1 << 20
        piece = c.recv(1 << 18)
        assert piece, f"cut off after {total} of {length}"
        total += len(piece)
        time.sleep(0.01)
    c.close()
    thread.join()
    assert ended == [0]
