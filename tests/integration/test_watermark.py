"""The mark from end to end: the completion contract, detection, keys, rephrase, policy, the audit row."""

import hashlib
import json
import sqlite3
import time

import pytest

from harness import BETTER, MODELS, SMALL, TINY, xoe

HUMAN = (
    "When the ferry left the harbour that morning nobody on deck expected the fog to stay. My grandmother had packed bread, two apples "
    "and a flask of coffee that tasted of tin; she said the crossing took four hours in good weather and a day in bad. I counted gulls until "
    "I lost count, then lamps on the shore until those went too. A man with a violin case asked whether the seat beside us was free, sat down, "
    "and never opened the case. Years later I read about him in a newspaper, or thought I did, because the photograph was small and the name "
    "was common. What I remember for certain is the horn, every two minutes, and the way my grandmother answered it under her breath as if it "
    "were a question meant for her."
)


def story(server, model=TINY, **kw):
    body = {"model": model, "messages": [{"role": "user", "content": "Write a long story about a lighthouse keeper."}], "max_tokens": 220}
    body.update(kw)
    status, _, r = server.post("/v1/chat/completions", body)
    assert status == 200, r
    return r


def detect(server, text, **kw):
    status, _, r = server.post("/v1/detect-watermark", {"text": text, **kw})
    assert status == 200, r
    return r


def rows(server):
    db = sqlite3.connect(f"file:{server.data}/audit.db?mode=ro", uri=True)
    db.row_factory = sqlite3.Row
    try:
        return [dict(r) for r in db.execute("SELECT * FROM watermark_audit_log ORDER BY id")]
    finally:
        db.close()


def test_contract_and_detection(server):
    r = story(server)
    text = r["choices"][0]["message"]["content"]
    assert r["is_watermarked"] is True
    assert r["original"] == r["watermarked"] == text
    assert r["metadata"]["watermark_type"] == "gumbel" and r["metadata"]["model"] == TINY
    assert r["watermark_signal"] is not None
    d = detect(server, text, spans=True, tokens=True)
    assert d["detected"] and d["verdict"] == "marked" and d["log10_p"] < -3 and d["confidence"] > 0.5
    assert d["key_id"] == r["metadata"]["key_id"] and d["method"] == "gumbel"
    assert d["n_scored"] <= d["n_tokens"] and d["spans"]
    assert "".join(text[t["start"]:t["end"]] for t in d["tokens"]) == text
    for s in d["spans"]:
        assert 0 <= s["start"] < s["end"] <= len(text)


def test_survives_copying(server):
    """Cut at both ends, wrapped anew, with zero-width characters and look-alikes."""
    text = story(server, max_tokens=300)["choices"][0]["message"]["content"]
    words = text.split()
    assert detect(server, text[17:-11])["detected"]
    lines = "\n".join(" ".join(words[i:i + 9]) for i in range(0, len(words), 9))
    assert detect(server, " ".join(words))["detected"]
    assert detect(server, lines)["detected"]
    assert detect(server, text.replace("a", "\u0430").replace(" ", " \u200b"))["detected"]


def test_human_and_repetition(server):
    d = detect(server, HUMAN)
    assert not d["detected"] and d["verdict"] == "not_marked" and d["p_value"] > 1e-3
    repeated = detect(server, "The quick brown fox jumps over the lazy dog near the river bank. " * 50)
    assert not repeated["detected"]
    short = detect(server, "Hello there.")
    assert not short["detected"] and short["verdict"] == "cannot_carry"


def test_stream_has_the_contract_in_its_last_chunk(server):
    import urllib.request

    body = {"model": TINY, "messages": [{"role": "user", "content": "Tell a story."}], "max_tokens": 120, "stream": True}
    req = urllib.request.Request(server.url + "/v1/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"})
    chunks = [json.loads(line[6:]) for line in urllib.request.urlopen(req, timeout=60).read().decode().splitlines()
              if line.startswith("data: ") and line != "data: [DONE]"]
    text = "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"])
    last = [c for c in chunks if "is_watermarked" in c]
    assert len(last) == 1 and last[0]["watermarked"] == text


