"""What a chat says, said as a response: event by event, and as a whole."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llms.protocol.chat import Chunk, Usage
from llms.protocol.conform import Conform
from llms.protocol.dialects.responses.telling import ResponseTelling, whole
from llms.protocol.errors import (
    Cancelled,
    ContextLengthExceeded,
    InvalidRequest,
    LlmsError,
    RateLimited,
    UpstreamTimeout,
)
from llms.protocol.fold import Fold
from llms.protocol.stream import ChunkReader
from llms.testing.answers import HEAD, chunk
from tests.protocol.dialects.responses.asking import ID, Told, frame, telling
from tests.protocol.dialects.responses.order import Order, checked, events_of, text_of

SIGNED = {"type": "reasoning.text", "text": "Hm.", "signature": "s", "format": "anthropic-claude-v1", "index": 0}
USAGE = Usage(7, 5, 2, 3, "reported")
CUSTOM = [{"type": "custom", "name": "patch"}]


def run(tell: ResponseTelling, *deltas: Any, finish: str | None = "stop") -> bytes:
    wire = b"".join(tell.chunk(Chunk.of(chunk(delta))) for delta in deltas)
    return wire + tell.end(Chunk.of(chunk({}, finish)), Told(USAGE))


def call(index: int, arguments: str, **more: Any) -> Any:
    name = more.pop("name", None)
    function = {"arguments": arguments, **({"name": name} if name else {})}
    return {"tool_calls": [{"index": index, "function": function, **more}]}


class TestOrder:
    def test_of_a_text(self) -> None:
        wire = run(telling(), {"role": "assistant", "content": ""}, {"content": "Hel"}, {"content": "lo \u2028"})

        assert [event["type"].removeprefix("response.") for event in events_of(wire)] == [
            "created",
            "in_progress",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "completed",
        ]
        order = checked(wire)
        assert text_of(order.response["output"]) == "Hello \u2028"
        assert order.response["usage"] == {
            "input_tokens": 7,
            "input_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 0},
            "output_tokens": 5,
            "output_tokens_details": {"reasoning_tokens": 3},
            "total_tokens": 12,
        }
        assert (order.response["model"], order.response["completed_at"]) == ("fake-model", 1_750_000_009)
        assert "\u2028".encode() not in wire

    def test_of_thoughts_a_text_and_calls(self) -> None:
        wire = run(
            telling(),
            {"reasoning_content": "Let me "},
            {"reasoning_content": "think."},
            {"content": "So:"},
            call(0, "", id="call_0", type="function", name="f"),
            call(1, '{"b"', id="call_1", type="function", name="g"),
            call(0, '{"a":1}'),
            call(1, ":2}"),
            finish="tool_calls",
        )

        items = checked(wire).response["output"]
        assert [item["type"] for item in items] == ["reasoning", "message", "function_call", "function_call"]
        assert text_of(items, "reasoning_text") == "Let me think."
        assert [(item["call_id"], item["name"], item["arguments"]) for item in items[2:]] == [
            ("call_0", "f", '{"a":1}'),
            ("call_1", "g", '{"b":2}'),
        ]

    def test_of_a_summary_where_one_was_asked_for(self) -> None:
        wire = run(telling(reasoning={"summary": "auto"}), {"reasoning": "Hm."}, {"content": "Yes."})

        reasoning = checked(wire).response["output"][0]
        assert reasoning["summary"] == [{"type": "summary_text", "text": "Hm."}]
        assert "content" not in reasoning

    def test_of_a_refusal(self) -> None:
        items = checked(run(telling(), {"content": "I "}, {"refusal": "won't"})).response["output"]

        assert [part["type"] for part in items[0]["content"]] == ["output_text", "refusal"]

    def test_of_nothing(self) -> None:
        [message] = checked(run(telling(), {"role": "assistant", "content": ""})).response["output"]

        assert message["content"] == [{"type": "output_text", "text": "", "annotations": [], "logprobs": []}]

    def test_of_one_that_waited(self) -> None:
        tell = telling(background=True)
        wire = tell.queue() + run(tell, {"content": "x"})

        assert [event["type"] for event in events_of(wire)][:3] == [
            "response.created",
            "response.queued",
            "response.in_progress",
        ]
        assert events_of(wire)[0]["response"]["status"] == "queued"
        checked(wire)


class TestItems:
    def test_a_custom_tool_is_called_with_plain_text(self) -> None:
        wire = run(
            telling(tools=CUSTOM),
            call(0, '{"inp', id="c", name="patch"),
            call(0, 'ut": "*** Begin\\n"}'),
            finish="tool_calls",
        )

        [item] = checked(wire).response["output"]
        assert (item["type"], item["call_id"], item["input"]) == ("custom_tool_call", "c", "*** Begin\n")

    @pytest.mark.parametrize("sent", ["*** Begin", '{"text": 1}', "[]", '"input"'])
    def test_what_is_no_object_is_the_text_itself(self, sent: str) -> None:
        wire = run(telling(tools=CUSTOM), call(0, sent, id="c", name="patch"), finish="tool_calls")

        assert checked(wire).response["output"][0]["input"] == sent

    def test_what_must_be_given_back_is_kept_and_shown_to_those_who_ask(self) -> None:
        deltas = ({"reasoning_content": "Hm."}, {"reasoning_details": [SIGNED]}, {"content": "Yes."})
        hidden, shown = telling(), telling(include=["reasoning.encrypted_content"])
        first = checked(run(hidden, *deltas)).response["output"][0]
        second = checked(run(shown, *deltas)).response["output"][0]

        assert "encrypted_content" not in first
        assert hidden.sealed == {first["id"]: second["encrypted_content"]}

    def test_a_mark_on_a_text_does_not_cut_it(self) -> None:
        mark = {"type": "reasoning.encrypted", "data": "g", "format": "google-gemini-v1", "index": 0}
        wire = run(telling(), {"content": "a"}, {"content": "b", "reasoning_details": [mark]}, {"content": "c"})

        items = checked(wire).response["output"]
        assert [item["type"] for item in items] == ["message", "reasoning"]
        assert text_of(items) == "abc"

    def test_logprobs_and_citations_are_told(self) -> None:
        score = {"token": "x", "logprob": -0.1, "bytes": [120], "top_logprobs": []}
        cited = {"url": "https://a.example", "title": "A", "start_index": 0, "end_index": 1}
        tell = telling()
        spoken = chunk({"content": "x", "annotations": [{"type": "url_citation", "url_citation": cited}]})
        spoken["choices"][0]["logprobs"] = {"content": [score]}
        wire = tell.chunk(Chunk.of(spoken)) + tell.end(Chunk.of(chunk({}, "stop")), Told())

        [part] = checked(wire).response["output"][0]["content"]
        assert part["logprobs"] == [score]
        assert part["annotations"] == [{"type": "url_citation", **cited}]

    def test_only_the_first_choice_counts(self) -> None:
        tell = telling()
        wire = tell.chunk(Chunk.of(chunk({"content": "a"}), chunk({"content": "b"}, index=1)))
        wire += tell.end(Chunk.of(chunk({}, "stop"), chunk({}, "length", index=1)), Told())

        assert text_of(checked(wire).response["output"]) == "a"


class TestEnds:
    @pytest.mark.parametrize(
        ("finish", "reason"), [("length", "max_output_tokens"), ("content_filter", "content_filter")]
    )
    def test_an_answer_that_was_cut_short_is_incomplete(self, finish: str, reason: str) -> None:
        response = checked(run(telling(), {"content": "a"}, finish=finish)).response

        assert (response["status"], response["incomplete_details"]) == ("incomplete", {"reason": reason})
        assert response["output"][0]["status"] == "incomplete"
        assert response["completed_at"] is None

    def test_a_stream_that_broke_has_failed(self) -> None:
        tell = telling()
        wire = tell.chunk(Chunk.of(chunk({"content": "a"}))) + tell.error(UpstreamTimeout("silent"))

        order = checked(wire, ends=("response.failed",))
        assert order.error is not None
        assert (order.error["code"], order.error["message"]) == ("upstream_timeout", "silent")
        assert order.response["error"] == {"code": "server_error", "message": "silent"}
        assert text_of(order.response["output"]) == "a"

    def test_an_error_before_anything_else_stands_alone(self) -> None:
        [event] = events_of(telling().error(RateLimited("slow down")))

        assert (event["type"], event["code"]) == ("error", "rate_limit_exceeded")

    def test_a_cancelled_response_says_so(self) -> None:
        tell = telling()
        tell.chunk(Chunk.of(chunk({"content": "a"})))
        tell.break_off(Cancelled("enough"))

        assert tell.response is not None
        assert (tell.response["status"], tell.response["error"]) == ("cancelled", None)
        assert tell.over
        assert [event["type"] for event in events_of(tell.error(Cancelled("enough")))][-1] == "error"

    @pytest.mark.parametrize(
        ("error", "code"),
        [
            (RateLimited("slow"), "rate_limit_exceeded"),
            (ContextLengthExceeded("long"), "context_length_exceeded"),
            (InvalidRequest("odd"), "invalid_prompt"),
            (UpstreamTimeout("silent"), "server_error"),
        ],
    )
    def test_a_failed_response_has_a_code_that_clients_know(self, error: LlmsError, code: str) -> None:
        tell = telling()
        wire = tell.chunk(Chunk.of(chunk({"content": "a"}))) + tell.error(error)

        assert checked(wire).response["error"]["code"] == code


TEXT = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=8)
DELTAS = st.lists(
    st.one_of(
        st.builds(lambda text: {"content": text}, TEXT),
        st.builds(lambda text: {"reasoning_content": text}, TEXT),
        st.builds(lambda text: {"refusal": text}, TEXT),
        st.builds(lambda text: {"reasoning_details": [{**SIGNED, "text": text}]}, TEXT),
        st.builds(lambda index, text: (index, text), st.integers(0, 2), TEXT),
    ),
    max_size=12,
)


def chunks_of(deltas: list[Any], finish: str) -> list[Any]:
    """Return a legal stream: calls begin in order, and each has a name of its own."""
    known: list[int] = []
    sent = [chunk({"role": "assistant", "content": ""})]
    for delta in deltas:
        if isinstance(delta, tuple):
            index, text = delta
            index = index if index in known else len(known)
            first = {} if index in known else {"id": f"call_{index}", "type": "function", "name": f"f{index}"}
            known += [] if index in known else [index]
            delta = call(index, text, **first)
        sent.append(chunk(delta))
    return [*sent, chunk({}, finish)]


@settings(max_examples=150)
@given(
    DELTAS,
    st.sampled_from(["stop", "length", "tool_calls", "content_filter"]),
    st.lists(st.integers(0, 4000), max_size=6),
    st.booleans(),
)
def test_any_stream_in_any_pieces_is_told_in_order_and_in_full(
    deltas: list[Any], finish: str, cuts: list[int], summary: bool
) -> None:
    sent = chunks_of(deltas, finish)
    wire = b"".join(b"data: %b\n\n" % json.dumps(item).encode() for item in sent) + b"data: [DONE]\n\n"
    places = sorted({0, *(cut for cut in cuts if cut < len(wire)), len(wire)})
    reader = ChunkReader(provider="up", max_event=2**20)
    conform = Conform(model="m", fallback_id="ours", created=1, include_usage=False)
    tell = telling(reasoning={"summary": "auto"} if summary else {})
    told, last = b"", None
    for start, end in pairwise(places):
        found = reader.feed(wire[start:end])
        seen = None if found is None else conform.apply(found)
        if seen is not None:
            told += b"" if last is None else tell.chunk(last)
            last = seen
    assert last is not None
    told += tell.end(last, Told(USAGE))

    response = checked(told).response
    fold = Fold()
    fold.add(sent)
    message = fold.completion()["choices"][0]["message"]
    items = response["output"]
    assert text_of(items) == (message["content"] or "")
    assert text_of(items, "refusal") == (message["refusal"] or "")
    thoughts = message.get("reasoning_content", "")
    summaries = "".join(part["text"] for item in items for part in item.get("summary", ()))
    assert (summaries if summary else text_of(items, "reasoning_text")) == thoughts
    calls = [(item["call_id"], item["arguments"]) for item in items if item["type"] == "function_call"]
    assert calls == [(made["id"], made["function"]["arguments"]) for made in message.get("tool_calls", ())]
    assert response["usage"]["total_tokens"] == 12


@settings(max_examples=60)
@given(DELTAS)
def test_a_stream_that_breaks_anywhere_ends_in_order(deltas: list[Any]) -> None:
    tell = telling()
    wire = b"".join(tell.chunk(Chunk.of(item)) for item in chunks_of(deltas, "stop")[:-1])

    checked(wire + tell.error(UpstreamTimeout("silent")), ends=("response.failed",))


class TestWhole:
    def test_it_says_what_a_stream_says(self) -> None:
        sent = chunks_of([{"reasoning_content": "Hm."}, {"content": "Yes."}, (0, "{}"), (1, "[1]")], "tool_calls")
        fold = Fold()
        fold.add(sent)
        response, _ = whole(frame(), fold.completion(), Told(USAGE), now=1_750_000_009)
        tell = telling()
        streamed = b"".join(tell.chunk(Chunk.of(item)) for item in sent[:-1])
        streamed += tell.end(Chunk.of(sent[-1]), Told(USAGE))

        assert response == checked(streamed).response

    def test_it_repeats_what_was_asked(self) -> None:
        fields = {
            "instructions": "Be brief.",
            "temperature": 0.2,
            "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}],
            "tool_choice": "required",
            "metadata": {"a": "b"},
            "max_output_tokens": 9,
            "text": {"format": {"type": "json_object"}, "verbosity": "low"},
            "reasoning": {"effort": "high"},
            "user": "u",
        }
        fold = Fold()
        fold.add([{**HEAD, "choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": "stop"}]}])
        response, _ = whole(frame(**fields), fold.completion(), Told(), now=1)

        assert response["id"] == ID
        assert response["tools"] == [{**fields["tools"][0], "description": None, "strict": None}]
        assert response["reasoning"] == {"effort": "high", "summary": None}
        same = ("instructions", "temperature", "tool_choice", "metadata", "max_output_tokens", "text", "user")
        assert {name: response[name] for name in same} == {name: fields[name] for name in same}
        assert response["usage"] is None


def take_all(events: list[Any]) -> None:
    order = Order()
    for event in events:
        order.take(event)


def test_the_checker_finds_what_is_out_of_order() -> None:
    wire = events_of(run(telling(), {"content": "a"}))
    for at in range(len(wire) - 1):
        swapped = [*wire[:at], wire[at + 1], wire[at], *wire[at + 2 :]]
        with pytest.raises((AssertionError, TypeError, KeyError)):
            take_all([{**event, "sequence_number": number} for number, event in enumerate(swapped)])
