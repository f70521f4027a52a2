"""What an upstream was found not to do: stream the answers of a model, or tell their usage when asked.

Any client can make an upstream refuse, by what else it asks for, and must not change what the others get. So a
refusal counts only where the same request without the refused part was answered, for its model alone, and for a while.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, TypeVar, final

from llms.protocol.chat import ChatRequest
from llms.protocol.errors import LlmsError
from llms.protocol.refusals import objects_to

_REFUSAL_SECONDS: Final = 600.0
_MOST_MODELS: Final = 256

Key = TypeVar("Key")
Value = TypeVar("Value")


@final
@dataclass(frozen=True, slots=True)
class Asking:
    """How a request is put to an upstream."""

    stream: bool
    usage: bool
    """Ask for usage at the end of the stream."""

    def less(self, request: ChatRequest, error: LlmsError) -> Asking | None:
        """Return how to ask again after a refusal; None when it is about what the client itself asked for."""
        if not self.stream:
            return None
        if self.usage and not request.body.get("stream_options") and objects_to(error, "stream_options"):
            return replace(self, usage=False)
        return replace(self, stream=False) if objects_to(error, "stream") else None


@final
class Abilities:
    """Remember what an upstream refused, model by model; a model that has streamed once is not doubted."""

    def __init__(self, *, stream: bool, usage: bool, clock: Callable[[], float]) -> None:
        """Take what the row says, and a clock of monotonic seconds."""
        self._row = Asking(stream, usage)
        self._whole = Asking(stream=False, usage=usage)
        self._clock = clock
        self._streamed: dict[str, None] = {}
        self._no_stream: dict[str, float] = {}
        """When the model may be asked again; the same for usage."""
        self._no_usage: dict[str, float] = {}

    def asking(self, model: str, *, stream: bool) -> Asking:
        """Return how to ask a model first."""
        if not self._no_stream and not self._no_usage:
            return self._row if stream else self._whole
        return Asking(
            stream=stream and self._row.stream and not self._refuses(self._no_stream, model),
            usage=self._row.usage and not self._refuses(self._no_usage, model),
        )

    def answered(self, model: str, *, first: Asking, last: Asking) -> None:
        """Note what was answered in the end, and how it was asked for first."""
        if last is first and (not last.stream or model in self._streamed):
            return
        until = self._clock() + _REFUSAL_SECONDS
        if last.stream:
            if first.usage and not last.usage:
                _note(self._no_usage, model, until)
            if model not in self._streamed:
                _note(self._streamed, model, None)
        elif first.stream and model not in self._streamed:
            _note(self._no_stream, model, until)

    def _refuses(self, until: dict[str, float], model: str) -> bool:
        return bool(until) and until.get(model, 0.0) > self._clock()


def _note(book: dict[Key, Value], key: Key, value: Value) -> None:
    """Write the newest entry of a book that must not grow without bound."""
    book.pop(key, None)
    book[key] = value
    if len(book) > _MOST_MODELS:
        del book[next(iter(book))]
