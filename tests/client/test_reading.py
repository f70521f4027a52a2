"""What stands in the bytes of a stream, however they are cut and however often it begins again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.client.reading import Garbled, Reading


def event(number: int, item: Any) -> bytes:
    data = item if isinstance(item, bytes) else json.dumps(item, ensure_ascii=False).encode()
    return b"id: %d\ndata: %b\n\n" % (number, data)


def delta(text: str, finish: str | None = None) -> dict[str, Any]:
    return {"model": "m", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}


PIECES = ["Grü", "ße ", "🎈", "", " aus\n\nKöln"]
ITEMS = [*(delta(piece) for piece in PIECES), delta("", "stop"), b"[DONE]"]
EVENTS = [event(number, item) for number, item in enumerate(ITEMS, 1)]
TEXT = "".join(PIECES)


@given(st.lists(st.integers(0, sum(map(len, EVENTS))), max_size=8), st.integers(1, 40))
def test_any_cuts_and_any_reads_give_the_same(cuts: list[int], size: int) -> None:
    reading = Reading()
    pieces = []
    for cut in [*cuts, 10**6]:
        reading.connected()
        rest = b": ping\n" + b"".join(EVENTS[reading.last :])
        for start in range(0, len(rest[:cut]), size):
            pieces += reading.feed(rest[:cut][start : start + size])
        if reading.done:
            break
    assert [piece.text for piece in pieces] == [*PIECES, ""]
    assert (reading.text, reading.finish_reason, reading.last) == (TEXT, "stop", len(EVENTS))


@pytest.mark.parametrize("number", [2, 4, 1])
def test_events_that_do_not_follow_are_no_answer(number: int) -> None:
    reading = Reading()
    reading.feed(EVENTS[0] + EVENTS[1])
    with pytest.raises(Garbled, match="after event 2"):
        reading.feed(event(number, delta("x")))
    assert reading.text == "Grüße "


@pytest.mark.parametrize("choices", [5, [5], [{"delta": 5}], [{"delta": {"content": 5, "tool_calls": 5}}], None])
def test_what_has_another_form_brings_no_text(choices: object) -> None:
    reading = Reading()
    reading.feed(event(1, {"choices": choices, "usage": 5}) + event(2, delta("x")))
    assert reading.text == "x"


def test_an_error_comes_after_what_came_before_it() -> None:
    reading = Reading()
    told = {"message": "over", "code": "server_stopping", "resumable": True, "last_event_id": 1}
    pieces = reading.feed(EVENTS[0] + event(2, {"error": told}))
    assert [piece.text for piece in pieces] == ["Grü"]
    assert (reading.error, reading.last, reading.done) == (told, 1, False)
    reading.connected()
    reading.feed(b"".join(EVENTS[1:]))
    assert (reading.text, reading.error, reading.done) == (TEXT, None, True)


def test_the_state_of_a_stream_goes_on_where_the_events_ended() -> None:
    reading = Reading()
    reading.feed(EVENTS[0])
    state = {"status": "in_progress", "text": "Grüße 🎈", "text_is_whole": True, "last_event_id": 3, "usage": None}
    piece = reading.catch_up(state)
    assert piece is not None
    assert (piece.text, piece.gap, reading.last, reading.done) == ("ße 🎈", True, 3, False)
    assert reading.catch_up(state) is None
    reading.connected()
    reading.feed(b"".join(EVENTS[3:]))
    assert (reading.text, reading.done) == (TEXT, True)


@pytest.mark.parametrize(
    "state",
    [
        {"text": "Anderes", "last_event_id": 3},
        {"text": None, "last_event_id": 3},
        {"text": "Grüße", "last_event_id": None},
        {"text": "Grüße", "last_event_id": 3, "text_is_whole": False},
    ],
)
def test_a_state_that_does_not_go_on_from_ours(state: dict[str, Any]) -> None:
    reading = Reading()
    reading.feed(EVENTS[0])
    with pytest.raises(Garbled):
        reading.catch_up({"status": "in_progress", **state})
    assert reading.text == "Grü"
