"""The logic of bench/watermark that no model is needed for: its statistics and its attacks."""

import math
import pathlib
import random
import re
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench" / "watermark"))
import attacks  # noqa: E402
import rates  # noqa: E402

TEXT = (
    "The old man walked slowly along the river, and his small dog followed him. When the evening came they sat down under "
    'a tree; he said: "We shall go home soon." Nobody answered, but the water made a quiet noise between the stones.'
)
WORDS = attacks.WORD.findall(TEXT)


def test_harmonic_numbers():
    for n in (0, 1, 2, 5, 40):
        assert rates.harmonic(float(n)) == pytest.approx(sum(1 / k for k in range(1, n + 1)), abs=1e-11)
    assert rates.harmonic(0.5) == pytest.approx(2 - 2 * math.log(2), abs=1e-11)


def test_probability_undoes_gain():
    for p in (0.9, 0.5, 0.1, 1e-4):
        assert rates.probability(rates.harmonic(1 / p) - 1) == pytest.approx(p, rel=1e-6)
    assert rates.probability(0.0) == 1.0


def test_gamma_tail():
    assert rates.ln_gamma_tail(1, 7.0) == pytest.approx(-7.0)
    assert math.exp(rates.ln_gamma_tail(3, 2.0)) == pytest.approx(math.exp(-2) * (1 + 2 + 2))
    assert rates.ln_gamma_tail(200, 900.0) == pytest.approx(
        -900 + 199 * math.log(900) - math.lgamma(200) - math.log1p(-199 / 900), abs=0.1
    )


def test_tails_of_the_schemes():
    assert math.exp(rates.ln_binomial_tail(4, 3, 0.25)) == pytest.approx(4 * 0.25**3 * 0.75 + 0.25**4)
    assert rates.ln_binomial_tail(50, 0, 0.5) == 0 and rates.ln_binomial_tail(5, 6, 0.5) == -math.inf
    assert math.exp(rates.ln_tail("green", 4, 2.0)) == pytest.approx(math.exp(rates.ln_binomial_tail(4, 3, 0.25)))
    assert rates.ln_tail("watermax", 20, 7.5) == rates.ln_tail("gumbel", 20, 7.5) == rates.ln_gamma_tail(20, 27.5)
    assert rates.ln_tail("dual-gumbel", 20, 7.5) == rates.ln_gamma_tail(40, 55.0)
    assert math.exp(rates.ln_tail("synthid", 2, 0.0)) == pytest.approx(0.5 + math.comb(60, 30) / 2**61)


def test_critical_sum_is_corrected_for_the_shifts():
    for n, level, tests in ((25, 1e-3, 4), (200, 1e-5, 1)):
        p = math.exp(rates.ln_gamma_tail(n, rates.critical_sum(n, level, tests)))
        assert -math.expm1(tests * math.log1p(-p)) == pytest.approx(level, rel=1e-6)
    assert rates.one_test(math.log10(-math.expm1(4 * math.log1p(-1e-4))), 4) == pytest.approx(-4, abs=1e-9)


def answer(p, n):
    return {"expected": [rates.harmonic(1 / p) - 1] * n, "marked": [1] * n}


def test_ceiling_of_certain_tokens_is_the_false_alarm_rate():
    assert rates.ceiling([answer(1.0, 50)], 50, (0.1,), 1)[0.1] == pytest.approx(0.1, abs=0.03)


def test_ceiling_grows_with_entropy():
    low, middle, high = (rates.ceiling([answer(p, 50)], 50, (1e-3,), 4)[1e-3] for p in (0.9, 0.6, 0.2))
    assert low < 0.05 < middle < high
    assert high > 0.99


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_edits_change_as_many_words_as_they_say(share):
    n = round(share * len(WORDS))
    rng = random.Random(1)
    assert len(attacks.WORD.findall(attacks.delete(TEXT, share, rng))) == len(WORDS) - n
    assert len(attacks.WORD.findall(attacks.insert(TEXT, share, rng))) == len(WORDS) + n
    swapped = attacks.WORD.findall(attacks.swap(TEXT, share, rng))
    assert sorted(swapped) == sorted(WORDS)
    assert sum(a != b for a, b in zip(swapped, WORDS)) == 2 * round(n / 2)


class Synonyms:
    def get(self, word):
        return (["zzz"], "s") if word.lower() in ("river", "evening", "tree", "water", "the") else ([], "")


def test_substitution_keeps_everything_else():
    out = attacks.substitute(Synonyms())(TEXT, 1.0, random.Random(1))
    assert out.startswith("Zzzs old man walked slowly along zzzs zzzs, and")
    assert re.sub(r"\w+", "", out) == re.sub(r"\w+", "", TEXT)
    few = attacks.substitute(Synonyms())(TEXT, 0.05, random.Random(1))
    assert len(re.findall("zzzs", few, re.I)) == round(0.05 * len(WORDS))


def test_cut_leaves_the_middle():
    out = attacks.cut_middle(TEXT, 0.5, None)
    assert out in TEXT and not TEXT.startswith(out) and not TEXT.endswith(out)
    assert len(attacks.WORD.findall(out)) == pytest.approx(len(WORDS) / 2, abs=1)


def test_disguises_change_the_bytes():
    for name, edit in attacks.DISGUISES.items():
        assert (edit(TEXT) == TEXT) == (name == "none"), name


def test_overlap():
    assert attacks.overlap((0, 10), (0, 10)) == 1
    assert attacks.overlap((0, 10), (5, 15)) == pytest.approx(1 / 3)
    assert attacks.overlap((0, 5), (5, 10)) == 0
