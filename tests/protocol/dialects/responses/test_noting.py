"""What is noted of a response that is passed on; the events are shaped as in OpenAI's API reference, "Streaming"."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.protocol.chat import Usage
from llms.protocol.dialects.responses.noting import Noting
from llms.protocol.native_reader import NativeReader
from llms.testing.responses import STREAM, event, response
from tests.protocol.dialects.responses.order import checked

TEXT = [{"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": []}]
CALL = [{"id": "fc_1", "type": "function_call", "status": "completed", "call_id": "c", "name": "f", "arguments": "{}"}]


def read(wire: bytes, cuts: list[int]) -> tuple[NativeReader, bytes, Any]:
    reader = NativeReader(Noting(), provider="up", max_event=2**20)
    places = sorted({0, *(cut for cut in cuts if cut < len(wire)), len(wire)})
    found = [reader.feed(wire[start:end]) for start, end in pairwise(places)]
    natives = [native for native in [*found, reader.close()] if native is not None]
    return reader, b"".join(native.wire for native in natives), natives[-1]


@given(st.lists(st.integers(0, 3000), max_size=8))
def test_any_pieces_are_passed_on_and_noted(cuts: list[int]) -> None:
    wire = b"".join(STREAM)
    reader, passed, last = read(wire, cuts)

    assert passed == wire
    assert reader.done
    assert (last.usage, last.finish, last.complete) == (Usage(36, 87, 4, 8, "reported"), "stop", True)


@pytest.mark.parametrize(
    ("kind", "fields", "finish"),
    [
        ("completed", {"output": CALL}, "tool_calls"),
        ("incomplete", {"incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ("incomplete", {"incomplete_details": {"reason": "content_filter"}}, "content_filter"),
    ],
)
def test_how_it_ended(kind: str, fields: Any, finish: str) -> None:
    wire = event(f"response.{kind}", 3, response=response(kind, **fields))

    assert read(wire, [])[2].finish == finish


def test_an_error_event_is_an_error() -> None:
    reader, passed, _ = read(STREAM[0] + event("error", 1, code="rate_limit_exceeded", message="slow"), [])

    assert passed == STREAM[0]
    assert reader.error is not None
    assert "slow" in reader.error.message


def test_text_that_speaks_of_errors_is_text() -> None:
    delta = event("response.output_text.delta", 4, item_id="msg_1", output_index=0, content_index=0, delta="error")
    reader, passed, _ = read(delta, [])

    assert (reader.error, passed) == (None, delta)


def test_a_stream_without_its_end_is_not_complete() -> None:
    assert not read(b"".join(STREAM[:-1]), [])[0].complete


@pytest.mark.parametrize("item", [{}, [], {"object": "response"}, {"object": "chat.completion", "status": "completed"}])
def test_what_is_no_response_is_none(item: Any) -> None:
    assert not Noting().whole(item)


@pytest.mark.parametrize("status", ["completed", "incomplete", "queued"])
def test_a_whole_response_is_noted(status: str) -> None:
    note = Noting()

    assert note.whole(response(status, output=TEXT))
    assert (note.complete, note.done) == (True, True)


def test_a_whole_response_can_be_told_as_events() -> None:
    said = {**TEXT[0], "content": [{"type": "output_text", "text": "Hi there!", "annotations": []}]}
    whole = response("completed", output=[said, *CALL])
    wire = Noting().unfold(whole, json.dumps(whole).encode())

    events = [json.loads(frame.partition(b"data: ")[2]) for frame in wire.split(b"\n\n") if frame]
    assert [found["sequence_number"] for found in events] == list(range(len(events)))
    assert events[-1]["response"] == whole
    assert [found["item"] for found in events if found["type"].endswith("item.done")] == [said, *CALL]
    assert checked(wire).items == dict(enumerate([said, *CALL]))
    assert [found["delta"] for found in events if found["type"].endswith(".delta")] == ["Hi there!", "{}"]


def test_items_of_strange_forms_are_told_as_they_are() -> None:
    strange = [
        {"type": "message", "content": "text"},
        {"type": "message", "id": "m", "content": [None, {"type": "output_text", "text": 7}, {"type": "new", "a": 1}]},
        {"type": "function_call", "arguments": None},
        {"type": "web_search_call", "id": "w", "status": "completed"},
        {},
        None,
    ]
    whole = response("completed", output=strange)
    wire = Noting().unfold(whole, b"")

    events = [json.loads(frame.partition(b"data: ")[2]) for frame in wire.split(b"\n\n") if frame]
    assert [found["item"] for found in events if found["type"].endswith("item.done")] == strange[:-1]
    assert events[-1]["response"] == whole


def test_the_scripted_stream_is_in_order() -> None:
    checked(b"".join(STREAM))
