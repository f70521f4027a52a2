"""Whatever comes from outside, of the right JSON kind or not: an error that names a field, or nothing at all."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from llms.protocol.chat import Chunk
from llms.protocol.conform import Conform
from llms.protocol.dialects.messages.counting import estimate
from llms.protocol.dialects.messages.dialect import MessagesDialect
from llms.protocol.dialects.messages.reader import MessagesReader
from llms.protocol.dialects.messages.telling import MessagesTelling
from llms.protocol.errors import InvalidRequest
from llms.protocol.native_reader import NativeReader
from llms.protocol.noting import noting
from llms.protocol.parse import parse_chat
from llms.testing.messages import start

WORDS = [
    "type", "text", "role", "content", "user", "assistant", "system", "image", "source", "base64", "url", "data",
    "media_type", "document", "title", "tool_use", "tool_result", "tool_use_id", "input", "id", "name", "thinking",
    "redacted_thinking", "signature", "is_error", "cache_control", "search_result", "input_schema", "tool", "any",
    "enabled", "budget_tokens", "format", "schema", "effort", "user_id", "file", "file_id", "llms-reasoning:x",
]  # fmt: skip
EVENTS = [
    "message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta",
    "message_stop", "ping", "error", "delta", "index", "usage", "stop_reason", "stop_sequence", "text_delta",
    "input_json_delta", "partial_json", "thinking_delta", "signature_delta", "content_block", "message", "model",
    "input_tokens", "output_tokens", *WORDS,
]  # fmt: skip
FIELDS = [
    "system", "messages", "tools", "tool_choice", "thinking", "output_config", "output_format", "metadata",
    "stop_sequences", "service_tier", "max_tokens", "mcp_servers", "top_k",
]  # fmt: skip


def anything(words: list[str]) -> st.SearchStrategy[Any]:
    word = st.sampled_from(words)
    leaves = st.one_of(word, st.none(), st.booleans(), st.integers(-9, 9), st.just(""))
    return st.recursive(
        leaves,
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(word, inner, max_size=5)),
        max_leaves=12,
    )


blocks = st.lists(st.dictionaries(st.sampled_from(WORDS), anything(WORDS), max_size=5), max_size=3)
roles = st.sampled_from(["user", "assistant"])
turns = st.lists(
    st.one_of(
        st.fixed_dictionaries({"role": roles, "content": blocks}),
        st.fixed_dictionaries({"role": roles}, optional={"content": anything(WORDS)}),
    ),
    min_size=1,
    max_size=3,
)


@given(turns, st.dictionaries(st.sampled_from(FIELDS), anything(WORDS), max_size=3))
def test_any_request_is_taken_or_named(messages: list[Any], more: dict[str, Any]) -> None:
    raw = json.dumps({"model": "m", "messages": messages, **more}).encode()
    try:
        request = MessagesDialect().parse(raw, request_id="r", hops=0, stream=None)
        assert estimate(json.loads(raw)) > 0
        made = dict(request.body)
    except InvalidRequest as error:
        named = error.param
    else:
        named = parse_chat(json.dumps(made).encode()).model

    assert named


@given(st.lists(st.dictionaries(st.sampled_from(EVENTS), anything(EVENTS), max_size=4), max_size=6))
def test_any_events_are_read_or_passed_over(items: list[dict[str, Any]]) -> None:
    wire = start() + b"".join(b"data: %b\n\n" % json.dumps(item).encode() for item in items)
    reader = MessagesReader(provider="up", max_event=2**20, created=1)
    rules = Conform(model="m", fallback_id="c", created=1, include_usage=True)
    for chunk in (reader.feed(wire), reader.close()):
        if chunk is not None:
            rules.apply(chunk)
    passing = NativeReader(noting("messages"), provider="up", max_event=2**20)
    passed = [native.wire for native in (passing.feed(wire), passing.close()) if native is not None]

    assert wire.startswith(b"".join(passed)) or passing.done


@given(
    st.dictionaries(
        st.sampled_from(["reasoning_details", "reasoning", "reasoning_content", "content"]), anything(WORDS)
    )
)
def test_any_delta_is_told(delta: dict[str, Any]) -> None:
    rules = Conform(model="m", fallback_id="c", created=1, include_usage=False)
    telling = MessagesTelling(request_id="r", model="m", thinks=True, stops=("x",))
    chunk = rules.apply(Chunk.of({"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": "stop"}]}))

    assert chunk is not None
    assert telling.chunk(chunk).startswith(b"event: message_start\n")
