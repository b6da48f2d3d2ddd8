"""Sets of marked answers: what is generated, with which keys, and where it is kept.

Generation is slow and is done once: a set lies in CACHE/bench-watermark as one JSON object a line, under a name that holds a
hash of all that shaped it (model file, temperature, scheme, prompts). A set that is not whole is continued. Every prompt
has a key of its own, made from its number, so that averages are over keys as well as over texts. Answers have their full
length, for which end tokens are forbidden; the prompts ask for long answers, since a small model that may not end a short one
repeats itself (repeated contexts are not scored).
"""

import hashlib
import json
import pathlib
import random
import re
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import common  # noqa: E402

FOLDER = common.CACHE / "bench-watermark"
BUILD = pathlib.Path(common.XOE).parent
TOP_P = 0.95
N_KEYS = 100
SCHEMES = {
    "gumbel": {"shifts": 4},
    "green": {"gamma": 0.25, "delta": 2.0},
    "synthid": {"shifts": 4, "depth": 30},
    "dipmark": {"alpha": 0.45},
    "morphmark": {"gamma": 0.25},
    "dual-gumbel": {"alpha": 0.5},
    "watermax": {},
}


class Set:
    """Answers of one model at one temperature under one scheme ("none": no mark). long: asked to be long."""

    def __init__(self, model, temperature, scheme="gumbel", answers=100, tokens=400, long=True):
        self.model, self.temperature, self.scheme, self.answers, self.tokens = model, temperature, scheme, answers, tokens
        self.prompts = prompts(long)
        self.note = "" if long else ", plain prompts"

    @property
    def label(self):
        size = {common.TINY: "135M", common.SMALL: "0.5B", common.BETTER: "1.5B"}.get(self.model, self.model)
        return f"{size} T{self.temperature:g} {self.scheme}{self.note}"

    def shape(self):
        path = common.model_path(self.model)
        return {
            "model": [path.name, path.stat().st_size],
            "temperature": self.temperature,
            "top_p": TOP_P,
            "scheme": [self.scheme, SCHEMES.get(self.scheme)],
            "tokens": self.tokens,
            "prompts": self.prompts,
        }

    @property
    def path(self):
        digest = hashlib.sha256(json.dumps(self.shape(), sort_keys=True).encode()).hexdigest()[:12]
        return FOLDER / f"{re.sub('[^0-9A-Za-z.]+', '-', self.label)}-{digest}.jsonl"

    def read(self):
        """The answers that there are, each with its kind, prompt and key."""
        found = {a["id"]: a for a in map(json.loads, whole_lines(self.path))}
        out = [{**r, **found[r["id"]]} for r in self.requests() if r["id"] in found]
        return out[: self.answers]

    def requests(self):
        out = []
        for i, (kind, prompt) in enumerate(self.prompts):
            r = {"id": f"{i:03}", "kind": kind, "prompt": prompt, "seed": 1000 + i, "temperature": self.temperature}
            r |= {"top_p": TOP_P, "tokens": self.tokens}
            if self.scheme != "none":
                r |= {"key": key_id(self.scheme, i), "shift": i % SCHEMES[self.scheme].get("shifts", 1)}
            out.append(r)
        return out[: self.answers]

    def generate(self, seconds, upto):
        """Continue the set for at most about so many seconds; True: it has its first `upto` answers."""
        have = {a["id"] for a in self.read()}
        wanted = self.requests()[:upto]
        missing = [r for r in wanted if r["id"] not in have]
        if not missing:
            return True
        begun = time.monotonic()
        argv = [BUILD / "bench_mark_write", common.model_path(self.model), keyring(), str(seconds)]
        with appending(self.path) as out:
            lines = "".join(json.dumps(r) + "\n" for r in missing)
            done = subprocess.run(argv, input=lines.encode(), stdout=out, stderr=subprocess.PIPE)
        if done.returncode:
            common.die(done.stderr.decode(errors="replace")[-500:])
        now = len(self.read())
        common.say(f"{self.label}: {now} of {self.answers} answers, {now - len(have)} in {time.monotonic() - begun:.0f} s")
        return now >= len(wanted)


