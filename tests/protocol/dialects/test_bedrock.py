"""Chats as Bedrock's requests ("Converse"), and its frames ("Event stream encoding")."""

from __future__ import annotations

import json
import struct
from itertools import pairwise
from typing import Any
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.protocol.chat import ChatRequest
from llms.protocol.conform import Conform
from llms.protocol.dialects.bedrock import Answer, AnswerReader, converse
from llms.protocol.dialects.bedrock.frames import BadFrame, FrameReader
from llms.protocol.errors import InvalidRequest, UpstreamProtocolError
from llms.protocol.fold import Fold
from tests.providers.bedrock_answers import called, encoded, ended, frame, stop, text, thought

PNG = "data:image/png;base64,aGk="
TIFF = "data:image/tiff;base64,aGk="
ARGUMENTS = "tool_calls[0].function.arguments"
USER = {"role": "user", "content": "Hi"}


def sent(messages: list[dict[str, Any]] | None = None, **fields: Any) -> Any:
    return converse(ChatRequest({"messages": messages or [USER], **fields}, "m"))


def refusal(messages: list[dict[str, Any]] | None = None, **fields: Any) -> str | None:
    with pytest.raises(InvalidRequest) as caught:
        sent(messages, **fields)
    return caught.value.param


def call(call_id: str, arguments: str = '{"at": 1}') -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": "look", "arguments": arguments}}


def asking(part: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [part]}]


class TestMessages:
    def test_take_turns_and_system_messages_stand_apart(self) -> None:
        body = sent([{"role": "system", "content": "A"}, USER, USER, {"role": "developer", "content": "B"}])

        assert body == {
            "system": [{"text": "A"}, {"text": "B"}],
            "messages": [{"role": "user", "content": [{"text": "Hi"}, {"text": "Hi"}]}],
        }

    def test_calls_and_their_results(self) -> None:
        calls = {"role": "assistant", "content": "", "tool_calls": [call("a|b" + "x" * 80), call("c", "")]}
        image = {"type": "image_url", "image_url": {"url": PNG}}
        results = [
            {"role": "tool", "tool_call_id": "c", "content": ""},
            {"role": "tool", "tool_call_id": "a|b" + "x" * 80, "content": [image], "is_error": True},
        ]
        _, used, told = sent([USER, calls, *results])["messages"]
        ids = [block["toolUse"]["toolUseId"] for block in used["content"]]

        assert [block["toolUse"]["input"] for block in used["content"]] == [{"at": 1}, {}]
        assert [len(each) for each in ids] == [64, 1]
        assert told["content"] == [
            {"toolResult": {"toolUseId": "c", "content": [{"text": " "}]}},
            {
                "toolResult": {
                    "toolUseId": ids[0],
                    "content": [{"image": {"format": "png", "source": {"bytes": "aGk="}}}],
                    "status": "error",
                }
            },
        ]

    def test_media_and_cache_points(self) -> None:
        parts = [
            {"type": "text", "text": "see", "cache_control": {"type": "ephemeral"}},
            {"type": "image_url", "image_url": "data:image/jpg;base64,aGk="},
            {"type": "file", "file": {"filename": "a_b.pdf", "file_data": "data:application/pdf;base64,aGk="}},
        ]
        (message,) = sent([{"role": "user", "content": parts}])["messages"]

        assert message["content"] == [
            {"text": "see"},
            {"cachePoint": {"type": "default"}},
            {"image": {"format": "jpeg", "source": {"bytes": "aGk="}}},
            {"document": {"format": "pdf", "name": "a b pdf", "source": {"bytes": "aGk="}}},
        ]

    @pytest.mark.parametrize(
        ("messages", "field"),
        [
            ([{"role": "system", "content": "A"}], "messages"),
            ([{"role": "wizard", "content": "A"}], "messages[0].role"),
            ([{"role": "system", "content": [{"type": "image_url", "image_url": PNG}]}, USER], "messages[0].content"),
            (asking({"type": "input_audio"}), "messages[0].content[0].type"),
            (asking({"type": "image_url", "image_url": "https://x/a.png"}), "messages[0].content[0].image_url.url"),
            (asking({"type": "image_url", "image_url": TIFF}), "messages[0].content[0].image_url.url"),
            (asking({"type": "file", "file": {"file_id": "f"}}), "messages[0].content[0].file.file_data"),
            ([USER, {"role": "assistant", "tool_calls": [call("a", "[]")]}], f"messages[1].{ARGUMENTS}"),
        ],
    )
    def test_what_cannot_be_said_is_refused_by_its_place(self, messages: list[dict[str, Any]], field: str) -> None:
        assert refusal(messages) == field


