"""Starts real servers for the tests. No test is skipped: without a model it fails and says which to pull."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
XOE = os.environ.get("XOE_BIN", str(ROOT / "build" / "xoe"))
MODELS = os.environ.get(
    "XOE_MODELS_DIR",
    os.path.join(os.environ.get("XDG_DATA_HOME", os.path.expanduser("~/.local/share")), "xoe", "models"),
)
TINY = "smollm2-135m-instruct"
SMALL = "qwen2.5-coder-0.5b-instruct"
BETTER = "qwen2.5-coder-1.5b-instruct"


SANITIZER = re.compile(r"(?:ERROR|WARNING): \w+Sanitizer|runtime error: ")


def no_sanitizer_report(text):
    """With XOE_BIN from a sanitizer build, a finding of any process fails the test that started it."""
    found = SANITIZER.search(text)
    if found:
        raise AssertionError("a sanitizer found something:\n" + text[found.start():found.start() + 6000])


class Server:
    """A running `xoe serve` on a free port with a data folder of its own."""

    def __init__(self, *flags, model=TINY, data=None, env=None, files=None):
        self.data = data or tempfile.mkdtemp(prefix="xoe-test-")
        self.log_path = os.path.join(self.data, "server.log")
        self.log = open(self.log_path, "ab")
        argv = [XOE, "serve", "--port", "0", "--data", self.data, "--models-dir", MODELS, "--model", model, *flags]
        if files:  # at most so many open files
            argv = ["prlimit", f"--nofile={files}:{files}", *argv]
        self.process = subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=self.log, env={**os.environ, **(env or {})}
        )
        line = self.process.stdout.readline().decode()
        found = re.search(r"http://([^/:]+|\[[^\]]+\]):(\d+)/", line)
        if not found:
            code = self.process.wait(10)
            raise RuntimeError(f"xoe serve did not start (exit {code}): {line}{self.tail()}")
        self.port = int(found.group(2))
        self.url = f"http://127.0.0.1:{self.port}"

    def tail(self, n=3000):
        with open(self.log_path, "rb") as f:
            return f.read()[-n:].decode(errors="replace")

    def request(self, method, path, body=None, headers=None, timeout=120):
        """(status, headers, parsed or raw body); never raises for a status."""
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        req = urllib.request.Request(self.url + path, data=data, method=method)
        req.add_header("content-type", "application/json")
        for k, v in (headers or {}).items():
            req.add_header(k, v)
        try:
            with urllib.request.urlopen(req, timeout=timeout) as r:
                status, head, raw = r.status, r.headers, r.read()
        except urllib.error.HTTPError as e:
            status, head, raw = e.code, e.headers, e.read()
        try:
            return status, head, json.loads(raw)
        except ValueError:
            return status, head, raw.decode(errors="replace")

    def post(self, path, body, **kw):
        return self.request("POST", path, body, **kw)

    def get(self, path, **kw):
        return self.request("GET", path, **kw)

    def metric(self, name):
        text = self.get("/metrics")[2]
        return float(re.search(rf"^{re.escape(name)} ([-+0-9.e]+)$", text, re.M).group(1))

    def alive(self):
        return self.process.poll() is None and self.get("/livez", timeout=10)[0] == 200

    def connect(self, timeout=60):
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.log.close()
        self.check_log()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
        self.log.close()
        self.check_log()
        return self.process.returncode

    def check_log(self):
        with open(self.log_path, "rb") as f:
            no_sanitizer_report(f.read().decode(errors="replace"))


def xoe(*argv, stdin=None, data=None, timeout=120, env=None):
    """Run the program; returns the finished process with text output."""
    argv = [XOE, *argv]
    if data:
        argv += ["--data", str(data)]
    done = subprocess.run(
        argv, input=stdin, capture_output=True, text=True, timeout=timeout, env={**os.environ, **(env or {})}
    )
    no_sanitizer_report(done.stderr)
    return done


def eventually(check, timeout=10.0, step=0.02):
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if check():
            return True
        time.sleep(step)
    return False