@pytest.mark.parametrize("off", [{"apply_watermark": False}, {"watermark": {"mode": "off"}}, {"temperature": 0}])
def test_unmarked(server, off):
    r = story(server, **off)
    assert r["is_watermarked"] is False
    assert not detect(server, r["choices"][0]["message"]["content"])["detected"]


def test_every_answer_has_its_row(server):
    r = story(server, n=2, max_tokens=60)
    have = {row["text_hash"]: row for row in rows(server)}
    for c in r["choices"]:
        row = have[hashlib.sha256(c["message"]["content"].encode()).hexdigest()]
        assert row["model_version"] and row["user_id"]
    done = xoe("audit", "verify", data=server.data)
    assert done.returncode == 0, done.stderr


def test_rotation(fresh):
    s = fresh()
    old = story(s)["choices"][0]["message"]["content"]
    assert xoe("key", "rotate", data=s.data).returncode == 0
    r = story(s)
    ids = [k["id"] for k in json.loads(xoe("key", "list", "--json", data=s.data).stdout)["keys"]]
    assert len(ids) == 2
    assert detect(s, old)["detected"] and detect(s, r["choices"][0]["message"]["content"])["detected"]
    assert detect(s, old)["key_id"] != r["metadata"]["key_id"]
    only_new = detect(s, old, key_ids=[r["metadata"]["key_id"]])
    assert not only_new["detected"]
    assert s.post("/v1/detect-watermark", {"text": old, "key_ids": ["nonesuch"]})[0] == 404


def test_scheme_of_another_program(server):
    d = detect(server, HUMAN, scheme={"name": "vllm-gumbel", "key": 42, "width": 3})
    assert not d["detected"] and d["method"] == "vllm-gumbel" and d["key_id"] is None and d["weak_key_note"]
    assert detect(server, HUMAN, scheme={"name": "hf-synthid", "key": [1, 2, 3, 4]})["method"] == "hf-synthid"
    own = detect(server, HUMAN, scheme={"name": "green", "key": "5a" * 32, "gamma": 0.5})
    assert own["weak_key_note"] is None and 0 < own["green_fraction"] < 1
    for wrong, param in (
        ({"name": "nothing", "key": 1}, "scheme"),
        ({"name": "vllm-gumbel"}, "scheme.key"),
        ({"name": "vllm-gumbel", "key": True}, "scheme.key"),
        ({"name": "vllm-gumbel", "key": 1, "gamma": 0.5}, "scheme.gamma"),
        ({"key": 1}, "scheme.name"),
        ("vllm-gumbel", "scheme"),
    ):
        status, _, r = server.post("/v1/detect-watermark", {"text": HUMAN, "scheme": wrong})
        assert status == 400 and r["error"]["param"] == param, r
    both = {"text": HUMAN, "key_ids": ["a"], "scheme": {"name": "vllm-gumbel", "key": 1}}
    assert server.post("/v1/detect-watermark", both)[0] == 400


def test_own_key_by_hand(server):
    """The bytes of a key of the keyring, named on the command line, find what the server marked."""
    text = story(server)["choices"][0]["message"]["content"]
    with open(f"{server.data}/keys.json") as f:
        key = next(k for k in json.load(f)["keys"] if k["active"])
    by_hand = json.loads(xoe("detect", "--json", "--scheme", key["scheme"], "--key", "@-", "--models-dir", MODELS, "--tokenizer", TINY,
                             text_file(server, text), data=server.data, stdin=key["key"] + "\n").stdout)
    assert by_hand["detected"] and by_hand["key_id"] is None and by_hand["weak_key_note"] is None


def text_file(server, text):
    path = f"{server.data}/text.txt"
    with open(path, "w") as f:
        f.write(text)
    return path