class TestSettings:
    def test_have_their_names(self) -> None:
        body = sent(
            max_tokens=9, max_completion_tokens=5, temperature=0, top_p=0.5, stop="END", reasoning_effort="minimal",
            response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
            extra_body={"bedrock": {"additionalModelRequestFields": {"top_k": 5}}},
        )  # fmt: skip

        assert body["inferenceConfig"] == {"maxTokens": 5, "temperature": 0, "topP": 0.5, "stopSequences": ["END"]}
        assert body["outputConfig"] == {
            "textFormat": {
                "type": "json_schema",
                "structure": {"jsonSchema": {"schema": '{"type":"object"}', "name": "n"}},
            },
            "effort": "low",
        }
        assert body["additionalModelRequestFields"] == {"top_k": 5}

    @pytest.mark.parametrize(
        ("choice", "wanted"),
        [
            ("auto", {"auto": {}}),
            ("required", {"any": {}}),
            ({"type": "function", "function": {"name": "look"}}, {"tool": {"name": "look"}}),
        ],
    )
    def test_tools_and_the_choice_among_them(self, choice: Any, wanted: Any) -> None:
        function = {"name": "look", "description": "d"}
        tool = {"type": "function", "function": function, "cache_control": {"type": "ephemeral"}}

        assert sent(tools=[tool], tool_choice=choice)["toolConfig"] == {
            "tools": [
                {
                    "toolSpec": {
                        "name": "look",
                        "description": "d",
                        "inputSchema": {"json": {"type": "object", "properties": {}}},
                    }
                },
                {"cachePoint": {"type": "default"}},
            ],
            "toolChoice": wanted,
        }
        assert "toolConfig" not in sent(tools=[tool], tool_choice="none")

    @pytest.mark.parametrize(
        "field", ["logit_bias", "functions", "audio", "seed", "presence_penalty", "frequency_penalty", "logprobs"]
    )
    def test_what_has_no_place_is_refused(self, field: str) -> None:
        assert refusal(**{field: {"a": 1}}) == field

    @pytest.mark.parametrize(
        "fields",
        [
            {"n": 2},
            {"response_format": {"type": "json_object"}},
            {"reasoning_effort": "frantic"},
            {"tools": [{"type": "web_search"}]},
            {"tools": [{"type": "function", "function": {"name": "a"}}], "tool_choice": "maybe"},
            {"extra_body": {"bedrock": 5}},
        ],
    )
    def test_what_cannot_be_meant_is_refused(self, fields: dict[str, Any]) -> None:
        assert str(refusal(**fields)).startswith(next(reversed(fields)))


TEXTS = st.text(min_size=1, max_size=10)
BLOCKS = st.lists(
    st.tuples(st.sampled_from(["text", "thought", "call"]), st.lists(TEXTS, min_size=1, max_size=3)),
    min_size=1,
    max_size=5,
)


def events_of(blocks: list[tuple[str, list[str]]]) -> list[Any]:
    events: list[Any] = [("messageStart", {"role": "assistant"})]
    for at, (kind, texts) in enumerate(blocks):
        if kind == "call":
            events += called("look", json.dumps({"texts": texts}), at=at, call_id=f"c{at}")
        else:
            events += [(text if kind == "text" else thought)(piece, at) for piece in texts] + [stop(at)]
    return [*events, *ended("tool_use" if any(kind == "call" for kind, _ in blocks) else "end_turn")]


