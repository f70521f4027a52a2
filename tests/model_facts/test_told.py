"""What is read out of the lists of many upstreams."""

from __future__ import annotations

from typing import Any

import pytest

from llms.model_facts.told import context_window, price, told
from llms.routing.chat_models import first_chat_model


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

    assert found == (None if dollars is None else {"input": pytest.approx(dollars[0]), "output": dollars[1]})


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


OPENROUTER = {
    "context_length": 200_000,
    "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
    "pricing": {"prompt": "0.000005", "completion": "0.000025", "input_cache_read": "0.0000005"},
    "top_provider": {"max_completion_tokens": 64_000},
    "supported_parameters": ["tools", "temperature"],
}
MISTRAL = {
    "capabilities": {"completion_chat": True, "function_calling": True, "vision": True},
    "max_context_length": 131_072,
}
ANTHROPIC = {
    "max_input_tokens": 1_000_000,
    "max_tokens": 64_000,
    "capabilities": {"image_input": {"supported": True}, "thinking": {"supported": True}},
}


@pytest.mark.parametrize(
    ("extra", "facts"),
    [
        ({}, {}),
        (
            OPENROUTER,
            {
                "context_window": 200_000,
                "max_output_tokens": 64_000,
                "input_modalities": ["text", "image"],
                "output_modalities": ["text"],
                "tools": True,
                "reasoning": False,
                "price": {"input": 5.0, "output": 25.0, "cached_input": 0.5},
            },
        ),
        (MISTRAL, {"context_window": 131_072, "input_modalities": ["text", "image"], "tools": True}),
        (
            ANTHROPIC,
            {
                "context_window": 1_000_000,
                "max_output_tokens": 64_000,
                "input_modalities": ["text", "image"],
                "reasoning": True,
            },
        ),
        ({"outputTokenLimit": 65_536, "thinking": True}, {"max_output_tokens": 65_536, "reasoning": True}),
        ({"capabilities": ["chat", "tools"]}, {"tools": True}),
        ({"capabilities": {"function_calling": False}}, {"tools": False}),
        ({"max_tokens": 5, "modalities": ["text"], "capabilities": "all", "thinking": "perhaps"}, {}),
    ],
)
def test_facts_in_the_spellings_of_lists(extra: dict[str, Any], facts: dict[str, Any]) -> None:
    assert told(extra) == facts
