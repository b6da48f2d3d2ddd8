#!/usr/bin/env python3
"""Convert a BERT sentence encoder (all-MiniLM-L6-v2) from safetensors to GGUF for llama.cpp.

usage: minilm_to_gguf.py FOLDER OUT.gguf [f32|f16|q8_0]

FOLDER holds config.json, tokenizer.json and model.safetensors. Needs numpy only; safetensors and GGUF are
simple enough to read and write here, and the result is checked against the manifest's sha256. Formats:
GGUF version 3 (ggml docs/gguf.md); safetensors (8 bytes of header length, JSON, raw little-endian data);
Q8_0 as ggml's quantize_row_q8_0_ref: blocks of 32, a half-precision scale max|x|/127, round half away
from zero.
"""

import json
import os
import struct
import sys

import numpy as np

ALIGNMENT = 32
U32, I32, F32, BOOL, STR, ARRAY = 4, 5, 6, 7, 8, 9  # GGUF value types
TYPES = {"f32": (0, 0), "f16": (1, 1), "q8_0": (8, 7)}  # name: (ggml tensor type, GGUF file type)
NORMAL, CONTROL, UNUSED = 1, 3, 5  # token types
MEAN_POOLING = 1

# name in the checkpoint: name in GGUF
EMBEDDINGS = {
    "embeddings.word_embeddings.weight": "token_embd.weight",
    "embeddings.position_embeddings.weight": "position_embd.weight",
    "embeddings.token_type_embeddings.weight": "token_types.weight",
    "embeddings.LayerNorm.weight": "token_embd_norm.weight",
    "embeddings.LayerNorm.bias": "token_embd_norm.bias",
}
LAYER = {
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
}
KEPT_AS_F32 = {"position_embd.weight", "token_types.weight"}


def read_safetensors(path):
    """Names to float32 arrays."""
    kinds = {"F32": "<f4", "F16": "<f2", "F64": "<f8"}
    tensors = {}
    with open(path, "rb") as f:
        header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
        start = f.tell()
        for name, info in header.items():
            if name == "__metadata__" or info["dtype"] not in kinds:
                continue
            first, end = info["data_offsets"]
            f.seek(start + first)
            data = np.frombuffer(f.read(end - first), dtype=kinds[info["dtype"]])
            tensors[name] = data.reshape(info["shape"]).astype(np.float32)
    return tensors


def gguf_string(s):
    raw = s.encode("utf-8")
    return struct.pack("<Q", len(raw)) + raw


def gguf_value(kind, v):
    if kind == STR:
        return gguf_string(v)
    return struct.pack({U32: "<I", I32: "<i", F32: "<f", BOOL: "<?"}[kind], v)


def key_value(key, kind, v, item=None):
    out = gguf_string(key) + struct.pack("<I", kind)
    if kind != ARRAY:
        return out + gguf_value(kind, v)
    return out + struct.pack("<IQ", item, len(v)) + b"".join(gguf_value(item, x) for x in v)


def round_half_away(x):
    floored = np.floor(np.abs(x))
    return np.sign(x) * (floored + np.floor(2 * (np.abs(x) - floored)))


def quantize_q8_0(a):
    blocks = a.reshape(-1, 32)
    scale = np.abs(blocks).max(axis=1, keepdims=True) / np.float32(127)
    with np.errstate(divide="ignore"):
        inverse = np.where(scale == 0, np.float32(0), np.float32(1) / scale)
    q = round_half_away(blocks * inverse).astype(np.int8)
    return np.concatenate([scale.astype("<f2").view(np.uint8), q.view(np.uint8)], axis=1).tobytes()


def encode(a, kind):
    if kind == "q8_0":
        return quantize_q8_0(a)
    return a.astype("<f2" if kind == "f16" else "<f4").tobytes()


def vocabulary(tokenizer, size):
    """llama.cpp's form of WordPiece: a mark before what starts a word, nothing before what goes on."""
    tokens = [None] * size
    for token, i in tokenizer["model"]["vocab"].items():
        tokens[i] = token
    special = {t["content"] for t in tokenizer["added_tokens"] if t.get("special")}
    texts, kinds = [], []
    for t in tokens:
        if t in special or (t.startswith("[") and t.endswith("]")):
            texts.append(t)
            kinds.append(CONTROL if t in special else UNUSED)
        else:
            texts.append(t[2:] if t.startswith("##") else "\u2581" + t)
            kinds.append(NORMAL)
    return texts, kinds


