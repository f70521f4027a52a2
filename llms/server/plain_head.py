"""The heads of plain requests, read from bytes: none that can be read in two ways. The rest is aiohttp's to judge."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from llms.server.access import Admitted

_LONGEST: Final = 8 * 1024
"""Bytes of a head; longer ones are bounded line by line elsewhere."""
_MOST_HEADERS: Final = 64
_MOST_DIGITS: Final = 12
_TOKEN: Final = frozenset("!#$%&'*+-.^_`|~" + string.digits + string.ascii_letters)
"""Signs of a header's name (RFC 9110, 5.6.2)."""
_MOST_NAMES: Final = 256
_LENGTH: Final = re.compile(rb"\r\n[Cc]ontent-[Ll]ength: ([0-9]{1,12})(?=\r\n)")
"""The length of a body where it is written as nearly all clients write it; what it is, a whole reading decides."""
_LONGEST_KNOWN: Final = 2 * 1024
_MOST_KNOWN: Final = 256


@final
class PlainHead:
    """The head of requests whose framing is beyond doubt: HTTP/1.1, printable ASCII, no header twice.

    Clients send the same head again and again, but for the length of the body; so one of these stands for many.
    """

    __slots__ = ("admitted", "headers", "is_plain", "line")

    def __init__(self, line: str, headers: Mapping[str, str], *, is_plain: bool) -> None:
        """Take what was read, and whether a request like this is answered without aiohttp."""
        self.line = line
        """`POST /v1/chat/completions HTTP/1.1`"""
        self.headers = headers
        """By lower-case name; without the Content-Length."""
        self.is_plain = is_plain
        self.admitted: Admitted | None = None
        """What the front door has found out about such a request, if it let it in."""


class HeadReader:
    """Read heads. Those seen lately are compared, not read; so are the names of headers that were seen to be legal."""

    __slots__ = ("_is_plain", "_known", "_names")

    def __init__(self, is_plain: Callable[[str, Mapping[str, str]], bool]) -> None:
        """Take what tells from line and headers whether a request with a length is answered without aiohttp."""
        self._is_plain = is_plain
        self._known: dict[bytes, PlainHead] = {}
        self._names: dict[str, str] = {}

    def read(self, data: bytes) -> tuple[PlainHead, int, int] | None:
        """Return the head that `data` begins with, its size and that of the body, in bytes.

        None where it is not whole, or in any way unusual: what RFC 9112 forbids or discourages, and what changes the
        framing (any Transfer-Encoding).
        """
        end = data.find(b"\r\n\r\n", 0, _LONGEST)
        if end < 0:
            return None
        found = _LENGTH.search(data, 0, end + 2)
        if found is None:
            read = self._parse(data[:end])
            return None if read is None else (read[0], end + 4, read[1])
        start, stop = found.span(1)
        others = data[:start] + data[stop:end]
        head = self._known.get(others)
        if head is None:
            read = self._parse(data[:end])
            if read is None:
                return None
            head = self._keep(others, read[0])
        return head, end + 4, int(found[1])

    def _keep(self, others: bytes, head: PlainHead) -> PlainHead:
        """Remember a head by all of it but the length, unless it has an id that does not come again."""
        if head.is_plain and len(others) <= _LONGEST_KNOWN and "x-request-id" not in head.headers:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[others] = head
        return head

    def _parse(self, data: bytes) -> tuple[PlainHead, int] | None:
        if not data.isascii():
            return None
        line, *fields = data.decode("ascii").split("\r\n")
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
        length = headers.pop("content-length", None)
        if not line.isprintable() or (length is not None and not (length.isdigit() and len(length) <= _MOST_DIGITS)):
            return None
        if "transfer-encoding" in headers or "host" not in headers:
            return None
        is_plain = length is not None and self._is_plain(line, headers)
        return PlainHead(line, headers, is_plain=is_plain), int(length or 0)

    def _learn(self, name: str) -> str:
        """Return a legal name in lower case, "" for another one."""
        if not name or not _TOKEN.issuperset(name):
            return ""
        if len(self._names) >= _MOST_NAMES:
            self._names.clear()
        known = self._names[name] = name.lower()
        return known
