#!/usr/bin/env python3
"""Speed against llama.cpp's own server, and of the mark against no mark.

Same machine, model file, threads, slots, sampling and prompts; the servers take turns (one runs at a time, the order
swaps each round) and the median over the rounds counts. Three measures:

  decode   tokens a second with 1 and with 8 streams, as clients see them, while all streams decode
  first    time to the first token when short and long prompts arrive together: open loop, Poisson arrivals, the same
           schedule for both servers, no prompt shares a prefix with another
  mark     decode rate of Xoe with the mark on against off, in one server, in pairs that alternate; same prompts in a pair

Answers cannot end early: control tokens are forbidden by logit_bias in the same way for both.
Needs llama.cpp's server for decode and first: tools/deps.sh --server
"""

import argparse
import random
import statistics
import time

import common

WORDS = """river stone window garden letter market winter engine table forest paper bridge copper village morning
shadow kettle doctor captain harbour music corner button ladder orange silver island mirror pocket thunder blanket
castle feather lantern meadow needle oven pepper quarry ribbon saddle temple umbrella valley wagon yellow basket
candle desert eagle farmer glacier hammer insect jacket kitchen lemon mountain notebook ocean pencil quilt rabbit
school tunnel uncle velvet wheel anchor barrel cottage donkey evening fountain goose hill ink jewel knight lake""".split()


def prompt(rng, n_words):
    """A text of n_words that shares no prefix with another."""
    words = [rng.choice(WORDS) for _ in range(max(4, n_words - 8))]
    return "Tell what happened to the " + " ".join(words) + ". Then"


def sampling(args):
    """No seed: Xoe computes a seeded prompt afresh in fixed pieces, so that the answer is exactly reproduced."""
    return {"temperature": 0.7, "top_p": 0.95, "top_k": args.top_k, "min_p": 0.0, "logit_bias": args.bias}


def start(kind, args):
    if kind == "xoe":
        return common.xoe_server(args.model, "--threads", args.threads, "--slots", args.slots, "--ctx", args.ctx)
    return common.llama_server(args.model, args.threads, args.slots, args.ctx)


def decode(server, args, n_streams, rng, mark=None):
    bodies = []
    for _ in range(n_streams):
        body = {"prompt": prompt(rng, 24), "max_tokens": args.tokens, **sampling(args)}
        if mark is not None:
            body["apply_watermark"] = mark
        bodies.append(body)
    streams = common.run_streams([common.Stream(server, b) for b in bodies])
    short = [s.tokens for s in streams if s.tokens != args.tokens]
    if short:
        common.die(f"{server.kind}: answers ended early ({short} of {args.tokens} tokens)")
    return common.decode_rate(streams)


def first_token(server, args, rng):
    """Seconds to the first token of every request, by kind of prompt."""
    begin, at, streams = time.monotonic() + 0.5, 0.0, []
    n_long = round(args.requests * args.long_share)
    kinds = ["long"] * n_long + ["short"] * (args.requests - n_long)
    rng.shuffle(kinds)
    for kind in kinds:
        n_words = args.long_words if kind == "long" else args.short_words
        body = {"prompt": prompt(rng, n_words), "max_tokens": args.answer, **sampling(args)}
        s = common.Stream(server, body, begin + at)
        s.kind = kind
        streams.append(s)
        at += rng.expovariate(args.rate)
    common.run_streams(streams)
    firsts = {k: [s.first for s in streams if k in ("all", s.kind)] for k in ("all", "short", "long")}
    return {
        **{f"p95_{k}": common.quantile(v, 0.95) for k, v in firsts.items()},
        **{f"p50_{k}": statistics.median(v) for k, v in firsts.items()},
        "done_s": max(s.times[-1] for s in streams) - begin,
    }