def metadata(config, tokenizer, file_type):
    texts, kinds = vocabulary(tokenizer, config["vocab_size"])
    ids = tokenizer["model"]["vocab"]
    return [
        key_value("general.architecture", STR, "bert"),
        key_value("general.type", STR, "model"),
        key_value("general.name", STR, "all-MiniLM-L6-v2"),
        key_value("general.license", STR, "apache-2.0"),
        key_value("general.size_label", STR, "22M"),
        key_value("bert.block_count", U32, config["num_hidden_layers"]),
        key_value("bert.context_length", U32, config["max_position_embeddings"]),
        key_value("bert.embedding_length", U32, config["hidden_size"]),
        key_value("bert.feed_forward_length", U32, config["intermediate_size"]),
        key_value("bert.attention.head_count", U32, config["num_attention_heads"]),
        key_value("bert.attention.layer_norm_epsilon", F32, config["layer_norm_eps"]),
        key_value("bert.attention.causal", BOOL, False),
        key_value("bert.pooling_type", U32, MEAN_POOLING),
        key_value("general.file_type", U32, file_type),
        key_value("tokenizer.ggml.token_type_count", U32, config["type_vocab_size"]),
        key_value("tokenizer.ggml.model", STR, "bert"),
        key_value("tokenizer.ggml.pre", STR, "default"),
        key_value("tokenizer.ggml.tokens", ARRAY, texts, STR),
        key_value("tokenizer.ggml.token_type", ARRAY, kinds, I32),
        key_value("tokenizer.ggml.unknown_token_id", U32, ids["[UNK]"]),
        key_value("tokenizer.ggml.seperator_token_id", U32, ids["[SEP]"]),  # spelled so in GGUF
        key_value("tokenizer.ggml.padding_token_id", U32, ids["[PAD]"]),
        key_value("tokenizer.ggml.bos_token_id", U32, ids["[CLS]"]),
        key_value("tokenizer.ggml.mask_token_id", U32, ids["[MASK]"]),
        key_value("tokenizer.ggml.add_bos_token", BOOL, True),
        key_value("tokenizer.ggml.add_sep_token", BOOL, True),
    ]


def names(n_layers):
    yield from EMBEDDINGS.items()
    for i in range(n_layers):
        for source, target in LAYER.items():
            for part in ("weight", "bias"):
                yield f"encoder.layer.{i}.{source}.{part}", f"blk.{i}.{target}.{part}"


def pad(n):
    return b"\0" * (-n % ALIGNMENT)


def convert(folder, out, kind):
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as f:
        config = json.load(f)
    with open(os.path.join(folder, "tokenizer.json"), encoding="utf-8") as f:
        tokenizer = json.load(f)
    source = read_safetensors(os.path.join(folder, "model.safetensors"))
    infos, data, offset = [], [], 0
    for old, new in names(config["num_hidden_layers"]):
        if old not in source:
            raise SystemExit(f"the checkpoint has no {old}: not the model this script is for")
        a = source[old]
        small = a.ndim < 2 or new in KEPT_AS_F32
        raw = encode(a, "f32" if small else kind)
        infos.append(
            gguf_string(new)
            + struct.pack("<I", a.ndim)
            + struct.pack(f"<{a.ndim}Q", *reversed(a.shape))
            + struct.pack("<IQ", TYPES["f32" if small else kind][0], offset)
        )
        raw += pad(len(raw))
        data.append(raw)
        offset += len(raw)
    pairs = metadata(config, tokenizer, TYPES[kind][1])
    head = b"GGUF" + struct.pack("<IQQ", 3, len(infos), len(pairs)) + b"".join(pairs) + b"".join(infos)
    with open(out, "wb") as f:
        f.write(head + pad(len(head)))
        for raw in data:
            f.write(raw)


def main():
    kind = sys.argv[3] if len(sys.argv) == 4 else "q8_0"
    if len(sys.argv) not in (3, 4) or kind not in TYPES:
        print(__doc__.split("\n\n")[1], file=sys.stderr)
        return 2
    convert(sys.argv[1], sys.argv[2], kind)
    return 0


if __name__ == "__main__":
    sys.exit(main())
