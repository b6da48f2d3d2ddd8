#!/usr/bin/env python3
"""Train the low-rank adapter that makes a faithful paraphraser of a small chat model (models/paraphrase_*.gguf).

usage: train_paraphraser.py MODEL.gguf OUT.gguf [--held N]

Data: models/paraphrase_rewrites.jsonl, sources with four free rewrites each and four light ones, which keep the order and change
something local every few words, written for this purpose; and of tests/meaning/tries.jsonl, rewrites by the bare model that readers
judged, the sources that have a good one. First stage: the free ones; second: the light ones, which is what the model can do without slips
(docs/watermark.md has the figures). The model's weights are those of the file, so that the adapter fits what llama.cpp computes; the upper
blocks get LoRA (Hu et al. 2106.09685) in every projection. All rewrites of a source are trained in one pass: the prompt once, then branches that see it and themselves alone.
Loss: cross-entropy of the good rewrites' tokens, and where spoiled ones are known the log odds ratio of good over spoiled (ORPO,
Hong et al. 2403.07691). The softmax is over tokens that occur and common ones. Needs torch, gguf, tokenizers
(tools/requirements-train.txt), 13 GB of memory and about an hour on two cores; a run is not exact to the bit on another machine.
"""

import argparse
import json
import math
import os
import pathlib
import random
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
if "MALLOC_TRIM_THRESHOLD_" not in os.environ:  # glibc gives large blocks back at once, and each costs page faults
    big = {f"MALLOC_{k}_": str(1 << 33) for k in ("MMAP_THRESHOLD", "TRIM_THRESHOLD")}
    os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | big)

import gguf  # noqa: E402
import numpy as np  # noqa: E402
import tokenizers  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from gguf.quants import dequantize  # noqa: E402

PROJECTIONS = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"]
SYSTEM = "You rephrase text: the same in other words, nothing lost, nothing added."  # as flow/rephrase_prompt.c has it
COMMON_TOKENS = 24000
RANK, ALPHA, UPPER = 4, 8.0, 12  # blocks
STAGES = ("free", 5e-4, 2250), ("light", 4e-4, 1200)  # rewrites, learning rate, seconds at most
SOURCES_A_STEP, ODDS, WARM_UP = 4, 0.2, 8
WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"  # Qwen2's
)


