#!/usr/bin/env python3
"""What a marked completion costs: wall time of the same prompts unmarked, marked in generation, and marked by rephrase, for
pairs of models (base, paraphraser). One answer at a time; the three take turns; medians."""

import argparse
import statistics
import time

import common

PROMPTS = ["Explain how a sailing boat can move against the wind.", "Describe how bread is made, from grain to loaf.",
           "Tell the story of a clockmaker who lost an hour.", "Why do leaves change their colour in autumn?"]


def one(server, prompt, mode, tokens):
    body = {"messages": [{"role": "user", "content": prompt}], "max_tokens": tokens, "temperature": 0.8, "watermark": {"mode": mode}}
    t = time.monotonic()
    answer = server.post("/v1/chat/completions", body)
    return time.monotonic() - t, answer


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--pairs", default=f"{common.SMALL}+{common.SMALL},{common.SMALL}+{common.BETTER},{common.BETTER}+{common.SMALL}", help="base+paraphraser,… [%(default)s]")
    p.add_argument("--tokens", type=int, default=120, help="[%(default)s]")
    p.add_argument("--rounds", type=int, default=3, help="[%(default)s]")
    args = p.parse_args()
    out = []
    for pair in args.pairs.split(","):
        base, paraphraser = pair.split("+")
        with common.xoe_server(base, "--paraphrase-model", common.model_path(paraphraser)) as server:
            times = {"off": [], "generate": [], "rephrase": []}
            expected = None
            for mode in times:  # warm up, load the paraphraser
                one(server, PROMPTS[0], mode, 16)
            for i in range(args.rounds):
                for mode in times:
                    seconds, answer = one(server, PROMPTS[i % len(PROMPTS)], mode, args.tokens)
                    times[mode].append(seconds / answer["usage"]["completion_tokens"])
                    if mode == "rephrase":
                        expected = answer["metadata"].get("expected_factor", expected)
            median = {m: statistics.median(t) for m, t in times.items()}
            row = {"base": base, "paraphraser": paraphraser, "seconds_a_token": times, "generate_factor": median["generate"] / median["off"],
                   "rephrase_factor": median["rephrase"] / median["off"], "expected_factor": expected}
            out.append(row)
            common.say(f"{base} + {paraphraser}: in generation x {row['generate_factor']:.3f}, by rephrase x {row['rephrase_factor']:.2f} (expected {expected})")
    common.report({"pairs": out, "manifest": common.manifest(*{m for r in out for m in (r["base"], r["paraphraser"])})},
                  "; ".join(f"{r['base']} + {r['paraphraser']}: x {r['generate_factor']:.3f} in generation, x {r['rephrase_factor']:.2f} by rephrase" for r in out))


if __name__ == "__main__":
    main()
