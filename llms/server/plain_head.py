"""The heads of plain requests, read from bytes: none that can be read in two ways. The rest is aiohttp's to judge."""

from __future__ import annotations

import string
from typing import Final, NamedTuple

_LONGEST: Final = 8 * 1024
"""Bytes of a head; longer ones are bounded line by line elsewhere."""
_MOST_HEADERS: Final = 64
_MOST_DIGITS: Final = 12
_TOKEN: Final = frozenset("!#$%&'*+-.^_`|~" + string.digits + string.ascii_letters)
"""Signs of a header's name (RFC 9110, 5.6.2)."""
_MOST_NAMES: Final = 256


class PlainHead(NamedTuple):
    """The head of one request whose framing is beyond doubt: HTTP/1.1, printable ASCII, no header twice."""

    line: str
    """`POST /v1/chat/completions HTTP/1.1`"""
    headers: dict[str, str]
    """By lower-case name."""
    size: int
    """Bytes of the head, its empty line included."""
    length: int
    """Bytes of the body that follows."""


class HeadReader:
    """Read heads; the names of headers that were seen to be legal are remembered."""

    __slots__ = ("_names",)

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def read(self, data: bytes) -> PlainHead | None:
        """Return the head that `data` begins with; None where it is not whole, or in any way unusual.

        Unusual is what RFC 9112 forbids or discourages, and what changes the framing: any Transfer-Encoding.
        """
        end = data.find(b"\r\n\r\n", 0, _LONGEST)
        if end < 0 or (not data.isascii() and not data[:end].isascii()):
            return None
        line, *fields = data[:end].decode("ascii").split("\r\n")
        if len(fields) > _MOST_HEADERS or not line.endswith(" HTTP/1.1"):
            return None
        headers: dict[str, str] = {}
        names = self._names
        for field in fields:
            name, colon, value = field.partition(":")
            known = names.get(name) or self._learn(name)
            # Line breaks, NUL and all other control characters are not printable, and neither is a tab.
            if not colon or not known or known in headers or not value.isprintable():
                return None
            headers[known] = value.strip(" ")
        length = headers.get("content-length", "0")
        if not line.isprintable() or not length.isdigit() or len(length) > _MOST_DIGITS:
            return None
        if "transfer-encoding" in headers or "host" not in headers:
            return None
        return PlainHead(line, headers, end + 4, int(length))

    def _learn(self, name: str) -> str:
        """Return a legal name in lower case, "" for another one."""
        if not name or not _TOKEN.issuperset(name):
            return ""
        if len(self._names) >= _MOST_NAMES:
            self._names.clear()
        known = self._names[name] = name.lower()
        return known
