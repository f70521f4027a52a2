"""What a client reads out of the bytes that came: strictly, so that a frame that is wrong stands out."""

from __future__ import annotations

import re
from typing import NamedTuple

_MADE_ID = re.compile(rb"(req_)[0-9a-f]{16}|((?:resp|msg|rs|fc|stream)_)[0-9a-f]{32,}")
_WITHOUT_BODY = (204, 304)


class Read(NamedTuple):
    """One answer."""

    first: bytes
    """The status line."""
    headers: tuple[bytes, ...]
    """As they stood and in their order, but for the date."""
    body: bytes
    whole: bool


class Got(NamedTuple):
    """All that a client got on one connection."""

    answers: tuple[Read, ...]
    rest: bytes
    """What is no answer."""


def got(data: bytes) -> Got:
    """Read what came, without what differs from request to request anyway: dates and made-up ids."""
    found: list[Read] = []
    while (taken := _take(data)) is not None:
        found.append(_lasting(taken[0]))
        data = taken[1]
    return Got(tuple(found), data)


def _lasting(read: Read) -> Read:
    headers = tuple(unnamed(line) for line in read.headers if not line.lower().startswith(b"date:"))
    return read._replace(headers=headers, body=unnamed(read.body))


def unnamed(data: bytes) -> bytes:
    """Return text without the ids that were made up for it."""
    return _MADE_ID.sub(rb"\1\2made", data)


def whole_answers(data: bytes) -> int:
    """Count the final answers that have come to their end."""
    read = got(data).answers
    return sum(answer.whole and not answer.first.startswith(b"HTTP/1.1 1") for answer in read)


def _take(data: bytes) -> tuple[Read, bytes] | None:
    head, blank, rest = data.partition(b"\r\n\r\n")
    if not blank or not head.startswith(b"HTTP/"):
        return None
    first, *lines = head.split(b"\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in lines if b": " in line)
    status = int(first.split(b" ")[1])
    if status < 200 or status in _WITHOUT_BODY:
        return Read(first, tuple(lines), b"", True), rest
    if fields.get(b"transfer-encoding") == b"chunked":
        body, whole, rest = _chunks(rest)
    elif b"content-length" in fields:
        size = int(fields[b"content-length"])
        body, whole, rest = rest[:size], len(rest) >= size, rest[size:]
    else:
        body, whole, rest = rest, False, b""
    return Read(first, tuple(lines), body, whole), rest


def _chunks(data: bytes) -> tuple[bytes, bool, bytes]:
    """Return a body without its frames, whether its end came, and what follows; what is no frame follows, too."""
    body = bytearray()
    while True:
        line, end, rest = data.partition(b"\r\n")
        if not end or not re.fullmatch(rb"[0-9a-fA-F]+", line):
            return bytes(body), False, data
        size = int(line, 16)
        if len(rest) < size + 2 or rest[size : size + 2] != b"\r\n":
            return bytes(body) + rest[:size], False, rest[size:]
        if not size:
            return bytes(body), True, rest[2:]
        body += rest[:size]
        data = rest[size + 2 :]
