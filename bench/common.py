"""What the benchmarks share: servers on free ports, a streaming client that times every piece, the manifest of a
run (commit, machine, model hash), medians. Python's standard library only, so any python3 runs them.

Every benchmark prints one JSON object on standard output and, last, one line for people on standard error.
"""

import hashlib
import http.client
import json
import math
import os
import pathlib
import re
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
XOE = os.environ.get("XOE_BIN", str(ROOT / "build" / "xoe"))
DATA_HOME = os.environ.get("XDG_DATA_HOME", os.path.expanduser("~/.local/share"))
MODELS = pathlib.Path(os.environ.get("XOE_MODELS_DIR", os.path.join(DATA_HOME, "xoe", "models")))
CACHE = pathlib.Path(
    os.environ.get("XOE_CACHE", os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "xoe"))
)
TINY = "smollm2-135m-instruct"
SMALL = "qwen2.5-coder-0.5b-instruct"
BETTER = "qwen2.5-coder-1.5b-instruct"


def die(message):
    print(f"{pathlib.Path(sys.argv[0]).name}: {message}", file=sys.stderr)
    sys.exit(1)


def say(message):
    print(message, file=sys.stderr, flush=True)


def cores():
    return len(os.sched_getaffinity(0))


# ---- models -------------------------------------------------------------------------------------


def model_path(name):
    """The file of a model of the manifest, or the path itself."""
    if os.path.exists(name):
        return pathlib.Path(name)
    for m in json.loads((ROOT / "models" / "manifest.json").read_text())["models"]:
        if name == m["name"] or name in m.get("aliases", []):
            path = MODELS / m["file"]
            if not path.exists():
                die(f"{path} is missing; get it with: build/xoe models pull {name}")
            return path
    die(f"no model {name} in models/manifest.json; build/xoe models list shows them")


