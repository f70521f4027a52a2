"""What is noted of completions that are passed on, whatever the reads."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.protocol.chat import Usage
from llms.protocol.dialects.completions.noting import Noting
from llms.protocol.native_reader import NativeReader

USAGE = {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}


def said(text: str, finish: str | None = None, index: int = 0, **more: Any) -> dict[str, Any]:
    return {"choices": [{"text": text, "index": index, "finish_reason": finish}], **more}


def wire_of(*items: Any, compact: bool = False) -> bytes:
    spaces = (",", ":") if compact else None
    return b"".join(b"data: %b\n\n" % json.dumps(item, separators=spaces).encode() for item in items)


STREAM = (said("a"), said("b", index=1), said("", "stop"), said("c", "length", 1), {"choices": [], "usage": USAGE})


@given(st.data(), st.booleans(), st.sampled_from([b"data: [DONE]\n\n", b""]))
def test_any_reads_pass_the_same_on(data: st.DataObject, compact: bool, end: bytes) -> None:
    wire = wire_of(*STREAM, compact=compact) + end
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=6)))
    reader = NativeReader(Noting(), provider="up", max_event=10_000)
    found = [reader.feed(wire[start:stop]) for start, stop in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    found.append(reader.close())

    passed = [native for native in found if native is not None]
    assert b"".join(native.wire for native in passed) == wire_of(*STREAM, compact=compact) + b"data: [DONE]\n\n"
    assert passed[-1].complete
    assert passed[-1].usage == Usage.of(USAGE)
    assert passed[-1].finish == "length"


@pytest.mark.parametrize("count", range(4))
def test_it_is_not_whole_before_every_choice_has_ended(count: int) -> None:
    noting = Noting()
    for item in STREAM[:count]:
        noting.event(b"", json.dumps(item).encode())

    assert not noting.complete


@pytest.mark.parametrize("item", [{"error": {"message": "x"}}, {"error": "x"}])
def test_an_error_is_reported(item: Any) -> None:
    assert Noting().event(b"", json.dumps(item).encode()) == item


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"1", b'{"choices": 1}', b'{"choices": [1]}', b'{"usage": 3}'])
def test_odd_events_are_no_matter(data: bytes) -> None:
    noting = Noting()

    assert noting.event(b"", data) is None
    assert not noting.complete


@pytest.mark.parametrize("item", [None, [], {}, {"choices": None}])
def test_what_is_no_answer_is_refused(item: Any) -> None:
    assert not Noting().whole(item)


def test_a_whole_answer_is_told_as_one_event() -> None:
    noting = Noting()
    item = said("Hello\u2028", "stop", usage=USAGE)

    assert noting.whole(item)
    events = noting.unfold(item, json.dumps(item, indent=1).encode()).decode()
    assert json.loads(events.split("\n\n")[0].removeprefix("data: ")) == item
    assert events.endswith("data: [DONE]\n\n")
    assert "\u2028" not in events
