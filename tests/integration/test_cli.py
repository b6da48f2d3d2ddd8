"""The program at the terminal."""

import json
import os

from harness import MODELS, SMALL, TINY, xoe

MODELS_DIR = ("--models-dir", MODELS)


def test_help_and_version(tmp_path):
    r = xoe("--help")
    assert r.returncode == 0
    for command in ("serve", "chat", "mark", "detect", "calibrate", "key", "models", "doctor", "version", "audit"):
        assert command in r.stdout
        h = xoe(command, "--help")
        assert h.returncode == 0 and "Example" in h.stdout, command
    version = json.loads(xoe("version", "--json").stdout)
    assert version["version"] and {"llama.cpp", "SQLite"} <= {p["name"] for p in version["parts"]}


def test_keys(tmp_path):
    first = json.loads(xoe("key", "list", "--json", data=tmp_path).stdout)["keys"]
    assert len(first) == 1 and first[0]["active"]
    assert oct(os.stat(tmp_path / "keys.json").st_mode & 0o777) == "0o600"
    assert xoe("key", "new", "spare", "--width", "2", data=tmp_path).returncode == 0
    assert xoe("key", "rotate", data=tmp_path).returncode == 0
    r = xoe("key", "list", "--json", data=tmp_path)
    keys = json.loads(r.stdout)["keys"]
    assert len(keys) == 3 and sum(k["active"] for k in keys) == 1
    secret = json.load(open(tmp_path / "keys.json"))["keys"][0]["key"]
    assert secret not in r.stdout + r.stderr + xoe("key", "list", data=tmp_path).stdout
    assert xoe("key", "retire", "nonesuch", data=tmp_path).returncode == 1


def test_chat_then_detect(tmp_path):
    r = xoe("chat", "--model", TINY, *MODELS_DIR, "Write a long story about a lighthouse.", data=tmp_path, timeout=200)
    assert r.returncode == 0 and len(r.stdout) > 200, r.stderr
    d = xoe("detect", "--json", "--model", TINY, *MODELS_DIR, "-", stdin=r.stdout, data=tmp_path)
    assert d.returncode == 0, d.stderr
    verdict = json.loads(d.stdout)
    assert verdict["detected"], verdict
    assert xoe("audit", "verify", data=tmp_path).returncode == 0
    plain = xoe("detect", "--model", TINY, *MODELS_DIR, "-", stdin="Nothing in here was written by a machine, or so one hopes, dear reader.", data=tmp_path)
    assert plain.returncode == 0 and plain.stdout.strip()


def test_mark(tmp_path):
    source = tmp_path / "in.txt"
    source.write_text("The lighthouse on the cape was built of grey stone, and for a hundred years a keeper lit its lamp every evening before dark.\n")
    r = xoe("mark", "--json", "--paraphrase-model", SMALL, *MODELS_DIR, str(source), data=tmp_path, timeout=200)
    assert r.returncode == 0, r.stderr
    j = json.loads(r.stdout)
    assert j["text"] and j["chunks"]


def test_models(tmp_path):
    r = json.loads(xoe("models", "list", "--json", *MODELS_DIR, data=tmp_path).stdout)
    names = {m["name"]: m for m in r["models"]}
    assert names[TINY]["present"] and names[SMALL]["present"]
    assert all(m["licence"] for m in r["models"])
    assert xoe("models", "verify", TINY, *MODELS_DIR, data=tmp_path, timeout=200).returncode == 0
    empty = xoe("models", "verify", TINY, "--models-dir", str(tmp_path / "none"), data=tmp_path)
    assert empty.returncode == 1 and "pull" in empty.stdout + empty.stderr
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    (wrong / "SmolLM2-135M-Instruct.Q4_1.gguf").write_bytes(b"GGUF not really")
    bad = xoe("models", "verify", TINY, "--models-dir", str(wrong), data=tmp_path)
    assert bad.returncode == 1


def test_doctor(tmp_path):
    r = xoe("doctor", "--json", *MODELS_DIR, data=tmp_path, timeout=200)
    found = json.loads(r.stdout)["findings"]
    assert len(found) > 5 and all(c["check"] and c["status"] in ("ok", "warn", "fail") for c in found)
    none = xoe("doctor", "--models-dir", str(tmp_path / "none"), data=tmp_path)
    assert "pull" in none.stdout