def sha256(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        while block := f.read(1 << 20):
            h.update(block)
    return h.hexdigest()


def control_tokens(path):
    """Ids of the control tokens of a GGUF file (token type 3): forbidding them keeps an answer going to max_tokens."""
    sizes = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
    with open(path, "rb") as f:

        def number(fmt):
            return struct.unpack("<" + fmt, f.read(struct.calcsize(fmt)))[0]

        def skip(kind):
            f.seek(number("Q") if kind == 8 else sizes[kind], 1)

        if f.read(4) != b"GGUF":
            die(f"{path} is not a GGUF file")
        number("I"), number("Q")
        for _ in range(number("Q")):
            key = f.read(number("Q")).decode()
            kind = number("I")
            if kind != 9:
                skip(kind)
                continue
            item, n = number("I"), number("Q")
            if key == "tokenizer.ggml.token_type":
                return [i for i, t in enumerate(struct.unpack(f"<{n}i", f.read(4 * n))) if t == 3]
            for _ in range(n):
                skip(item)
    die(f"{path} has no token types")


# ---- servers ------------------------------------------------------------------------------------


class Server:
    """A child process that speaks OpenAI's HTTP; kind is "xoe" or "llama"."""

    def __init__(self, kind, argv, log, port=None):
        self.kind, self.argv, self.log_path, self.port = kind, argv, log, port
        self.log = open(log, "ab")
        out = subprocess.PIPE if kind == "xoe" else subprocess.DEVNULL
        self.process = subprocess.Popen(argv, stdout=out, stderr=self.log)
        if kind == "xoe":
            line = self.process.stdout.readline().decode()
            found = re.search(r":(\d+)/", line)
            if not found:
                self.fail()
            self.port = int(found.group(1))
        end = time.monotonic() + 120
        while self.get("/health", quiet=True)[0] != 200:
            if time.monotonic() > end or self.process.poll() is not None:
                self.fail()
            time.sleep(0.1)

    def fail(self):
        self.stop()
        tail = pathlib.Path(self.log_path).read_text(errors="replace")[-1500:]
        die(f"{self.kind} did not start: {' '.join(self.argv)}\n{tail}")

    def request(self, method, path, body=None, timeout=1200):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            c.request(method, path, json.dumps(body) if body is not None else None, {"Content-Type": "application/json"})
            r = c.getresponse()
            raw = r.read()
        finally:
            c.close()
        try:
            return r.status, json.loads(raw)
        except ValueError:
            return r.status, raw.decode(errors="replace")

    def get(self, path, quiet=False):
        try:
            return self.request("GET", path, timeout=30)
        except OSError:
            if not quiet:
                raise
            return 0, None

    def post(self, path, body, timeout=1200):
        status, answer = self.request("POST", path, body, timeout)
        if status != 200:
            die(f"{self.kind} {path}: {status} {answer}")
        return answer

    def metric(self, name):
        found = re.search(rf"^{re.escape(name)} ([-+0-9.e]+)$", self.get("/metrics")[1], re.M)
        return float(found.group(1)) if found else math.nan

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def xoe_server(model, *flags, data=None):
    data = data or tempfile.mkdtemp(prefix="xoe-bench-")
    argv = [XOE, "serve", "--port", "0", "--data", data, "--models-dir", str(MODELS), "--model", str(model_path(model))]
    argv += ["--detect-rate-per-minute", "0", "--log-level", "warn", *map(str, flags)]
    s = Server("xoe", argv, os.path.join(data, "server.log"))
    s.data = data
    return s


def llama_server_binary():
    place = os.environ.get("XOE_LLAMA_DIR")
    if not place:
        paths = ROOT / ".deps" / "paths.cmake"
        found = re.search(r'XOE_LLAMA_DIR "([^"]+)"', paths.read_text()) if paths.exists() else None
        place = found.group(1) if found else ""
    binary = os.path.join(place, "bin", "llama-server")
    if not os.access(binary, os.X_OK):
        die("llama.cpp's own server is not built; build it with: tools/deps.sh --server")
    return binary


def llama_server(model, threads, slots, ctx, *flags):
    """llama.cpp's server as it comes, but for what makes the comparison fair: the same threads, slots and context, and
    no prompt cache in memory beside the slots (its copying would only cost it time here)."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    argv = [llama_server_binary(), "-m", str(model_path(model)), "--host", "127.0.0.1", "--port", str(port)]
    argv += ["-t", str(threads), "-np", str(slots), "-c", str(slots * ctx), "--cache-ram", "0", "--no-ui", *map(str, flags)]
    return Server("llama", argv, os.path.join(tempfile.mkdtemp(prefix="xoe-bench-"), "llama.log"), port)


# ---- a streaming client -------------------------------------------------------------------------


class Stream(threading.Thread):
    """One streamed completion; notes when each piece of text arrived. Starts at `at` (monotonic seconds)."""

    def __init__(self, server, body, at=None, path="/v1/completions"):
        super().__init__(daemon=True)
        self.server, self.path, self.at = server, path, at
        self.body = {**body, "stream": True, "stream_options": {"include_usage": True}}
        self.times, self.usage, self.error, self.finish = [], None, None, None

    def run(self):
        try:
            if self.at:
                time.sleep(max(0.0, self.at - time.monotonic()))
            self.talk()
        except Exception as e:  # told by run_streams, on the caller's thread
            self.error = repr(e)

    def talk(self):
        c = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=1200)
        body = json.dumps(self.body)
        self.sent = self.at or time.monotonic()  # open loop: a late start counts as waiting
        c.request("POST", self.path, body, {"Content-Type": "application/json"})
        r = c.getresponse()
        if r.status != 200:
            self.error = f"{r.status} {r.read()[:300]!r}"
            return
        for line in r:
            if not line.startswith(b"data: {"):
                continue
            now = time.monotonic()
            event = json.loads(line[6:])
            if "error" in event:
                self.error = str(event["error"])
            if event.get("usage"):
                self.usage = event["usage"]
            for choice in event.get("choices", []):
                if choice.get("text") or choice.get("delta", {}).get("content"):
                    self.times.append(now)
                self.finish = choice.get("finish_reason") or self.finish
        c.close()

    @property
    def first(self):
        return self.times[0] - self.sent

    @property
    def tokens(self):
        return self.usage["completion_tokens"]


def run_streams(streams):
    for s in streams:
        s.start()
    for s in streams:
        s.join()
    for s in streams:
        if s.error or not s.times or not s.usage:
            die(f"{s.server.kind}: a stream failed: {s.error or 'no text or no usage'}")
    return streams


def decode_rate(streams):
    """Tokens a second of all streams together while all of them decode: between the last first piece and the first
    last piece. Pieces are turned into tokens by each stream's usage."""
    start, end = max(s.times[0] for s in streams), min(s.times[-1] for s in streams)
    if end <= start:
        die("the streams did not overlap; give more --tokens")
    tokens = sum(sum(start < t <= end for t in s.times) * s.tokens / len(s.times) for s in streams)
    return tokens / (end - start)


# ---- figures ------------------------------------------------------------------------------------


def quantile(values, q):
    """The smallest value with at least q of the sample at or below it."""
    v = sorted(values)
    return v[max(0, math.ceil(q * len(v)) - 1)]


def ln_binomial_tail(k, n, p):
    """ln P(Bin(n, p) ≥ k)."""
    terms = [
        math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) + i * math.log(p) + (n - i) * math.log1p(-p)
        for i in range(k, n + 1)
    ]
    top = max(terms)
    return min(0.0, top + math.log(sum(math.exp(t - top) for t in terms)))


def summary(values):
    return {"median": statistics.median(values), "samples": values}


def rounded(x, digits=5):
    if isinstance(x, float):
        return float(f"{x:.{digits}g}") if math.isfinite(x) else None
    if isinstance(x, dict):
        return {k: rounded(v, digits) for k, v in x.items()}
    if isinstance(x, (list, tuple)):
        return [rounded(v, digits) for v in x]
    return x


def manifest(*models):
    def git(*a):
        return subprocess.run(["git", *a], cwd=ROOT, capture_output=True, text=True).stdout.strip()

    cpu = re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    return {
        "commit": git("rev-parse", "--short=12", "HEAD"),
        "changed": bool(git("status", "--porcelain", "--untracked-files=no")),
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "cpu": cpu.group(1) if cpu else os.uname().machine,
        "cores": cores(),
        "load_before": os.getloadavg()[0],
        "models": {p.name: sha256(p) for p in map(model_path, models)},
    }


def report(figures, line):
    print(json.dumps(rounded(figures), indent=1))
    say(line)
