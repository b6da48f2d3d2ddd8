"""What edits leave of a mark. Every attack changes the text as a person or a script would; the changed text goes the whole
way of `xoe detect`: canonical form, tokenizer, all shifts.

Synonyms come from WordNet 3.0 (Princeton University, WordNet licence), fetched by apt into the cache: the first words
that share a sense with a word, each drawn with equal probability; its part of speech is not checked, as a careless attacker
would not. Human text comes from bench/human.py.
"""

import random
import re
import subprocess

import sets

import common
import human

SCORED = 200  # scored tokens that an answer needs to take part: one that repeats itself carries little before any attack
WORD = re.compile(r"[A-Za-z][A-Za-z'-]*")


class Synonyms:
    def __init__(self, folder):
        self.of = {}
        for path in sorted(folder.glob("data.*")):
            for line in path.read_text().splitlines():
                if line.startswith(" "):
                    continue
                fields = line.split(" ")
                n = int(fields[3], 16)
                words = [re.sub(r"\(.*", "", fields[4 + 2 * i]).lower() for i in range(n)]
                words = [w for w in words if w.isalpha()]
                for w in words:
                    others = self.of.setdefault(w, [])
                    others += [o for o in words if o != w and o not in others]
        self.of = {w: others for w, others in self.of.items() if others}

    def get(self, word):
        w = word.lower()
        if w in self.of:
            return self.of[w], ""
        for ending in ("s", "ed", "ing", "ly"):
            if w.endswith(ending) and w[: -len(ending)] in self.of:
                return self.of[w[: -len(ending)]], ending
        return [], ""


def wordnet():
    place = sets.FOLDER / "wordnet-base"
    if not place.exists():
        sets.FOLDER.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(["apt-get", "download", "-q", "wordnet-base"], cwd=sets.FOLDER, capture_output=True, text=True)
        deb = sorted(sets.FOLDER.glob("wordnet-base_*.deb"))
        if done.returncode or not deb:
            common.die(f"apt-get download wordnet-base failed (run apt-get update first): {done.stderr.strip()[-300:]}")
        subprocess.run(["dpkg", "-x", deb[-1], place], check=True)
    return Synonyms(place / "usr/share/wordnet")


# ---- edits: text, share of the words, rng → text ------------------------------------------------


def chosen(matches, share, rng):
    return set(rng.sample(range(len(matches)), round(share * len(matches))))


def delete(text, share, rng):
    words = list(WORD.finditer(text))
    gone = chosen(words, share, rng)
    out, at = [], 0
    for i, m in enumerate(words):
        if i in gone:
            out.append(text[at : m.start()].rstrip(" "))
            at = m.end()
    return "".join(out) + text[at:]


def insert(text, share, rng):
    words = list(WORD.finditer(text))
    before = chosen(words, share, rng)
    out, at = [], 0
    for i, m in enumerate(words):
        if i in before:
            out.append(text[at : m.start()] + rng.choice(words).group().lower() + " ")
            at = m.start()
    return "".join(out) + text[at:]


def swap(text, share, rng):
    """Neighbouring words change places; each swap counts as two changed words."""
    words = [m.group() for m in WORD.finditer(text)]
    gaps = WORD.split(text)
    left = round(share * len(words) / 2)
    places = list(range(len(words) - 1))
    rng.shuffle(places)
    used = set()
    for i in places:
        if left and not {i, i + 1} & used:
            words[i], words[i + 1] = words[i + 1], words[i]
            used |= {i, i + 1}
            left -= 1
    return gaps[0] + "".join(w + g for w, g in zip(words, gaps[1:]))


def like(model, word):
    if model.isupper() and len(model) > 1:
        return word.upper()
    return word.capitalize() if model[0].isupper() else word


