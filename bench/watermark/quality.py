"""What a mark does to the text: perplexity of the answers under a bigger model that had no part in writing them, and
distinct n-grams, marked against unmarked, on the same prompts; and whether the next-token distribution is unchanged on
average over keys (mark_unbiased.c).

Judgements are slow and kept beside the sets, so a run that was cut off goes on where it stopped.
"""

import json
import math
import random
import statistics
import subprocess
import time

import sets

import common


def judged(set_, judge, tokens, seconds):
    """{id: nats a token} of the set's answers; as many as could be had in so many seconds, and those of before."""
    name = common.model_path(judge).stem
    path = set_.path.with_name(f"{set_.path.stem}-judged-{name}-{tokens}.jsonl")
    have = {j["id"]: j["nats"] / j["n"] for j in map(json.loads, sets.whole_lines(path))}
    missing = [a for a in set_.read() if a["text"] and a["id"] not in have]
    if not missing or seconds <= 0:
        return have
    with sets.appending(path) as out:
        argv = [sets.BUILD / "bench_mark_judge", common.model_path(judge)]
        child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=out)
        end = time.monotonic() + seconds
        for a in missing:
            line = json.dumps({"id": a["id"], "prompt": a["prompt"], "text": a["text"], "tokens": tokens})
            child.stdin.write(line.encode() + b"\n")
        child.stdin.close()
        try:
            child.wait(max(1, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.terminate()
            child.wait()
    return judged(set_, judge, tokens, 0)


def distinct(texts, n):
    """Share of different n-grams of words among all of them, within the first 150 words of each text, averaged."""
    shares = []
    for t in texts:
        words = t.lower().split()[:150]
        grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
        shares.append(len(set(grams)) / len(grams))
    return statistics.fmean(shares)


def variety(set_):
    texts = [a["text"] for a in set_.read() if a["text"]]
    return {"texts": len(texts), **{f"distinct_{n}": distinct(texts, n) for n in (1, 2, 3)}}


def interval(differences):
    """Mean of paired differences and its 95 % interval by the bootstrap."""
    rng = random.Random(7)
    means = sorted(statistics.fmean(rng.choices(differences, k=len(differences))) for _ in range(4000))
    return [statistics.fmean(differences), means[100], means[3899]]


def quality(plain, marked, judge, tokens=128, seconds=150):
    """plain: the unmarked set; marked: the others of the same model and temperature. Perplexity of the first so many tokens."""
    end = time.monotonic() + seconds
    base = judged(plain, judge, tokens, seconds)
    rows = {"none": {"n": len(base), "perplexity": math.exp(statistics.fmean(base.values())) if base else None, **variety(plain)}}
    for s in marked:
        nats = judged(s, judge, tokens, end - time.monotonic())
        both = sorted(set(nats) & set(base))
        rows[s.scheme] = {"n": len(both), "perplexity": None, **variety(s)}
        if len(both) < 8:
            continue
        mean, low, high = interval([nats[i] - base[i] for i in both])
        rows[s.scheme] |= {"perplexity": math.exp(statistics.fmean(nats[i] for i in both))}
        rows[s.scheme] |= {"perplexity_factor": [math.exp(v) for v in (mean, low, high)]}
    return {"writer": plain.label, "judge": judge, "tokens": tokens, "schemes": rows}


def unbiased(model, temperature, keys):
    argv = [sets.BUILD / "bench_mark_unbiased", common.model_path(model), common.ROOT / "bench" / "prompts.txt"]
    done = subprocess.run([*argv, str(temperature), str(keys)], capture_output=True, text=True)
    if done.returncode:
        common.die(done.stderr[-500:])
    return json.loads(done.stdout)
