#!/usr/bin/env python3
"""Fit the weights of the meaning check (src/flow/meaning_judge.c) to what bench_meaning -f wrote.

usage: fit_meaning.py FEATURES.jsonl [spoiled]

Logistic regression (Newton's method, ridge penalty) on the pairs with even ids that the words did not refuse,
one for each set of evidence. A weight whose sign would make damage count in favour (an accident of how the
pairs were made) is set to 0. The bias is moved so that 0 is the threshold: the one at which at
most the share `spoiled` (default 0.02) of the spoiled pairs of that half passes; without a model, where
that cannot be had, the one at which 90 % of the good ones pass. Prints the rows for the table `tables` and, for both
halves, what passes; the odd half has no part in the fit.
"""

import json
import math
import sys

RIDGE = 0.5  # on the weights of features scaled to unit variance
WORDS = ["swapped", "turned", "intruded", "negations", "negated", "degrees", "added", "lost"]
SETS = {
    "words": WORDS,
    "words+cosine": WORDS + ["cosine"],
    "words+model": WORDS + ["ask_meaning", "ask_facts"],
    "words+cosine+model": WORDS + ["cosine", "ask_meaning", "ask_facts"],
}
SUPPORT = {"cosine", "ask_meaning", "ask_facts", "sum", "back"}  # all other features count damage


def solve(a, b):
    """Gauss elimination with pivots; a and b are used up."""
    n = len(b)
    for i in range(n):
        p = max(range(i, n), key=lambda r: abs(a[r][i]))
        a[i], a[p], b[i], b[p] = a[p], a[i], b[p], b[i]
        for r in range(i + 1, n):
            f = a[r][i] / a[i][i]
            b[r] -= f * b[i]
            for c in range(i, n):
                a[r][c] -= f * a[i][c]
    for i in reversed(range(n)):
        b[i] = (b[i] - sum(a[i][c] * b[c] for c in range(i + 1, n))) / a[i][i]
    return b


def fit(rows, labels):
    """Weights and bias, in the features' own scale."""
    k = len(rows[0])
    mean = [sum(r[i] for r in rows) / len(rows) for i in range(k)]
    sd = [math.sqrt(sum((r[i] - mean[i]) ** 2 for r in rows) / len(rows)) or 1 for i in range(k)]
    x = [[(r[i] - mean[i]) / sd[i] for i in range(k)] + [1] for r in rows]
    w = [0.0] * (k + 1)
    for _ in range(50):
        grad = [-RIDGE * v for v in w[:k]] + [0.0]
        hess = [[(RIDGE if i == j and i < k else 0.0) for j in range(k + 1)] for i in range(k + 1)]
        for r, y in zip(x, labels):
            p = 1 / (1 + math.exp(-max(-30, min(30, sum(a * b for a, b in zip(w, r))))))
            for i in range(k + 1):
                grad[i] += (y - p) * r[i]
                for j in range(k + 1):
                    hess[i][j] += p * (1 - p) * r[i] * r[j]
        w = [a + d for a, d in zip(w, solve(hess, grad))]
    own = [w[i] / sd[i] for i in range(k)]
    return own, w[k] - sum(own[i] * mean[i] for i in range(k))


def fit_signed(rows, features):
    """As fit, without the features whose weight would have the wrong sign."""
    while True:
        w, bias = fit([[p[n] for n in features] for p in rows], [p["good"] for p in rows])
        wrong = [(abs(v), n) for v, n in zip(w, features) if (v < 0) == (n in SUPPORT)]
        if not wrong:
            return features, w, bias
        features = [n for n in features if n != max(wrong)[1]]


def threshold(known, rows, features, w, bias, most):
    """The score above which at most the share `most` of the spoiled passes; None: above which 90 % of the good do."""
    want = most is None
    n = sum(p["good"] == want for p in known if p["id"] % 2 == 0)
    scores = sorted((bias + sum(a * p[f] for a, f in zip(w, features)) for p in rows if p["good"] == want), reverse=True)
    if want:
        return scores[min(len(scores), math.ceil(0.9 * n)) - 1] - 1e-6
    return scores[min(len(scores) - 1, int(most * n))] + 1e-6


def passing(pairs, names, w, bias):
    return [not p["veto"] and bias + sum(a * p[n] for a, n in zip(w, names)) >= 0 for p in pairs]


def share(pairs, passed, good):
    of = [s for p, s in zip(pairs, passed) if p["good"] == good]
    return f"{sum(of)}/{len(of)} ({100 * sum(of) / len(of):.1f} %)"


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        pairs = [json.loads(line) for line in f]
    most = float(sys.argv[2]) if len(sys.argv) > 2 else 0.02
    for name, features in SETS.items():
        known = [p for p in pairs if p["veto"] or all(n in p for n in features)]
        rows = [p for p in known if not p["veto"] and p["id"] % 2 == 0]
        if len(rows) < 20:
            continue
        features, w, bias = fit_signed(rows, features)
        bias -= threshold(known, rows, features, w, bias, most if "model" in name else None)
        print(f"{name}: bias {bias:.4f}, " + ", ".join(f"{n} {v:.4f}" for n, v in zip(features, w)))
        for half, title in ((0, "fitted"), (1, "held out")):
            part = [p for p in known if p["id"] % 2 == half]
            passed = passing(part, features, w, bias)
            print(f"  {title}: good pass {share(part, passed, True)}, spoiled pass {share(part, passed, False)}")


if __name__ == "__main__":
    main()