def substitute(synonyms):
    def edit(text, share, rng):
        words = list(WORD.finditer(text))
        able = [i for i, m in enumerate(words) if synonyms.get(m.group())[0]]
        picked = sorted(rng.sample(able, min(len(able), round(share * len(words)))))
        out, at = [], 0
        for i in picked:
            m = words[i]
            others, ending = synonyms.get(m.group())
            out.append(text[at : m.start()] + like(m.group(), rng.choice(others[:4])) + ending)
            at = m.end()
        return "".join(out) + text[at:]

    return edit


def cut_middle(text, share, _):
    """Only a middle piece is left: share is what goes, half of it at each end."""
    words = list(WORD.finditer(text))
    first = round(share * len(words) / 2)
    last = len(words) - round(share * len(words) / 2) - 1
    return text[words[first].start() : words[last].end()]


def grams(text, n=4):
    words = text.lower().split()
    return {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}


def rewritten(rewrites):
    """What a paraphrase by another model leaves."""
    found = [a for a in rewrites.read() if a["text"]]
    sources = [a["source"] for a in found]
    kept = [len(grams(a["text"]) & grams(s["text"])) / max(1, len(grams(s["text"]))) for a, s in zip(found, sources)]
    before = figures(judge(rewrites.source, sources, [s["text"] for s in sources]))
    after = figures(judge(rewrites.source, sources, [a["text"] for a in found]))
    return {"set": rewrites.label, "n": len(found), "before": before, "after": after, "mean_4_grams_kept": sum(kept) / len(kept)}


def lower_case(text, *_):
    return text.lower()


def rewrap(text, *_):
    """Every paragraph wrapped anew at 60 columns, trailing blanks and CRLF."""
    lines = []
    for line in text.split("\n"):
        now = ""
        for word in line.split(" "):
            if now and len(now) + len(word) > 60:
                lines.append(now)
                now = word
            else:
                now = f"{now} {word}" if now else word
        lines.append(now)
    return "\r\n".join(lines)


def no_break_spaces(text, *_):
    return text.replace(" ", "\u00a0")


def homoglyphs(text, *_):
    return text.translate(str.maketrans("aeopcxyAEOPCTHKMBX", "аеорсхуАЕОРСТНКМВХ"))


def zero_width(text, *_):
    return re.sub(r"(?<=\w)(?=\w\w)", "\u200b", text)


def full_width(text, *_):
    return "".join(chr(ord(c) + 0xFEE0) if c.isascii() and c.isalnum() else c for c in text)


DISGUISES = {
    "none": lambda text, *_: text,
    "zero-width space in every word": zero_width,
    "Cyrillic look-alikes": homoglyphs,
    "no-break spaces": no_break_spaces,
    "full-width letters": full_width,
    "wrapped anew, CRLF": rewrap,
    "all lower case": lower_case,
}
SHARES = (0.05, 0.1, 0.2, 0.3)


def edits():
    return {"substitute": substitute(wordnet()), "delete": delete, "insert": insert, "swap": swap, "cut": cut_middle}


def usable(set_):
    return [a for a in set_.read() if a["text"] and sum(a["marked"]) >= SCORED]


def judge(set_, answers, texts, **more):
    return sets.verdicts(set_.model, [{"key": a["key"], "text": t, **more} for a, t in zip(answers, texts)])


