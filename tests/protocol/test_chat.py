"""What is asked reaches the upstream whole; what comes back keeps its bytes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llms.protocol.chat import ChatRequest, Chunk, Completion, Usage


def request(**body: Any) -> ChatRequest:
    return ChatRequest({"model": "alias", "messages": [], "x_vendor": 1, **body}, "alias")


def encoded(chat: ChatRequest, *, stream: bool, ask_usage: bool = False) -> Any:
    return json.loads(chat.encode(stream=stream, ask_usage=ask_usage))


def test_the_model_of_the_target_is_sent_and_everything_else_kept() -> None:
    chat = request(temperature=0)
    assert chat.for_model("alias") is chat
    sent = encoded(chat.for_model("real/model"), stream=False)
    assert sent == {"model": "real/model", "messages": [], "x_vendor": 1, "temperature": 0}
    assert chat.body["model"] == "alias"


def test_streaming_is_what_we_ask_not_what_the_client_asked() -> None:
    options = {"include_usage": False, "x": 1}
    chat = request(stream=False, stream_options=options)
    assert encoded(chat, stream=True)["stream"] is True
    assert encoded(chat, stream=True, ask_usage=True)["stream_options"] == {"include_usage": True, "x": 1}
    assert options == {"include_usage": False, "x": 1}
    whole = encoded(request(stream=True, stream_options=options), stream=False, ask_usage=True)
    assert whole["stream"] is False
    assert "stream_options" not in whole


@pytest.mark.parametrize("options", [{}, {"stream_options": None}])
def test_usage_is_asked_only_when_told(options: dict[str, Any]) -> None:
    assert encoded(request(**options), stream=True).get("stream_options") is None
    assert encoded(request(**options), stream=True, ask_usage=True)["stream_options"] == {"include_usage": True}


def test_half_a_character_in_a_request_can_be_sent() -> None:
    assert encoded(request(user="\ud83d"), stream=True)["user"] == "\ud83d"


def test_known_bytes_are_kept_and_others_made() -> None:
    kept = b'{"n":  1}'
    assert list(Chunk([{"n": 1}, {"n": 2}], [kept, None]).payloads()) == [kept, b'{"n":2}']
    assert list(Chunk.of({"n": 3}).payloads()) == [b'{"n":3}']
    assert list(Chunk.of().payloads()) == []
    assert "'n': 3" in repr(Chunk.of({"n": 3}))


def test_usage_is_read_with_its_details() -> None:
    told = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    assert Usage.of(told) == Usage(10, 5, 4, 3, source="reported")
    assert Completion({"usage": told}, b"").usage == Usage(10, 5, 4, 3, source="reported")


@pytest.mark.parametrize("nonsense", [None, [], "10", 5])
def test_what_is_no_usage_is_none(nonsense: object) -> None:
    assert Usage.of(nonsense) is None
    assert Completion({"usage": nonsense}, b"").usage is None


@pytest.mark.parametrize("count", [-1, 2**60, 1.5, "7", None, [], {}])
def test_a_nonsense_count_is_zero(count: object) -> None:
    odd = {"prompt_tokens": count, "completion_tokens": 2, "prompt_tokens_details": count}
    assert Usage.of(odd) == Usage(0, 2, source="reported")
