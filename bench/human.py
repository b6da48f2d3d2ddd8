#!/usr/bin/env python3
"""False alarms on human text: passages of 200 to 400 words from Debian packages, which must not be called marked.

The packages are fetched by apt into the cache and only unpacked there; nothing of them is part of this repository.
Passages are cut by a fixed seed, evenly over the sources, and never overlap. Each is given to the detector under the
deployed key, and again under further random keys (--keys), each time as a test of its own. The share below 1e-2 and 1e-3
must not be above nominal beyond binomial error (probability of so many alarms at least 1e-3). Last, sentences repeated 50
times each are tested under three keys: deduplication must keep them quiet.

Exit status 1 when a bound is broken.
"""

import argparse
import gzip
import html.parser
import math
import pathlib
import random
import re
import subprocess
import sys
import tempfile

import common

PACKAGES = """anarchism bible-kjv bible-kjv-text debian-faq debian-reference-en developers-reference dict-devil doc-debian
fortunes manpages""".split()
SENTENCE = "The meeting of the committee will take place in the small hall on the second floor of the old town house."


def fetch(folder):
    """Unpack the packages under folder, once."""
    debs = folder / "debs"
    debs.mkdir(parents=True, exist_ok=True)
    for name in PACKAGES:
        tree = folder / name
        if tree.exists():
            continue
        done = subprocess.run(["apt-get", "download", "-q", name], cwd=debs, capture_output=True, text=True)
        deb = sorted(debs.glob(f"{name}_*.deb"))
        if done.returncode or not deb:
            common.die(f"apt-get download {name} failed (run apt-get update first): {done.stderr.strip()[-300:]}")
        part = folder / f"{name}.part"
        subprocess.run(["dpkg", "-x", deb[-1], part], check=True)
        part.rename(tree)


class Paragraphs(html.parser.HTMLParser):
    """The text of the <p> elements of a page."""

    def __init__(self):
        super().__init__()
        self.inside, self.now, self.found = False, [], []

    def handle_starttag(self, tag, attrs):
        if tag == "p":
            self.end()
            self.inside = True
        elif tag in ("pre", "table", "ul", "ol", "div", "h1", "h2", "h3"):
            self.end()

    def handle_endtag(self, tag):
        if tag == "p":
            self.end()

    def handle_data(self, data):
        if self.inside:
            self.now.append(data)

    def end(self):
        self.found.append("".join(self.now))
        self.inside, self.now = False, []


def html_paragraphs(folder):
    out = []
    for page in sorted(folder.rglob("*.html")):
        parser = Paragraphs()
        parser.feed(page.read_text(errors="replace"))
        out += parser.found
    return out


def text(path):
    raw = gzip.open(path).read() if path.suffix in (".gz", ".dz") else path.read_bytes()
    return raw.decode(errors="replace")


def man_paragraphs(folder):
    out = []
    for page in sorted(folder.rglob("man[2-8]/*.gz")):
        block = []
        for line in text(page).splitlines() + [".PP"]:
            if line.startswith((".PP", ".SH", ".TP", ".IP", ".P")):
                out.append(" ".join(block))
                block = []
            elif line.startswith((".B ", ".I ", ".BR ", ".IR ")):
                block.append(line.split(" ", 1)[1].replace('"', ""))
            elif not line.startswith((".", "'")):
                block.append(re.sub(r"\\f.|\\\(..|\\[&|^/,%]|\\", "", line))
    return out


def bible(folder):
    library = folder / "bible-kjv-text/usr/lib"
    program = folder / "bible-kjv/usr/bin/bible"
    out = subprocess.run([program, "-p", library, "-l72", "gen1:1-rev22:21"], capture_output=True, text=True, check=True)
    plain = re.sub(r"^(\w| )+ \d+$", "", out.stdout, flags=re.M)  # "Genesis 1"
    return re.sub(r"^ *\d+ ", "", plain, flags=re.M).split("\n\n")  # verse numbers


def sources(folder):
    """Name → paragraphs, in reading order."""
    share = "usr/share"
    fortunes = folder / "fortunes" / share / "games/fortunes"
    return {
        "bible": bible(folder),
        "anarchism": html_paragraphs(folder / "anarchism"),
        "debian-faq": html_paragraphs(folder / "debian-faq"),
        "debian-reference": html_paragraphs(folder / "debian-reference-en"),
        "developers-reference": html_paragraphs(folder / "developers-reference"),
        "devil's dictionary": text(next((folder / "dict-devil").rglob("*.dict.dz"))).split("\n\n"),
        "constitution and manifesto": [
            p
            for name in ("constitution.txt.gz", "debian-manifesto.gz", "social-contract.txt.gz", "mailing-lists.txt.gz")
            for f in (folder / "doc-debian").rglob(name)
            for p in text(f).split("\n\n")
        ],
        "fortunes": [
            p for f in sorted(fortunes.iterdir()) if "." not in f.name and not f.is_symlink() for p in text(f).split("\n%\n")
        ],
        "licences": [
            p
            for f in sorted(pathlib.Path("/usr/share/common-licenses").iterdir())
            if not f.is_symlink()
            for p in text(f).split("\n\n")
        ],
        "manual pages": man_paragraphs(folder / "manpages"),
    }


