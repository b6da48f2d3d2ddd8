"""The official OpenAI client for Python, unchanged but for base_url."""

import base64
import concurrent.futures
import json
import math
import struct

import openai
import pytest

from harness import TINY

ASK = [{"role": "user", "content": "Tell me about the sea in three sentences."}]


def chat(client, **kw):
    args = dict(model=TINY, messages=ASK, max_tokens=40)
    args.update(kw)
    return client.chat.completions.create(**args)


def test_models(client):
    ids = [m.id for m in client.models.list()]
    assert TINY in ids
    assert client.models.retrieve(TINY).id == TINY


ON = {"2": -100}  # no end of turn: the answer goes on to max_tokens


def test_chat(client):
    r = chat(client, logit_bias=ON)
    assert r.object == "chat.completion" and r.id.startswith("chatcmpl-")
    assert r.choices[0].message.role == "assistant" and len(r.choices[0].message.content) > 20
    assert r.choices[0].finish_reason == "length" and r.usage.completion_tokens == 40
    assert r.usage.total_tokens == r.usage.prompt_tokens + 40


def test_stream_with_usage(client):
    text, finish, usage, roles = "", [], None, []
    for chunk in chat(client, stream=True, stream_options={"include_usage": True}, logit_bias=ON):
        if chunk.usage:
            usage = chunk.usage
        for c in chunk.choices:
            if c.delta.role:
                roles.append(c.delta.role)
            text += c.delta.content or ""
            if c.finish_reason:
                finish.append(c.finish_reason)
    assert len(text) > 20 and finish == ["length"] and roles == ["assistant"]
    assert usage.completion_tokens == 40


def test_stream_is_the_same_text(client):
    whole = chat(client, seed=5).choices[0].message.content
    parts = "".join(c.choices[0].delta.content or "" for c in chat(client, seed=5, stream=True) if c.choices)
    assert parts == whole


@pytest.mark.parametrize("stop", ["e", [".", "a"], ["never ever there"]])  # letters come in every answer
def test_stop(client, stop):
    r = chat(client, stop=stop, max_tokens=60, seed=1, logit_bias=ON)
    text = r.choices[0].message.content
    for s in [stop] if isinstance(stop, str) else stop:
        assert s not in text
    assert r.choices[0].finish_reason == ("length" if "never" in stop[0] else "stop")


def test_seed(client):
    a = chat(client, seed=42, max_tokens=60).choices[0].message.content
    chat(client, messages=[{"role": "user", "content": "Something else that fills the cache."}])
    b = chat(client, seed=42, max_tokens=60).choices[0].message.content
    c = chat(client, seed=43, max_tokens=60).choices[0].message.content
    assert a == b and a != c


def test_variety(client):
    """A marked answer is not always the same text."""
    texts = {chat(client, max_tokens=30).choices[0].message.content for _ in range(6)}
    assert len(texts) >= 3


def test_logprobs(client):
    r = chat(client, logprobs=True, top_logprobs=5, max_tokens=10, logit_bias=ON)
    tokens = r.choices[0].logprobs.content
    assert len(tokens) == 10
    assert "".join(t.token for t in tokens) == r.choices[0].message.content
    for t in tokens:
        assert t.logprob <= 0 and len(t.top_logprobs) == 5
        assert bytes(t.bytes).decode(errors="replace") == t.token
        best = [x.logprob for x in t.top_logprobs]
        assert best == sorted(best, reverse=True)
        assert sum(math.exp(x) for x in best) <= 1.0001


def test_n(client):
    r = chat(client, n=3, max_tokens=30, logit_bias=ON)
    assert [c.index for c in r.choices] == [0, 1, 2]
    assert len({c.message.content for c in r.choices}) == 3
    assert r.usage.completion_tokens == 90


def test_temperature_zero_is_greedy(client):
    a, b = (chat(client, temperature=0).choices[0].message.content for _ in range(2))
    assert a == b


def test_logit_bias(client):
    """Ban the most common words: another one comes."""
    free = client.completions.create(model=TINY, prompt="The sea is", max_tokens=1, temperature=0).choices[0].text
    ban = {str(i): -100 for i in range(0, 4000)}
    bound = client.completions.create(model=TINY, prompt="The sea is", max_tokens=1, temperature=0, logit_bias=ban).choices[0].text
    assert bound != free


def test_penalties(client):
    args = dict(model=TINY, prompt="la la la la la la la la", max_tokens=24, temperature=0)
    plain = client.completions.create(**args).choices[0].text
    less = client.completions.create(**args, frequency_penalty=2, presence_penalty=2).choices[0].text
    assert plain.count("la") > less.count("la")


def test_json_schema(small_client):
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string"}, "population": {"type": "integer"}, "coastal": {"type": "boolean"}},
        "required": ["city", "population", "coastal"],
        "additionalProperties": False,
    }
    r = small_client.chat.completions.create(
        model="qwen2.5-coder-0.5b-instruct",
        messages=[{"role": "user", "content": "Describe Lisbon as JSON."}],
        response_format={"type": "json_schema", "json_schema": {"name": "city", "schema": schema, "strict": True}},
        max_tokens=120,
    )
    j = json.loads(r.choices[0].message.content)
    assert set(j) == {"city", "population", "coastal"}
    assert isinstance(j["city"], str) and isinstance(j["population"], int) and isinstance(j["coastal"], bool)


def test_json_object(small_client):
    r = small_client.chat.completions.create(
        model="qwen2.5-coder-0.5b-instruct",
        messages=[{"role": "user", "content": "Give me a JSON object with the key answer."}],
        response_format={"type": "json_object"}, max_tokens=200, temperature=0,
    )
    assert isinstance(json.loads(r.choices[0].message.content), dict)


