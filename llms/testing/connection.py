"""One connection to a fake upstream: requests come in, scripted answers go out, departures are noticed at once."""

from __future__ import annotations

import asyncio
from typing import Protocol, cast, final

from llms.testing.answers import Answer
from llms.testing.exchange import Exchange
from llms.testing.seen import Seen, decoded, take_request, wants_continue
from llms.testing.steps import end


class Host(Protocol):
    """What a connection asks of the upstream that it belongs to."""

    def accept(self, connection: Connection) -> int:
        """Count a new connection; return its number."""
        ...

    def release(self, connection: Connection) -> None:
        """Forget a closed connection."""
        ...

    def note(self, seen: Seen) -> None:
        """Record a request."""
        ...

    def answer_to(self, seen: Seen) -> Answer:
        """Return what is scripted for a request."""
        ...

    def failed(self, problem: BaseException) -> None:
        """Record what went wrong in a script."""
        ...

    def now(self) -> float:
        """Return the time, in monotonic seconds."""
        ...


@final
class Connection(asyncio.Protocol):
    """Read requests off one connection and play an answer at a time; notice at once when the client leaves."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._buffer = bytearray()
        self._writable = asyncio.Event()
        self._writable.set()
        self._task: asyncio.Task[None] | None = None
        self._seen: Seen | None = None
        self._number = 0
        self._continued = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not every event loop's transports are subclasses of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._number = self._host.accept(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._task is None and not self._continued and wants_continue(self._buffer):
            self._continued = True
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._next()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def eof_received(self) -> None:
        self._left()

    def connection_lost(self, exc: Exception | None) -> None:
        self._left()
        self._host.release(self)

    def drop(self) -> None:
        """Break the connection off, as a server does that is shut down."""
        if self._seen is not None:
            self._seen.note_finished()
        self._transport.abort()

    def _left(self) -> None:
        if self._seen is not None:
            self._seen.note_left(self._host.now())
        if self._task is not None:
            self._task.cancel()

    def _next(self) -> None:
        """Answer the next request unless one is being answered."""
        if self._task is not None or self._transport.is_closing():
            return
        try:
            request = take_request(self._buffer)
        except ValueError:
            self._transport.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            self._transport.close()
            return
        if request is None:
            return
        self._continued = False
        value = decoded(request.body)
        self._seen = Seen(*request, value, connection=self._number, arrived=self._host.now())
        self._host.note(self._seen)
        self._task = asyncio.get_running_loop().create_task(self._answer(self._seen))
        self._task.add_done_callback(self._answered)

    async def _answer(self, seen: Seen) -> None:
        scripted = self._host.answer_to(seen)
        size = sum(step.size for step in scripted.steps)
        out = Exchange(self._transport, seen, framing=scripted.framing, size=size, writable=self._writable)
        for step in (*scripted.steps, end()):
            await step.play(out)
            if out.over:
                break
        seen.note_finished()

    def _answered(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if task.cancelled():
            return
        problem = task.exception()
        if problem is not None:
            self._host.failed(problem)
            self.drop()
            return
        self._next()