class Rewrites(Set):
    """The answers of another set, put in other words by a model that knows nothing of marks."""

    ASK = "Rewrite this text in other words. Keep its meaning. Answer with the new text only.\n\n"

    def __init__(self, source, model, answers):
        super().__init__(model, 0.7, "none", answers)
        self.source = source

    @property
    def label(self):
        return f"{self.source.label} rewritten by {super().label}"

    def shape(self):
        return {**super().shape(), "source": self.source.shape()}

    def requests(self):
        own = {r["id"]: r for r in super().requests()}
        texts = [a for a in self.source.read() if a["text"] and a["id"] in own]
        return [{**own[a["id"]], "prompt": self.ASK + a["text"], "source": a} for a in texts]


def whole_lines(path):
    """The lines of a file whose writer may have been killed."""
    text = path.read_text() if path.exists() else ""
    return text[: text.rfind("\n") + 1].splitlines()


def appending(path):
    """The file, opened at the end of its last whole line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = sum(len(line.encode()) + 1 for line in whole_lines(path))
    out = open(path, "ab")
    out.truncate(whole)
    return out


def prompts(long):
    """Kind and text, in an order that has all kinds near its beginning."""
    rows = [line.split("\t") for line in (common.ROOT / "bench" / "prompts.txt").read_text().splitlines() if line]
    if long:
        rows = [(kind, f"{text} Write at least 600 words.") for kind, text in rows]
    random.Random(5).shuffle(rows)
    return rows


def key_id(scheme, i):
    return f"{scheme}-{i:03}"


def keyring():
    """The folder of the bench's own keyring; made anew each time, always the same."""
    folder = FOLDER / "keys"
    folder.mkdir(parents=True, exist_ok=True)
    keys = []
    for scheme, params in SCHEMES.items():
        for i in range(N_KEYS):
            secret = hashlib.sha256(f"xoe bench {scheme} {i}".encode()).hexdigest()
            row = {"id": key_id(scheme, i), "key": secret, "active": False, "created_ms": 1, "retired_ms": 1}
            row |= {"scheme": scheme, "width": 0, "shifts": 0, "gamma": 0, "delta": 0, "alpha": 0, "depth": 0, "payload_bits": 0}
            keys.append({**row, **params})
    text = json.dumps({"version": 1, "keys": keys})
    path = folder / "keys.json"
    if not path.exists() or path.read_text() != text:
        path.touch(mode=0o600)
        path.write_text(text)
    return folder


def verdicts(model, questions):
    """What the detector says to each question, see mark_read.c."""
    lines = "".join(json.dumps(q) + "\n" for q in questions)
    argv = [BUILD / "bench_mark_read", common.model_path(model), keyring()]
    done = subprocess.run(argv, input=lines.encode(), capture_output=True)
    if done.returncode:
        common.die(done.stderr.decode(errors="replace")[-500:])
    return [json.loads(line) for line in done.stdout.splitlines()]


def kept_verdicts(model, questions, seconds):
    """The same for questions that take long: verdicts are kept, at most so many seconds are spent, and the answer may be
    shorter than the questions. Another build or another question starts anew."""
    argv = [BUILD / "bench_mark_read", common.model_path(model), keyring()]
    digest = hashlib.sha256(argv[0].read_bytes() + json.dumps([model, questions]).encode()).hexdigest()[:16]
    path = FOLDER / "verdicts" / f"{digest}.jsonl"
    missing = questions[len(whole_lines(path)) :]
    if missing and seconds > 0:
        with appending(path) as out:
            asked = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.PIPE)
            try:
                _, errors = asked.communicate("".join(json.dumps(q) + "\n" for q in missing).encode(), timeout=seconds)
                if asked.returncode:
                    common.die(errors.decode(errors="replace")[-500:])
            except subprocess.TimeoutExpired:
                asked.kill()
                asked.communicate()
    return [json.loads(line) for line in whole_lines(path)]