def test_calibrate(fresh, tmp_path):
    import random

    s = fresh()
    words = HUMAN.split()
    for i in range(3):
        random.Random(i).shuffle(words)
        (tmp_path / f"{i}.txt").write_text(" ".join(words * 5))
    assert detect(s, HUMAN)["calibration"] is None
    ask = ("calibrate", "--corpus", str(tmp_path), "--models-dir", MODELS, "--model", TINY)
    done = xoe(*ask, "--json", data=s.data)
    c = json.loads(done.stdout)
    assert done.returncode == 0 and c["stored"] and c["n_files"] == 3 and c["n_passages"] >= 3 and not c["excess"], done.stderr
    assert [level["fpr"] for level in c["levels"]] == [1e-2, 1e-3, 1e-4] and c["levels"][0]["high"] > 0.1
    told = detect(s, HUMAN)["calibration"]
    assert told["made"] == c["made"] and told["stale"] is None and [x["alarms"] for x in told["levels"]] == [x["alarms"] for x in c["levels"]]
    assert detect(s, HUMAN, scheme={"name": "vllm-gumbel", "key": 1})["calibration"] is None
    by_hand = xoe("detect", "--models-dir", MODELS, "--model", TINY, data=s.data, stdin=HUMAN)
    assert "own text" in by_hand.stdout and "no longer holds" not in by_hand.stdout
    (tmp_path / "marked.md").write_text(story(s, max_tokens=600, logit_bias={"2": -100})["choices"][0]["message"]["content"])
    done = xoe(*ask, "--words", "100", data=s.data)
    assert done.returncode == 1 and "more alarms than chance explains" in done.stderr and "nominal" in done.stdout
    assert xoe("key", "rotate", data=s.data).returncode == 0
    assert "keys" in detect(s, HUMAN)["calibration"]["stale"]
    assert xoe("calibrate", data=s.data).returncode == 2
    assert xoe("calibrate", "--corpus", str(tmp_path / "none"), "--models-dir", MODELS, "--model", TINY, data=s.data).returncode == 1


def test_weights(server):
    """The model at hand finds the same mark with a smaller p, and still none in human text."""
    text = story(server, temperature=0.7, seed=3)["choices"][0]["message"]["content"]
    plain, weighted = detect(server, text, spans=False), detect(server, text, spans=False, weights=True)
    assert weighted["weighted"] and not plain["weighted"]
    assert weighted["log10_p"] < 1.1 * plain["log10_p"], (weighted["log10_p"], plain["log10_p"])
    assert not detect(server, HUMAN, weights=True)["detected"]
    long = " ".join(f"{i} words" for i in range(5000))
    status, _, r = server.post("/v1/detect-watermark", {"text": long, "weights": True})
    assert status == 400 and r["error"]["param"] == "weights", r
    status, _, r = server.post("/v1/detect-watermark", {"text": HUMAN, "weights": True, "scheme": {"name": "vllm-gumbel", "key": 1}})
    assert status == 400 and r["error"]["param"] == "weights", r


def test_watermax(fresh, tmp_path):
    """A scheme that marks by choosing among drafts: nobody sees the drafts but in the bill."""
    assert xoe("key", "new", "drafted", "--scheme", "watermax", data=tmp_path).returncode == 0
    s = fresh("--watermax-piece", "8", data=str(tmp_path))
    ask = {"max_tokens": 200, "seed": 4, "watermark": {"key_id": "drafted"}, "logit_bias": {"2": -100, "0": -100}}  # it does not end
    r = story(s, **ask)
    text = r["choices"][0]["message"]["content"]
    assert r["is_watermarked"] and r["metadata"]["watermark_type"] == "watermax" and r["usage"]["completion_tokens"] == 200
    assert r["metadata"]["drawn_tokens"] > 6 * r["usage"]["completion_tokens"]
    assert r["metadata"]["expected_cost"] == {"factor": 8.0, "basis": "drafts"}
    d = detect(s, text, spans=False)
    assert d["detected"] and d["key_id"] == "drafted" and d["method"] == "watermax"
    assert story(s, **ask)["choices"][0]["message"]["content"] == text
    assert "drawn_tokens" not in story(s, max_tokens=20)["metadata"]