WEATHER = [{"type": "function", "function": {
    "name": "get_weather", "description": "Get the weather of a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}]


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "get_weather"}}])
def test_tool_call(small_client, choice):
    r = small_client.chat.completions.create(
        model="qwen2.5-coder-0.5b-instruct", tools=WEATHER, tool_choice=choice, max_tokens=120,
        messages=[{"role": "user", "content": "What is the weather in Paris?"}],
    )
    call = r.choices[0].message.tool_calls[0]
    assert r.choices[0].finish_reason == "tool_calls"
    assert call.function.name == "get_weather" and "city" in json.loads(call.function.arguments)
    follow = small_client.chat.completions.create(
        model="qwen2.5-coder-0.5b-instruct", tools=WEATHER, tool_choice="none", max_tokens=40,
        messages=[{"role": "user", "content": "What is the weather in Paris?"}, r.choices[0].message.to_dict(),
                  {"role": "tool", "tool_call_id": call.id, "content": "18 degrees, rain"}],
    )
    assert follow.choices[0].message.content and not follow.choices[0].message.tool_calls


def test_tool_calls_one_unless_parallel(small_client):
    """Seeds with which the 0.5B model went on calling (3: two cities, 43: until it was cut)."""
    def ask(seed, **more):
        return small_client.chat.completions.create(
            model="qwen2.5-coder-0.5b-instruct", tools=WEATHER, tool_choice="required", seed=seed,
            messages=[{"role": "user", "content": "What is the weather in Paris?"}], **more).choices[0]
    for seed in (3, 43):
        c = ask(seed, max_tokens=120)
        assert len(c.message.tool_calls) == 1 and c.finish_reason == "tool_calls"
    cut = ask(43, max_tokens=16)
    assert cut.finish_reason == "length"  # not a call to run: its arguments are cut


def test_tool_choice_auto(small_client):
    """Free to choose: text, or a call that names a tool and has arguments of its schema."""
    for question in ("What is the weather in Paris?", "Say hello."):
        m = small_client.chat.completions.create(
            model="qwen2.5-coder-0.5b-instruct", tools=WEATHER, tool_choice="auto", max_tokens=80, messages=[{"role": "user", "content": question}],
        ).choices[0].message
        assert m.content or m.tool_calls
        for call in m.tool_calls or []:
            assert call.function.name == "get_weather" and "city" in json.loads(call.function.arguments)


def test_tool_call_stream(small_client):
    name, args, finish = "", "", None
    for chunk in small_client.chat.completions.create(
        model="qwen2.5-coder-0.5b-instruct", tools=WEATHER, tool_choice="required", max_tokens=120, stream=True,
        messages=[{"role": "user", "content": "What is the weather in Paris?"}],
    ):
        for c in chunk.choices:
            for t in c.delta.tool_calls or []:
                name += t.function.name or ""
                args += t.function.arguments or ""
            finish = c.finish_reason or finish
    assert name == "get_weather" and "city" in json.loads(args) and finish == "tool_calls"


def test_completions(client):
    r = client.completions.create(model=TINY, prompt=["The sea", "The land"], max_tokens=8, echo=True, logit_bias=ON)
    assert [c.text.startswith(p) for c, p in zip(r.choices, ["The sea", "The land"])] == [True, True]
    assert r.usage.completion_tokens == 16


def test_embeddings(client):
    texts = ["The cat sleeps on the sofa.", "A kitten naps on the couch.", "The stock market fell sharply."]
    r = client.embeddings.create(model="all-minilm-l6-v2", input=texts, encoding_format="float")
    v = [d.embedding for d in r.data]
    dot = lambda a, b: sum(x * y for x, y in zip(a, b))  # noqa: E731
    assert len(v) == 3 and abs(dot(v[0], v[0]) - 1) < 1e-3
    assert dot(v[0], v[1]) > 0.5 > dot(v[0], v[2])
    assert r.usage.prompt_tokens > 10
    raw = client.embeddings.with_raw_response.create(model="all-minilm-l6-v2", input=texts[0], encoding_format="base64")
    packed = json.loads(raw.text)["data"][0]["embedding"]
    floats = struct.unpack(f"<{len(v[0])}f", base64.b64decode(packed))
    assert dot(floats, v[0]) > 0.999


def test_error_classes(client, fresh):
    with pytest.raises(openai.BadRequestError) as e:
        chat(client, temperature=9)
    assert e.value.body["param"] == "temperature"
    with pytest.raises(openai.NotFoundError) as e:
        chat(client, model="nonesuch")
    assert e.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as e:
        chat(client, messages=[{"role": "user", "content": "word " * 20000}])
    assert e.value.code == "context_length_exceeded"
    locked = fresh("--api-key", "sekret")
    with pytest.raises(openai.AuthenticationError):
        chat(openai.OpenAI(base_url=locked.url + "/v1", api_key="wrong", max_retries=0))
    assert chat(openai.OpenAI(base_url=locked.url + "/v1", api_key="sekret", max_retries=0)).choices
    assert "sekret" not in locked.tail()
    slow = fresh("--rate-per-minute", "2")
    limited = openai.OpenAI(base_url=slow.url + "/v1", api_key="x", max_retries=0)
    with pytest.raises(openai.RateLimitError) as e:
        for _ in range(4):
            chat(limited, max_tokens=1)
    assert int(e.value.response.headers["retry-after"]) >= 1


def test_eight_at_once(client):
    def one(i):
        return chat(client, messages=[{"role": "user", "content": f"Count to {i + 3}."}], max_tokens=30).choices[0].message.content

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(one, range(8)))
    assert all(texts) and len(set(texts)) == 8
