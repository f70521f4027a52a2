"""The last events of one stream, numbered from 1, within a bound: what a reader that comes back is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Final, NamedTuple, final

from llms.streaming.packed import Packed

_COST: Final = 48
"""Bytes that an event takes in memory beside its own."""
_SPARE: Final = 16
"""The part of the bound that is cleared in one go, so that a full buffer is not moved for each event."""
_BATCH: Final = 64 * 1024
"""Bytes that a reader is given at once: what one slow client may hold beside the buffer."""


class Event(NamedTuple):
    """One event of a stream: its id, and the bytes of the whole event with its blank line."""

    id: int
    data: bytes


@final
class Replay:
    """Keep events in order; the oldest go when there are too many, and only their text is kept, as long as it fits."""

    __slots__ = ("_bound", "_events", "_text", "_text_of", "_text_size", "first", "size", "text_is_whole")

    def __init__(self, bound: int, *, text_of: Callable[[bytes], str]) -> None:
        """Keep at most `bound` bytes, and at least the last event; `text_of` reads the text that an event brings."""
        self._bound = bound
        self._text_of = text_of
        self._events: list[bytes] | Packed = []
        self._text: list[str] = []
        self._text_size = 0
        self.first = 1
        """The id of the oldest event that is kept."""
        self.size = 0
        """Bytes in memory."""
        self.text_is_whole = True
        """The text of every event that went was kept."""

    @property
    def last(self) -> int:
        """Return the id of the newest event; 0 before the first."""
        return self.first + len(self._events) - 1

    def add(self, data: bytes) -> None:
        """Keep one or more whole events, each of which ends with a blank line."""
        frames = [data] if data.count(b"\n\n") == 1 else [part + b"\n\n" for part in data.split(b"\n\n") if part]
        self._unpacked().extend(frames)
        self.size += sum(map(len, frames)) + _COST * len(frames)
        if self.size > self._bound:
            self.shrink(self._bound - self._bound // _SPARE)

    def after(self, event_id: int) -> Sequence[Event]:
        """Return events that follow one, as many as a reader is given at once; none when there are none yet."""
        start = event_id + 1 - self.first
        found: list[Event] = []
        size = 0
        for at in range(max(0, start), len(self._events)):
            found.append(Event(self.first + at, self._events[at]))
            size += len(self._events[at])
            if size >= _BATCH:
                break
        return found

    def shrink(self, size: int) -> None:
        """Drop the oldest events until no more than `size` bytes are kept, half of them text; the newest one stays."""
        while self.size > size and len(self._events) > 1:
            excess = self.size - size
            sums = accumulate(len(event) + _COST for event in self._events[:-1])
            count = next((n for n, total in enumerate(sums, 1) if total >= excess), len(self._events) - 1)
            events = self._unpacked()
            gone = events[:count]
            del events[:count]
            self.first += count
            self.size -= sum(map(len, gone)) + _COST * count
            self._keep_text("".join(map(self._text_of, gone)), size // 2)
        if self.size > size:
            self._drop_text()

    def pack(self) -> None:
        """Keep the events in one piece, as nothing follows."""
        self._events = Packed(self._events)

    def _unpacked(self) -> list[bytes]:
        if isinstance(self._events, Packed):
            self._events = list(self._events)
        return self._events

    def _keep_text(self, text: str, limit: int) -> None:
        size = len(text.encode("utf-8", "surrogatepass"))
        if self.text_is_whole and self._text_size + size <= limit:
            self._text.append(text)
            self._text_size += size
            self.size += size
            return
        self.text_is_whole = False
        if self._text_size > limit:
            self._drop_text()

    def _drop_text(self) -> None:
        if self._text:
            self.text_is_whole = False
            self._text.clear()
            self.size -= self._text_size
            self._text_size = 0

    @property
    def gone(self) -> str:
        """Return the text of the events that are no longer kept."""
        return "".join(self._text)

    def text(self) -> str:
        """Return the text of the stream so far, or its beginning where even that is too long to be kept whole."""
        kept = self.gone
        return kept + "".join(map(self._text_of, self._events)) if self.text_is_whole else kept
