"""What stays the same from one chunk of a stream to the next: everything but the text.

Most chunks of a stream differ in nothing but one short text. Once such a chunk was decoded and checked, those
that follow are recognised by their first and last bytes and need no decoding: as long as the text between is
plain (UTF-8 without a quote, a backslash or a control character, or with the short escapes of these), they are valid
exactly when the first one was.
"""

from __future__ import annotations

import re
from typing import Any, Final, Protocol, final

from llms.protocol import json

_PLAIN: Final = re.compile(rb"[ !#-\[\]-\xff]*")
_SIMPLE: Final = re.compile(rb"[ !#-\[\]-\xff]*(?:\\[\"\\/bfnrt][ !#-\[\]-\xff]*)*")
"""Plain text, or what JSON's escapes of one letter are in; those of four digits may be half a character."""
_ASCII: Final = re.compile(rb"[ !#-\[\]-\x7f]*(?:\\[\"\\/bfnrt][ !#-\[\]-\x7f]*)*")
_FRAME: Final = b"data: "
_END: Final = b"\n\n"
_MARK: Final = b"~"
_TEXTS: Final = frozenset({"content", "reasoning_content", "reasoning"})


class Passable(Protocol):
    """What tells whether a read can go on as it came."""

    def count(self, data: bytes, /) -> int:
        """Return how many events `data` is; 0 where somebody has to see them."""
        ...


@final
class Shape:
    """The bytes around the text in the events of one stream."""

    __slots__ = ("_between", "_first", "_last", "_length")

    def __init__(self, before: bytes, after: bytes) -> None:
        """Take the JSON text before and after the text."""
        self._first = _FRAME + before
        self._last = after + _END
        self._between = self._last + self._first
        self._length = len(self._first) + len(self._last)

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
        return cls._around(told[0], delta, payload, item)

    @classmethod
    def _around(cls, name: str, delta: dict[str, Any], payload: bytes, item: dict[str, Any]) -> Shape | None:
        """Cut the text out of the payload; None unless another text in its place is read as just that."""
        text = delta[name]
        plain = text.encode("utf-8", "replace")
        found = re.search(rb'"%b"\s*:\s*"' % name.encode(), payload)
        if found is None or not _PLAIN.fullmatch(plain) or not payload.startswith(plain + b'"', found.end()):
            return None
        before, after = payload[: found.end()], payload[found.end() + len(plain) :]
        delta[name] = _MARK.decode()
        same = _reads_as(before + _MARK + after, item)
        delta[name] = text
        return cls(before, after) if same else None

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
        return len(texts) if _SIMPLE.fullmatch(joined) and (joined.isascii() or _is_utf8(joined)) else 0

    def run(self, data: bytes) -> tuple[int, int]:
        """Return from where to where events of this shape may stand in `data`."""
        start = 0 if data.startswith(self._first) else data.find(_END + self._first) + len(_END)
        end = data.rfind(self._last) + len(self._last)
        return (start, end) if (start >= len(_END) or data.startswith(self._first)) and end > start else (0, 0)


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
