"""Streams of Messages as the protocol allows them: made at random, and checked."""

from __future__ import annotations

import itertools
import json
from typing import Any

from hypothesis import strategies as st

from llms.testing.messages import PING, STOP, block, delta, message_event, start

STOPS = ["end_turn", "max_tokens", "stop_sequence", "tool_use", "refusal"]
text = st.text(min_size=1, max_size=12)
names = st.text("abcdefgh_", min_size=1, max_size=8)
values = st.dictionaries(st.text(max_size=4), st.one_of(st.text(max_size=6), st.integers(), st.none()), max_size=3)


@st.composite
def blocks(draw: Any) -> list[dict[str, Any]]:
    """Return the content of a message: reasoning first, then texts and calls in any order."""
    thoughts = st.one_of(
        st.fixed_dictionaries({"type": st.just("thinking"), "thinking": st.text(max_size=12), "signature": text}),
        st.fixed_dictionaries({"type": st.just("redacted_thinking"), "data": st.text("abc=", min_size=1)}),
    )
    made = draw(st.lists(thoughts, max_size=3))
    if said := draw(st.text(max_size=20)):
        made.append({"type": "text", "text": said})
    calls = draw(st.lists(st.tuples(names, values), max_size=3))
    made += [
        {"type": "tool_use", "id": f"toolu_{at}", "name": name, "input": value}
        for at, (name, value) in enumerate(calls)
    ]
    return made


def stream_of(content: list[dict[str, Any]], stop: str, cut: Any, *, tokens: tuple[int, int] = (9, 4)) -> bytes:
    """Return a stream that says a content; `cut` parts a text into pieces."""
    said = start(tokens=tokens[0]) + PING
    for at, each in enumerate(content):
        if each["type"] == "thinking":
            deltas = [delta("thinking", piece) for piece in cut(each["thinking"])]
            begun = {"type": "thinking", "thinking": "", "signature": ""}
            said += block(at, begun, *deltas, delta("signature", each["signature"]))
        elif each["type"] == "text":
            said += block(at, {"type": "text", "text": ""}, *(delta("text", piece) for piece in cut(each["text"])))
        elif each["type"] == "tool_use":
            arguments = json.dumps(each["input"])
            deltas = [delta("input_json", piece) for piece in ["", *cut(arguments)]]
            said += block(at, {**each, "input": {}}, *deltas)
        else:
            said += block(at, each)
    sequence = "END" if stop == "stop_sequence" else None
    return said + message_event(stop, tokens=tokens[1], sequence=sequence) + STOP


def events_of(wire: bytes) -> list[dict[str, Any]]:
    """Return the events of a stream; each is named for its type."""
    found = []
    for frame in wire.decode().split("\n\n")[:-1]:
        name, data = frame.split("\n")
        item = json.loads(data.removeprefix("data: "))
        assert name == f"event: {item['type']}"
        found.append(item)
    return found


def message_of(wire: bytes) -> dict[str, Any]:
    """Return the message that a stream tells; AssertionError where its order is not legal."""
    first, *middle, last, stop = [item for item in events_of(wire) if item["type"] != "ping"]
    assert (first["type"], last["type"], stop["type"]) == ("message_start", "message_delta", "message_stop")
    message = {**first["message"], **last["delta"], "usage": {**first["message"]["usage"], **last["usage"]}}
    content: list[dict[str, Any]] = []
    while middle:
        begun, *rest = middle
        assert (begun["type"], begun["index"]) == ("content_block_start", len(content))
        pieces = list(itertools.takewhile(lambda item: item["type"] == "content_block_delta", rest))
        ended = rest[len(pieces)]
        assert ended["type"] == "content_block_stop"
        assert {item["index"] for item in [*pieces, ended]} == {len(content)}
        content.append(_folded(begun["content_block"], [item["delta"] for item in pieces]))
        middle = rest[len(pieces) + 1 :]
    return {**message, "content": content}


def _folded(begun: dict[str, Any], deltas: list[dict[str, Any]]) -> dict[str, Any]:
    made = dict(begun)
    arguments = ""
    for each in deltas:
        if each["type"] == "input_json_delta":
            arguments += each["partial_json"]
        else:
            field = each["type"].removesuffix("_delta")
            assert made["type"] == ("thinking" if field == "signature" else field)
            made[field] += each[field]
    return {**made, "input": json.loads(arguments or "{}")} if made["type"] == "tool_use" else made