class Model:
    """Qwen2 with frozen weights and LoRA in its upper blocks; one sequence at a time, [n tokens, d]."""

    def __init__(self, path):
        reader = gguf.GGUFReader(path)
        field = lambda name: reader.fields[name].contents()  # noqa: E731
        arch = field("general.architecture")
        if arch != "qwen2":
            sys.exit(f"{path}: a {arch} model; this knows qwen2 alone")
        self.title = field("general.name")
        self.n_layers, self.d = field("qwen2.block_count"), field("qwen2.embedding_length")
        self.n_head, self.n_kv = field("qwen2.attention.head_count"), field("qwen2.attention.head_count_kv")
        self.eps, self.base = field("qwen2.attention.layer_norm_rms_epsilon"), field("qwen2.rope.freq_base")
        self.head_d, self.first = self.d // self.n_head, self.n_layers - UPPER
        names = field("tokenizer.ggml.tokens")
        self.special = {t: i for i, t in enumerate(names) if t.startswith("<|im_")}
        self.tokenizer = make_tokenizer(names, field("tokenizer.ggml.merges"))
        self.w = {}
        for t in reader.tensors:
            self.w[t.name] = torch.from_numpy(np.array(dequantize(t.data, t.tensor_type))).float()
        self.lora, generator = {}, torch.Generator().manual_seed(0)
        for i in range(self.first, self.n_layers):
            for p in PROJECTIONS:
                n_out, n_in = self.w[f"blk.{i}.{p}.weight"].shape
                a = torch.randn(RANK, n_in, generator=generator) / math.sqrt(n_in)
                self.lora[f"blk.{i}.{p}.weight"] = (a.requires_grad_(), torch.zeros(n_out, RANK).requires_grad_())

    def parameters(self):
        return [p for pair in self.lora.values() for p in pair]

    def encode(self, text):
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def narrow(self, used):
        ids = sorted(set(range(COMMON_TOKENS)) | used | set(self.special.values()))
        self.index = {t: i for i, t in enumerate(ids)}
        self.head = self.w.get("output.weight", self.w["token_embd.weight"])[torch.tensor(ids)].contiguous()

    def linear(self, x, name):
        y = F.linear(x, self.w[name + ".weight"], self.w.get(name + ".bias"))
        pair = self.lora.get(name + ".weight")
        return y if pair is None else y + ALPHA / RANK * F.linear(F.linear(x, pair[0]), pair[1])

    def norm(self, x, name):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.w[name]

    def heads(self, x, name, n):
        return self.linear(x, name).view(len(x), n, self.head_d).transpose(0, 1)

    def block(self, i, x, angles, mask):
        def turn(v):  # rotary position
            a, b = v.chunk(2, -1)
            cos, sin = angles.cos(), angles.sin()
            return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)

        p = f"blk.{i}."
        h = self.norm(x, p + "attn_norm.weight")
        q, k = turn(self.heads(h, p + "attn_q", self.n_head)), turn(self.heads(h, p + "attn_k", self.n_kv))
        v, n = self.heads(h, p + "attn_v", self.n_kv), self.n_head // self.n_kv
        o = F.scaled_dot_product_attention(q[None], k.repeat_interleave(n, 0)[None], v.repeat_interleave(n, 0)[None], attn_mask=mask)
        x = x + self.linear(o[0].transpose(0, 1).reshape(len(x), self.d), p + "attn_output")
        h = self.norm(x, p + "ffn_norm.weight")
        return x + self.linear(F.silu(self.linear(h, p + "ffn_gate")) * self.linear(h, p + "ffn_up"), p + "ffn_down")

    def logits(self, ids, positions, mask, rows):
        """Of the rows that are wanted, over the narrowed vocabulary."""
        angles = positions.float()[:, None] / self.base ** (torch.arange(0, self.head_d, 2).float() / self.head_d)
        with torch.no_grad():
            x = self.w["token_embd.weight"][ids]
            for i in range(self.first):
                x = self.block(i, x, angles, mask)
        for i in range(self.first, self.n_layers):
            x = self.block(i, x, angles, mask)
        return F.linear(self.norm(x[rows], "output_norm.weight"), self.head)

    def save(self, path):
        out = gguf.GGUFWriter(path, "qwen2")
        out.add_type("adapter")
        out.add_string("adapter.type", "lora")
        out.add_float32("adapter.lora.alpha", ALPHA)
        out.add_string("general.name", f"Xoe paraphraser of {self.title}")
        for name, (a, b) in self.lora.items():
            out.add_tensor(name + ".lora_a", a.detach().half().numpy())
            out.add_tensor(name + ".lora_b", b.detach().half().numpy())
        out.write_header_to_file()
        out.write_kv_data_to_file()
        out.write_tensors_to_file()
        out.close()


def make_tokenizer(names, merges):
    t = tokenizers.Tokenizer(
        tokenizers.models.BPE(vocab={s: i for i, s in enumerate(names)}, merges=[tuple(m.split(" ")) for m in merges])
    )
    split = tokenizers.pre_tokenizers.Split(tokenizers.Regex(WORDS), "isolated")
    bytes_ = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    t.pre_tokenizer = tokenizers.pre_tokenizers.Sequence([split, bytes_])
    return t


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def read_data(kind):
    """Sources, each with what stands before it, its rewrites and which of them are spoiled."""
    out = [
        {"before": r["before"], "source": r["source"], "rewrites": r[kind], "spoiled": [False] * len(r[kind])}
        for r in lines(ROOT / "models" / "paraphrase_rewrites.jsonl")
    ]
    judged = {}
    for t in lines(ROOT / "tests" / "meaning" / "tries.jsonl"):
        r = judged.setdefault(t["source"], {"before": "", "source": t["source"], "rewrites": [], "spoiled": []})
        r["rewrites"].append(t["rewrite"])
        r["spoiled"].append(not t["good"])
    return out + [r for r in judged.values() if not all(r["spoiled"])]


