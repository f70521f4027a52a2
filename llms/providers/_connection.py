"""One HTTP/1.1 connection to an upstream: a request goes out as bytes, the answer comes back read by read.

A relay needs little of an HTTP client, and that little on every chunk: no header objects, no payload writers,
one future per wait. Parsing is llhttp's (through httptools), so framing is never ours to get wrong.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import AsyncIterable, Callable
from typing import Final, cast, final

import httptools

from llms.providers._answer_parts import HEAD_LIMIT, AnswerParts
from llms.providers._breaks import BrokenAnswer, NoAnswer, NotHttp, Stray
from llms.providers._tls import is_ended
from llms.providers.base import Lane, Relay

_BUFFER_HIGH: Final = 256 * 1024
_REFUSAL: Final = 300
_NEVER: Final = float("inf")


@final
class Connection(AnswerParts, asyncio.Protocol):
    """Carry one exchange at a time; `reusable` tells the pool that it may carry another."""

    __slots__ = (
        "_at_border",
        "_failure",
        "_fruitless",
        "_full",
        "_gone",
        "_lane",
        "_listener",
        "_look",
        "_loop",
        "_paused",
        "_sending",
        "_take",
        "_waiter",
        "idle_since",
        "transport",
    )

    def __init__(self, gone: Callable[[Connection], None]) -> None:
        """`gone` hears when the connection is lost."""
        self._loop = asyncio.get_running_loop()
        self._gone = gone
        super().__init__()
        self._fruitless = 0
        """Bytes since the last that were a head or a piece of a body: of a header the parser tells at its end only."""
        self._paused = False
        self._full = False
        """The upstream takes less than it is sent."""
        self._sending = False
        """Of a request's body not all was sent."""
        self._failure: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._take: Callable[[bytes], bool] | None = None
        self._listener: Callable[[], None] | None = None
        self._lane: Lane | None = None
        self._at_border = False
        """The parser stands where a chunk of the body may start, and holds nothing."""
        self.transport: asyncio.Transport | None = None
        self._look: select.poll | None = None
        """Sees what the socket holds; made when somebody first asks."""
        self.idle_since = _NEVER

    # -- the exchange ------------------------------------------------------------------------------------

    def send(self, head: bytes, body: bytes) -> None:
        """Send a request; raise NoAnswer where the connection is gone."""
        transport = self._begin()
        if len(body) < HEAD_LIMIT:
            transport.write(head + body)
        else:
            transport.writelines((head, body))

    async def answered(self) -> None:
        """Wait for the head of the answer."""
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
        await self.answered()

    def _begin(self) -> asyncio.Transport:
        """Make ready for a request; raise NoAnswer where the connection is gone."""
        transport = self.transport
        if transport is None or not self._complete:
            raise NoAnswer
        self.expect()
        self._fruitless = 0
        return transport

    async def read(self, relay: Relay | None = None) -> bytes:
        """Return what has arrived of the body, waiting for something; b"" at its end.

        What arrives while this waits is offered to `relay`; nobody is woken for what it takes.
        """
        while not self._body:
            if self._complete:
                return b""
            if relay is not None:
                self._take, self._lane = relay.take, relay.lane
            await self._wait()
        data = self.arrived
        self.drop()
        return data

    @property
    def arrived(self) -> bytes:
        """Return what has arrived of the body and was not read."""
        return self._body[0] if len(self._body) == 1 else b"".join(self._body)

    def drop(self) -> None:
        """Forget what has arrived."""
        self._body.clear()
        self._size = 0
        if self._paused and self.transport is not None:
            self._paused = False
            self.transport.resume_reading()

    def listen(self, listener: Callable[[], None] | None) -> None:
        """Have `listener` called, instead of waking a waiter, whenever something has changed."""
        self._listener = listener
        self._lane = None

    def lend(self, lane: Lane) -> None:
        """Let reads that are whole chunks go past parser and listener, as far as `lane` takes them."""
        self._lane = lane

    @property
    def ended(self) -> bool:
        """Tell whether nothing more will arrive."""
        return self._complete or self._failure is not None or self.transport is None

    @property
    def whole(self) -> bool:
        """Tell whether the whole answer has arrived."""
        return self._complete

    @property
    def overfull(self) -> bool:
        """Tell whether so much arrived that the upstream is held back."""
        return self._paused

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

    @property
    def quiet(self) -> bool:
        """Tell whether nothing has come that the event loop did not read yet: not even the end of the connection."""
        assert self.transport is not None
        if self._look is None:
            self._look = select.poll()
            self._look.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not self._look.poll(0)

    @property
    def is_kept(self) -> bool:
        """Tell whether it carried an exchange before this one, and was idle since."""
        return self.idle_since != _NEVER

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
            self._waiter = self._take = self._lane = None

    def _wake(self) -> None:
        if self._listener is not None:
            self._listener()
        elif self._waiter is not None and not self._waiter.done():
            self._lane = None  # what comes next must not overtake what the waiter will find
            self._waiter.set_result(None)

    # -- asyncio.Protocol --------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Parse; bytes that nobody asked for end the connection."""
        # The parser is the same before and after whole chunks, so that it need not see them.
        if self._at_border and self._lane is not None and self._lane.take(data):
            return
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
        # What follows the last piece of the body is framing: its CRLF alone, as no line of a framing is empty.
        self._at_border = self._size > before[1] and data[-4:] == b"\n\n\r\n" and data.endswith(self._body[-1], 0, -2)
        if self._fruitless > HEAD_LIMIT:
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

    def _fail(self, failure: Exception) -> None:
        if self._failure is None:
            self._failure = failure
        self.abort()
