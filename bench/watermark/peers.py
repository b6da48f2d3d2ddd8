#!/usr/bin/env python3
"""Detectors side by side in one run: the same tokens, one thread, processor time (others may use the machine), samples taken
in turns, deduplication on where a detector has it. Run by the Python of an environment that has
requirements-peers.txt (`bench/watermark/run --peers` makes it).

vLLM's detector is imported from its wheel without the rest of vLLM (which wants a GPU): the modules that only generation
needs are replaced by empty ones. Prints one JSON object.
"""

import argparse
import ctypes
import json
import math
import pathlib
import random
import statistics
import sys
import time
import types
import warnings

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import common  # noqa: E402

warnings.filterwarnings("ignore")
N_VOCAB = 150_000


class Params(ctypes.Structure):  # xoe_mark_params
    _fields_ = [("scheme", ctypes.c_int), ("width", ctypes.c_int), ("n_shifts", ctypes.c_int)]
    _fields_ += [(name, ctypes.c_double) for name in ("gamma", "delta", "alpha")]
    _fields_ += [("depth", ctypes.c_int), ("payload_bits", ctypes.c_int)]


class Verdict(ctypes.Structure):  # xoe_verdict, up to what is read here
    _fields_ = [("detected", ctypes.c_bool), ("can_carry", ctypes.c_bool)]
    _fields_ += [(name, ctypes.c_double) for name in ("log10_p", "p_value", "confidence", "score", "green_fraction")]
    _fields_ += [("n_tokens", ctypes.c_size_t), ("n_scored", ctypes.c_size_t), ("rest", ctypes.c_char * 256)]


def xoe(n_shifts, scheme):
    lib = ctypes.CDLL(str(pathlib.Path(common.XOE).parent / "libxoe.so"))
    key = (ctypes.c_uint8 * 32)(7)
    params = Params(scheme=scheme, n_shifts=n_shifts)

    def detect(tokens):
        array = (ctypes.c_int32 * len(tokens)).from_buffer(tokens)
        v = Verdict()
        code = lib.xoe_detect_tokens(
            ctypes.byref(params), ctypes.byref(key), ctypes.c_size_t(1), array, ctypes.c_size_t(len(tokens)), None, ctypes.byref(v), None
        )
        assert code == 0 and v.n_tokens == len(tokens)
        out = v.n_scored, 10**v.log10_p
        lib.xoe_verdict_clear(ctypes.byref(v))
        return out

    return lambda tokens: detect(tokens)


def textseal(way):
    import torch
    from textseal.common.watermark.core import WatermarkConfig, score_tokens
    from textseal.posthoc.detector import GumbelmaxDetector

    config = WatermarkConfig(ngram=3, scoring_method="v1")
    plain = types.SimpleNamespace(encode=lambda text, **_: text, decode=None, add_special_tokens=None, vocab_size=N_VOCAB)
    detector = GumbelmaxDetector(plain, config)

    def whole(tokens):
        scores = detector.get_scores_by_t([list(tokens)], scoring_method="v1", seen_windows=set())[0]
        return len(scores), float(detector.get_pvalue(sum(scores), len(scores), 1e-200))

    def vectorised(tokens):
        mask, mean = score_tokens(torch.tensor(tokens, dtype=torch.long), config)
        return len(mask), float(detector.get_pvalue(mean * len(mask), len(mask), 1e-200))

    return whole if way == "detector" else vectorised


def transformers_green():
    from transformers import WatermarkDetector, WatermarkingConfig

    model = types.SimpleNamespace(bos_token_id=-1, is_encoder_decoder=False, vocab_size=N_VOCAB)
    detector = WatermarkDetector(model, "cpu", WatermarkingConfig(), ignore_repeated_ngrams=True)

    def detect(tokens):
        import torch

        out = detector(torch.tensor([list(tokens)]), return_dict=True)
        return int(out.num_tokens_scored[0]), float(out.p_value[0])

    return detect


