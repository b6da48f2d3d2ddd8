"""Reference values for src/mark/stats.c, by mpmath at 400 digits. Usage: make_stats.py > stats.json"""
import json
from mpmath import mp, mpf, log, psi, euler, expm1, log1p, exp

mp.dps = 400


def q(n, s):  # upper regularised gamma for integer n, by its finite sum
    s = mpf(s)
    term, total = mpf(1), mpf(1)
    for k in range(1, n):
        term *= s / k
        total += term
    return log(total) - s


def binom_tail(n, k, p):
    p = mpf(p)
    term = mp.binomial(n, k) * p**k * (1 - p) ** (n - k)
    total = mpf(0)
    for i in range(k, n + 1):
        total += term
        term *= mpf(n - i) / (i + 1) * p / (1 - p)
        if term < total * mpf(10) ** -390:
            break
    return log(total)


def hypoexp(w, s):  # distinct weights: Σ_i Π_{j≠i} w_i/(w_i − w_j) e^{−s/w_i}
    total = mpf(0)
    for i, a in enumerate(w):
        c = mpf(1)
        for j, b in enumerate(w):
            if i != j:
                c *= mpf(a) / (mpf(a) - mpf(b))
        total += c * exp(-mpf(s) / mpf(a))
    return log(total)


out = {"source": "mpmath, 400 digits; make_stats.py", "gamma_tail": [], "binom_tail": [], "sidak": [],
       "harmonic": [], "hypoexp": []}
for n in [1, 2, 3, 16, 17, 50, 200, 1000, 5000, 100000]:
    for f in [0.01, 0.5, 0.9, 0.99, 1.0, 1.01, 1.1, 1.5, 2, 4, 20]:
        s = float(n * f)
        v = q(n, s)
        out["gamma_tail"].append({"n": n, "s": s, "ln": float(v)})
for n, p in [(1, .25), (2, .5), (20, .25), (200, .25), (200, .5), (1000, .25), (6000, .5), (120000, .5)]:
    for f in [0.02, 0.5, 0.9, 1.0, 1.05, 1.2, 1.6, 1.9]:
        k = max(1, min(n, round(n * p * f)))
        out["binom_tail"].append({"n": n, "k": k, "p": p, "ln": float(binom_tail(n, k, p))})
    out["binom_tail"].append({"n": n, "k": n, "p": p, "ln": float(binom_tail(n, n, p))})
for lnp in [-1e-12, -1e-3, -0.5, -3.0, -20.0, -44.0, -46.0, -300.0, -5000.0]:
    for m in [1, 2, 4, 1000, 40000]:
        l = log1p(-exp(mpf(lnp)))
        out["sidak"].append({"ln_p": lnp, "m": m, "ln": float(log(-expm1(m * l)))})
for x in [0.1, 1, 1.5, 2, 3.7, 10, 11.5, 100, 12345.678, 1e6, 1e12]:
    out["harmonic"].append({"x": x, "h": float(psi(0, mpf(x) + 1) + euler)})
for w, s in [([1.0, 0.5], 4.0), ([1.0, 0.9, 0.8, 0.7, 0.1], 12.0), ([0.05 * i for i in range(1, 41)], 80.0),
             ([0.05 * i for i in range(1, 41)], 200.0), ([1.0, 1e-3, 2e-3], 30.0), ([1.0, 0.5], 1.6)]:
    out["hypoexp"].append({"w": w, "s": s, "ln": float(hypoexp(w, s))})
print(json.dumps(out, indent=0))
