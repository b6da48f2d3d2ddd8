"""How often a mark is found, by length, temperature, model and scheme, beside the ceiling that the model's own
probabilities set.

A token drawn with probability p scores −ln(1 − U^p), U uniform (docs/watermark.md): so for the very tokens of an answer the
law of the score is known, and with it the share of keys under which a perfect writer and detector would find it. That is
the ceiling of the plain test; it is drawn here 1,000 times an answer. Weights: 1 − p, p being what the same model gives the
token when it reads the answer without its prompt, as a detector would.
"""

import math
import random
import statistics

import sets

LENGTHS = (25, 50, 100, 150, 200, 300, 400)
LEVELS = (1e-3, 1e-4, 1e-5)
DRAWS = 1000
FEWEST = 12  # answers of a length, to tell a share at all


def ln_gamma_tail(n, s):
    """ln P(Gamma(n, 1) ≥ s), n whole."""
    if s <= 0:
        return 0.0
    terms = [k * math.log(s) - math.lgamma(k + 1) for k in range(n)]
    top = max(terms)
    return min(0.0, top - s + math.log(math.fsum(math.exp(t - top) for t in terms)))


def ln_binomial_tail(n, k, p):
    """ln P(Binomial(n, p) ≥ k), k taken up to a whole number."""
    k = math.ceil(k - 1e-9)
    if k <= 0:
        return 0.0
    whole = math.lgamma(n + 1)
    terms = [whole - math.lgamma(i + 1) - math.lgamma(n - i + 1) + i * math.log(p) + (n - i) * math.log1p(-p) for i in range(k, n + 1)]
    if not terms:
        return -math.inf
    top = max(terms)
    return min(0.0, top + math.log(math.fsum(math.exp(t - top) for t in terms)))


def chance(scheme):
    """Mean score of an unmarked token, and what the sum of the scores is divided by for people."""
    mean = {"gumbel": 1.0, "dual-gumbel": 1.0, "watermax": 1.0, "green": 0.25, "morphmark": 0.25}.get(scheme, 0.5)
    return mean, sets.SCHEMES[scheme].get("depth", 1)


def ln_tail(scheme, n, gain):
    """ln P(n unmarked tokens gain so much over chance), by the scheme's law (docs/watermark.md)."""
    mean, unit = chance(scheme)
    s = n * mean * unit + gain
    if scheme in ("gumbel", "watermax"):
        return ln_gamma_tail(n, s)
    if scheme == "dual-gumbel":
        return ln_gamma_tail(2 * n, 2 * s)
    return ln_binomial_tail(n * unit, s, mean)


def critical_sum(n, level, tests):
    """The sum of n exponential scores at which p, corrected for so many tests, is the level."""
    ln_p = math.log(-math.expm1(math.log1p(-level) / tests))
    low, high = float(n), 40.0 * n + 100
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if ln_gamma_tail(n, middle) > ln_p else (low, middle)
    return high


def harmonic(x):
    total = 0.0
    while x < 12:
        total += 1 / (x + 1)  # H(x) = H(x + n) − Σ 1/(x + k)
        x += 1
    y = x + 1
    psi = math.log(y) - 1 / (2 * y) - 1 / (12 * y**2) + 1 / (120 * y**4) - 1 / (252 * y**6)
    return 0.5772156649015329 + psi - total


def probability(gain):
    """p of which H(1/p) − 1 is the gain."""
    if gain <= 0:
        return 1.0
    low, high = 1e-12, 1.0
    for _ in range(60):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if harmonic(1 / middle) - 1 > gain else (low, middle)
    return high


def ceiling(answers, n, levels, tests):
    """{level: share of keys under which the answers' first n scored tokens would be found}."""
    rng = random.Random(3)
    need = {level: critical_sum(n, level, tests) for level in levels}
    found_ = dict.fromkeys(levels, 0)
    for a in answers:
        ps = [probability(g) for g, m in zip(a["expected"], a["marked"]) if m][:n]
        sure = sum(p > 0.9999 for p in ps)
        open_ = [p for p in ps if p <= 0.9999]
        for _ in range(DRAWS):
            s = rng.gammavariate(sure, 1) if sure else 0.0
            for p in open_:
                s -= math.log(-math.expm1(p * math.log(rng.random())))
            for level in levels:
                found_[level] += s >= need[level]
    return {level: k / DRAWS / len(answers) for level, k in found_.items()}


