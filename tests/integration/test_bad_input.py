"""What must not hurt: each bad input gets a clear error of the right status; the server lives on and serves others."""

import json
import os
import socket
import subprocess
import tempfile
import threading
import time

import pytest

import harness
from harness import TINY, eventually, xoe

OK = {"model": TINY, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4}


def bad(server, body, status, param=None, code=None, path="/v1/chat/completions"):
    got, _, r = server.post(path, body)
    assert got == status, (got, r)
    error = r["error"]
    assert error["message"] and error["type"]
    if param:
        assert error["param"] == param, error
    if code:
        assert error["code"] == code, error


@pytest.fixture(autouse=True)
def serves_others(server):
    yield
    assert server.alive()
    assert server.post("/v1/chat/completions", OK)[0] == 200


@pytest.mark.parametrize("body", [b"", b"not json", b"{", b"[]", b'"text"', b"null", b'{"model":', b"\x00\x01\x02", b"{}" * 3, b"[" * 100000])
def test_not_json(server, body):
    bad(server, body, 400)


def test_invalid_utf8(server):
    bad(server, b'{"model":"' + TINY.encode() + b'","messages":[{"role":"user","content":"\xff\xfe"}]}', 400)
    bad(server, b'{"text":"\xc3\x28"}', 400, path="/v1/detect-watermark")


@pytest.mark.parametrize("field,value", [
    ("temperature", -1), ("temperature", "hot"), ("temperature", 1e9), ("top_p", -0.1), ("top_p", 2), ("top_p", [1]), ("n", 0), ("n", -2), ("n", 1000),
    ("n", 1.5), ("max_tokens", -5), ("max_tokens", "many"), ("max_tokens", 1.5), ("seed", "x"), ("stop", 5), ("stop", [1]), ("stream", "yes"), ("logprobs", 3),
    ("top_logprobs", -1), ("presence_penalty", 99), ("frequency_penalty", "a"), ("logit_bias", [1]), ("logit_bias", {"x": 1}), ("logit_bias", {"5": 1000}),
    ("logit_bias", {"99999999": 1}), ("messages", []), ("messages", "hi"), ("messages", [{"role": "user"}]), ("messages", [{"role": "king", "content": "x"}]),
    ("messages", [5]), ("response_format", {"type": "yaml"}), ("response_format", "json"), ("tools", "x"), ("tools", [{"type": "function"}]),
    ("tool_choice", "maybe"), ("watermark", {"mode": "loud"}), ("watermark", 5), ("apply_watermark", "yes"), ("model", 5),
])
def test_wrong_values(server, field, value):
    bad(server, {**OK, field: value}, 400)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_nan(server, text):
    bad(server, json.dumps(OK)[:-1].encode() + b', "temperature": ' + text.encode() + b"}", 400)


def test_unknown_model(server):
    bad(server, {**OK, "model": "nonesuch"}, 404, code="model_not_found")


def test_prompts(server):
    bad(server, {"model": TINY, "prompt": ""}, 400, path="/v1/completions")
    bad(server, {"model": TINY, "prompt": [10**9]}, 400, path="/v1/completions")
    bad(server, {"model": TINY, "prompt": [-1]}, 400, path="/v1/completions")
    bad(server, {"model": TINY, "prompt": "word " * 20000}, 400, code="context_length_exceeded", path="/v1/completions")
    bad(server, {"model": TINY, "input": []}, 400, path="/v1/embeddings")
    bad(server, {"text": ""}, 400, path="/v1/detect-watermark")
    bad(server, {"text": "x", "threshold": "a"}, 400, path="/v1/detect-watermark")
    bad(server, {"text": "x", "fpr": 5}, 400, path="/v1/detect-watermark")
    bad(server, {"text": 5}, 400, path="/v1/watermark")


