#!/usr/bin/env python3
"""False alarms on human text: passages of 200 to 400 words from Debian packages (a Bible, fortunes, copyright files and
documentation), fetched with apt into the cache, not installed and not kept in the repository. Each goes through the
detector as a user's text would. Counted: the share with p below 1e-2 and 1e-3, against what binomial chance allows;
and a text of one sentence 50 times, for 200 sentences, under the same count."""

import argparse
import gzip
import math
import pathlib
import random
import re
import subprocess
import tempfile

import common

PACKAGES = ["bible-kjv-text", "fortunes", "debian-reference-en", "doc-debian", "developers-reference", "fortunes-debian-hints"]


def fetch(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for package in PACKAGES:
        if (folder / package).is_dir():
            continue
        tmp = pathlib.Path(tempfile.mkdtemp(dir=folder))
        got = subprocess.run(["apt-get", "download", package], cwd=tmp, capture_output=True, text=True)
        debs = list(tmp.glob("*.deb"))
        if got.returncode or not debs:
            common.say(f"{package} cannot be had: {got.stderr.strip()[-200:]}")
            continue
        subprocess.run(["dpkg-deb", "-x", str(debs[0]), str(tmp / "x")], check=True)
        debs[0].unlink()
        tmp.rename(folder / package)


def texts(folder):
    """(source, text) of every readable prose file."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.is_symlink():
            continue
        raw = path.read_bytes()
        if path.suffix == ".gz":
            raw = gzip.decompress(raw)
        try:
            text = raw.decode()
        except ValueError:
            continue
        if path.suffix in (".html", ".htm"):
            text = re.sub(r"(?s)<(script|style).*?</\1>", " ", text)
            text = re.sub(r"<[^>]+>", " ", text)
            for a, b in (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"), ("&quot;", '"'), ("&nbsp;", " ")):
                text = text.replace(a, b)
        letters = sum(c.isalpha() or c.isspace() for c in text)
        if len(text) > 2000 and letters / len(text) > 0.85:
            yield str(path.relative_to(folder)), text


def passages(folder, n, rng):
    """Distinct passages, taken from the sources in turn so that no one dominates."""
    pools = {}
    for source, text in texts(folder):
        words = re.split(r"(\s+)", text)
        at = 0
        while at < len(words):
            size = 2 * rng.randint(200, 400)
            piece = "".join(words[at : at + size]).strip()
            if len(piece.split()) >= 200:
                pools.setdefault(source.split("/")[0], []).append((source, piece))
            at += size
    for pool in pools.values():
        rng.shuffle(pool)
    out = []
    while len(out) < n and any(pools.values()):
        for pool in pools.values():
            if pool and len(out) < n:
                out.append(pool.pop())
    return out


def allowed(n, p):
    """Most hits of n that chance explains at 1e-3."""
    k = 0
    while common.ln_binomial_tail(k + 1, n, p) > math.log(1e-3):
        k += 1
    return k


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", default=common.SMALL, help="whose vocabulary [%(default)s]")
    p.add_argument("--passages", type=int, default=500, help="[%(default)s]")
    p.add_argument("--keys", type=int, default=1, help="keys in the keyring [%(default)s]")
    args = p.parse_args()
    rng = random.Random(1)
    folder = common.CACHE / "human-text"
    fetch(folder)
    found = passages(folder, args.passages, rng)
    if len(found) < args.passages:
        common.die(f"only {len(found)} passages could be made; is apt-get update needed?")
    with common.xoe_server(args.model) as server:
        for _ in range(args.keys - 1):
            subprocess.run([common.XOE, "key", "new", "--data", server.data], check=True, capture_output=True)
        ps = [server.post("/v1/detect-watermark", {"text": t})["log10_p"] for _, t in found]
        sentences = [re.sub(r"\s+", " ", s).strip() for _, t in found for s in re.split(r"(?<=[.!?])\s", t)[1:2]]
        again = [" ".join([s] * 50) for s in sentences if 5 <= len(s.split()) <= 40][:200]
        repeated = [server.post("/v1/detect-watermark", {"text": t})["log10_p"] for t in again]
    sources = {}
    for s, _ in found:
        sources[s.split("/")[0]] = sources.get(s.split("/")[0], 0) + 1
    result = {"passages": len(ps), "sources": sources, "manifest": common.manifest(args.model)}
    for level in (1e-2, 1e-3):
        hits, twice = sum(x <= math.log10(level) for x in ps), sum(x <= math.log10(level) for x in repeated)
        result[f"share_below_{level:g}"] = hits / len(ps)
        result[f"hits_below_{level:g}"] = hits
        result[f"hits_allowed_{level:g}"] = allowed(len(ps), level)
        result[f"repeated_below_{level:g}"] = twice
        result[f"repeated_allowed_{level:g}"] = allowed(len(repeated), level)
    result["smallest_log10_p"] = min(ps)
    result["repeated"] = len(repeated)
    result["repeated_smallest_log10_p"] = min(repeated)
    common.report(result, f"{len(ps)} human passages: {result['hits_below_0.01']} below 1e-2 (allowed {result['hits_allowed_0.01']}), "
                  f"{result['hits_below_0.001']} below 1e-3 (allowed {result['hits_allowed_0.001']}); {len(repeated)} sentences x 50: "
                  f"{result['repeated_below_0.001']} below 1e-3 (allowed {result['repeated_allowed_0.001']})")


if __name__ == "__main__":
    main()