def cut(paragraphs, rng):
    """Passages of 200 to 400 words, one after the other; white space made plain, paragraphs kept."""
    out, words, parts, aim = [], 0, [], rng.randint(200, 400)
    for p in paragraphs:
        got = p.split()
        if len(got) < 6 or sum(w.isalpha() for w in got) < len(got) / 2:
            continue
        while got:
            take = got[: aim - words]
            parts.append(" ".join(take))
            words += len(take)
            got = got[len(take) :]
            if words == aim:
                out.append("\n\n".join(parts))
                words, parts, aim = 0, [], rng.randint(200, 400)
    return out


def passages(folder, n):
    rng = random.Random(20)
    pools = {}
    for name, paragraphs in sources(folder).items():
        pool = list(dict.fromkeys(cut(paragraphs, rng)))
        if not pool:
            common.die(f"no passage could be cut from {name}")
        rng.shuffle(pool)
        pools[name] = pool
    chosen = []
    while len(chosen) < n:
        before = len(chosen)
        for name, pool in pools.items():
            if pool and len(chosen) < n:
                chosen.append((name, pool.pop()))
        if len(chosen) == before:
            common.die(f"only {before} passages to be had; ask for fewer")
    return chosen


def repeated(texts):
    """One sentence of each passage that has a plain one, and one of our own, 50 times."""
    out = [SENTENCE]
    for t in texts:
        whole = [s for s in re.split(r"(?<=[.!?])\s+", t)[1:-1] if 6 <= len(s.split()) <= 40]
        out += whole[:1]
    return [" ".join([s] * 50) for s in out]


def alarms(log10_ps, level):
    k, n = sum(p <= math.log10(level) for p in log10_ps), len(log10_ps)
    chance = math.exp(common.ln_binomial_tail(k, n, level))
    return {"n": n, "alarms": k, "share": k / n, "chance_of_so_many": chance, "ok": chance >= 1e-3}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", default=common.SMALL, help="whose tokenizer reads the text [%(default)s]")
    p.add_argument("--passages", type=int, default=500, help="[%(default)s]")
    p.add_argument("--keys", type=int, default=20, help="further random keys, each a test of its own [%(default)s]")
    p.add_argument("--corpus", type=pathlib.Path, default=common.CACHE / "bench-human", help="where packages are unpacked")
    p.add_argument("--write", type=pathlib.Path, metavar="DIR", help="also write the passages as files, to look at them")
    args = p.parse_args()
    fetch(args.corpus)
    chosen = passages(args.corpus, args.passages)
    if args.write:
        args.write.mkdir(parents=True, exist_ok=True)
        for i, (name, passage) in enumerate(chosen):
            (args.write / f"{i:04}-{name.split()[0]}.txt").write_text(passage)
    data = tempfile.mkdtemp(prefix="xoe-bench-")
    keys = [f"bench-{i}" for i in range(args.keys)]
    for key in keys:
        subprocess.run([common.XOE, "key", "new", key, "--data", data, "--quiet"], check=True, stdout=subprocess.DEVNULL)
    counts = {}
    for name, _ in chosen:
        counts[name] = counts.get(name, 0) + 1
    figures = {"bench": "human", "manifest": common.manifest(args.model), "passages": counts}
    with common.xoe_server(args.model, "--ctx", 512, "--slots", 1, data=data) as server:
        listed = subprocess.run([common.XOE, "key", "list", "--json", "--data", data], capture_output=True, text=True).stdout
        deployed = [k for k in re.findall(r'"id": ?"([^"]+)"', listed) if k not in keys]
        if len(deployed) != 1:
            common.die(f"expected one deployed key beside the further ones, found {deployed}")

        def p_values(key, texts):
            ask = {"spans": False, "key_ids": [key], "model": args.model}
            return [server.post("/v1/detect-watermark", {"text": t, **ask})["log10_p"] for t in texts]

        texts = [t for _, t in chosen]
        own = p_values(deployed[0], texts)
        spans = [
            server.post("/v1/detect-watermark", {"text": t, "spans": True, "key_ids": deployed})["log10_p"] for t in texts
        ]
        others = [v for key in keys for v in p_values(key, texts)]
        again = [v for key in deployed + keys[:2] for v in p_values(key, repeated(texts))]
    levels = (1e-2, 1e-3)
    figures["deployed_key"] = {f"{level:g}": alarms(own, level) for level in levels}
    figures["deployed_key_with_spans"] = {f"{level:g}": alarms(spans, level) for level in levels}
    if others:
        figures["random_keys"] = {f"{level:g}": alarms(others, level) for level in levels}
    figures["sentence_x_50"] = {f"{level:g}": alarms(again, level) for level in levels}
    tests = ("deployed_key", "deployed_key_with_spans", "random_keys", "sentence_x_50")
    ok = all(cell["ok"] for name in tests for cell in figures.get(name, {}).values())
    figures["ok"] = ok
    own_figures, other_figures = figures["deployed_key"], figures.get("random_keys", {})
    common.report(
        figures,
        f"human: {len(texts)} passages, below 1e-2: {own_figures['0.01']['alarms']}, below 1e-3: {own_figures['0.001']['alarms']}; "
        + (
            f"under {args.keys} more keys {other_figures['0.01']['share']:.4f} and {other_figures['0.001']['share']:.5f}; "
            if others
            else ""
        )
        + f"sentences × 50: {figures['sentence_x_50']['0.001']['alarms']} of {len(again)} below 1e-3; "
        + ("within bounds" if ok else "ABOVE BOUNDS"),
    )
    sys.exit(0 if ok else 1)


if __name__ == "__main__":
    main()