def test_schema_and_grammar(server):
    bad(server, {**OK, "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "nonsense"}}}}, 400)
    bad(server, {**OK, "grammar": "root ::= ("}, 400)


def test_routes(server):
    assert server.get("/v1/nothing")[0] == 404
    status, head, _ = server.get("/v1/chat/completions")
    assert status == 405 and "POST" in head["allow"]


def test_ten_megabytes(server):
    bad(server, b'{"x":"' + b"a" * 10_000_000 + b'"}', 413)


def test_lengths(server):
    for head in (b"Content-Length: -5", b"Content-Length: 5x", b"Content-Length: 99999999999999"):
        with server.connect(20) as s:
            s.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n")
            assert s.recv(4096)[9:12] in (b"400", b"413")


def test_half_open_slow_and_idle(fresh):
    """200 senders of 10 bytes a second and 1,000 idle connections; a request in between is served at once."""
    s = fresh()
    socks = [s.connect() for _ in range(1000)]
    slow = [s.connect() for _ in range(200)]
    for c in slow:
        c.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n")
    stop = threading.Event()

    def drip():
        while not stop.is_set():
            for c in slow:
                try:
                    c.send(b"xxxxx")
                except OSError:
                    pass
            time.sleep(0.5)

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        for _ in range(5):
            t = time.monotonic()
            assert s.post("/v1/chat/completions", OK)[0] == 200
            assert time.monotonic() - t < 5
        closed = eventually(lambda: s.metric("xoe_http_connections") < 50, timeout=60, step=0.5)
        assert closed, "slow and idle connections were not cut off"
    finally:
        stop.set()
        thread.join()
        for c in socks + slow:
            c.close()
    assert s.alive()


def test_half_open(server):
    c = server.connect()
    c.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Le")
    c.shutdown(socket.SHUT_WR)
    c.settimeout(40)
    assert b" 200 " not in c.recv(4096)  # an error, or just the end; never an answer
    c.close()


def test_disconnect_frees_the_slot(server):
    body = json.dumps({**OK, "max_tokens": 3000, "stream": True, "logit_bias": {"2": -100}}).encode()
    for stream in (True, False):
        if not stream:
            body = json.dumps({**OK, "max_tokens": 3000, "logit_bias": {"2": -100}}).encode()
        c = server.connect()
        c.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        assert eventually(lambda: server.metric("llamacpp:requests_processing") == 1)
        if stream:
            c.recv(2000)
        t = time.monotonic()
        c.close()
        assert eventually(lambda: server.metric("llamacpp:requests_processing") == 0, 5, 0.005)
        print(f"slot free {1000 * (time.monotonic() - t):.0f} ms after the client left (stream={stream})")
        assert time.monotonic() - t < 1


def test_full_queue(fresh):
    s = fresh("--slots", "1", "--queue", "2")
    codes = []

    def one():
        codes.append(s.post("/v1/chat/completions", {**OK, "max_tokens": 100, "logit_bias": {"2": -100}}, timeout=240)[:2])

    threads = [threading.Thread(target=one) for _ in range(12)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    refused = [h for c, h in codes if c == 429]
    assert len(refused) >= 5 and all(h["retry-after"] for h in refused)
    assert len([c for c, _ in codes if c == 200]) >= 3
    assert s.alive()


def start_fails(*flags, data=None, env=None, model=TINY):
    r = xoe("serve", "--port", "0", "--models-dir", harness.MODELS, "--model", model, *flags, data=data or tempfile.mkdtemp(), env=env, timeout=60)
    assert r.returncode == 1, (r.returncode, r.stdout, r.stderr)
    assert r.stderr.strip()
    return r.stderr


def test_port_in_use(server):
    assert "--port" in start_fails("--port", str(server.port))


def test_models_missing_or_wrong():
    assert "pull" in start_fails(model="nonesuch")
    with tempfile.NamedTemporaryFile(suffix=".gguf") as f:
        f.write(b"this is no model")
        f.flush()
        assert "GGUF" in start_fails(model=f.name)
    with tempfile.NamedTemporaryFile(suffix=".gguf") as f:
        with open(os.path.join(harness.MODELS, "SmolLM2-135M-Instruct.Q4_1.gguf"), "rb") as g:
            f.write(g.read(5_000_000))
        f.flush()
        assert f.name in start_fails(model=f.name)


def test_data_folder_not_writable():
    with tempfile.NamedTemporaryFile() as f:
        assert f.name in start_fails(data=f.name + "/sub")


def test_public_address_needs_a_key():
    assert "key" in start_fails("--host", "0.0.0.0")


def test_wrong_use():
    """Exits with 2 and says what is right."""
    for argv in (["serv"], ["serve", "--prot", "1"], ["key", "dance"], ["detect", "--json", "a", "b"], ["serve", "--port", "many"]):
        r = subprocess.run([harness.XOE, *argv], capture_output=True, text=True, timeout=30)
        assert r.returncode == 2, (argv, r.returncode, r.stderr)
        assert r.stderr.strip()
