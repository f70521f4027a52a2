"""Server-sent events: bytes to events, read by read, and events to bytes.

The decoder follows the WHATWG HTML standard, section 9.2 (server-sent events), but for two leniencies: an event
counts without its final blank line, because many upstreams forget it, and data stays bytes.
"""

from __future__ import annotations

from typing import Final, TypeAlias, final

from llms.protocol.chat import Chunk

Event: TypeAlias = tuple[bytes, bytes]
"""The event's name, b"" for `message`, and its data."""

DONE: Final = b"data: [DONE]\n\n"
PING: Final = b": ping\n\n"

_BOM: Final = b"\xef\xbb\xbf"
_MAX_EVENT: Final = 16 * 1024 * 1024
_RETRY_DIGITS: Final = 18


class EventTooLong(ValueError):
    """An event is longer than allowed."""


@final
class Decoder:
    """Take the bytes of a stream as they come and return each event with the read that ends it.

    No event is held back: after a CR the event is out, and an LF that follows in the next read is dropped.
    """

    __slots__ = ("_after_cr", "_bom", "_max_event", "_odd", "_parts", "_size", "last_id", "retry")

    def __init__(self, *, max_event: int = _MAX_EVENT) -> None:
        """Allow events of about `max_event` bytes: what is pending is checked at each read that ends no event."""
        self.last_id = ""
        """The id that a resuming client sends as Last-Event-ID."""
        self.retry: int | None = None
        """Milliseconds to wait before connecting again, where the stream told."""
        self._max_event = max_event
        self._parts: list[bytes] = []
        self._size = 0
        self._bom: bytes | None = b""
        self._after_cr = False
        self._odd = True

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that these bytes complete; raise EventTooLong while too much is pending."""
        text = self.frames(data)
        return self.parse(text[:-2]) if text else []

    def frames(self, data: bytes) -> bytes:
        """Return the text of the events that these bytes complete, as it came but for line ends, which are LF."""
        if self._odd or b"\r" in data:
            data = self._plain(data)
        parts = self._parts
        if parts:
            # Joined only when an event ends, or a long one would be copied at each of its reads.
            if not (b"\n\n" in data or (data.startswith(b"\n") and parts[-1].endswith(b"\n"))):
                return self._keep(data)
            data = b"".join([*parts, data])
            parts.clear()
        end = data.rfind(b"\n\n")
        if end < 0:
            return self._keep(data)
        rest = data[end + 2 :]
        self._size = len(rest)
        if not rest:
            return data
        parts.append(rest)
        return data[: end + 2]

    @property
    def idle(self) -> bool:
        """Tell whether the next byte begins an event, and nothing odd stands at the border of two reads."""
        return not self._parts and not self._odd

    def close(self) -> list[Event]:
        """Return the event that the end of the stream completes, if one was under way."""
        return self.parse(self.rest())

    def rest(self) -> bytes:
        """Return what is pending at the end of the stream."""
        text = b"".join(self._parts)
        self._parts.clear()
        self._size = 0
        return text

    def _plain(self, data: bytes) -> bytes:
        """Drop a byte order mark at the start, and make every line end an LF, both over borders of reads too."""
        if self._bom is not None:
            data = self._bom + data
            self._bom = data if _BOM.startswith(data) else None
            if self._bom is not None:
                return b""
            data = data.removeprefix(_BOM)
        if not data:
            return data
        if self._after_cr:
            data = data.removeprefix(b"\n")
        self._odd = self._after_cr = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in data else data

    def _keep(self, data: bytes) -> bytes:
        if data:
            self._parts.append(data)
            self._size += len(data)
            if self._size > self._max_event:
                raise EventTooLong(f"an event is longer than {self._max_event} bytes")
        return b""

    def parse(self, text: bytes) -> list[Event]:
        """Read whole events, parted by blank lines; the end of the text counts as one."""
        lines = text.split(b"\n")
        if not any(lines[1::2]):
            events = [(b"", line[6:]) for line in lines[::2] if line.startswith(b"data: ")]
            if len(events) == (len(lines) + 1) // 2:
                return events
        return self._read(lines)

    def _read(self, lines: list[bytes]) -> list[Event]:
        """Read any lines; a block without data sets id and retry but is no event."""
        events: list[Event] = []
        name = b""
        found: list[bytes] = []
        for line in [*lines, b""]:
            if line:
                field, _, value = line.partition(b":")
                value = value.removeprefix(b" ")
                if field == b"data":
                    found.append(value)
                elif field == b"event":
                    name = value
                else:
                    self._note(field, value)
                continue
            if found:
                events.append((name, b"\n".join(found)))
                found = []
            name = b""
        return events

    def _note(self, field: bytes, value: bytes) -> None:
        if field == b"id" and b"\0" not in value:
            self.last_id = value.decode("utf-8", "replace")
        elif field == b"retry" and value.isdigit() and len(value) <= _RETRY_DIGITS:
            self.retry = int(value)


def encode(data: bytes, *, name: str | None = None, event_id: str | int | None = None) -> bytes:
    """Return one event; line breaks in `data` become lines of it. Raise ValueError for one in `name` or the id."""
    head = "" if event_id is None else f"id: {_one_line(str(event_id))}\n"
    if name:
        head += f"event: {_one_line(name)}\n"
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if b"\n" in data:
        data = data.replace(b"\n", b"\ndata: ")
    return b"%bdata: %b\n\n" % (head.encode(), data)


def _one_line(text: str) -> str:
    if any(c in text for c in "\r\n\0"):
        raise ValueError("a line break in the name or id of an event")
    return text


def encode_chunk(chunk: Chunk) -> bytes:
    """Return the events of a chunk, one for each object, ready for one write."""
    if chunk.wire is not None:
        return chunk.wire
    known = [payload for payload in chunk.bytes_of or () if payload is not None]
    payloads = known if len(known) == chunk.count else chunk.payloads()
    return b"data: %b\n\n" % b"\n\ndata: ".join(payloads) if payloads else b""


def escape_separators(data: bytes) -> bytes:
    """Write U+2028, U+2029 and U+0085 in JSON as escapes: many clients take them for line ends.

    The same object comes back when there is nothing to escape.
    """
    if data.isascii():
        return data
    if b"\xe2" in data:
        data = data.replace(b"\xe2\x80\xa8", b"\\u2028").replace(b"\xe2\x80\xa9", b"\\u2029")
    if b"\xc2" in data:
        data = data.replace(b"\xc2\x85", b"\\u0085")
    return data
