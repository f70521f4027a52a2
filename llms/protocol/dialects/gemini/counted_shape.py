"""What stays the same from one event of Gemini to the next: all but the text, and the tokens that it counts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Self, final

from llms.protocol import json
from llms.protocol.chat import ChunkObject
from llms.protocol.shape import SLASH, Shape, around, is_simple

_COUNTS: Final = re.compile(rb'"usageMetadata"\s*:\s*')
_BRACE: Final = re.compile(rb"\}")


@final
class CountedShape(Shape):
    """The bytes around the text and around the counts behind it, in reads of one event."""

    __slots__ = ("_behind", "_note", "_to_counts")

    def __init__(
        self, before: bytes, after: bytes, behind: bytes, *, chat: Shape, note: Callable[[Mapping[str, Any]], None]
    ) -> None:
        """Take the bytes before the text, from it to the counts, and behind them; `note` takes the counts."""
        super().__init__(before, after, chat=chat)
        self._to_counts = after
        self._behind = behind
        self._note = note

    @classmethod
    def learned(
        cls, read: bytes, payload: bytes, chunk: ChunkObject, *, note: Callable[[Mapping[str, Any]], None]
    ) -> Self | None:
        """Find the shape of the event that a read has ended with, and that came to a chunk of one text."""
        item = _object(payload)
        part = _only_part(item)
        if item is None or part is None or [*chunk["choices"][0]["delta"].values()] != [part["text"]]:
            return None
        found = around(part, "text", payload, item)
        chat = Shape.of(json.dumps(chunk), chunk)
        parted = _parted(found[1], item.get("usageMetadata")) if found is not None else None
        if found is None or chat is None or parted is None:
            return None
        end = b"\r\n\r\n" if read.endswith(b"\r\n\r\n") else b"\n\n"
        return cls(found[0], parted[0], parted[1] + end, chat=chat, note=note)

    def texts(self, data: bytes) -> list[bytes]:
        """Return the text of what is one event of this shape, and note its counts; see `Shape.texts`.

        Whoever is told the event otherwise notes the same counts again.
        """
        first, last, behind = self._first, self._to_counts, self._behind
        if not data.startswith(first) or not data.endswith(behind):
            return []
        end = data.find(last, len(first))
        text, told = data[len(first) : end], data[end + len(last) : -len(behind)]
        if end < 0 or not text or SLASH in text or not is_simple(text) or b"\n" in told or b"\r" in told:
            return []
        counts = _object(told)
        if counts is None:
            return []
        self._note(counts)
        return [text]


def _only_part(item: Any) -> dict[str, Any] | None:
    """Return the one part of the one candidate of an event, where it is a text."""
    try:
        [candidate] = item["candidates"]
        [part] = candidate["content"]["parts"]
        return part if isinstance(part["text"], str) else None
    except (ValueError, KeyError, TypeError):
        return None


def _parted(after: bytes, counts: Any) -> tuple[bytes, bytes] | None:
    """Part what follows the text at the counts, an object that is there as JSON; None where it is not found once."""
    places = [found.end() for found in _COUNTS.finditer(after)]
    if len(places) != 1 or not isinstance(counts, dict):
        return None
    ends = (found.end() for found in _BRACE.finditer(after, places[0]))
    end = next((end for end in ends if _object(after[places[0] : end]) == counts), None)
    return (after[: places[0]], after[end:]) if end is not None else None


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