def figures(verdicts):
    ps = sorted(v["log10_p"] for v in verdicts)
    return {"found_1e-3": sum(p <= -3 for p in ps) / len(ps), "found_1e-5": sum(p <= -5 for p in ps) / len(ps), "median": ps[len(ps) // 2]}


def by_strength(set_):
    """Edits by share of the words, and disguises."""
    answers = usable(set_)
    plain = [a["text"] for a in answers]
    out = {"set": set_.label, "n": len(answers), "mean_tokens": sum(len(a["tokens"]) for a in answers) / len(answers), "edits": {}, "disguises": {}}
    for name, edit in edits().items():
        shares = SHARES if name != "cut" else (0.25, 0.5, 0.75)
        rows = out["edits"][name] = {}
        for share in shares:
            texts = [edit(t, share, random.Random(f"{name} {i}")) for i, t in enumerate(plain)]
            rows[share] = figures(judge(set_, answers, texts))
    for name, edit in DISGUISES.items():
        out["disguises"][name] = figures(judge(set_, answers, [edit(t) for t in plain]))
    return out


# ---- a marked span in human text ------------------------------------------------------------------


def human_words(n, count):
    """count texts of n words each, made of neighbouring passages of one source each."""
    folder = common.CACHE / "bench-human"
    human.fetch(folder)
    pools = {}
    for name, text in human.passages(folder, 1200):
        pools.setdefault(name, []).extend(text.split(" "))
    out = []
    while len(out) < count:
        before = len(out)
        for words in pools.values():
            if len(words) >= n and len(out) < count:
                out.append(" ".join(words[:n]))
                del words[:n]
        if len(out) == before:
            common.die(f"only {before} human texts of {n} words")
    return out


def piece_of(answer, n_tokens):
    """Text of about n_tokens tokens from the answer's middle: cut at words."""
    words = re.findall(r"\S+\s*", answer["text"])
    share = n_tokens / len(answer["tokens"])
    n = max(1, round(share * len(words)))
    first = (len(words) - n) // 2
    return "".join(words[first : first + n]).strip()


def overlap(a, b):
    """Intersection over union of two character ranges."""
    both = max(0, min(a[1], b[1]) - max(a[0], b[0]))
    return both / (max(a[1], b[1]) - min(a[0], b[0])) if both else 0.0


def places_of(verdicts, places):
    """How well each text's place was found (0: not), and how many spans lie elsewhere."""
    hits = [max((overlap(s, p) for s in v["spans"]), default=0.0) for v, p in zip(verdicts, places)]
    found = [h for h in hits if h > 0]
    false = [sum(overlap(s, p) == 0 for s in v["spans"]) for v, p in zip(verdicts, places)]
    return {
        "n": len(verdicts),
        "spans_found": len(found) / len(verdicts),
        "texts_found_1e-3": figures(verdicts)["found_1e-3"],
        "mean_iou_of_found": sum(found) / len(found) if found else None,
        "mean_iou_of_all": sum(hits) / len(hits),
        "spans_elsewhere": sum(false),
    }


def copy_paste(set_, seconds, n_tokens=150, n_words=2000):
    answers = usable(set_)
    pieces = [piece_of(a, n_tokens) for a in answers]
    hosts = human_words(n_words, len(answers))
    rng = random.Random(11)
    texts, places = [], []
    for piece, host in zip(pieces, hosts):
        words = host.split(" ")
        at = rng.randrange(len(words) // 10, len(words) * 9 // 10)
        before = " ".join(words[:at]) + " "
        texts.append(before + piece + " " + " ".join(words[at:]))
        places.append((len(before), len(before) + len(piece)))
    verdicts = judge(set_, answers, texts, spans=True)
    whole = judge(set_, answers, texts)
    questions = [{"key": a["key"], "text": t, "spans": True, "model": True} for a, t in zip(answers, texts)]
    with_model = sets.kept_verdicts(set_.model, questions, seconds)
    if len(with_model) < len(texts):
        common.say(f"{set_.label}: {len(with_model)} of {len(texts)} texts read with the model: run attacks again to go on")
    clean = judge(set_, answers, hosts, spans=True)
    alone = judge(set_, answers, pieces)
    return {
        "set": set_.label,
        "tokens_of_span": n_tokens,
        "words_around": n_words,
        **places_of(verdicts, places),
        "texts_found_1e-3_without_spans": figures(whole)["found_1e-3"],
        "with_model": places_of(with_model, places) if with_model else None,
        "pieces_alone": figures(alone),
        "host_alone_called_marked": figures(clean)["found_1e-3"],
    }
