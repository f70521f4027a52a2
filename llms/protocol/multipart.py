"""Forms as multipart/form-data (RFC 7578), read piece by piece: where the field `model` stands, and what it says."""

from __future__ import annotations

import re
from typing import Final, NamedTuple, final

from llms.protocol.errors import InvalidRequest, excerpt

_BOUNDARY: Final = re.compile(r';\s*boundary=(?:"([^"]{1,70})"|([^\s";]{1,70}))\s*(?:;|$)', re.ASCII | re.IGNORECASE)
_DISPOSITION: Final = re.compile(rb"(?:^|\r\n)content-disposition[ \t]*:([^\r\n]*)", re.IGNORECASE)
_NAME: Final = re.compile(rb';[ \t]*name[ \t]*=[ \t]*(?:"([^"]*)"|([^\s";]+))', re.IGNORECASE)
_FOLD: Final = re.compile(rb"\r\n[ \t]+")
_HEAD_LIMIT: Final = 16 * 1024
_LONGEST_MODEL: Final = 512
_HEAD_END: Final = b"\r\n\r\n"


class Field(NamedTuple):
    """The field `model` and the bytes of the body that hold its value."""

    value: str
    start: int
    end: int


def boundary_of(content_type: str) -> bytes:
    """Return what parts the fields of a form; raise InvalidRequest where its Content-Type does not say."""
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise InvalidRequest("The Content-Type multipart/form-data needs a `boundary` of at most 70 characters.")
    return (found[1] or found[2]).encode("latin-1", "replace")


@final
class Form:
    """Take a body as it comes, in pieces of any size; only what may be part of a mark is kept between them."""

    __slots__ = ("_at", "_buffer", "_mark", "_state", "model")

    def __init__(self, boundary: bytes) -> None:
        """Take the boundary, without its dashes."""
        self._mark = b"\r\n--" + boundary
        # The first boundary may stand at the very start, where no line ends before it.
        self._buffer = bytearray(b"\r\n")
        self._at = -2
        """Where in the body the buffer begins."""
        self._state = self._seek
        self.model: Field | None = None
        """Known as soon as the field has come."""

    @property
    def over(self) -> bool:
        """Tell whether the last boundary has come."""
        return self._state == self._rest

    def feed(self, data: bytes) -> None:
        """Read on; raise InvalidRequest for a form that nobody reads alike."""
        self._buffer += data
        while self._state():
            pass

    def _seek(self) -> bool:
        """Pass over what is no field of ours, to the next boundary."""
        at = self._buffer.find(self._mark)
        if at < 0:
            self._drop(max(0, len(self._buffer) - len(self._mark) + 1))
            return False
        self._drop(at + len(self._mark))
        self._state = self._head
        return True

    def _head(self) -> bool:
        """Read the head of a part, which begins with the rest of the boundary's line."""
        if self._buffer.startswith(b"--"):
            self._state = self._rest
            return True
        line = self._buffer.find(b"\r\n")
        if self._buffer[: max(0, line)].strip(b" \t"):
            # What looked like the boundary was the beginning of a longer text.
            self._state = self._seek
            return True
        end = self._buffer.find(_HEAD_END, 0, _HEAD_LIMIT)
        if end < 0:
            if len(self._buffer) >= _HEAD_LIMIT:
                raise InvalidRequest("A part of the form has a head without an end.")
            return False
        name = _name(bytes(self._buffer[:end]))
        # The line end may be that of the next boundary: the part is empty then.
        self._drop(end + len(_HEAD_END) - 2)
        self._state = self._value if name == b"model" else self._seek
        return True

    def _value(self) -> bool:
        """Read the field `model`."""
        end = self._buffer.find(self._mark)
        if end < 0:
            if len(self._buffer) > _LONGEST_MODEL + len(self._mark) + 2:
                raise InvalidRequest(f"`model` must have at most {_LONGEST_MODEL} characters.", param="model")
            return False
        if self.model is not None:
            raise InvalidRequest("`model` must stand in the form once.", param="model")
        self.model = Field(_text(bytes(self._buffer[2:end])), self._at + 2, self._at + end)
        self._state = self._seek
        return True

    def _rest(self) -> bool:
        """Pass over what follows the last boundary."""
        self._drop(len(self._buffer))
        return False

    def _drop(self, size: int) -> None:
        del self._buffer[:size]
        self._at += size


def _name(head: bytes) -> bytes:
    disposition = _DISPOSITION.search(_FOLD.sub(b" ", head))
    name = _NAME.search(disposition[1]) if disposition is not None else None
    return b"" if name is None else name[1] if name[1] is not None else name[2]


def _text(value: bytes) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise InvalidRequest("`model` is not valid UTF-8.", param="model") from None
    if not text or len(text) > _LONGEST_MODEL or not text.isprintable():
        raise InvalidRequest(
            f"`model` must be 1 to {_LONGEST_MODEL} printable characters, found {excerpt(text)!r}.", param="model"
        )
    return text
