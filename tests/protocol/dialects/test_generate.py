"""LlamaNet's dialect: a prompt becomes a chat, and a chat's answer becomes text."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llms.protocol.chat import Chunk, Completion, Usage
from llms.protocol.dialects.generate import GenerateDialect
from llms.protocol.errors import InvalidRequest, UpstreamTimeout
from llms.testing.answers import chunk, completion, usage_of

PATIENT = settings(deadline=None)
DIALECT = GenerateDialect(default_model=lambda: "default")
NO_DEFAULT = GenerateDialect(default_model=lambda: None)
ALL = {
    "model": "m",
    "max_tokens": 50,
    "temperature": 0.7,
    "top_p": 0.9,
    "top_k": 40,
    "repeat_penalty": 1.1,
    "stop": ["\n"],
    "seed": 3,
    "x_extra": {"a": [1]},
}


@dataclass
class Told:
    usage: Usage | None = None
    seconds: float = 1.23456


def read(**sent: Any) -> Any:
    return DIALECT.parse(json.dumps(sent).encode(), request_id="r", hops=1, stream=True)


def refused(raw: bytes) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        DIALECT.parse(raw, request_id="", hops=0, stream=False)
    return caught.value


def test_the_prompt_is_a_chat_of_one_message_with_all_other_fields() -> None:
    request = read(prompt="Say it.", stream=False, stream_options={}, **ALL)

    assert request.body == {**ALL, "messages": [{"role": "user", "content": "Say it."}]}
    assert (request.model, request.stream, request.request_id, request.hops) == ("m", True, "r", 1)


@pytest.mark.parametrize("stream", [True, False])
def test_the_route_says_whether_it_is_streamed(stream: bool) -> None:
    raw = json.dumps({"prompt": "x", "stream": not stream}).encode()

    assert DIALECT.parse(raw, request_id="", hops=0, stream=stream).stream is stream


@pytest.mark.parametrize("sent", [{}, {"model": None}])
def test_the_default_model_answers_where_none_is_named(sent: dict[str, Any]) -> None:
    assert read(prompt="x", **sent).model == "default"


def test_without_a_default_the_model_has_to_be_named() -> None:
    with pytest.raises(InvalidRequest, match=r"defaults\.model") as caught:
        NO_DEFAULT.parse(b'{"prompt": "x"}', request_id="", hops=0, stream=False)

    assert caught.value.param == "model"
    assert NO_DEFAULT.parse(b'{"prompt": "x", "model": "m"}', request_id="", hops=0, stream=False).model == "m"


def test_a_long_prompt_is_kept_as_it_came() -> None:
    prompt = "Grüße \u2028 🎈" * 5000
    request = read(prompt=prompt)

    assert json.loads(request.encode(stream=False))["messages"][0]["content"] == prompt


@pytest.mark.parametrize(
    ("sent", "param"),
    [
        ({}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": ["x"]}, "prompt"),
        ({"prompt": "x", "messages": []}, "messages"),
        ({"prompt": "x", "model": ""}, "model"),
        ({"prompt": "x", "model": 5}, "model"),
        ({"prompt": "x", "max_tokens": 0}, "max_tokens"),
        ({"prompt": "x", "max_tokens": "50"}, "max_tokens"),
        ({"prompt": "x", "temperature": "hot"}, "temperature"),
        ({"prompt": "x", "top_p": []}, "top_p"),
        ({"prompt": "x", "top_k": 1.5}, "top_k"),
        ({"prompt": "x", "top_k": True}, "top_k"),
        ({"prompt": "x", "repeat_penalty": "1"}, "repeat_penalty"),
        ({"prompt": "x", "stop": [1]}, "stop[0]"),
        ({"prompt": "x", "seed": 1.5}, "seed"),
    ],
)
def test_what_is_wrong_is_named(sent: dict[str, Any], param: str) -> None:
    error = refused(json.dumps(sent).encode())

    assert (error.param, error.code) == (param, "invalid_request")


@pytest.mark.parametrize("raw", [b"", b"[]", b'"prompt"', b"{", b"\xff"])
def test_a_body_that_is_no_object_is_refused(raw: bytes) -> None:
    assert refused(raw).param is None


def test_null_options_are_as_good_as_none() -> None:
    assert read(prompt="x", top_k=None, repeat_penalty=None, max_tokens=None).body["top_k"] is None


def whole(answer: dict[str, Any], told: Told) -> Any:
    return json.loads(DIALECT.whole(Completion(answer, b""), told))


def test_a_whole_answer_is_text_with_its_figures() -> None:
    usage = {**usage_of(), "x_cost": 1}
    found = whole(completion({"content": "Hello"}, extra={"usage": usage}), Told(Usage.of(usage)))

    assert found == {
        "text": "Hello",
        "tokens_generated": 5,
        "finish_reason": "stop",
        "model": "fake-model",
        "usage": usage,
        "generation_time": 1.235,
    }


@pytest.mark.parametrize(("content", "text", "tokens"), [("Hello", "Hello", 1), (None, "", 0), ("", "", 0)])
def test_without_usage_none_is_made_up(content: Any, text: str, tokens: int) -> None:
    answer = completion({"content": content}, finish="length", extra={"usage": None})
    found = whole(answer, Told())

    assert (found["text"], found["tokens_generated"], found["finish_reason"]) == (text, tokens, "length")
    assert "usage" not in found


def told_by(pieces: list[dict[str, Any]], *, usage: Usage | None = None, last: dict[str, Any] | None = None) -> Any:
    """Return the events of a stream: one chunk each, and a final one."""
    telling = DIALECT.telling(read(prompt="x"))
    events = [telling.chunk(Chunk.of(piece)) for piece in pieces]
    events.append(telling.end(Chunk.of(last or chunk({}, "stop")), Told(usage)))
    return [json.loads(event.removeprefix(b"data: ").removesuffix(b"\n\n")) for event in events if event]


def test_a_stream_is_text_that_grows() -> None:
    found = told_by([chunk({"role": "assistant", "content": ""}), chunk({"content": "Hel"}), chunk({"content": "lo"})])

    assert found == [
        {"text": "Hel", "accumulated_text": "Hel", "tokens_generated": 1, "finished": False},
        {"text": "lo", "accumulated_text": "Hello", "tokens_generated": 2, "finished": False},
        {
            "text": "",
            "accumulated_text": "Hello",
            "tokens_generated": 2,
            "finished": True,
            "finish_reason": "stop",
            "model": "fake-model",
            "generation_time": 1.235,
        },
    ]


def test_the_last_event_tells_the_upstreams_figures() -> None:
    last = told_by([chunk({"content": "Hello"})], usage=Usage(7, 5, source="reported"))[-1]

    assert last["tokens_generated"] == 5
    assert last["usage"] == {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}


def test_a_final_chunk_may_bring_text() -> None:
    found = told_by([], last=chunk({"content": "Hello"}, "length"))

    assert [event["text"] for event in found] == ["Hello"]
    assert found[-1]["finish_reason"] == "length"


def test_other_choices_and_reasoning_are_no_text() -> None:
    found = told_by([chunk({"reasoning_content": "hm"}), chunk({"content": "no"}, index=1), chunk({"content": "yes"})])

    assert [event["text"] for event in found] == ["yes", ""]


@PATIENT
@given(st.lists(st.lists(st.text(max_size=8), max_size=3), max_size=8))
def test_no_text_is_lost_and_every_event_is_one_line(reads: list[list[str]]) -> None:
    telling = DIALECT.telling(read(prompt="x"))
    sent = [telling.chunk(Chunk.of(*(chunk({"content": text}) for text in texts))) for texts in reads if texts]
    sent.append(telling.end(Chunk.of(chunk({}, "stop")), Told()))
    events = [event for event in sent if event]
    for event in events:
        assert event.startswith(b"data: ")
        assert event.endswith(b"\n\n")
        assert len(event.decode().splitlines()) == 2, "a client would take this for two lines"
    found = [json.loads(event[6:]) for event in events]
    whole_text = "".join(text for texts in reads for text in texts)
    assert "".join(event["text"] for event in found) == whole_text
    assert found[-1]["accumulated_text"] == whole_text
    assert [event["finished"] for event in found] == [False] * (len(found) - 1) + [True]


def test_half_a_character_breaks_nothing() -> None:
    found = told_by([chunk({"content": "\ud83d"}), chunk({"content": "\U0001f388"})])

    assert found[-1]["accumulated_text"] == "\ud83d\U0001f388"


def test_a_broken_stream_ends_with_the_usual_error() -> None:
    event = DIALECT.telling(read(prompt="x")).error(UpstreamTimeout("too \u2028 late"))

    assert json.loads(event[6:])["error"]["code"] == "upstream_timeout"
    assert b"\\u2028" in event
