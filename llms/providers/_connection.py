"""One HTTP/1.1 connection to an upstream: a request goes out as bytes, the answer comes back read by read.

A relay needs little of an HTTP client, and that little on every chunk: no header objects, no payload writers,
one future per wait. Parsing is llhttp's (through httptools), so framing is never ours to get wrong.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable
from typing import Final, cast, final

import httptools

from llms.providers._tls import is_ended

_BUFFER_HIGH: Final = 256 * 1024
_HEAD_LIMIT: Final = 64 * 1024
_REFUSAL: Final = 300


class BrokenAnswer(Exception):
    """The connection ended, or was cut, before the answer was complete."""


class NoAnswer(BrokenAnswer):
    """The connection ended before the first byte of an answer."""


class NotHttp(Exception):
    """What came back is not HTTP/1.1."""


class Stray(NotHttp):
    """What came back does not even begin as an answer: on a kept connection it belongs to the exchange before."""


@final
class Connection(asyncio.Protocol):
    """Carry one exchange at a time; `reusable` tells the pool that it may carry another."""

    __slots__ = (
        "_body", "_complete", "_failure", "_fruitless", "_full", "_gone", "_head_size", "_loop", "_parser",
        "_paused", "_sending", "_size", "_take", "_until_eof", "_waiter",
        "headers", "idle_since", "status", "transport",
    )  # fmt: skip

    def __init__(self, gone: Callable[[Connection], None]) -> None:
        """`gone` hears when the connection is lost."""
        self._loop = asyncio.get_running_loop()
        self._gone = gone
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        self._size = 0
        self._head_size = 0
        self._fruitless = 0
        """Bytes since the last that were a head or a piece of a body: of a header the parser tells at its end only."""
        self._complete = True
        self._paused = False
        self._full = False
        """The upstream takes less than it is sent."""
        self._sending = False
        """Of a request's body not all was sent."""
        self._until_eof = False
        self._failure: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._take: Callable[[bytes], bool] | None = None
        self.transport: asyncio.Transport | None = None
        self.idle_since = 0.0
        self.status = 0
        self.headers: dict[str, str] = {}
        """The answer's, by lower-case name; repeated ones joined by ", "."""

    # -- the exchange ------------------------------------------------------------------------------------

    async def send(self, head: bytes, body: bytes) -> None:
        """Send a request and wait for the head of its answer."""
        transport = self._begin()
        if len(body) < _HEAD_LIMIT:
            transport.write(head + body)
        else:
            transport.writelines((head, body))
        while not self.status:
            await self._wait()

    async def upload(self, head: bytes, pieces: AsyncIterable[bytes]) -> None:
        """Send a request whose body comes in pieces, framed already, and wait for the head of its answer.

        A refusal that comes before the last piece ends the sending, and the connection with it.
        """
        transport = self._begin()
        self._sending = True
        transport.write(head)
        async for piece in pieces:
            transport.write(piece)
            while self._full and self.status < _REFUSAL:
                await self._wait()
            if self.status >= _REFUSAL or self.transport is None:
                break
        else:
            self._sending = False
        while not self.status:
            await self._wait()

    def _begin(self) -> asyncio.Transport:
        """Make ready for a request; raise NoAnswer where the connection is gone."""
        transport = self.transport
        if transport is None or not self._complete:
            raise NoAnswer
        self._complete = False
        self.status = self._size = self._head_size = self._fruitless = 0
        self.headers = {}
        return transport

    async def read(self, take: Callable[[bytes], bool] | None = None) -> bytes:
        """Return what has arrived of the body, waiting for something; b"" at its end.

        What arrives while this waits is offered to `take`; nobody is woken for what it takes.
        """
        while not self._body:
            if self._complete:
                return b""
            self._take = take
            await self._wait()
        data = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body.clear()
        self._size = 0
        if self._paused and self.transport is not None:
            self._paused = False
            self.transport.resume_reading()
        return data

    @property
    def complete(self) -> bool:
        """Tell whether the whole answer has arrived and been read."""
        return self._complete and not self._body

    @property
    def reusable(self) -> bool:
        """Tell whether the last exchange ended so cleanly that another may follow."""
        transport = self.transport
        return (
            transport is not None
            and self.complete
            and self._failure is None
            and not self._until_eof
            and not self._sending
            and not transport.is_closing()
            and not transport.get_write_buffer_size()
        )

    def abort(self) -> None:
        """Cut the connection at once."""
        if self.transport is not None:
            self.transport.abort()

    async def _wait(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self.transport is None:
            raise BrokenAnswer if self.status else NoAnswer
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = self._take = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # -- asyncio.Protocol --------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Parse; bytes that nobody asked for end the connection."""
        if self._complete:
            self._failure = NotHttp("unexpected bytes")
            self.abort()
            return
        before = (self.status, self._size)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail(NotHttp("an upgrade that was not asked for"))
        except httptools.HttpParserError as failure:
            begun = self.status or self._fruitless or data.startswith(b"HTTP/")
            self._fail((NotHttp if begun else Stray)(str(failure.__context__ or failure)))
        self._fruitless = self._fruitless + len(data) if before == (self.status, self._size) else 0
        if self._fruitless > _HEAD_LIMIT:
            self._fail(NotHttp("a head without an end"))
        if self._take is not None and self._body and self._is_taken(self._take):
            return
        if self._size > _BUFFER_HIGH and not self._paused and self.transport is not None:
            self._paused = True
            self.transport.pause_reading()
        self._wake()

    def pause_writing(self) -> None:
        """Note that much waits to be sent."""
        self._full = True

    def resume_writing(self) -> None:
        """Note that there is room again."""
        self._full = False
        self._wake()

    def _is_taken(self, take: Callable[[bytes], bool]) -> bool:
        """Offer what has arrived, where nothing but its reader's waking up would follow."""
        waiter = self._waiter
        if waiter is None or waiter.done() or self._complete or self._failure is not None:
            return False
        body = self._body
        if len(body) > 1:
            body[:] = [b"".join(body)]
        if not take(body[0]):
            return False
        body.clear()
        self._size = 0
        return True

    def eof_received(self) -> bool:
        """Let the transport close itself."""
        return False

    def connection_lost(self, exc: BaseException | None) -> None:
        """End the exchange: cleanly when its body lasts until the end of the connection, else as broken."""
        if not self._complete:
            if self._until_eof and exc is None and self.status and is_ended(self.transport):
                self._complete = True
            elif self._failure is None:
                self._failure = BrokenAnswer() if self.status or self._fruitless else NoAnswer()
        self.transport = None
        del self._parser
        self._wake()
        self._gone(self)

    # -- what the parser found ---------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Refuse an answer that nobody asked for; what came before it stands."""
        if self._complete:
            raise ValueError("more than one answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note one header; those behind the body are none of the answer's."""
        self._head_size += len(name) + len(value)
        if self._head_size > _HEAD_LIMIT:
            raise ValueError("the head of the answer is too large")
        if self.status:
            return
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        self.headers[key] = f"{self.headers[key]}, {text}" if key in self.headers else text

    def on_headers_complete(self) -> None:
        """Take the status; interim answers (1xx) are passed over."""
        status = self._parser.get_status_code()
        if status < 100 or self._parser.get_http_version() not in ("1.1", "1.0"):
            raise ValueError("this is not an answer of HTTP/1.1")
        coding = self.headers.get("transfer-encoding")
        if coding is not None and coding.strip(" ").lower() != "chunked":
            raise ValueError("a transfer coding that was not asked for")
        if status < 200:
            self.headers = {}
            return
        self._until_eof = coding is None and "content-length" not in self.headers
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

    def _fail(self, failure: Exception) -> None:
        if self._failure is None:
            self._failure = failure
        self.abort()