def tree(m, r):
    """Tokens, positions, mask, the rows whose next token is known, that token, and the branch of each row."""
    start, end = m.special["<|im_start|>"], m.special["<|im_end|>"]
    ask = f"The text before it, only for your information: {r['before']}\n\n" if r["before"] else ""
    prompt = []
    for role, text in (("system", SYSTEM), ("user", f"{ask}Rephrase this text.\n\n{r['source']}")):
        prompt += [start, *m.encode(f"{role}\n{text}"), end, *m.encode("\n")]
    prompt += [start, *m.encode("assistant\n")]
    ids, positions, owner = list(prompt), list(range(len(prompt))), [-1] * len(prompt)
    rows, wanted, branch = [], [], []
    for b, text in enumerate(r["rewrites"]):
        tokens = [*m.encode(text), end]
        rows += [len(prompt) - 1, *range(len(ids), len(ids) + len(tokens) - 1)]
        wanted += [m.index[t] for t in tokens]
        branch += [b] * len(tokens)
        ids += tokens[:-1]
        positions += range(len(prompt), len(prompt) + len(tokens) - 1)
        owner += [b] * (len(tokens) - 1)
    o = torch.tensor(owner)
    mask = torch.ones(len(ids), len(ids)).tril().bool() & ((o[None] == -1) | (o[None] == o[:, None]))
    return torch.tensor(ids), torch.tensor(positions), mask, torch.tensor(rows), torch.tensor(wanted), torch.tensor(branch)


def token_losses(m, r):
    """Cross-entropy of each token, its branch."""
    ids, positions, mask, rows, wanted, branch = tree(m, r)
    return F.cross_entropy(m.logits(ids, positions, mask, rows), wanted, reduction="none"), branch


def log_odds(mean_nll):
    return -mean_nll - torch.log1p(-torch.exp(-mean_nll.clamp(min=1e-3)))


def loss_of(m, r):
    """What is minimised, and the mean cross-entropy of the good rewrites."""
    nll, branch = token_losses(m, r)
    spoiled = torch.tensor(r["spoiled"])
    good = nll[~spoiled[branch]].mean()
    if not spoiled.any():
        return good, good.item()
    odds = log_odds(torch.stack([nll[branch == b].mean() for b in range(len(spoiled))]))
    return good - ODDS * F.logsigmoid(odds[~spoiled][:, None] - odds[spoiled][None]).mean(), good.item()


def evaluate(m, held):
    with torch.no_grad():
        losses = [loss_of(m, r)[1] for r in held]
    return sum(losses) / max(1, len(losses))


def train(m, kind, rate, seconds, n_held):
    data = read_data(kind)
    m.narrow({t for r in data for text in r["rewrites"] for t in m.encode(text)})
    random.Random(1).shuffle(data)
    held, data = data[:n_held], data[n_held:]
    print(f"{kind}: {len(data)} sources; held out: {evaluate(m, held):.4f} nats a token", flush=True)
    optimizer = torch.optim.AdamW(m.parameters(), lr=rate, weight_decay=0.0, betas=(0.9, 0.98))
    n_steps, begun = len(data) // SOURCES_A_STEP, time.monotonic()
    for step in range(n_steps):
        done = max(step / n_steps, (time.monotonic() - begun) / seconds)
        if done >= 1:
            break
        for g in optimizer.param_groups:
            g["lr"] = rate * min(1, (step + 1) / WARM_UP) * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * done)))
        optimizer.zero_grad()
        seen = []
        for r in data[step * SOURCES_A_STEP : (step + 1) * SOURCES_A_STEP]:
            loss, good = loss_of(m, r)
            (loss / SOURCES_A_STEP).backward()
            seen.append(good)
        torch.nn.utils.clip_grad_norm_(m.parameters(), 1.0)
        optimizer.step()
        print(f"step {step + 1} of {n_steps}, {time.monotonic() - begun:.0f} s: {sum(seen) / len(seen):.4f}", flush=True)
    print(f"held out: {evaluate(m, held):.4f}", flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model", metavar="MODEL.gguf")
    p.add_argument("out", metavar="OUT.gguf")
    p.add_argument("--held", type=int, default=12, help="sources held out, for the loss that is shown [%(default)s]")
    o = p.parse_args()
    torch.set_num_threads(os.cpu_count())
    m = Model(o.model)
    for kind, rate, seconds in STAGES:
        train(m, kind, rate, seconds, o.held)
    m.save(o.out)


if __name__ == "__main__":
    main()
