"""Streams in the client's own dialect: nothing is changed, and what the upstream told is kept for the account."""

from __future__ import annotations

from typing import final

from llms.protocol.chat import Chunk, Usage
from llms.protocol.native import Native
from llms.protocol.shape import Passable


@final
class Passing:
    """What `Conform` is for chunks, for those that hold an answer in the client's dialect."""

    __slots__ = ("complete", "finish", "told")

    def __init__(self) -> None:
        """Begin with nothing told."""
        self.complete = False
        self.finish: str | None = None
        self.told: Usage | None = None
        """The usage as far as the upstream told of it."""

    def apply(self, chunk: Chunk) -> Chunk | None:
        """Return the chunk as it is; None when it brought nothing to pass on."""
        native = chunk.native
        if native is None:
            return None
        wire, _, usage, finish, complete = native
        if usage is not None:
            self.told = usage
        if finish is not None:
            self.finish = finish
        self.complete = complete
        return chunk if wire else None

    def lets_pass(self, shape: Passable) -> bool:
        """Tell whether events may pass by without `apply`: nothing is changed here anyway."""
        return True

    def ending(self, seen: Chunk | None) -> Chunk:
        """Return the final chunk: what came last, or one that says nothing."""
        return Chunk.passed(Native(b"", 0)) if seen is None else seen
