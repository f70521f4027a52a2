"""What comes back: a piece of a stream, or a whole answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, final

from llms.protocol.chat import ChunkObject, CompletionObject, Usage

_REASONING: Final = ("reasoning_content", "reasoning")


@final
@dataclass(frozen=True, slots=True)
class StreamingChunk:
    """What one event adds to an answer; most have nothing but `text`."""

    text: str = ""
    reasoning: str = ""
    tool_calls: Sequence[Mapping[str, Any]] = ()
    """Fragments as the wire has them: join `function.arguments` by `index`."""
    finish_reason: str | None = None
    usage: Usage | None = None
    """On the last piece, where the upstream tells it."""
    index: int = 0
    """Which answer it belongs to, where `n` were asked for."""
    gap: bool = False
    """The events themselves were lost and this is the text of them: thoughts between may be missing."""
    raw: ChunkObject = field(default_factory=dict)
    """The whole object of the event; empty on a gap."""


@final
@dataclass(frozen=True, slots=True)
class Reply:
    """One whole answer."""

    text: str
    reasoning: str = ""
    tool_calls: Sequence[Mapping[str, Any]] = ()
    finish_reason: str | None = None
    usage: Usage | None = None
    model: str = ""
    raw: CompletionObject = field(default_factory=dict)
    """The whole object, with the other choices where `n` were asked for."""

    def __str__(self) -> str:
        """Return the text."""
        return self.text

    @classmethod
    def of(cls, item: CompletionObject) -> Reply:
        """Read a `chat.completion` with at least one choice."""
        choice = item["choices"][0]
        message = _object(choice.get("message"))
        return cls(
            _text(message, "content"),
            _text(message, *_REASONING),
            _calls(message),
            choice.get("finish_reason"),
            Usage.of(item.get("usage")),
            str(item.get("model") or ""),
            item,
        )


def pieces(item: ChunkObject) -> list[StreamingChunk]:
    """Return what a `chat.completion.chunk` adds, one piece for each choice; usage stands on the last one."""
    usage = Usage.of(item.get("usage"))
    listed = item.get("choices")
    choices = [choice for choice in listed if isinstance(choice, dict)] if isinstance(listed, list) else []
    if not choices:
        return [StreamingChunk(usage=usage, raw=item)] if usage is not None else []
    last = len(choices) - 1
    return [_piece(choice, usage if at == last else None, item) for at, choice in enumerate(choices)]


def _piece(choice: Mapping[str, Any], usage: Usage | None, item: ChunkObject) -> StreamingChunk:
    delta = _object(choice.get("delta"))
    return StreamingChunk(
        _text(delta, "content"),
        _text(delta, *_REASONING),
        _calls(delta),
        choice.get("finish_reason"),
        usage,
        choice.get("index") or 0,
        raw=item,
    )


def _object(found: object) -> Mapping[str, Any]:
    return found if isinstance(found, dict) else {}


def _calls(holder: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    found = holder.get("tool_calls")
    return found if isinstance(found, list) else ()


def _text(holder: Mapping[str, Any], *names: str) -> str:
    return next((value for name in names if isinstance(value := holder.get(name), str) and value), "")
