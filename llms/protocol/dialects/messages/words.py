"""The words that Messages and chat completions have for the same things."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llms.protocol.chat import Usage

FINISH_OF: Final[Mapping[str, str]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
"""Stop reasons as finish reasons."""

STOP_OF: Final[Mapping[str, str]] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
"""Finish reasons as stop reasons."""


def tokens(usage: object, key: str) -> int:
    """Return one count of a usage object; 0 when it is not there."""
    value = usage.get(key) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and 0 <= value < 2**53 else 0


def told_usage(usage: Usage | None) -> dict[str, Any]:
    """Return the usage object of Messages; zeros where nothing is known."""
    known = usage or Usage()
    read, written = known.cached_tokens, known.written_tokens
    thought = {"output_tokens_details": {"thinking_tokens": known.reasoning_tokens}} if known.reasoning_tokens else {}
    return {
        "input_tokens": max(0, known.prompt_tokens - read - written),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "output_tokens": known.completion_tokens,
        **thought,
    }


def usage_of(usage: Mapping[str, Any]) -> Usage:
    """Return what a usage object of Messages says; its `input_tokens` are those that no cache was used for."""
    read, written = tokens(usage, "cache_read_input_tokens"), tokens(usage, "cache_creation_input_tokens")
    return Usage(
        prompt_tokens=tokens(usage, "input_tokens") + read + written,
        completion_tokens=tokens(usage, "output_tokens"),
        cached_tokens=read,
        reasoning_tokens=tokens(usage.get("output_tokens_details"), "thinking_tokens"),
        source="reported",
        written_tokens=written,
    )
