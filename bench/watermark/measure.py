#!/usr/bin/env python3
"""All measurements of the mark, step by step; see `bench/watermark/run --help`."""

import argparse
import json
import pathlib
import subprocess
import sys
import time

import attacks
import plots
import quality
import rates
import sets
import tables

import common

TINY, SMALL, BETTER = common.TINY, common.SMALL, common.BETTER
Set = sets.Set

OTHERS = [scheme for scheme in sets.SCHEMES if scheme != "gumbel"]
# label of a model, temperature, scheme, answers; of each set some answers first, then more, see ROUNDS
FULL = [
    Set(TINY, 0.7, answers=64),
    Set(SMALL, 0.7, answers=64, tokens=288),
    Set(SMALL, 0.7, answers=40, tokens=272, long=False),
    Set(TINY, 1.0, answers=64, tokens=256),
    *(Set(TINY, 1.0, scheme, answers=24, tokens=256) for scheme in ("none", *OTHERS)),
    *(Set(TINY, 0.7, scheme, answers=24, tokens=320) for scheme in ("none", *OTHERS) if scheme != "watermax"),
    Set(SMALL, 1.0, answers=32, tokens=256),
    Set(BETTER, 1.0, answers=32, tokens=256),
    Set(BETTER, 0.7, answers=32, tokens=288),
    Set(TINY, 0.7, "watermax", answers=24, tokens=320),
]
ROUNDS = (rates.FEWEST, 2 * rates.FEWEST, 1000)
REWRITES = sets.Rewrites(FULL[1], BETTER, answers=8)
QUICK = [Set(TINY, 0.7, answers=16), *(Set(TINY, 1.0, scheme, answers=12, tokens=256) for scheme in ("none", "gumbel", "green"))]
STEPS = ("generate", "rates", "attacks", "quality", "unbiased", "speed", "report")


def marked(plan):
    return [s for s in plan if s is not REWRITES and s.scheme != "none" and len(s.read()) >= rates.FEWEST]


def results(name):
    path = sets.FOLDER / "results" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def keep(name, figures, *models):
    results(name).write_text(json.dumps(common.rounded({"manifest": common.manifest(*models), "figures": figures}), indent=1))
    common.say(f"{name}: written to {results(name)}")


def generate(plan, args):
    end = time.monotonic() + args.seconds
    for upto in ROUNDS:
        for s in plan:
            left = end - time.monotonic()
            if left < 10 or not s.generate(left, upto):
                common.say("not all sets are whole: run this again to go on")
                return False
    return True


def step_rates(plan, args):
    keep("rates", [rates.rates(s) for s in marked(plan)], *{s.model for s in plan})


def step_attacks(plan, args):
    chosen = [s for s in marked(plan) if s.scheme == "gumbel" and len(attacks.usable(s)) >= rates.FEWEST]
    end = time.monotonic() + args.seconds
    figures = {"strength": [attacks.by_strength(s) for s in chosen], "paste": [attacks.copy_paste(s, end - time.monotonic()) for s in chosen]}
    if REWRITES in plan and len(REWRITES.read()) >= 4:
        figures["rewritten"] = attacks.rewritten(REWRITES)
    keep("attacks", figures, *{s.model for s in chosen})


def step_quality(plan, args):
    plains = [s for s in plan if s is not REWRITES and s.scheme == "none" and s.read()]
    if not plains:
        common.die("the sets without a mark are missing: run generate first")
    figures = []
    for plain in plains:
        others = [s for s in marked(plan) if (s.model, s.temperature) == (plain.model, plain.temperature)]
        figures.append(quality.quality(plain, others, args.judge, seconds=args.seconds / len(plains)))
    keep("quality", figures, *{s.model for s in plains}, args.judge)


def step_unbiased(plan, args):
    model = SMALL if any(s.model == SMALL for s in plan) else TINY
    keep("unbiased", quality.unbiased(model, 1.0, args.keys), model)


def step_speed(plan, args):
    text = " ".join(attacks.human_words(4000, 20)).encode()
    argv = [sets.BUILD / "bench_mark_text_speed", common.model_path(SMALL), sets.keyring(), sets.key_id("gumbel", 0)]
    done = subprocess.run(argv, input=text, capture_output=True)
    if done.returncode:
        common.die(done.stderr.decode()[-500:])
    figures = {"text": json.loads(done.stdout)}
    if args.peers_python:
        peers = subprocess.run([args.peers_python, "peers.py"], cwd=common.ROOT / "bench" / "watermark", capture_output=True, text=True)
        if peers.returncode:
            common.die(peers.stderr[-800:])
        figures["peers"] = json.loads(peers.stdout)
    keep("speed", figures, SMALL)


def step_report(plan, args):
    have = {name: json.loads(results(name).read_text()) for name in STEPS if results(name).exists()}
    print(tables.markdown(have))
    plots.draw(have, args.images)


def main():
    p = argparse.ArgumentParser(prog="bench/watermark/run", description=__doc__)
    p.add_argument("steps", nargs="*", metavar="STEP", help=f"{', '.join(STEPS)} [all of them]")
    p.add_argument("--quick", action="store_true", help="small sets of the smallest model only: minutes, coarse figures")
    p.add_argument("--seconds", type=float, default=1e9, help="stop generating, judging or reading with the model after so long; run again to go on")
    p.add_argument("--keys", type=int, default=20000, help="keys of the test that the distribution is unchanged [%(default)s]")
    p.add_argument("--judge", default=BETTER, help="model that judges quality [%(default)s]")
    p.add_argument("--images", type=pathlib.Path, default=sets.FOLDER / "results", help="where report puts plots [%(default)s]")
    p.add_argument("--peers-python", help="Python that has requirements-peers.txt; without it only our own speed is measured")
    args = p.parse_args()
    unknown = set(args.steps) - set(STEPS)
    if unknown:
        p.error(f"unknown step {', '.join(sorted(unknown))}; there are {', '.join(STEPS)}")
    plan = QUICK if args.quick else [*FULL, REWRITES]
    for name in args.steps or STEPS:
        begun = time.monotonic()
        if name == "generate":
            if not generate(plan, args):
                sys.exit(3)
        else:
            globals()[f"step_{name}"](plan, args)
        common.say(f"{name}: {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
