"""Large bodies go on with their messages as they came, and are read by the upstream as we read them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.protocol.parse import parse_chat
from llms.protocol.span import messages_span

LONG = "word " * 5000
MESSAGES = [{"role": "user", "content": LONG}]

values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-5, 5), st.text(max_size=6), st.sampled_from(["messages", "]", '"'])
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
members = st.dictionaries(st.text(max_size=6).map("x".__add__) | st.just('a"messages"'), values, max_size=4)
contents = st.one_of(st.text(max_size=20), st.sampled_from(['"messages":[1]', "],", "]}", "\\", "\u2028"]))


@given(
    before=members,
    after=members,
    content=contents,
    model_first=st.booleans(),
    stream=st.booleans(),
    indent=st.sampled_from([None, 1]),
    ascii_only=st.booleans(),
)
def test_the_upstream_reads_what_we_read(
    before: dict[str, Any],
    after: dict[str, Any],
    content: str,
    model_first: bool,
    stream: bool,
    indent: int | None,
    ascii_only: bool,
) -> None:
    messages = [{"role": "user", "content": content}, {"role": "user", "content": LONG}]
    named = {"model": "m"}
    body = {**(named if model_first else {}), **before, "messages": messages, **after, **named, "stream": stream}
    raw = json.dumps(body, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    try:
        request = parse_chat(raw)
    except Exception:
        return
    sent = json.loads(
        request._replace(model="real").encode(stream=stream, ask_usage=True), object_pairs_hook=_each_once
    )
    expected = {**json.loads(raw), "model": "real", "stream": stream}
    if stream:
        expected["stream_options"] = {"include_usage": True}
    assert sent == expected


@pytest.mark.parametrize("shape", ["messages first", "messages last", "messages between"])
def test_the_messages_of_usual_bodies_are_found(shape: str) -> None:
    around = {
        "model": "m",
        "temperature": 0.5,
        "stop": ["a"],
        "tools": [{"type": "function", "function": {"name": "f"}}],
    }
    body = {
        "messages first": {"messages": MESSAGES, **around},
        "messages last": {**around, "messages": MESSAGES},
        "messages between": {"model": "m", "messages": MESSAGES, "stream": True, "stop": ["x"]},
    }[shape]
    raw = json.dumps(body).encode()
    span = messages_span(raw, body)
    assert span is not None
    assert json.loads(raw[slice(*span)]) == MESSAGES


@pytest.mark.parametrize(
    "raw",
    [
        '{"model":"a","messages":M,"model":"b"}',
        '{"messages":[{"role":"user","content":"x"}],"model":"b","messages":M}',
        '{"messages":[{"role":"user","content":"x"}],"model":"a","messages":M,"model":"b"}',
        '{"model":"b","messages":[{"role":"user","content":"x"}],"n":1,"messages":M}',
        '{"messages":M,"model":"a","stop":["x"],"model":"b","stop":"y"}',
        '{"messages":M ,\n "model":"a","stop":["x"],"model":"b","stop":"y"}',
        '{"messages":[{"role":"user","content":"x"}]\t,"messages":M,"model":"b"}',
    ],
)
def test_of_equal_keys_the_last_is_read_by_us_and_sent_alone(raw: str) -> None:
    data = raw.replace("M", json.dumps(MESSAGES)).encode()
    request = parse_chat(data)
    assert request.model == "b"
    sent = json.loads(request._replace(model="real").encode(stream=False), object_pairs_hook=_each_once)
    assert (sent["model"], sent["messages"]) == ("real", MESSAGES)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len(dict(pairs)) == len(pairs), [name for name, _ in pairs]
    return dict(pairs)


@pytest.mark.parametrize("content", ["a[0], b[1]; " * 9000, '],"' * 9000, "]" * 200_000])
def test_brackets_in_a_prompt_cost_no_more_than_encoding_it_again(content: str) -> None:
    raw = json.dumps({"messages": [{"role": "user", "content": content}], "model": "m"}).encode()
    sent = json.loads(parse_chat(raw)._replace(model="real").encode(stream=False))
    assert sent == {"messages": [{"role": "user", "content": content}], "model": "real"}