def compare(args, figures):
    """Both servers in turn; every round has the same prompts for both."""
    samples = {"xoe": [], "llama": []}
    for r in range(args.rounds):
        for kind in ("xoe", "llama") if r % 2 == 0 else ("llama", "xoe"):
            with start(kind, args) as server:
                rng = random.Random(1000 * r)
                decode(server, args, 1, rng)  # warm
                one = {}
                if "decode" in args.only:
                    one["decode_1"] = decode(server, args, 1, rng)
                    one[f"decode_{args.slots}"] = decode(server, args, args.slots, rng)
                if "first" in args.only:
                    one["first"] = first_token(server, args, rng)
            samples[kind].append(one)
            common.say(f"round {r + 1} {kind}: {common.rounded(one, 4)}")
    for kind, rounds in samples.items():
        figures[kind] = {"samples": rounds}
        for key in rounds[0]:
            if key == "first":
                figures[kind][key] = {k: statistics.median(s[key][k] for s in rounds) for k in rounds[0][key]}
            else:
                figures[kind][key] = statistics.median(s[key] for s in rounds)
    x, other = figures["xoe"], figures["llama"]
    figures["ratio"] = {k: x[k] / other[k] for k in x if k.startswith("decode")}
    if "first" in x:
        figures["ratio"]["first"] = {k: x["first"][k] / other["first"][k] for k in x["first"]}


def mark_cost(args, figures):
    """On and off in pairs, order swapped each time, same prompts in a pair."""
    with common.xoe_server(args.model, "--threads", args.threads, "--slots", args.slots, "--ctx", args.ctx) as server:
        decode(server, args, 1, random.Random(1), True)
        out = {}
        for n in (1, args.slots):
            rates = {True: [], False: []}
            for r in range(args.pairs):
                for mark in (True, False) if r % 2 == 0 else (False, True):
                    rates[mark].append(decode(server, args, n, random.Random(7000 + r), mark))
            ratios = [a / b for a, b in zip(rates[True], rates[False])]
            out[f"streams_{n}"] = {
                "on": common.summary(rates[True]),
                "off": common.summary(rates[False]),
                "ratio": statistics.median(ratios),
                "ratio_mean": statistics.mean(ratios),
                "ratio_standard_error": statistics.stdev(ratios) / len(ratios) ** 0.5 if len(ratios) > 1 else None,
            }
            common.say(f"mark on/off, {n} streams: {common.rounded(out[f'streams_{n}'], 4)}")
    figures["mark"] = out


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", default=common.SMALL, help="name of the manifest or GGUF file [%(default)s]")
    p.add_argument("--only", default="decode,first,mark", help="which measures [%(default)s]")
    p.add_argument("--rounds", type=int, default=3, help="turns of each server [%(default)s]")
    p.add_argument("--pairs", type=int, default=5, help="pairs of mark on and off [%(default)s]")
    p.add_argument("--tokens", type=int, default=128, help="tokens an answer when decoding is measured [%(default)s]")
    p.add_argument("--threads", type=int, default=common.cores(), help="compute threads of either server [%(default)s]")
    p.add_argument("--slots", type=int, default=8, help="streams at once [%(default)s]")
    p.add_argument("--ctx", type=int, default=2048, help="context tokens a slot [%(default)s]")
    p.add_argument("--top-k", type=int, default=40, help="top_k of both; 0: off [%(default)s]")
    p.add_argument("--requests", type=int, default=40, help="first: requests a round [%(default)s]")
    p.add_argument("--rate", type=float, default=0.4, help="first: requests a second [%(default)s]")
    p.add_argument("--long-share", type=float, default=0.25, help="first: share of long prompts [%(default)s]")
    p.add_argument("--long-words", type=int, default=400, help="first: words of a long prompt [%(default)s]")
    p.add_argument("--short-words", type=int, default=16, help="first: words of a short prompt [%(default)s]")
    p.add_argument("--answer", type=int, default=24, help="first: tokens an answer [%(default)s]")
    args = p.parse_args()
    args.only = args.only.split(",")
    args.bias = {str(i): -100 for i in common.control_tokens(common.model_path(args.model))}
    figures = {"bench": "serve_speed", "manifest": common.manifest(args.model)}
    figures["options"] = {k: v for k, v in vars(args).items() if k != "bias"}
    parts = []
    if "decode" in args.only or "first" in args.only:
        compare(args, figures)
        for k, v in figures["ratio"].items():
            if k == "first":
                parts += [f"p95 first token xoe/llama all {v['p95_all']:.2f} short {v['p95_short']:.2f} long {v['p95_long']:.2f}"]
            else:
                parts += [f"{k.replace('_', ' ')} xoe {figures['xoe'][k]:.1f} llama {figures['llama'][k]:.1f} tok/s = {v:.3f}"]
    if "mark" in args.only:
        mark_cost(args, figures)
        parts += [f"mark on/off {k.replace('_', ' ')} {v['ratio']:.3f}" for k, v in figures["mark"].items()]
    common.report(figures, "serve_speed: " + "; ".join(parts))


if __name__ == "__main__":
    main()
