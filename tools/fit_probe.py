#!/usr/bin/env python3
"""Fit the probe of the meaning check for one model (models/meaning_probes.json) to what bench_meaning -f -l wrote.

usage: fit_probe.py TITLE N_LAYERS LAYER PROBES.json FIT.jsonl… -- TRIES.jsonl… -- HELD_OUT.jsonl

FIT are pairs written for this, TRIES rewrites that a paraphraser made and readers judged, of HELD_OUT (tests/meaning/pairs.jsonl)
those with even ids are fitted to as well; those with odd ids have no part in it. Needs numpy. Two steps, so that the other
evidence is weighed against what the probe is worth on texts that it has not seen: logistic regression with a ridge on the
standardised state gives sums for every pair by cross-validation in five folds, by source text; then logistic regression of
the outcome on that sum, the likelihoods and the words' evidence (signs as in fit_meaning.py), on TRIES and HELD_OUT. Last, the
state's weights are fitted to all pairs. The ridge is the one with the best likelihood of TRIES in the cross-validation. The
threshold is the lowest one under which, in the cross-validation, at most the share XOE_FIT_SPOILED (0.02) of the spoiled TRIES pass.
"""

import json
import math
import os
import sys

import numpy as np

import fit_meaning

SPOILED = float(os.environ.get("XOE_FIT_SPOILED", "0.02"))
RIDGES = (3e-2, 1e-1, 3e-1)
LIKELIHOODS = ["back", "surprises"]
FOLDS = 5


def logistic(x, y, ridge):
    """Weights and bias; minimises the mean log loss + ridge·|w|² of standardised x, in the space of the pairs."""
    mean, sd = x.mean(0), x.std(0) + 1e-6
    z = (x - mean) / sd
    n = len(y)
    kernel = z @ z.T
    a, b = np.zeros(n), 0.0  # w = zᵀa
    for _ in range(30):
        s = kernel @ a + b
        p = 1 / (1 + np.exp(-np.clip(s, -30, 30)))
        r = np.maximum(p * (1 - p), 1e-6)
        # Newton: weighted least squares on t = s + (y − p)/r with the kernel's ridge
        t = s + (y - p) / r
        m = np.zeros((n + 1, n + 1))
        m[:n, :n] = kernel + np.diag(2 * ridge * n / r)
        m[:n, n] = m[n, :n] = 1
        new = np.linalg.solve(m, np.append(t, 0))
        done = np.abs(new[:n] - a).max() < 1e-9
        a, b = new[:n], new[n]
        if done:
            break
    w = (z.T @ a) / sd
    return w, b - w @ mean


def crossed(x, y, ids, ridge):
    out = np.zeros(len(y))
    for k in range(FOLDS):
        test = ids % FOLDS == k
        w, b = logistic(x[~test], y[~test], ridge)
        out[test] = x[test] @ w + b
    return out


def loss(s, y):
    return float(np.mean(np.logaddexp(0, np.where(y > 0, -s, s))))


def show(title, pairs, scores):
    kinds = {}
    for p, s in zip(pairs, scores):
        for kind in ({"good"} if p["good"] else {"spoiled", p["kind"]}):
            n = kinds.setdefault(kind, [0, 0])
            n[0] += s >= 0
            n[1] += 1
    print(f"{title}: " + ", ".join(f"{k} {a}/{n} pass ({100 * a / n:.1f} %)" for k, (a, n) in kinds.items()))


def lowest_threshold(pairs):
    """Of the scores that the pairs were given in the cross-validation."""
    spoiled = sorted((p["score"] for p in pairs if not p["good"]), reverse=True)
    return spoiled[math.floor(SPOILED * len(spoiled))] + 1e-6


def main():
    title, n_layers, layer, out = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    files, group = [[], [], []], 0
    for arg in sys.argv[5:]:
        if arg == "--":
            group += 1
        else:
            files[group].append(arg)
    fit, tries, held = ([json.loads(line) for path in paths for line in open(path, encoding="utf-8")] for paths in files)
    fitted_half = [p for p in held if p["id"] % 2 == 0]
    held = [p for p in held if p["id"] % 2]
    for p in fitted_half:
        p["fold"] = p["id"] // 2
    pairs = fit + tries + fitted_half
    rows = [p for p in pairs if not p["veto"]]
    x, y = np.array([p["state"] for p in rows]), np.array([float(p["good"]) for p in rows])
    ids = np.array([p.get("fold", p["id"]) for p in rows])
    of_tries = {id(p) for p in tries}
    is_try = np.array([id(p) in of_tries for p in rows])
    by_ridge = {r: crossed(x, y, ids, r) for r in RIDGES}
    ridge = min(RIDGES, key=lambda r: loss(by_ridge[r][is_try], y[is_try]))
    for p, s in zip(rows, by_ridge[ridge]):
        p["sum"] = float(s)
    second = [p for p in tries + fitted_half if not p["veto"] and LIKELIHOODS[0] in p]
    features, w, bias = fit_meaning.fit_signed(second, fit_meaning.WORDS + LIKELIHOODS + ["sum"])
    weight = dict(zip(features, w))
    other = {f: v for f, v in weight.items() if f != "sum"}
    for p in pairs:
        p["score"] = -math.inf if p["veto"] else bias + sum(weight[f] * p[f] for f in features) if LIKELIHOODS[0] in p else math.nan
    judged = [p for p in tries if not math.isnan(p["score"])]
    moved = lowest_threshold(judged)
    bias -= moved
    state, own = logistic(x, y, ridge)
    print(f"{title}: {len(rows)} pairs, ridge {ridge}, weights {weight}")
    show("cross-validation, TRIES", judged, [p["score"] - moved for p in judged])
    show("cross-validation, even half of HELD_OUT", fitted_half, [p["score"] - moved for p in fitted_half])
    scores = [-math.inf if p["veto"] else bias + weight["sum"] * (own + float(np.dot(state, p["state"]))) + sum(v * p[f] for f, v in other.items()) for p in held]
    show("odd half of HELD_OUT", held, scores)
    probe = {"title": title, "n_layers": n_layers, "layer": layer, "bias": round(bias + weight["sum"] * own, 5),
             "words": {f: round(v, 4) for f, v in other.items()},
             "state": [float(f"{weight['sum'] * v:.4g}") for v in state]}
    probes = [p for p in json.load(open(out, encoding="utf-8")) if p["title"] != title] + [probe]
    with open(out, "w", encoding="utf-8") as f:
        f.write("[\n" + ",\n".join(json.dumps(p) for p in probes) + "\n]\n")


if __name__ == "__main__":
    main()
