"""From the bytes of tokens to what they mean: text, thoughts, calls, and where the client wants the end."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from typing import Protocol, final

from llms.providers.llama_cpp.child.answer.delta import Delta, Said
from llms.providers.llama_cpp.child.answer.reasoning import Reasoning
from llms.providers.llama_cpp.child.answer.stopping import StopFinder


class Calls(Protocol):
    """What finds calls in a text."""

    def feed(self, text: str) -> list[Delta]:
        """Return what is decided by now."""
        ...

    def end(self) -> list[Delta]:
        """Return what was held back."""
        ...


@final
class Interpretation:
    """Understand one answer as it is written."""

    __slots__ = ("_calls", "_characters", "_reasoning", "_stops", "released")

    def __init__(self, *, stops: Sequence[str], tag: str | None, calls: Calls | None) -> None:
        """Take the stop strings, the tag of a thought that the prompt has begun, and what looks for calls."""
        self._stops = StopFinder(stops)
        self._characters = codecs.getincrementaldecoder("utf-8")("replace")
        self._reasoning = Reasoning(tag)
        self._calls = calls
        self.released = 0
        """How many bytes came before any stop string for certain."""

    @property
    def is_over(self) -> bool:
        """Tell whether a stop string was met."""
        return self._stops.found

    def feed(self, data: bytes) -> list[Delta]:
        """Return what is decided by now."""
        ready = self._stops.feed(data)
        self.released += len(ready)
        text = self._characters.decode(ready)
        return self._called(self._reasoning.feed(text)) if text else []

    def end(self) -> list[Delta]:
        """Return what was held back; half a character at the end is nothing."""
        ready = self._stops.end()
        self.released += len(ready)
        thoughts = [*self._reasoning.feed(self._characters.decode(ready)), *self._reasoning.end()]
        found = self._called(thoughts)
        return found if self._calls is None else [*found, *self._calls.end()]

    def _called(self, found: list[Delta]) -> list[Delta]:
        """Look for calls in what is said."""
        if self._calls is None:
            return found
        deltas: list[Delta] = []
        for delta in found:
            deltas += self._calls.feed(delta.text) if isinstance(delta, Said) else [delta]
        return deltas
