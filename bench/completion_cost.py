#!/usr/bin/env python3
"""What a mark costs in wall time: the same completion unmarked, marked in generation and marked by rephrase.

One request at a time, same prompts and seeds (a seeded request computes its prompt afresh, so all three pay for it); the
kinds take turns prompt by prompt. For each pair base+paraphraser:
the median factor over the prompts, beside the factor that the server expects from its own measurement.
"""

import argparse
import statistics
import time

import common
import marks

KINDS = ("off", "generate", "rephrase")


def ask(server, i, text, mode, tokens):
    body = {
        "messages": [{"role": "user", "content": text}],
        "max_tokens": tokens,
        "temperature": 0.7,
        "top_p": 0.95,
        "seed": 1 + i,
        "watermark": {"mode": mode},
    }
    t0 = time.monotonic()
    answer = server.post("/v1/chat/completions", body)
    return time.monotonic() - t0, answer


def pair(base, paraphraser, rows, args):
    seconds, per_token, expected, passed, chunks = {k: [] for k in KINDS}, {k: [] for k in KINDS}, [], 0, 0
    with common.xoe_server(base, "--paraphrase-model", common.model_path(paraphraser), "--ctx", 2048) as server:
        for kind in KINDS:  # loads and warms both models
            ask(server, 999, "Write two sentences about rivers.", kind, args.tokens)
        for i, (_, text) in enumerate(rows):
            for kind in KINDS[i % 3 :] + KINDS[: i % 3]:
                t, answer = ask(server, i, text, kind, args.tokens)
                seconds[kind].append(t)
                per_token[kind].append(t / answer["usage"]["completion_tokens"])
                if kind == "rephrase":
                    m = answer["metadata"]
                    passed += sum(c["outcome"] == "rewritten" for c in m.get("chunks", []))
                    chunks += len(m.get("chunks", []))
                    if "expected_cost" in m:
                        expected.append(m["expected_cost"]["factor"])
    # The mark changes which tokens are drawn, hence now and then the length: in generation, time a token is compared.
    generate = [a / b for a, b in zip(per_token["generate"], per_token["off"])]
    rephrase = [a / b for a, b in zip(seconds["rephrase"], seconds["off"])]
    return {
        "base": base,
        "paraphraser": paraphraser,
        "seconds": {k: common.summary(v) for k, v in seconds.items()},
        "factor_generate": statistics.median(generate),
        "factor_rephrase": statistics.median(rephrase),
        "factor_expected": statistics.median(expected) if expected else None,
        "chunks": chunks,
        "chunks_rewritten": passed,
    }


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    s, b = common.SMALL, common.BETTER
    p.add_argument("--pairs", default=f"{s}+{s},{s}+{b},{b}+{s},{b}+{b}", help="BASE+PARAPHRASER, … [%(default)s]")
    p.add_argument("--prompts", type=int, default=6, help="prompts a pair, at least 3 [%(default)s]")
    p.add_argument("--tokens", type=int, default=200, help="new tokens at most [%(default)s]")
    args = p.parse_args()
    rows = marks.prompts(max(3, args.prompts))
    pairs = [x.split("+") for x in args.pairs.split(",")]
    figures = {"bench": "completion_cost", "options": vars(args)}
    figures["manifest"] = common.manifest(*dict.fromkeys(m for x in pairs for m in x))
    figures["pairs"] = []
    for x in pairs:
        figures["pairs"].append(pair(*x, rows, args))
        common.say(str(common.rounded({k: v for k, v in figures["pairs"][-1].items() if k != "seconds"}, 4)))
    common.report(
        figures,
        "completion_cost: "
        + "; ".join(
            f"{x['base']} + {x['paraphraser']}: in generation {x['factor_generate']:.3f}, rephrase {x['factor_rephrase']:.2f}"
            + (f" (expected {x['factor_expected']:.2f})" if x["factor_expected"] else "")
            for x in figures["pairs"]
        ),
    )


if __name__ == "__main__":
    main()