def predicted(scheme, answer, n, tests):
    """log10 p that the answer's first n scored tokens promise on average."""
    gains = [g for g, m in zip(answer["expected"], answer["marked"]) if m][:n]
    ln_p = ln_tail(scheme, n, math.fsum(gains))
    return min(0.0, math.log(-math.expm1(tests * math.log1p(-math.exp(ln_p)))) if ln_p > -20 else ln_p + math.log(tests)) / math.log(10)


def one_test(log10_p, tests):
    """The p-value before Šidák's correction over the shifts: what a key with one shift would have said."""
    if log10_p > -9:
        return math.log10(-math.expm1(math.log1p(-min(10**log10_p, 1 - 1e-12)) / tests))
    return log10_p - math.log10(tests)


def found(log10_ps):
    return {f"{level:g}": sum(p <= math.log10(level) for p in log10_ps) / len(log10_ps) for level in LEVELS}


def weights(answer):
    return [0.0] + [-math.expm1(min(lp, 0.0)) for lp in answer["logprob"]]


def row(set_, answers, n, read, weighted):
    """Figures of the answers' first n scored tokens."""
    tests = sets.SCHEMES[set_.scheme].get("shifts", 1)
    ps = [v["log10_p"] for v in read]
    out = {"n": len(answers), "median_log10_p": statistics.median(ps), "worst_log10_p": max(ps), "found": found(ps)}
    if tests > 1:
        alone = [one_test(p, tests) for p in ps]
        out["one_shift"] = {"median_log10_p": statistics.median(alone), "found": found(alone)}
    out["predicted_median_log10_p"] = statistics.median(predicted(set_.scheme, a, n, tests) for a in answers)
    if set_.scheme == "gumbel":
        if n in (100, 200):
            out["ceiling"] = {f"{level:g}": c for level, c in ceiling(answers, n, LEVELS, tests).items()}
        ws = [v["log10_p"] for v in weighted]
        out["weighted"] = {"median_log10_p": statistics.median(ws), "worst_log10_p": max(ws), "found": found(ws)}
    return out


def signal(set_, answers, scores):
    """Observed mean score a scored token beside the promised one; whole answers."""
    mean, unit = chance(set_.scheme)
    rest, gained, promised, n = [], 0.0, 0.0, 0
    for a, v in zip(answers, scores):
        own = [s for s in v["scores"] if s is not None]
        gain = sum(own) - len(own) * mean * unit
        hoped = sum(e for e, m in zip(a["expected"], a["marked"]) if m)
        rest.append(gain - hoped)
        gained, promised, n = gained + gain, promised + hoped, n + len(own)
    observed, hoped_for = mean + gained / n / unit, mean + promised / n / unit
    error = math.sqrt(len(rest) * statistics.pvariance(rest)) / n / unit
    return {
        "n_scored": n,
        "observed_mean_score": observed,
        "predicted_mean_score": hoped_for,
        "ratio": observed / hoped_for,
        "ratio_standard_error": error / hoped_for,
        "scored_share": n / sum(len(a["tokens"]) for a in answers),
    }


def rates(set_):
    answers = set_.read()
    whole = sets.verdicts(set_.model, [{"key": a["key"], "tokens": a["tokens"], "scores": True} for a in answers])
    texts = [a for a in answers if a["text"]]
    from_text = sets.verdicts(set_.model, [{"key": a["key"], "text": a["text"]} for a in texts])
    out = {"set": set_.label, "answers": len(answers), **signal(set_, answers, whole), "by_length": {}}
    out["whole"] = {
        "median_scored": statistics.median(v["n_scored"] for v in whole),
        "found": found([v["log10_p"] for v in whole]),
        "found_from_text": found([v["log10_p"] for v in from_text]),
        "median_log10_p": statistics.median(v["log10_p"] for v in whole),
        "median_log10_p_from_text": statistics.median(v["log10_p"] for v in from_text),
    }
    for n in LENGTHS:
        long = [a for a, v in zip(answers, whole) if v["n_scored"] >= n]
        if len(long) < FEWEST:
            break
        ask = [{"key": a["key"], "tokens": a["tokens"], "scored": n} for a in long]
        read = sets.verdicts(set_.model, ask)
        weighted = sets.verdicts(set_.model, [{**q, "weights": weights(a)} for q, a in zip(ask, long)])
        out["by_length"][n] = row(set_, long, n, read, weighted)
    return out
