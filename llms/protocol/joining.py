"""Chunks with little text joined into fewer with more: the text is the same, the events are fewer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, final

from llms.protocol.chat import Chunk, ChunkObject

_TEXTS: Final = frozenset({"content", "reasoning_content", "reasoning"})


class _Piece(NamedTuple):
    """One text, and what stands around it: only pieces with the same surroundings are joined."""

    text: str
    field: str
    head: dict[str, Any]
    choice: dict[str, Any]


@final
class Joiner:
    """Collect pieces of text up to a number of them; whatever is no such piece ends a collection."""

    __slots__ = ("_begun", "_most", "_pieces")

    def __init__(self, most: int) -> None:
        """Join up to `most` pieces."""
        self._most = most
        self._pieces: list[_Piece] = []
        self._begun = False

    @property
    def is_waiting(self) -> bool:
        """Tell whether there is text that was not returned yet."""
        return bool(self._pieces)

    def add(self, chunk: Chunk) -> Chunk | None:
        """Return what is due with a chunk, in order; None when all of it waits for more. The first text waits not."""
        due: list[ChunkObject] = []
        for item in chunk.objects:
            piece = _piece(item)
            if piece is None or not self._fits(piece):
                due += self._taken()
            if piece is None:
                due.append(item)
                continue
            self._pieces.append(piece)
            if len(self._pieces) >= self._most or not self._begun:
                due += self._taken()
            self._begun = True
        if chunk.final:
            due += self._taken()
        return _like(chunk, due) if due or chunk.final else None

    def rest(self) -> Chunk | None:
        """Return what waits; None when nothing does."""
        due = self._taken()
        return Chunk(due) if due else None

    def _fits(self, piece: _Piece) -> bool:
        return not self._pieces or piece[1:] == self._pieces[0][1:]

    def _taken(self) -> Sequence[ChunkObject]:
        if not self._pieces:
            return ()
        _, field, head, choice = self._pieces[0]
        text = "".join(piece.text for piece in self._pieces)
        self._pieces.clear()
        return ({**head, "choices": [{**choice, "delta": {field: text}}]},)


def _piece(item: ChunkObject) -> _Piece | None:
    """Return the text of a chunk that brings one text and nothing else; None for any other."""
    choices = item.get("choices")
    if not choices or len(choices) != 1 or item.get("usage") is not None or "llms" in item:
        return None
    choice = choices[0]
    told = {name: value for name, value in choice["delta"].items() if value is not None}
    if len(told) != 1 or choice.get("finish_reason") is not None or choice.get("logprobs") is not None:
        return None
    [(field, text)] = told.items()
    if field not in _TEXTS or not isinstance(text, str) or not text:
        return None
    head = {name: value for name, value in item.items() if name != "choices"}
    return _Piece(text, field, head, {name: value for name, value in choice.items() if name != "delta"})


def _like(chunk: Chunk, objects: Sequence[ChunkObject]) -> Chunk:
    made = Chunk(objects)
    made.final = chunk.final
    made.skipped = chunk.skipped
    made.upstream_request_id = chunk.upstream_request_id
    return made
