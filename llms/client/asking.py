"""What is asked: the body of a chat, from what callers write in Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypedDict, cast

Messages = str | Sequence[Mapping[str, Any]]
"""A conversation in OpenAI's form, or just what the user says."""


class ChatFields(TypedDict, total=False):
    """The fields of a chat that callers name; any other one goes into `extra`."""

    temperature: float
    top_p: float
    max_tokens: int
    max_completion_tokens: int
    stop: str | Sequence[str]
    seed: int
    n: int
    tools: Sequence[Mapping[str, Any]]
    tool_choice: str | Mapping[str, Any]
    response_format: Mapping[str, Any]
    frequency_penalty: float
    presence_penalty: float
    reasoning_effort: str
    stream_options: Mapping[str, Any]
    extra: Mapping[str, Any]


_KNOWN: Final = frozenset(ChatFields.__annotations__)


def chat_body(messages: Messages, *, model: str, stream: bool, fields: ChatFields) -> dict[str, Any]:
    """Return the body of a chat; raise TypeError for a field that is not known."""
    given = cast(dict[str, Any], dict(fields))
    if unknown := sorted(given.keys() - _KNOWN):
        raise TypeError(f"a chat has no field {unknown[0]!r} here; fields beyond OpenAI's go into extra={{…}}")
    extra = given.pop("extra", {})
    said = [{"role": "user", "content": messages}] if isinstance(messages, str) else list(messages)
    streaming = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    return {"model": model, "messages": said, **streaming, **given, **extra}
