#!/usr/bin/env python3
"""How well marks are carried and found: prompts of different kinds (bench/prompts.txt) through a real model.

In generation: every answer is marked by the sampler. The observed mean score a scored token is compared with the
prediction 1 + E[H(1/p) − 1] that the sampler noted for the same tokens, and the share of answers that the detector finds
at p < 1e-3 is counted, each answer by itself: without the model, and with it (weights).

Rephrase (--rephrase N, --human N): N answers written without a mark, and N human passages (bench/human.py, cut after the sentence
that makes them about as long as the answers), are rewritten by the paraphraser, under a key with --shifts variants; counted are the chunks that passed the meaning check, and the share of
texts found, for the whole rewrite and for the chunks that passed alone. "full" texts have 200 tokens and more. The JSON has
each rewrite that passed beside its source, to be read: the check alone cannot say how often it is wrong.
"""

import argparse
import concurrent.futures
import math
import pathlib
import re
import statistics
import subprocess
import tempfile
import time

import common
import human


def prompts(n):
    rows = [line.split("\t") for line in (common.ROOT / "bench" / "prompts.txt").read_text().splitlines() if line]
    n = min(n, len(rows))
    return [rows[i * len(rows) // n] for i in range(n)]  # all kinds, also when few are asked for


def answer(server, args, i, text, marked):
    body = {
        "messages": [{"role": "user", "content": text}],
        "max_tokens": args.tokens,
        "temperature": args.temperature,
        "top_p": args.top_p,
        "seed": args.seed + i,
        "apply_watermark": marked,
    }
    return server.post("/v1/chat/completions", body)


def detect(server, text, weights=False):
    return server.post("/v1/detect-watermark", {"text": text, "spans": False, "weights": weights})


def each(args, work, items):
    with concurrent.futures.ThreadPoolExecutor(args.at_once) as pool:
        return list(pool.map(lambda pair: work(*pair), enumerate(items)))


def found(log10_ps, level):
    return sum(p <= math.log10(level) for p in log10_ps) / len(log10_ps)


def in_generation(server, args, rows):
    def one(i, row):
        a = answer(server, args, i, row[1], True)
        choice = a["choices"][0]
        v = detect(server, choice["message"]["content"])
        weighted = detect(server, choice["message"]["content"], weights=True)
        gain = choice["watermark"]["expected_gain"]
        common.say(
            f"{i + 1:3} {row[0]:9} {a['usage']['completion_tokens']:4} tokens  log10 p {v['log10_p']:8.2f}  "
            f"weighted {weighted['log10_p']:8.2f}"
        )
        return {
            "kind": row[0],
            "n_tokens": a["usage"]["completion_tokens"],
            "n_scored": v["n_scored"],
            "log10_p": v["log10_p"],
            "log10_p_weighted": weighted["log10_p"],
            "gain": (v["score"] - 1) * v["n_scored"] if v["n_scored"] else 0,
            "expected_gain": gain,
        }

    answers = each(args, one, rows)
    ps = [a["log10_p"] for a in answers]
    scored = sum(a["n_scored"] for a in answers)
    observed = 1 + sum(a["gain"] for a in answers) / scored
    predicted = 1 + sum(a["expected_gain"] for a in answers) / scored
    # the error of the mean from answer to answer, of what the prediction leaves open
    rest = [(a["gain"] - a["expected_gain"]) / scored for a in answers]
    error = math.sqrt(len(rest) * statistics.pvariance(rest)) if len(rest) > 1 else math.nan
    full = [a for a in answers if a["n_tokens"] >= args.tokens]
    weighted = [a["log10_p_weighted"] for a in answers]
    return {
        "n": len(answers),
        "n_scored": scored,
        "observed_mean_score": observed,
        "predicted_mean_score": predicted,
        "ratio": observed / predicted,
        "ratio_standard_error": error / predicted,
        "found_1e-3": found(ps, 1e-3),
        "found_1e-5": found(ps, 1e-5),
        "n_full_length": len(full),
        "found_1e-3_full_length": found([a["log10_p"] for a in full], 1e-3) if full else None,
        "found_1e-3_full_length_weighted": found([a["log10_p_weighted"] for a in full], 1e-3) if full else None,
        "found_1e-3_weighted": found(weighted, 1e-3),
        "found_1e-5_weighted": found(weighted, 1e-5),
        "median_log10_p": statistics.median(ps),
        "median_log10_p_weighted": statistics.median(weighted),
        "worst_log10_p_weighted": max(weighted),
        "worst_log10_p": max(ps),
        "missed": [a for a in answers if a["log10_p"] > -3],
        "answers": answers,
    }


FULL_TOKENS = 200
REPHRASE_KEY = "rephrase"
REQUEST_TIMEOUT_S = 3600


def data_with_key(shifts):
    """A data folder with a key of so many variants beside the usual one."""
    data = tempfile.mkdtemp(prefix="xoe-bench-")
    subprocess.run([common.XOE, "key", "new", REPHRASE_KEY, "--shifts", str(shifts), "--data", data], check=True, stdout=subprocess.DEVNULL)
    return data


def texts_to_rephrase(server, args):
    """(kind, text): answers of the model without a mark, then human passages."""

    def one(i, row):
        return row[0], answer(server, args, i, row[1], False)["choices"][0]["message"]["content"]

    texts = each(args, one, prompts(args.rephrase))
    if args.human:
        human.fetch(args.corpus)
        texts += [("human", whole_sentences(passage, args.tokens)) for _, passage in human.passages(args.corpus, args.human)]
    return texts


def whole_sentences(text, tokens):
    """The first sentences of a text, so many that they have about so many tokens."""
    ends = [m.end() for m in re.finditer(r"[.!?][\"”)]*(?=\s)", text) if m.end() >= 4.5 * tokens]
    return text[: ends[0]] if ends else text


def summary(texts):
    with_passed = [t["log10_p_passed"] for t in texts if t["rewritten"]]
    eligible = sum(t["chunks"] - t["protected"] for t in texts)
    return {
        "n": len(texts),
        "chunks": eligible,
        "chunks_passed": sum(t["rewritten"] + t["fits"] for t in texts) / max(1, eligible),
        "found_1e-3_whole": found([t["log10_p"] for t in texts], 1e-3),
        "found_1e-4_whole": found([t["log10_p"] for t in texts], 1e-4),
        "n_with_passed": len(with_passed),
        "found_1e-3_passed": found(with_passed, 1e-3) if with_passed else None,
        "median_log10_p_whole": statistics.median(t["log10_p"] for t in texts),
        "median_log10_p_passed": statistics.median(with_passed) if with_passed else None,
        "s_a_text": statistics.mean(t["s"] for t in texts),
    }


def by_rephrase(server, args):
    def one(i, row):
        kind, text = row
        start = time.monotonic()
        body = {"text": text, "seed": args.seed + i, "temperature": args.rephrase_temperature, "key_id": REPHRASE_KEY}
        a = server.post("/v1/watermark", body)
        took = time.monotonic() - start
        raw, source = a["watermarked"].encode(), text.encode()
        rewrites = [
            [source[slice(*c["source_bytes"])].decode(), raw[slice(*c["result_bytes"])].decode()]
            for c in a["chunks"]
            if c["outcome"] == "rewritten"
        ]
        parts = [rewrite for _, rewrite in rewrites]
        passed = detect(server, "".join(parts)) if parts else None
        whole = detect(server, a["watermarked"])
        outcomes = [c["outcome"] for c in a["chunks"]]
        common.say(
            f"{i + 1:3} {kind:9} {whole['n_tokens']:4} tokens  {outcomes.count('rewritten'):2} of "
            f"{len(outcomes) - outcomes.count('protected'):2} chunks rewritten, {outcomes.count('fits')} fit  {took:5.1f} s  "
            f"log10 p {whole['log10_p']:8.2f}  of what passed {passed['log10_p'] if passed else 0:8.2f}"
        )
        return {
            "kind": kind,
            "chunks": len(outcomes),
            "rewritten": outcomes.count("rewritten"),
            "fits": outcomes.count("fits"),
            "protected": outcomes.count("protected"),
            "rewrites": rewrites,
            "reasons": [c["reason"] for c in a["chunks"] if c["outcome"] == "kept"],
            "tries": sum(c["tries"] for c in a["chunks"]),
            "n_tokens": whole["n_tokens"],
            "log10_p": whole["log10_p"],
            "n_tokens_passed": passed["n_tokens"] if passed else 0,
            "log10_p_passed": passed["log10_p"] if passed else 0,
            "s": took,
        }

    texts = each(args, one, texts_to_rephrase(server, args))
    reasons = {}
    for t in texts:
        for r in t["reasons"]:
            reasons[r] = reasons.get(r, 0) + 1
    groups = {
        "all": texts,
        "full": [t for t in texts if t["n_tokens"] >= FULL_TOKENS],
        "full human": [t for t in texts if t["n_tokens"] >= FULL_TOKENS and t["kind"] == "human"],
    }
    return {"kept_because": reasons, "groups": {k: summary(v) for k, v in groups.items() if v}, "texts": texts}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", default=common.SMALL, help="writes the answers [%(default)s]")
    p.add_argument("--paraphraser", default=common.BETTER, help="rewrites them [%(default)s]")
    p.add_argument("--prompts", type=int, default=100, help="prompts of bench/prompts.txt [%(default)s]")
    p.add_argument("--tokens", type=int, default=200, help="new tokens an answer at most [%(default)s]")
    p.add_argument("--temperature", type=float, default=0.7, help="[%(default)s]")
    p.add_argument("--top-p", type=float, default=0.95, help="[%(default)s]")
    p.add_argument("--seed", type=int, default=1, help="of the first prompt [%(default)s]")
    p.add_argument("--at-once", type=int, default=8, help="requests at once [%(default)s]")
    p.add_argument("--rephrase", type=int, default=0, help="texts to mark by rephrasing; 0: none [%(default)s]")
    p.add_argument("--human", type=int, default=0, help="human passages to mark by rephrasing [%(default)s]")
    p.add_argument("--corpus", type=pathlib.Path, default=common.CACHE / "bench-human", help="where their packages are unpacked")
    p.add_argument("--shifts", type=int, default=1024, help="variants of the key that texts are rephrased under [%(default)s]")
    p.add_argument("--rephrase-temperature", type=float, default=1.0, help="[%(default)s]")
    args = p.parse_args()
    rows = prompts(args.prompts) if args.prompts else []
    rephrases = args.rephrase or args.human
    used = [args.model] + ([args.paraphraser] if rephrases else [])
    figures = {"bench": "marks", "manifest": common.manifest(*used), "options": vars(args) | {"corpus": str(args.corpus)}}
    parts = []
    flags = ["--paraphrase-model", common.model_path(args.paraphraser), "--request-timeout-s", REQUEST_TIMEOUT_S] if rephrases else []
    with common.xoe_server(args.model, "--ctx", 2048, *flags, data=data_with_key(args.shifts) if rephrases else None) as server:
        if rows:
            g = figures["generate"] = in_generation(server, args, rows)
            parts += [
                f"mean score {g['observed_mean_score']:.3f} observed, {g['predicted_mean_score']:.3f} predicted, ratio "
                f"{g['ratio']:.3f} ± {g['ratio_standard_error']:.3f}; found at 1e-3: {g['found_1e-3']:.3f} of {g['n']} "
                f"(1e-5: {g['found_1e-5']:.3f}), {g['found_1e-3_full_length'] or 0:.3f} of {g['n_full_length']} of full length; "
                f"median log10 p {g['median_log10_p']:.1f}; weighted {g['found_1e-3_weighted']:.3f} "
                f"({g['found_1e-5_weighted']:.3f}), {g['found_1e-3_full_length_weighted'] or 0:.3f}, "
                f"{g['median_log10_p_weighted']:.1f}"
            ]
        if rephrases:
            r = figures["rephrase"] = by_rephrase(server, args)
            parts += [
                f"rephrase, {name}: {g['chunks_passed']:.2f} of {g['chunks']} chunks passed; found at 1e-3: of what passed "
                f"{g['found_1e-3_passed'] or 0:.2f} of {g['n_with_passed']}, whole texts {g['found_1e-3_whole']:.2f} of {g['n']} "
                f"(1e-4: {g['found_1e-4_whole']:.2f}), {g['s_a_text']:.0f} s a text"
                for name, g in r["groups"].items()
            ]
    common.report(figures, "marks: " + "; ".join(parts))


if __name__ == "__main__":
    main()
