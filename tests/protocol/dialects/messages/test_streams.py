"""Streams of Messages as chunks, and chunks as streams of Messages: nothing is lost on either way."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.protocol.chat import Chunk, Usage
from llms.protocol.conform import Conform
from llms.protocol.dialects.messages.answered import completion_of
from llms.protocol.dialects.messages.details import FORMAT, UNSIGNED
from llms.protocol.dialects.messages.dialect import MessagesDialect
from llms.protocol.dialects.messages.reader import MessagesReader
from llms.protocol.dialects.messages.telling import MessagesTelling
from llms.protocol.errors import UpstreamOverloaded
from llms.protocol.fold import Fold
from llms.testing.messages import STOP, block, delta, event, message_event, start
from tests.protocol.dialects.messages.legal import STOPS, blocks, events_of, message_of, stream_of

TEXTS = st.lists(st.one_of(st.text(max_size=3), st.sampled_from(["", "/", '"', "\\", "\u2028", " }"])), max_size=6)
HEAD = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}


class Known:
    """What is known of an answer at its end."""

    seconds = 1.0

    def __init__(self, usage: Usage | None = None) -> None:
        self.usage = usage


def read(reads: list[bytes]) -> tuple[MessagesReader, list[Chunk]]:
    reader = MessagesReader(provider="up", max_event=2**20, created=1)
    found = [reader.feed(each) for each in reads]
    found.append(reader.close())
    return reader, [chunk for chunk in found if chunk is not None]


def told(chunks: list[Chunk], *, thinks: bool = True, stops: tuple[str, ...] = ()) -> bytes:
    """Return the stream that tells chunks, after they were made to conform."""
    rules = Conform(model="m", fallback_id="c", created=1, include_usage=False)
    telling = MessagesTelling(request_id="r", model="m", thinks=thinks, stops=stops)
    seen = [chunk for chunk in map(rules.apply, chunks) if chunk is not None]
    wire = b"".join(telling.chunk(chunk) for chunk in seen)
    return wire + telling.end(rules.ending(None), Known(rules.told))


def said(*deltas: dict[str, Any], finish: str = "stop", **choice: Any) -> list[Chunk]:
    steps: list[dict[str, Any]] = [{"index": 0, "delta": each, "finish_reason": None} for each in deltas]
    steps.append({"index": 0, "delta": {}, "finish_reason": finish, **choice})
    return [Chunk.of({**HEAD, "choices": [step]}) for step in steps]


def argue(index: int, arguments: str, name: str = "") -> dict[str, Any]:
    head = {"id": f"call_{index}", "type": "function"} if name else {}
    function = {"name": name, "arguments": arguments} if name else {"arguments": arguments}
    return {"tool_calls": [{"index": index, **head, "function": function}]}


class TestWhatOnlyRepeats:
    @given(st.lists(st.tuples(st.integers(0, 1), st.sampled_from(["text", "thinking"]), TEXTS), max_size=4))
    def test_it_is_read_as_what_is_decoded(self, made: list[tuple[int, str, list[str]]]) -> None:
        wire = start()
        for at, kind, texts in made:
            pieces = [delta(kind, piece) for piece in [*"abc", *texts]]
            wire += block(at, {"type": kind, kind: ""}, *pieces)
        frames = [frame + b"\n\n" for frame in (wire + message_event() + STOP).split(b"\n\n") if frame]
        halves = [half for frame in frames for half in (frame[:-1], frame[-1:])]

        at_once, decoded = ([item for part in read(reads)[1] for item in part.objects] for reads in (frames, halves))
        assert at_once == decoded

    def test_it_is_not_decoded(self) -> None:
        words = [f"w{number}" for number in range(20)]
        wire = start() + block(0, {"type": "text", "text": ""}, *(delta("text", word) for word in words))
        _, chunks = read([frame + b"\n\n" for frame in wire.split(b"\n\n") if frame])

        assert sum(chunk.wire is not None for chunk in chunks) > 16
        assert [item["choices"][0]["delta"]["content"] for chunk in chunks for item in chunk.objects] == words


class TestThereAndBack:
    @given(blocks(), st.sampled_from(STOPS), st.data())
    def test_any_legal_stream_at_any_split_comes_back(
        self, content: list[dict[str, Any]], stop: str, data: st.DataObject
    ) -> None:
        def cut(text: str) -> list[str]:
            places = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=3)))
            return [text[a:b] for a, b in itertools.pairwise([0, *places, len(text)]) if a < b]

        calls = any(each["type"] == "tool_use" for each in content)
        stop = "tool_use" if calls and stop == "end_turn" else "end_turn" if stop == "tool_use" and not calls else stop
        wire = stream_of(content, stop, cut)
        places = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=12)))
        reader, chunks = read([wire[a:b] for a, b in itertools.pairwise([0, *places, len(wire)])])
        message = message_of(told(chunks, stops=("END",)))

        assert reader.done
        assert reader.error is None
        assert message["content"] == content
        assert message["stop_reason"] == stop
        assert message["stop_sequence"] == ("END" if stop == "stop_sequence" else None)
        assert (message["usage"]["input_tokens"], message["usage"]["output_tokens"]) == (9, 4)

    @given(blocks())
    def test_streamed_and_whole_fold_to_the_same(self, content: list[dict[str, Any]]) -> None:
        wire = stream_of(content, "end_turn", lambda text: [text] if text else [])
        rules = Conform(model="m", fallback_id="c", created=1, include_usage=True)
        fold = Fold()
        for chunk in map(rules.apply, read([wire])[1]):
            fold.add(chunk.objects if chunk is not None else ())
        found = fold.completion()["choices"][0]["message"]
        whole = completion_of({"id": "c", "model": "m", "content": content, "stop_reason": "end_turn"}, created=1)
        wanted = whole["choices"][0]["message"]

        for field in ("content", "reasoning_content", "reasoning_details"):
            assert (found.get(field) or None) == (wanted.get(field) or None)
        assert _calls(found) == _calls(wanted)


class TestReading:
    def test_usage_of_caches_is_kept(self) -> None:
        usage = {"input_tokens": 3, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 100}
        begun = event("message_start", message={"id": "m", "model": "m", "usage": {**usage, "output_tokens": 1}})
        _, chunks = read([begun + message_event(tokens=7) + STOP])

        assert chunks[-1].objects[-1]["usage"] == {
            "prompt_tokens": 123,
            "completion_tokens": 7,
            "total_tokens": 130,
            "prompt_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 100},
        }

    def test_a_call_without_arguments_has_an_empty_object(self) -> None:
        begun = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
        _, chunks = read([start() + block(0, begun) + message_event("tool_use") + STOP])

        assert _calls_of(chunks) == "{}"

    def test_what_servers_of_anthropic_did_is_left_out(self) -> None:
        done = block(
            0, {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}, delta("input_json", "{}")
        )
        _, chunks = read([start() + done + block(1, {"type": "text", "text": "Hi"}) + message_event() + STOP])

        assert [choice["delta"] for chunk in chunks for item in chunk.objects for choice in item["choices"]] == [
            {"role": "assistant", "content": "Hi"},
            {},
        ]

    def test_an_overload_before_the_first_word_comes_before_any_chunk(self) -> None:
        overload = event("error", error={"type": "overloaded_error", "message": "Overloaded"})
        reader, chunks = read([start() + overload])

        assert chunks == []
        assert isinstance(reader.error, UpstreamOverloaded)

    def test_garbage_is_counted_and_passed_over(self) -> None:
        bad = b'data: {broken\n\nevent: content_block_delta\ndata: {"type": "content_block_delta"}\n\ndata: 7\n\n'
        _, chunks = read([start() + bad + block(0, {"type": "text", "text": "Hi"}) + message_event() + STOP])

        assert sum(chunk.skipped for chunk in chunks) == 3
        assert chunks[0].objects[0]["choices"][0]["delta"]["content"] == "Hi"


class TestTelling:
    def test_calls_whose_pieces_come_in_turns_are_told_one_after_the_other(self) -> None:
        turns = [
            argue(0, "", "f"),
            argue(1, "", "g"),
            argue(0, '{"a":'),
            argue(1, '{"b":'),
            argue(0, "1}"),
            argue(1, "2}"),
        ]
        message = message_of(told(said(*turns, finish="tool_calls")))

        assert [(each["name"], each["input"]) for each in message["content"]] == [("f", {"a": 1}), ("g", {"b": 2})]

    def test_text_amid_arguments_waits(self) -> None:
        turns = [argue(0, '{"a":', "f"), {"content": "Hi"}, argue(0, "1}")]
        message = message_of(told(said(*turns, finish="tool_calls")))

        assert message["content"][0]["input"] == {"a": 1}
        assert message["content"][1] == {"type": "text", "text": "Hi"}

    def test_reasoning_amid_arguments_waits(self) -> None:
        detail = {"type": "reasoning.encrypted", "data": "x", "format": FORMAT, "index": 0}
        turns = [argue(0, '{"a":', "f"), {"reasoning_details": [detail]}, argue(0, "1}")]
        message = message_of(told(said(*turns, finish="tool_calls")))

        assert [each["type"] for each in message["content"]] == ["tool_use", "redacted_thinking"]

    def test_details_that_only_repeat_text_make_no_blocks(self) -> None:
        """So do OpenRouter's: each piece of text comes in a detail, too, and the signature in the last."""

        def piece(text: str, **more: Any) -> dict[str, Any]:
            detail = {"type": "reasoning.text", "text": text, "format": FORMAT, "index": 0, **more}
            return {"reasoning": text, "reasoning_details": [detail]}

        foreign = {"type": "reasoning.text", "text": "c", "format": "unknown", "index": 0}
        turns = [piece("a"), piece("b"), {"reasoning_details": [foreign]}, piece("", signature="s"), {"content": "Hi"}]
        message = message_of(told(said(*turns)))

        assert message["content"] == [
            {"type": "thinking", "thinking": "ab", "signature": "s"},
            {"type": "text", "text": "Hi"},
        ]

    def test_a_call_is_streamed_as_it_comes(self) -> None:
        telling = MessagesTelling(request_id="r", model="m", thinks=False, stops=())
        begun, more = (telling.chunk(chunk) for chunk in said(argue(0, '{"a"', "f"), argue(0, ":1}"))[:2])

        assert [item["type"] for item in events_of(begun)] == [
            "message_start",
            "content_block_start",
            "content_block_delta",
        ]
        assert events_of(more)[0]["delta"]["partial_json"] == ":1}"

    def test_an_answer_of_nothing_is_a_whole_message(self) -> None:
        message = message_of(told(said()))

        assert (message["content"], message["stop_reason"]) == ([], "end_turn")

    @pytest.mark.parametrize(
        ("finish", "stop"), [("length", "max_tokens"), ("content_filter", "refusal"), ("stop", "end_turn")]
    )
    def test_stop_reasons(self, finish: str, stop: str) -> None:
        assert message_of(told(said({"content": "Hi"}, finish=finish)))["stop_reason"] == stop

    def test_the_stop_sequence_is_told_where_the_upstream_tells_it(self) -> None:
        message = message_of(told(said({"content": "Hi"}, matched_stop="END"), stops=("END",)))

        assert (message["stop_reason"], message["stop_sequence"]) == ("stop_sequence", "END")

    def test_reasoning_of_another_maker_travels_through_a_client(self) -> None:
        detail = {
            "type": "reasoning.encrypted",
            "data": "opaque",
            "format": "openai-responses-v1",
            "id": "rs_1",
            "index": 0,
        }
        message = message_of(
            told(said({"reasoning_content": "Hm."}, {"reasoning_details": [detail]}, {"content": "Hi"}))
        )
        asked = {"model": "m", "messages": [{"role": "assistant", "content": message["content"]}], "max_tokens": 1}
        request = MessagesDialect().parse(json.dumps(asked).encode(), request_id="r", hops=0, stream=None)
        (back,) = request.body["messages"]

        assert back["reasoning_details"] == [detail]
        assert (back["reasoning_content"], back["content"]) == ("Hm.", "Hi")
        assert request.original is not None
        assert request.original.body["messages"][0]["content"] == [{"type": "text", "text": "Hi"}]

    def test_thinking_that_nobody_signed_comes_back_from_clients_that_want_signatures(self) -> None:
        message = message_of(told(said({"reasoning_content": "Hm."}, {"content": "Hi"})))
        thinking, _ = message["content"]
        asked = {"model": "m", "messages": [{"role": "assistant", "content": message["content"]}], "max_tokens": 1}
        request = MessagesDialect().parse(json.dumps(asked).encode(), request_id="r", hops=0, stream=None)

        assert (thinking["thinking"], thinking["signature"]) == ("Hm.", UNSIGNED)
        assert request.body["messages"] == [{"role": "assistant", "content": "Hi", "reasoning_content": "Hm."}]
        assert request.original is not None
        assert request.original.body["messages"][0]["content"] == [{"type": "text", "text": "Hi"}]

    def test_those_who_did_not_ask_hear_no_thinking(self) -> None:
        detail = {"type": "reasoning.text", "text": "Hm.", "signature": "s", "format": FORMAT, "index": 0}
        turns = said({"reasoning_content": "Hm."}, {"reasoning_details": [detail]}, {"content": "Hi"})

        assert message_of(told(turns, thinks=False))["content"] == [{"type": "text", "text": "Hi"}]

    def test_separators_are_escaped(self) -> None:
        wire = told(said({"content": "a\u2028b"}))

        assert "\u2028".encode() not in wire
        assert message_of(wire)["content"][0]["text"] == "a\u2028b"


def _calls(message: dict[str, Any]) -> list[tuple[str, str, Any]]:
    return [
        (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"]))
        for call in message.get("tool_calls") or ()
    ]


def _calls_of(chunks: list[Chunk]) -> str:
    deltas = [choice["delta"] for chunk in chunks for item in chunk.objects for choice in item["choices"]]
    return "".join(call["function"]["arguments"] for each in deltas for call in each.get("tool_calls", ()))