def transformers_synthid():
    import torch
    from transformers.generation.logits_process import SynthIDTextWatermarkLogitsProcessor

    keys = list(range(1, 31))
    processor = SynthIDTextWatermarkLogitsProcessor(
        ngram_len=5, keys=keys, sampling_table_size=65536, sampling_table_seed=0, context_history_size=1024, device="cpu"
    )

    def detect(tokens):
        ids = torch.tensor([list(tokens)])
        mask = processor.compute_context_repetition_mask(ids)
        g = processor.compute_g_values(ids)
        n = int(mask.sum())
        z = (float((g * mask.unsqueeze(-1)).sum()) - n * 15) / math.sqrt(n * 7.5)
        return n, 0.5 * math.erfc(z / math.sqrt(2))

    return detect


def vllm():
    import importlib.util

    place = pathlib.Path(importlib.util.find_spec("vllm").submodule_search_locations[0])

    def package(name, **content):
        module = types.ModuleType(name)
        module.__path__ = [str(place.joinpath(*name.split(".")[1:]))]
        module.__dict__.update(content)
        sys.modules[name] = module

    package("vllm")
    package("vllm.config")
    package("vllm.config.utils", config=lambda cls: cls)
    package("vllm.logger", init_logger=lambda name: types.SimpleNamespace(warning_once=lambda *a, **k: None))
    package("vllm.v1")
    package("vllm.v1.watermarking")
    for name in ("vllm.v1.worker", "vllm.v1.worker.gpu", "vllm.v1.worker.gpu.sample"):
        package(name)
    package("vllm.v1.worker.gpu.sample.gumbel", gumbel_sample=None)
    from vllm.v1.watermarking.gumbel import GumbelWatermarkDetector

    detector = GumbelWatermarkDetector(key=42, deduplicate_contexts=True)

    def detect(tokens):
        v = detector.detect(list(tokens))
        return v.num_scored_tokens, v.p_value

    return detect


# name, how it is made, tokens of one text (slow ones get a shorter text)
PEERS = [
    ("xoe gumbel, 4 shifts", lambda: xoe(4, 1), 10_000),
    ("xoe gumbel, 1 shift", lambda: xoe(1, 1), 10_000),
    ("xoe synthid, 4 shifts", lambda: xoe(4, 3), 10_000),
    ("xoe green", lambda: xoe(1, 2), 10_000),
    ("vllm gumbel", vllm, 10_000),
    ("textseal gumbelmax, vectorised scoring", lambda: textseal("vectorised"), 10_000),
    ("textseal gumbelmax, its detector", lambda: textseal("detector"), 2_000),
    ("transformers synthid", transformers_synthid, 2_000),
    ("transformers green list", transformers_green, 400),
]


def zipf(n, rng):
    import array

    return array.array("i", [int(math.exp(rng.random() * math.log(N_VOCAB))) for _ in range(n)])


def rate(detect, tokens, seconds):
    """Tokens a second of processor time; None when the verdict on unmarked text is not credible."""
    begun, done = time.process_time(), 0
    while done == 0 or time.process_time() - begun < seconds:
        scored, p = detect(tokens)
        done += len(tokens)
    took = time.process_time() - begun
    return done / took if scored > len(tokens) / 2 and p > 1e-6 else None


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rounds", type=int, default=3, help="samples of each, in turns [%(default)s]")
    p.add_argument("--seconds", type=float, default=0.5, help="of a sample, at least [%(default)s]")
    args = p.parse_args()
    import torch

    torch.set_num_threads(1)
    figures, ready = {}, []
    for name, make, n in PEERS:
        try:
            ready.append((name, make(), zipf(n, random.Random(1))))
        except ImportError as e:
            figures[name] = {"not_measured": str(e)}
    for _ in range(args.rounds):
        for name, detect, tokens in ready:
            row = figures.setdefault(name, {"tokens_of_text": len(tokens), "samples": []})
            row["samples"].append(rate(detect, tokens, args.seconds))
    for row in figures.values():
        if row.get("samples") and all(row["samples"]):
            row["tokens_per_s"] = statistics.median(row["samples"])
    print(json.dumps(common.rounded(figures), indent=1))


if __name__ == "__main__":
    main()
