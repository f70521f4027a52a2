"""What stays the same from one chunk of a stream to the next: everything but the text.

Most chunks of a stream differ in nothing but one short text. Once such a chunk was decoded and checked, those
that follow are recognised by their first and last bytes and need no decoding: as long as the text between is
plain (UTF-8 without a quote, a backslash or a control character, or with the short escapes of these), they are valid
exactly when the first one was.

Of a stream in another dialect it is the same: an event and the chunk that it comes to have one text, which JSON writes
in both alike, so that those that follow are translated by putting their texts between other bytes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, Protocol

from llms.protocol import json

_PLAIN: Final = re.compile(rb"[ !#-\[\]-\xff]*")
_SIMPLE: Final = re.compile(rb"[ !#-\[\]-\xff]*(?:\\[\"\\/bfnrt][ !#-\[\]-\xff]*)*")
"""Plain text, or what JSON's escapes of one letter are in; those of four digits may be half a character."""
_ASCII: Final = re.compile(rb"[ !#-\[\]-\x7f]*(?:\\[\"\\/bfnrt][ !#-\[\]-\x7f]*)*")
_FRAME: Final = b"data: "
_END: Final = b"\n\n"
_MARK: Final = b"~"
SLASH: Final = b"\\/"
"""The one of the short escapes that is not written again where a text is decoded on the way."""
_PADDING: Final = re.compile(rb" +\}\n\n")
"""Anthropic ends its events with blanks, of another number each, to hide how long their texts are."""
_TEXTS: Final = frozenset({"content", "reasoning_content", "reasoning"})


class Passable(Protocol):
    """What tells whether a read can go on as it came."""

    def count(self, data: bytes, /) -> int:
        """Return how many events `data` is; 0 where somebody has to see them."""
        ...


class Shape:
    """The bytes around the text in the events of one stream."""

    __slots__ = ("_between", "_first", "_last", "_length", "chat", "kept")

    def __init__(
        self,
        before: bytes,
        after: bytes,
        *,
        frame: bytes = _FRAME,
        chat: Shape | None = None,
        kept: list[bytes] | None = None,
    ) -> None:
        """Take the JSON text before and after the text, and what begins an event.

        Where it is no chunk, `chat` is the shape of the chunk that it comes to, and `kept` takes the texts that pass.
        """
        self._first = frame + before
        self._last = after + _END
        self._between = self._last + self._first
        self._length = len(self._first) + len(self._last)
        self.chat = chat
        self.kept = kept

    @classmethod
    def of(cls, payload: bytes, item: dict[str, Any]) -> Shape | None:
        """Find the shape of a chunk whose one choice brings one plain text and nothing else; None for any other."""
        choices = item.get("choices")
        if not isinstance(choices, list) or len(choices) != 1 or not isinstance(choices[0], dict):
            return None
        delta = choices[0].get("delta")
        if not isinstance(delta, dict) or choices[0].get("finish_reason") is not None:
            return None
        told = [name for name, value in delta.items() if value is not None]
        if len(told) != 1 or told[0] not in _TEXTS or not isinstance(delta[told[0]], str):
            return None
        found = around(delta, told[0], payload, item)
        return cls(*found) if found is not None else None

    @classmethod
    def translated(
        cls,
        event: tuple[bytes, bytes],
        item: dict[str, Any],
        place: tuple[dict[str, Any], str],
        chunk: dict[str, Any],
        *,
        kept: list[bytes] | None = None,
    ) -> Shape | None:
        """Find the shape of an event, decoded to `item`, that came to a chunk; its text is at `place` in the item."""
        name, payload = event
        payload = _PADDING.sub(b"}\n\n", payload + _END)[: -len(_END)]
        found = around(*place, payload, item)
        chat = cls.of(json.dumps(chunk), chunk) if found is not None else None
        if found is None or chat is None:
            return None
        frame = b"event: %b\n%b" % (name, _FRAME) if name else _FRAME
        return cls(*found, frame=frame, chat=chat, kept=kept)

    def count(self, data: bytes) -> int:
        """Return how many events `data` is; 0 unless it is whole events of this shape and nothing else."""
        first, last = self._first, self._last
        if not data.startswith(first) or not data.endswith(last):
            return 0
        if _ASCII.fullmatch(data, len(first), len(data) - len(last)) is not None:
            return 1
        if len(data) < self._length:
            return 0
        texts = data[len(first) : -len(last)].split(self._between)
        # The blank keeps halves of neighbours apart, of characters and of escapes.
        joined = b" ".join(texts)
        return len(texts) if is_simple(joined) else 0

    def texts(self, data: bytes) -> list[bytes]:
        """Return the texts, as they stand in JSON, of what is whole events of this shape and nothing else.

        There are none where a translation is not sure to say them in the same bytes: an empty one may not be told.
        """
        if self.chat is not None and b" }\n\n" in data:
            data = _PADDING.sub(b"}\n\n", data)
        if not self.count(data) or SLASH in data:
            return []
        texts = data[len(self._first) : -len(self._last)].split(self._between)
        return texts if all(texts) else []

    def wire(self, texts: Sequence[bytes]) -> bytes:
        """Return the events of this shape that bring such texts."""
        return b"%b%b%b" % (self._first, self._between.join(texts), self._last)

    def sample(self) -> dict[str, Any]:
        """Return a chunk as such events come to it, with a text of one character."""
        chat = self.chat or self
        item: dict[str, Any] = json.loads((chat._first + _MARK + chat._last)[len(_FRAME) :])
        return item

    def run(self, data: bytes) -> tuple[int, int]:
        """Return from where to where events of this shape may stand in `data`."""
        start = 0 if data.startswith(self._first) else data.find(_END + self._first) + len(_END)
        end = data.rfind(self._last) + len(self._last)
        return (start, end) if (start >= len(_END) or data.startswith(self._first)) and end > start else (0, 0)


def around(holder: dict[str, Any], name: str, payload: bytes, item: dict[str, Any]) -> tuple[bytes, bytes] | None:
    """Cut out of the payload the text that its `item` has under a name in `holder`, a part of the item.

    None unless another text in its place is read as just that.
    """
    text = holder[name]
    plain = text.encode("utf-8", "replace")
    found = re.search(rb'"%b"\s*:\s*"' % name.encode(), payload) if b"\n" not in payload else None
    if found is None or not _PLAIN.fullmatch(plain) or not payload.startswith(plain + b'"', found.end()):
        return None
    before, after = payload[: found.end()], payload[found.end() + len(plain) :]
    holder[name] = _MARK.decode()
    same = _reads_as(before + _MARK + after, item)
    holder[name] = text
    return (before, after) if same else None


def is_simple(text: bytes) -> bool:
    """Tell whether a text between quotes of JSON is UTF-8 without escapes but for the short ones."""
    return _SIMPLE.fullmatch(text) is not None and (text.isascii() or _is_utf8(text))


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _reads_as(payload: bytes, item: dict[str, Any]) -> bool:
    try:
        return bool(json.loads(payload) == item)
    except ValueError:
        return False
