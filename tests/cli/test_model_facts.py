"""What is read out of the lists of many upstreams."""

from __future__ import annotations

from typing import Any

import pytest

from llms.cli.model_facts import context_window, first_chat_model, price


@pytest.mark.parametrize(
    ("extra", "tokens"),
    [
        ({}, None),
        ({"context_window": 8192}, 8192),
        ({"context_length": 131072}, 131072),
        ({"max_model_len": 4096}, 4096),
        ({"meta": {"n_ctx_train": 32768}}, 32768),
        ({"context_window": None, "context_length": 5}, 5),
        ({"context_window": "8192"}, None),
        ({"context_window": True}, None),
        ({"context_window": 0}, None),
        ({"meta": None}, None),
    ],
)
def test_context_windows(extra: dict[str, Any], tokens: int | None) -> None:
    assert context_window(extra) == tokens


@pytest.mark.parametrize(
    ("pricing", "dollars"),
    [
        (None, None),
        ("free", None),
        ({}, None),
        ({"prompt": "0.000003", "completion": "0.000015"}, (3.0, 15.0)),
        ({"prompt": "0", "completion": "0"}, (0.0, 0.0)),
        ({"input": 0.2, "output": 0.6, "base": 0}, (0.2, 0.6)),
        ({"prompt": "-1", "completion": "-1"}, None),
        ({"prompt": "nan", "completion": "1"}, None),
        ({"prompt": "a lot", "completion": "1"}, None),
        ({"prompt": "0.1"}, None),
    ],
)
def test_prices_for_a_million_tokens(pricing: object, dollars: tuple[float, float] | None) -> None:
    found = price({"pricing": pricing})

    assert found == (None if dollars is None else pytest.approx(dollars))


@pytest.mark.parametrize(
    ("ids", "chosen"),
    [
        ([], None),
        (["gpt-5.5"], "gpt-5.5"),
        (["text-embedding-3-large", "whisper-1", "tts-1-hd", "gpt-4o-audio-preview", "gpt-5.5"], "gpt-5.5"),
        (["openai/dall-e-3", "openai/gpt-image-1", "anthropic/claude-opus-5"], "anthropic/claude-opus-5"),
        (["nomic-embed-text:latest", "qwen3:4b"], "qwen3:4b"),
        (["text-embedding-3", "rerank-v3"], "text-embedding-3"),
        (["imaginary-7b"], "imaginary-7b"),
    ],
)
def test_the_first_model_that_chats(ids: list[str], chosen: str | None) -> None:
    assert first_chat_model(ids) == chosen