@given(BLOCKS, st.data())
def test_any_split_of_any_stream_says_what_was_said(blocks: list[tuple[str, list[str]]], data: st.DataObject) -> None:
    wire = b"".join(encoded(*event) for event in events_of(blocks))
    cuts = sorted({0, len(wire), *data.draw(st.lists(st.integers(0, len(wire)), max_size=8))})
    answer = Answer(provider="up", model="m", answer_id="a", created=1)
    reading = AnswerReader(answer, provider="up", max_event=2**20)
    chunks = [reading.feed(wire[one:other]) for one, other in pairwise(cuts)]
    reading.close()
    rules = Conform(model="m", fallback_id="ours", created=1, include_usage=True)
    passed = [rules.apply(chunk) for chunk in chunks if chunk is not None]
    fold = Fold()
    for chunk in (*passed, rules.last()):
        fold.add(chunk.objects if chunk is not None else ())
    told = fold.completion()
    (choice,) = told["choices"]
    message = choice["message"]

    assert reading.error is None
    assert rules.complete
    assert (message["content"] or "") == "".join("".join(texts) for kind, texts in blocks if kind == "text")
    assert message.get("reasoning_content", "") == "".join("".join(t) for kind, t in blocks if kind == "thought")
    assert [json.loads(held["function"]["arguments"]) for held in message.get("tool_calls", ())] == [
        {"texts": texts} for kind, texts in blocks if kind == "call"
    ]
    assert choice["finish_reason"] == ("tool_calls" if message.get("tool_calls") else "stop")
    assert told["usage"]["total_tokens"] == 12


class TestFrames:
    @given(st.binary(max_size=200))
    def test_of_any_bytes_break_nothing(self, junk: bytes) -> None:
        reader = FrameReader(1000)
        try:
            frames = [*reader.feed(junk)]
        except BadFrame:
            return
        assert frames == []

    @given(st.integers(0, 60), st.integers(1, 255))
    def test_with_one_wrong_byte_are_noticed(self, place: int, change: int) -> None:
        data = bytearray(encoded("contentBlockDelta", {"a": 1}))
        data[place % len(data)] ^= change
        reader = FrameReader(1000)
        with pytest.raises(BadFrame):
            [*reader.feed(bytes(data))]

    def test_may_have_headers_of_every_type(self) -> None:
        text = b"\x01k\x07\x00\x01v"
        others = [
            b"\x01a\x00", b"\x01b\x01", b"\x01c\x02\x05", b"\x01d\x03\x00\x05", b"\x01e\x04" + bytes(4),
            b"\x01f\x05" + bytes(8), b"\x01g\x06\x00\x02hi", b"\x01h\x08" + bytes(8), b"\x01i\x09" + bytes(16),
        ]  # fmt: skip
        for head in others:
            told = head + text
            (found,) = FrameReader(1000).feed(_framed(told, b"{}"))
            assert found == ({"k": "v"}, b"{}")
        with pytest.raises(BadFrame, match="break off"):
            [*FrameReader(1000).feed(_framed(b"\x05abc", b""))]

    def test_have_a_bound(self) -> None:
        with pytest.raises(BadFrame, match="longer than 100 bytes"):
            [*FrameReader(100).feed(frame({}, b"x" * 200)[:20])]


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[]", b"{}", b'{"output":{"message":{}}}'])
def test_a_whole_answer_that_is_none_is_an_error(body: bytes) -> None:
    answer = Answer(provider="up", model="m", answer_id="a", created=1)
    reading = AnswerReader(answer, provider="up", max_event=100)

    assert reading.whole(body) is None
    assert isinstance(reading.error, UpstreamProtocolError)


@pytest.mark.parametrize(
    "odd",
    [{}, {"delta": 1}, {"delta": {"toolUse": {"input": "x"}}}, {"start": {"toolUse": 5}}, {"contentBlockIndex": "x"}],
)
@pytest.mark.parametrize("kind", ["contentBlockStart", "contentBlockDelta", "contentBlockStop", "metadata", "new"])
def test_odd_events_say_nothing(kind: str, odd: Any) -> None:
    assert Answer(provider="up", model="m", answer_id="a", created=1).event(kind, odd) == []


def _framed(headers: bytes, payload: bytes) -> bytes:
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    data = prelude + struct.pack(">I", crc32(prelude)) + headers + payload
    return data + struct.pack(">I", crc32(data))