def test_enforce(fresh):
    s = fresh("--enforce")
    for off in ({"apply_watermark": False}, {"watermark": {"mode": "off"}}, {"watermark": {"mode": "rephrase", "async": True}}):
        status, _, r = s.post("/v1/chat/completions", {"model": TINY, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 5, **off})
        assert status == 403, r
    assert story(s)["is_watermarked"]


def test_detector_needs_the_key_and_is_limited(fresh):
    s = fresh("--api-key", "k", "--detect-rate-per-minute", "3")
    assert s.post("/v1/detect-watermark", {"text": HUMAN})[0] == 401
    auth = {"authorization": "Bearer k"}
    codes = [s.post("/v1/detect-watermark", {"text": HUMAN}, headers=auth)[0] for _ in range(5)]
    assert codes == [200, 200, 200, 429, 429]


def test_rephrase(fresh):
    s = fresh("--paraphrase-model", BETTER, "--request-timeout-s", "90", model=SMALL)  # chunks share the time that there is
    source = (
        "# Report\n\nThe old bridge over the river was closed on 14 March because two of its pillars had cracked. Engineers from Hamburg "
        "looked at it for three days and found that the water had washed away the ground below. They said that the repair would take 9 months.\n\n"
        "```\nkeep = this\n```\n"
    )
    status, _, r = s.post("/v1/watermark", {"text": source}, timeout=280)
    assert status == 200, r
    text = r["watermarked"]
    assert text.startswith("# Report\n\n") and "```\nkeep = this\n```" in text
    assert "14 March" in text or "March 14" in text
    assert "Hamburg" in text and ("9 months" in text or "nine months" in text.lower())
    assert r["original"] == source
    outcomes = [c["outcome"] for c in r["chunks"]]
    assert "protected" in outcomes and set(outcomes) <= {"rewritten", "fits", "kept", "protected"} and len(set(outcomes)) > 1
    assert all(c["reason"] for c in r["chunks"] if c["outcome"] == "kept")


def test_rephrase_completion(fresh, tmp_path):
    (tmp_path / "text.txt").write_text(HUMAN)
    refused = xoe("mark", "--rephrase-key", "letters", str(tmp_path / "text.txt"), data=tmp_path)
    assert refused.returncode == 1 and "xoe key new" in refused.stderr
    assert xoe("key", "new", "letters", "--shifts", "64", data=tmp_path).returncode == 0
    s = fresh("--paraphrase-model", SMALL, "--rephrase-key", "letters", "--request-timeout-s", "50", model=TINY, data=str(tmp_path))
    r = story(s, max_tokens=80, watermark={"mode": "rephrase"})
    assert r["metadata"]["key_id"] == "letters" != story(s, max_tokens=5)["metadata"]["key_id"]
    assert r["choices"][0]["message"]["content"] == r["watermarked"]
    assert r["original"] and r["metadata"]["mode"] == "rephrase" and r["metadata"]["chunks"]
    assert r["metadata"]["expected_cost"]["factor"] > 1


def test_async(fresh):
    s = fresh("--paraphrase-model", SMALL, "--request-timeout-s", "50", model=TINY)
    r = story(s, max_tokens=60, watermark={"mode": "rephrase", "async": True})
    assert r["watermarked"] is None and not r["is_watermarked"]
    job = r["metadata"]["watermark_job"]
    end = time.time() + 240
    while True:
        status, _, j = s.get(f"/v1/watermark/jobs/{job}")
        assert status == 200, j
        if j["status"] in ("done", "failed") or time.time() > end:
            break
        time.sleep(0.3)
    assert j["status"] == "done", j
    assert j["result"]["original"] == r["original"] and j["result"]["watermarked"]
    assert s.get("/v1/watermark/jobs/nonesuch")[0] == 404
