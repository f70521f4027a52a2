"""What llhttp (through httptools) finds in the bytes of an answer: its head, the pieces of its body, its end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import httptools

HEAD_LIMIT: Final = 64 * 1024


class AnswerParts:
    """Take what the parser tells of one answer after another; a ValueError raised here ends the parsing."""

    __slots__ = ("_body", "_complete", "_lines", "_parser", "_size", "_until_eof", "headers", "status")

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        self._size = 0
        """Bytes in the pieces that were not read yet."""
        self._lines: list[tuple[bytes, bytes]] = []
        """The headers that came so far."""
        self._complete = True
        self._until_eof = False
        """The body lasts until the connection ends, or the connection cannot be used again after it."""
        self.status = 0
        self.headers: dict[str, str] = {}
        """By lower-case name; repeated ones joined by ", "."""

    def expect(self) -> None:
        """Make ready for an answer."""
        self._complete = False
        self.status = self._size = 0
        self._lines = []

    def on_message_begin(self) -> None:
        """Refuse an answer that nobody asked for; what came before it stands."""
        if self._complete:
            raise ValueError("more than one answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep one header, to be read with all the others of its head; those behind a body are none of the answer's."""
        self._lines.append((name, value))

    def on_headers_complete(self) -> None:
        """Take the status; interim answers (1xx) are passed over."""
        status = self._parser.get_status_code()
        if status < 100 or self._parser.get_http_version() not in ("1.1", "1.0"):
            raise ValueError("this is not an answer of HTTP/1.1")
        lines, self._lines = self._lines, []
        headers = _read(lines) if lines else {}
        coding = headers.get("transfer-encoding")
        if coding is not None and coding.strip(" ").lower() != "chunked":
            raise ValueError("a transfer coding that was not asked for")
        if status < 200:
            return
        self._until_eof = coding is None and "content-length" not in headers
        self.headers = headers
        self.status = status

    def on_body(self, data: bytes) -> None:
        """Keep a piece of the body."""
        self._body.append(data)
        self._size += len(data)

    def on_message_complete(self) -> None:
        """Note the end of an answer."""
        if self.status:
            self._complete = True
            # HTTP/1.0 knows no chunks, so that nobody knows what follows them (RFC 9112, 6.1).
            odd = "transfer-encoding" in self.headers and self._parser.get_http_version() != "1.1"
            self._until_eof = odd or not self._parser.should_keep_alive()


def _read(lines: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return headers by lower-case name; all are decoded together, as that is cheaper by far."""
    names, values = b"\n".join([name for name, _ in lines]), b"\n".join([value for _, value in lines])
    if len(names) + len(values) > HEAD_LIMIT:
        raise ValueError("the head of the answer is too large")
    keys, texts = names.decode("latin-1").lower().split("\n"), values.decode("latin-1").split("\n")
    if len(keys) != len(lines) or len(texts) != len(lines):
        raise ValueError("a header holds a line break")
    headers = dict(zip(keys, texts, strict=True))
    if len(headers) < len(lines):
        headers = {
            key: ", ".join(text for other, text in zip(keys, texts, strict=True) if other == key) for key in keys
        }
    return headers
