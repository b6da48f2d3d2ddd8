"""kill -9 in the middle of eight streams: what a client saw as finished has its row, and the database is whole."""

import hashlib
import http.client
import json
import sqlite3
import threading
import time

from harness import TINY, Server, xoe


def stream(server, i, finished, lock):
    """One request after the other until the server is gone; notes the texts that were told as finished."""
    n = 0
    while True:
        text, done = "", False
        try:
            c = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
            body = {"model": TINY, "messages": [{"role": "user", "content": f"Story {i} {n}"}], "max_tokens": 8 + 7 * i, "stream": True}
            c.request("POST", "/v1/chat/completions", json.dumps(body), {"content-type": "application/json"})
            for line in c.getresponse():
                if not line.startswith(b"data: {"):
                    continue
                chunk = json.loads(line[6:])
                for choice in chunk["choices"]:
                    text += choice["delta"].get("content") or ""
                    if choice["finish_reason"]:
                        done = True
                        with lock:
                            finished.append(text)
            n += 1
        except (OSError, http.client.HTTPException, ValueError):
            return
        if not done:
            return


def test_kill_nine():
    total, data = 0, None
    finished, lock = [], threading.Lock()
    for round_ in range(3):
        server = Server(data=data)
        data = server.data
        threads = [threading.Thread(target=stream, args=(server, i, finished, lock)) for i in range(8)]
        for t in threads:
            t.start()
        time.sleep(4 + round_)
        server.kill()
        for t in threads:
            t.join()
        db = sqlite3.connect(f"{data}/audit.db")
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        hashes = {r[0] for r in db.execute("SELECT text_hash FROM watermark_audit_log")}
        db.close()
        missing = [t for t in finished if hashlib.sha256(t.encode()).hexdigest() not in hashes]
        assert not missing, missing
        verified = xoe("audit", "verify", data=data)
        assert verified.returncode == 0, verified.stdout + verified.stderr
        total = len(finished)
    print(f"3 kills in 8 streams, {total} answers seen as finished, each has its row")
    assert total >= 8


def test_restart_serves_again():
    server = Server()
    server.kill()
    again = Server(data=server.data)
    assert again.post("/v1/chat/completions", {"model": TINY, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4})[0] == 200
    assert again.stop() == 0


def test_sigterm_finishes_what_runs():
    server = Server()
    got = {}

    def ask():
        got["r"] = server.post("/v1/chat/completions", {"model": TINY, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 60, "logit_bias": {"2": -100}})

    t = threading.Thread(target=ask)
    t.start()
    time.sleep(0.4)
    assert server.stop() == 0
    t.join()
    assert got["r"][0] == 200 and got["r"][2]["usage"]["completion_tokens"] == 60
