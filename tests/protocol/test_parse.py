"""A body is a chat request, or an error that names the field: nothing else ever happens."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llms.protocol.chat import ChatRequest
from llms.protocol.errors import InvalidRequest
from llms.protocol.parse import parse_chat, parse_object

PATIENT = settings(deadline=None)

ASK = {"role": "user", "content": "Hi"}


def body(**changes: Any) -> bytes:
    return json.dumps({"model": "m", "messages": [ASK], **changes}).encode()


def message(**fields: Any) -> bytes:
    return body(messages=[ASK, {**ASK, **fields}])


def part(**fields: Any) -> bytes:
    return message(content=[{"type": "text", "text": "x"}, fields])


def call(**fields: Any) -> bytes:
    return message(tool_calls=[{"id": "a", "function": {"name": "f", "arguments": "{}"}}, fields])


def refused(raw: bytes) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        parse_chat(raw)
    assert (caught.value.http_status, caught.value.code) == (400, "invalid_request")
    return caught.value


BROKEN_BODIES: list[tuple[str, bytes, str]] = [
    ("nothing", b"", "is empty"),
    ("only space", b" \r\n\t", "is empty"),
    ("a quote too few", b'{"model": "m}', "not valid JSON"),
    ("single quotes", b"{'model': 'm'}", "line 1, column 2"),
    ("line and column", b'{"model": "m",\n "messages": x}', "line 2, column 14, near"),
    ("cut off", b'{"model": ', "not valid JSON"),
    ("trailing text", b'{"model": "m"} more', 'near "more"'),
    ("two documents", b"{}{}", "column 3"),
    ("bad UTF-8", b'{"model": "\xff"}', "not valid UTF-8 at byte 11"),
    ("bad UTF-8 beside an escape", b'{"model": "\\u0041\xff"}', "not valid UTF-8 at byte 17"),
    ("half a surrogate in UTF-8", b'{"model": "\xed\xa0\x80"}', "not valid UTF-8"),
    ("UTF-16", body().decode().encode("utf-16"), "UTF-16"),
    ("UTF-16 without mark", body().decode().encode("utf-16-be"), "UTF-16"),
    ("UTF-32", body().decode().encode("utf-32"), "UTF-16 or UTF-32"),
    ("byte order mark", b"\xef\xbb\xbf" + body(), "byte order mark"),
    ("NaN", b'{"temperature": NaN}', "not valid JSON"),
    ("NaN beside an escape", b'{"x": "\\ud800", "temperature": NaN}', "NaN"),
    ("Infinity", b'{"temperature": Infinity}', "not valid JSON"),
    ("overflow", b'{"temperature": 1e999}', "not valid JSON"),
    ("overflow in depth", b'{"x": [{"y": -1e999}]}', "not valid JSON"),
    ("5,000 digits", b'{"seed": ' + b"9" * 5000 + b"}", "not valid JSON"),
    ("5,000 digits beside an escape", b'{"x": "\\ud800", "seed": ' + b"9" * 5000 + b"}", "4300 digits"),
    ("nesting 100,000", b"[" * 100_000, "not valid JSON"),
    ("nesting 100,000 in a field", b'{"\\u0041": ' + b"[" * 100_000, "not valid JSON"),
    ("nesting 1,000", b'{"x": ' + b"[" * 1000 + b"]" * 1000 + b"}", "nested deeper than 100"),
    ("nesting 101", b'{"x": ' + b"[" * 100 + b"]" * 100 + b"}", "nested deeper than 100"),
    ("nesting in a long body", body(user="x" * 5000, x=json.loads("[" * 100 + "]" * 100)), "nested deeper"),
    ("a list", b"[]", "must be a JSON object, found []"),
    ("a deep list", b"[" * 900 + b"]" * 900, "must be a JSON object, found [[["),
    ("null", b"null", "found null"),
    ("a string", b'"model"', 'found "model"'),
    ("a number", b"42", "found 42"),
]


@pytest.mark.parametrize(("raw", "says"), [c[1:] for c in BROKEN_BODIES], ids=[c[0] for c in BROKEN_BODIES])
def test_a_body_that_is_no_object(raw: bytes, says: str) -> None:
    error = refused(raw)
    assert says in error.message
    assert error.param is None
    assert len(error.message) < 300


WRONG_FIELDS: list[tuple[str, bytes, str]] = [
    ("model", b'{"messages": [{"role": "user"}]}', "is missing; it must be a non-empty string"),
    ("model", body(model=None), "found null"),
    ("model", body(model=5), "non-empty string, found 5"),
    ("model", body(model=""), 'found ""'),
    ("model", body(model=["m"]), 'found ["m"]'),
    ("model", body(model="m" * 513), "at most 512"),
    ("model", body(model="a\nb"), "printable"),
    ("model", body(model="a\u2028b"), "printable"),
    ("model", body(model="a\ud800"), "printable"),
    ("messages", b'{"model": "m"}', "is missing; it must be a non-empty list"),
    ("messages", body(messages=None), "found null"),
    ("messages", body(messages="Hi"), 'found "Hi"'),
    ("messages", body(messages=ASK), "a non-empty list of objects"),
    ("messages", body(messages=[]), "found []"),
    ("messages[1]", body(messages=[ASK, "Hi"]), "must be an object"),
    ("messages[0]", body(messages=[None]), "found null"),
    ("messages[1].role", body(messages=[ASK, {"content": "x"}]), "is missing"),
    ("messages[0].role", body(messages=[{"role": "", "content": "x"}]), 'found ""'),
    ("messages[0].role", body(messages=[{"role": 1, "content": "x"}]), "found 1"),
    ("messages[1].content", message(content=5), "a string or a list of parts, found 5"),
    ("messages[1].content", message(content={"type": "text"}), "a list of parts"),
    ("messages[1].content[0]", message(content=["x"]), "an object with a `type`"),
    ("messages[1].content[0]", message(content=[None]), "found null"),
    ("messages[1].content[1].type", part(text="x"), "is missing"),
    ("messages[1].content[1].type", part(type=5), "found 5"),
    ("messages[1].content[1].type", part(type=["text"]), "a non-empty string"),
    ("messages[1].content[1].text", part(type="text"), "is missing"),
    ("messages[1].content[1].text", part(type="text", text=None), "found null"),
    ("messages[1].content[1].text", part(type="text", text=["x"]), 'found ["x"]'),
    ("messages[1].content[1].refusal", part(type="refusal", refusal=1), "a string"),
    ("messages[1].content[1].image_url", part(type="image_url"), "is missing"),
    ("messages[1].content[1].image_url", part(type="image_url", image_url=1), "an object with a `url`"),
    ("messages[1].content[1].image_url.url", part(type="image_url", image_url={}), "is missing"),
    ("messages[1].content[1].image_url.url", part(type="image_url", image_url={"url": 1}), "a string"),
    ("messages[1].content[1].input_audio", part(type="input_audio", input_audio="x"), "an object"),
    ("messages[1].content[1].file.file_id", part(type="file", file={"file_id": 1}), "a string"),
    ("messages[1].name", message(name=[]), "a string"),
    ("messages[1].tool_call_id", message(tool_call_id=7), "a string, found 7"),
    ("messages[1].tool_calls", message(tool_calls={}), "a list of objects"),
    ("messages[1].tool_calls[0]", message(tool_calls=["f"]), "an object"),
    ("messages[1].tool_calls[1].function", call(id="b"), "is missing; it must be an object"),
    ("messages[1].tool_calls[1].function", call(type="function", function="f"), "an object"),
    ("messages[1].tool_calls[1].function.name", call(function={"arguments": "{}"}), "is missing"),
    ("messages[1].tool_calls[1].function.arguments", call(function={"name": "f", "arguments": {}}), "a string"),
    ("messages[1].function_call.name", message(function_call={}), "is missing"),
    ("stream", body(stream="true"), "true or false"),
    ("stream", body(stream=1), "true or false, found 1"),
    ("stream_options", body(stream_options=[]), "an object"),
    ("stream_options.include_usage", body(stream_options={"include_usage": "yes"}), "true or false"),
    ("temperature", body(temperature="hot"), 'a number, found "hot"'),
    ("temperature", body(temperature=True), "a number, found true"),
    ("top_p", body(top_p=[1]), "a number"),
    ("presence_penalty", body(presence_penalty={}), "a number"),
    ("frequency_penalty", body(frequency_penalty="0"), "a number"),
    ("n", body(n=0), "at least 1, found 0"),
    ("n", body(n=1.5), "an integer"),
    ("n", body(n=True), "an integer of at least 1, found true"),
    ("max_tokens", body(max_tokens=0), "at least 1, found 0"),
    ("max_tokens", body(max_tokens=-5), "found -5"),
    ("max_tokens", body(max_tokens=-(10**30)), "at least 1"),
    ("max_completion_tokens", body(max_completion_tokens="100"), "an integer"),
    ("seed", body(seed=1.5), "an integer"),
    ("logprobs", body(logprobs=3), "true or false"),
    ("top_logprobs", body(top_logprobs=-1), "at least 0"),
    ("stop", body(stop=5), "a string or a list of strings"),
    ("stop[1]", body(stop=["a", 2]), "a string, found 2"),
    ("stop[0]", body(stop=[None]), "a string, found null"),
    ("tools", body(tools={}), "a list of objects"),
    ("tools[0]", body(tools=["f"]), "an object"),
    ("tools[0].type", body(tools=[{"type": {}}]), "a non-empty string"),
    ("tools[0].function", body(tools=[{"type": "function"}]), "is missing"),
    ("tools[0].function.name", body(tools=[{"type": "function", "function": {}}]), "is missing"),
    ("tools[0].function.name", body(tools=[{"function": {"name": ""}}]), "non-empty"),
    ("tools[0].function.parameters", body(tools=[{"function": {"name": "f", "parameters": []}}]), "object"),
    ("tool_choice", body(tool_choice=1), "a string or an object"),
    ("parallel_tool_calls", body(parallel_tool_calls="no"), "true or false"),
    ("functions[0].name", body(functions=[{}]), "is missing"),
    ("function_call", body(function_call=[]), "a string or an object"),
    ("response_format", body(response_format="json"), "an object"),
    ("response_format.type", body(response_format={"type": 1}), "a non-empty string"),
    ("user", body(user=12), "a string"),
    ("logit_bias", body(logit_bias=[1]), "an object"),
    ("metadata", body(metadata="x"), "an object"),
    ("store", body(store="x"), "true or false"),
    ("modalities", body(modalities="text"), "a list of strings"),
    ("modalities[0]", body(modalities=[1]), "a string"),
    ("reasoning_effort", body(reasoning_effort=3), "a string"),
    ("service_tier", body(service_tier=3), "a string"),
    ("prediction", body(prediction="x"), "an object"),
    ("audio", body(audio="x"), "an object"),
    ("verbosity", body(verbosity=1), "a string"),
    ("web_search_options", body(web_search_options=True), "an object"),
    ("safety_identifier", body(safety_identifier=1), "a string"),
    ("prompt_cache_key", body(prompt_cache_key=[]), "a string"),
    ("messages[1].refusal", message(refusal={}), "a string"),
    ("messages[1].audio", message(audio="x"), "an object"),
    ("messages[1].tool_calls[1].id", call(id=5), "a string"),
    ("messages[1].content[1].input_audio.data", part(type="input_audio", input_audio={"data": 1}), "a string"),
    ("messages[1].content[1].input_audio.format", part(type="input_audio", input_audio={"format": 1}), "a string"),
    ("messages[1].content[1].file.file_data", part(type="file", file={"file_data": 1}), "a string"),
    ("messages[1].content[1].file.filename", part(type="file", file={"filename": 1}), "a string"),
    ("tools[0].function.description", body(tools=[{"function": {"name": "f", "description": 1}}]), "a string"),
    ("tools[0].function.strict", body(tools=[{"function": {"name": "f", "strict": "yes"}}]), "true or false"),
]


@pytest.mark.parametrize(("param", "raw", "says"), WRONG_FIELDS)
def test_a_wrong_field_is_named_with_what_belongs_there(param: str, raw: bytes, says: str) -> None:
    error = refused(raw)
    assert error.param == param
    assert says in error.message
    assert f"`{param}`" in error.message


@pytest.mark.parametrize("value", ["x" * 5000, ["y" * 5000], {"k" * 5000: 1}, "\u202e\0\x1b" * 400])
def test_no_more_than_200_printable_characters_are_echoed(value: object) -> None:
    error = refused(body(temperature=value))
    _, found = error.message.split("found ", 1)
    assert len(found.removesuffix(".")) <= 200
    assert error.message.isprintable()
    assert refused(json.dumps(["z" * 5000]).encode()).message.count("z") <= 200
    assert refused(b'{"model": "' + b"z" * 5000 + b'" z').message.count("z") <= 200


WHOLE: dict[str, Any] = {
    "model": "openai/gpt-4o",
    "messages": [
        {"role": "system", "content": "s"},
        {"role": "user", "content": [{"type": "text", "text": ""}, {"type": "video_url", "video_url": 1}]},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:", "detail": "low"}}]},
        {"role": "user", "content": [{"type": "image_url", "image_url": "https://x"}], "name": "n"},
        {
            "role": "assistant",
            "content": None,
            "refusal": None,
            "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}, "index": 0},
                {"id": "b", "type": "custom", "custom": {"name": "g", "input": "x"}},
                {"id": "c", "function": {"name": "h", "arguments": None}, "extra_content": {"google": 1}},
            ],
        },
        {"role": "tool", "tool_call_id": "a", "content": "ok"},
        {"role": "assistant", "reasoning_content": "hm", "audio": {"id": "x"}, "tool_calls": []},
    ],
    "temperature": 0,
    "top_p": 0.5,
    "n": 2,
    "max_tokens": 1,
    "seed": -3,
    "stop": ["a", "b"],
    "logit_bias": {"50256": -100},
    "tools": [
        {"type": "function", "function": {"name": "f", "parameters": {"$defs": {}}, "strict": True}},
        {"type": "web_search", "web_search": {}},
        {"google_search": {}},
    ],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "response_format": {"type": "json_schema", "json_schema": {"name": "x"}},
    "metadata": {"a": "b"},
    "modalities": ["text"],
    "top_k": "anything",
    "x_vendor": [{"deep": [1, None]}],
}


def test_everything_legal_passes_unchanged() -> None:
    chat = parse_chat(json.dumps(WHOLE).encode(), request_id="r1", hops=2)
    assert chat == ChatRequest(body=WHOLE, model="openai/gpt-4o", hops=2, request_id="r1")


@pytest.mark.parametrize("name", sorted(set(WHOLE) - {"model", "messages"} | {"stream", "stream_options", "user"}))
def test_null_is_legal_in_every_optional_field(name: str) -> None:
    assert parse_chat(body(**{name: None})).body[name] is None


def test_unusual_but_legal_bodies() -> None:
    assert parse_chat(b" \n" + body() + b"\n").model == "m"
    assert parse_chat(b'{"model":"a","model":"b","messages":[{"role":"user"}]}').model == "b"
    assert parse_chat(body(model="模型/ü 1")).model == "模型/ü 1"
    assert parse_chat(body(model="m" * 512)).model == "m" * 512
    assert parse_chat(body(seed=10**30)).body["seed"] == 10**30
    assert parse_chat(message(content="\ud83d")).body["messages"][1]["content"] == "\ud83d"
    assert parse_chat(b'{"model":"m","messages":[{"role":"user"}],"x":' + b"[" * 99 + b"]" * 99 + b"}").model == "m"
    assert parse_chat(body(x=[[]] * 5000)).model == "m"


@pytest.mark.parametrize(
    ("fields", "route", "stream", "include_usage"),
    [
        ({}, None, False, False),
        ({"stream": True}, None, True, False),
        ({"stream": False}, None, False, False),
        ({}, True, True, False),
        ({"stream": False, "stream_options": {"include_usage": True}}, True, True, True),
        ({"stream": True, "stream_options": {"include_usage": True}}, False, False, False),
        ({"stream": True, "stream_options": {"include_usage": True}}, None, True, True),
        ({"stream": True, "stream_options": {"include_usage": None}}, None, True, False),
        ({"stream": True, "stream_options": {}}, None, True, False),
        ({"stream": True, "stream_options": None}, None, True, False),
        ({"stream_options": {"include_usage": True}}, None, False, False),
    ],
)
def test_streaming_is_settled_by_the_route_then_by_the_body(
    fields: dict[str, Any], route: bool | None, stream: bool, include_usage: bool
) -> None:
    chat = parse_chat(body(**fields), stream=route)
    assert (chat.stream, chat.include_usage) == (stream, include_usage)


@pytest.mark.parametrize("asked", [True, False, None])
def test_usage_on_every_chunk_is_asked_for(asked: bool | None) -> None:
    options = {"include_usage": True, "continuous_usage_stats": asked}

    assert parse_chat(body(stream=True, stream_options=options)).running_usage is (asked is True)


def test_other_dialects_may_read_any_object() -> None:
    assert parse_object(b'{"input": "x"}') == {"input": "x"}
    assert parse_object(b"{}") == {}


def numbers(value: object) -> list[float]:
    if isinstance(value, (list, dict)):
        return [n for inner in (value.values() if isinstance(value, dict) else value) for n in numbers(inner)]
    return [value] if isinstance(value, float) else []


def settles(raw: bytes) -> None:
    try:
        chat = parse_chat(raw)
    except InvalidRequest:
        return
    assert chat.model
    assert all(math.isfinite(n) for n in numbers(chat.body))
    assert json.loads(chat.encode(stream=True))["model"] == chat.model


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
FIELDS = sorted({param.partition("[")[0].partition(".")[0] for param, _, _ in WRONG_FIELDS})
MESSAGE_FIELDS = ["role", "content", "name", "tool_calls", "tool_call_id", "function_call", "refusal", "audio"]
PART_FIELDS = ["type", "text", "image_url", "input_audio", "file", "refusal"]


@PATIENT
@given(st.binary() | st.text('{}[]",:\\u0d8 -1e9.truefalsn').map(lambda text: text.encode()))
def test_any_bytes_settle(raw: bytes) -> None:
    settles(raw)
    settles(b'{"model":"m","messages":[{"role":"user"}],"x":' + raw + b"}")


@PATIENT
@given(JSON)
def test_any_json_settles(value: object) -> None:
    settles(json.dumps(value).encode())
    settles(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"))


@PATIENT
@given(
    st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4),
    st.dictionaries(st.sampled_from(MESSAGE_FIELDS), JSON, max_size=4),
    st.dictionaries(st.sampled_from(PART_FIELDS), st.sampled_from(PART_FIELDS) | JSON, max_size=4),
)
def test_any_value_in_a_known_field_settles(
    fields: dict[str, Any], said: dict[str, Any], piece: dict[str, Any]
) -> None:
    settles(body(**fields))
    settles(message(**said))
    settles(part(**piece))
    settles(call(**fields))


@pytest.mark.parametrize("name", ["temperature", "x_unknown"])
def test_a_number_beyond_all_bounds_is_refused_beside_half_a_character_too(name: str) -> None:
    error = refused(b'{"model":"m","messages":[{"role":"user","content":"\\ud83d"}],"%b":[1e999]}' % name.encode())
    assert "JSON" in error.message
