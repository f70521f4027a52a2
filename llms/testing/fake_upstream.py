"""A scripted OpenAI-compatible HTTP/1.1 server on loopback, exact to the byte and to the break.

    async with FakeUpstream() as upstream:
        upstream.script(text_stream("Hello world").first(3).then(cut()), reply("second try"))
        ...                                     # talk to upstream.url
        seen = await upstream.arrived()         # the first request, as soon as it is there
        left_at = await seen.gone()             # when its client left, on the monotonic clock

Each request takes the next scripted answer; the last one repeats. An answer is made of steps (`head`, `event`,
`raw`, `pause`, `wait`, `cut`, `stall` and so on), one TCP write each.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, final

from llms.testing.answers import (
    MODEL,
    Answer,
    Script,
    answer,
    body,
    echo,
    either,
    error,
    flood,
    garbage,
    reasoning_stream,
    redirect,
    reply,
    text_stream,
    tool_stream,
    whole,
    whole_tools,
)
from llms.testing.connection import Connection
from llms.testing.seen import Seen
from llms.testing.steps import (
    bytewise,
    close,
    comment,
    cut,
    end,
    event,
    half_chunk,
    head,
    joined,
    pause,
    raw,
    stall,
    wait,
    wire,
)

if TYPE_CHECKING:
    import ssl

__all__ = [
    "MODEL",
    "Answer",
    "FakeUpstream",
    "Script",
    "Seen",
    "answer",
    "body",
    "bytewise",
    "close",
    "comment",
    "cut",
    "echo",
    "either",
    "end",
    "error",
    "event",
    "flood",
    "garbage",
    "half_chunk",
    "head",
    "joined",
    "pause",
    "raw",
    "reasoning_stream",
    "redirect",
    "reply",
    "stall",
    "text_stream",
    "tool_stream",
    "wait",
    "whole",
    "whole_tools",
    "wire",
]

_BACKLOG = 2048
_CLOSING_SECONDS = 5.0
_ACCEPTING_TURNS = 3
"""Turns of the event loop until a connection that it accepted is made, and is dropped with the others."""


@final
class FakeUpstream:
    """Record every request and answer as scripted; says `Hello world` when nothing was scripted."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        refuses: bool = False,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`clock` gives monotonic seconds; `refuses` holds the port without listening, so that nobody can connect.

        With `tls`, a server's context, it speaks HTTPS.
        """
        self.requests: list[Seen] = []
        """Every request in the order of arrival, lists of models included."""
        self.failures: list[BaseException] = []
        """What went wrong in a script; the first is raised when the upstream is left."""
        self._clock = clock
        self._refuses = refuses
        self._tls = tls
        self._queue: deque[Script] = deque()
        self._scripted: Script = reply()
        self._recast: Callable[[Answer], Answer] = lambda scripted: scripted
        self._models: Answer = _models([MODEL])
        self._connections: dict[Connection, None] = {}
        self._accepted = 0
        self._closing = False
        self._waiting: dict[asyncio.Future[None], Callable[[], bool]] = {}
        self._socket: socket.socket | None = None
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        """Take a free port and listen on it."""
        # asyncio sends small writes at once (TCP_NODELAY) only where the socket names its protocol.
        self._socket = socket.socket(proto=socket.IPPROTO_TCP)
        self._socket.bind(("127.0.0.1", 0))
        if self._refuses:
            return self
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self), sock=self._socket, backlog=_BACKLOG, ssl=self._tls
        )
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Stop listening, drop every connection, and raise what went wrong in a script."""
        self._closing = True
        if self._server is not None:
            for _turn in range(_ACCEPTING_TURNS):
                await asyncio.sleep(0)
            self._server.close()
        for connection in list(self._connections):
            connection.drop()
        await self.closed(_CLOSING_SECONDS)
        if self._socket is not None:
            self._socket.close()
        if self.failures and kind is None:
            raise self.failures[0]

    @property
    def port(self) -> int:
        """Return the port that is listened on."""
        if self._socket is None:
            raise RuntimeError("use the upstream inside `async with FakeUpstream() as upstream:`")
        return int(self._socket.getsockname()[1])

    @property
    def url(self) -> str:
        """Return the base address, as a provider's row wants it."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/v1"

    @property
    def open_connections(self) -> int:
        """Return how many connections stand at this moment."""
        return len(self._connections)

    @property
    def chats(self) -> list[Seen]:
        """Return the requests that were posted: all but lists of models."""
        return [seen for seen in self.requests if seen.method == "POST"]

    def script(self, *answers: Script) -> None:
        """Answer the next requests so, one answer each; the last one repeats. Replaces what was scripted before."""
        if not answers:
            raise ValueError("script() needs at least one answer")
        self._queue = deque(answers)

    def on(self, answering: Callable[[Seen], Answer]) -> None:
        """Let a function of the request answer from now on."""
        self.script(answering)

    def recast(self, change: Callable[[Answer], Answer]) -> None:
        """Play every answer that is scripted otherwise from now on: `Answer.bytewise`, `Answer.joined`."""
        self._recast = change

    def models(self, listed: Sequence[str | Mapping[str, Any]] | Answer) -> None:
        """List these models at `GET …/models`: ids, or objects as they are; or give any answer there."""
        self._models = listed if isinstance(listed, Answer) else _models(listed)

    async def arrived(self, count: int = 1, *, timeout: float = 5.0) -> Seen:  # noqa: ASYNC109
        """Wait for the posted request number `count` and return it; AssertionError after `timeout` seconds."""
        await self._until(lambda: len(self.chats) >= count, timeout, f"request {count} did not arrive")
        return self.chats[count - 1]

    async def closed(self, timeout: float = 5.0) -> None:  # noqa: ASYNC109
        """Wait until no connection is open; AssertionError after `timeout` seconds."""
        await self._until(lambda: not self._connections, timeout, "connections are still open")

    async def _until(self, reached: Callable[[], bool], seconds: float, problem: str) -> None:
        if reached():
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[waiter] = reached
        try:
            async with asyncio.timeout(seconds):
                await waiter
        except TimeoutError:
            raise AssertionError(f"{problem} within {seconds:g} s") from None
        finally:
            del self._waiting[waiter]

    def accept(self, connection: Connection) -> int:
        """Count a new connection; return its number."""
        self._accepted += 1
        self._connections[connection] = None
        if self._closing:
            connection.drop()
        return self._accepted

    def release(self, connection: Connection) -> None:
        """Forget a closed connection."""
        self._connections.pop(connection, None)
        self._tell()

    def note(self, seen: Seen) -> None:
        """Record a request."""
        self.requests.append(seen)
        self._tell()

    def answer_to(self, seen: Seen) -> Answer:
        """Return what is scripted for a request."""
        if seen.method == "GET" and seen.path.partition("?")[0].endswith("/models"):
            return self._models
        if self._queue:
            self._scripted = self._queue.popleft()
        return self._recast(self._scripted(seen) if callable(self._scripted) else self._scripted)

    def failed(self, problem: BaseException) -> None:
        """Record what went wrong in a script."""
        self.failures.append(problem)

    def now(self) -> float:
        """Return the time, in monotonic seconds."""
        return self._clock()

    def _tell(self) -> None:
        for waiter, reached in self._waiting.items():
            if not waiter.done() and reached():
                waiter.set_result(None)


def _models(listed: Sequence[str | Mapping[str, Any]]) -> Answer:
    rows = [
        {"id": row, "object": "model", "created": 1_750_000_000, "owned_by": "fake"} if isinstance(row, str) else row
        for row in listed
    ]
    return body({"object": "list", "data": rows})
