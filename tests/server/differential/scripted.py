"""An upstream that answers with scripted bytes, whatever it is asked, and keeps every byte that it was sent."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Sequence
from typing import NamedTuple, final

from tests.server.differential.steps import Line, News, Step, turns

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)

Script = Sequence[Step]


class Sent(NamedTuple):
    """What the proxy sent on one connection."""

    data: bytes
    left: bool
    """It went before its answer was played to the end."""


@final
class ScriptedUpstream:
    """Play one script a request, in the order of arrival; the last one repeats."""

    def __init__(self) -> None:
        self.port = 0
        self._lines: list[_UpstreamLine] = []
        self._news = News()
        self._scripts: list[Script] = []
        self._arrived = 0

    async def open(self) -> None:
        """Take a free port."""
        sock = socket.socket(proto=socket.IPPROTO_TCP)
        sock.bind(("127.0.0.1", 0))
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, sock=sock, backlog=512)
        self.port = sock.getsockname()[1]

    async def close(self) -> None:
        """Listen no more."""
        await self.drop()
        self._server.close()
        await self._server.wait_closed()

    def begin(self, scripts: Sequence[Script], news: News) -> None:
        """Answer so from now on; connections that stand are kept."""
        self._scripts = list(scripts)
        self._news = news
        self._arrived = 0
        self._lines = [line for line in self._lines if not line.over]
        for line in self._lines:
            line.begin(news)

    @property
    def stalling(self) -> set[asyncio.Task[None]]:
        """Return the answers that have nothing more to say, and have no end."""
        return {line.playing for line in self._lines if line.stalled and line.playing is not None}

    async def drop(self) -> list[Sent]:
        """End every connection, and return what was sent on each, in the order of their opening."""
        for line in self._lines:
            line.drop()
        await turns()
        return [Sent(bytes(line.came), line.left) for line in self._lines]

    def arrived(self) -> Script:
        """Note a request, and return what is scripted for it."""
        self._arrived += 1
        self._news.say(f"request {self._arrived}")
        return self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]

    def _accept(self) -> asyncio.BaseProtocol:
        line = _UpstreamLine(self, self._news)
        self._lines.append(line)
        return line


@final
class _UpstreamLine(Line):
    def __init__(self, upstream: ScriptedUpstream, news: News) -> None:
        super().__init__(news)
        self.left = False
        self._dropped = False
        self._upstream = upstream
        self._read = 0
        """Bytes of the requests that were answered."""
        self.playing: asyncio.Task[None] | None = None

    def begin(self, news: News) -> None:
        """Forget what was asked before."""
        self.news = news
        self.came.clear()
        self._read = 0

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._next()

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        if self.playing is not None:
            self.left = not self._dropped

    def drop(self) -> None:
        """Go ourselves."""
        self._dropped = True
        self.transport.abort()

    def _next(self) -> None:
        """Answer the next request once it is whole, unless one is being answered."""
        head, blank, rest = bytes(self.came[self._read :]).partition(b"\r\n\r\n")
        if self.playing is not None or not blank:
            return
        length = _LENGTH.search(head)
        size = int(length[1]) if length else 0
        if len(rest) < size:
            return
        self._read += len(head) + 4 + size
        self.playing = asyncio.get_running_loop().create_task(self._answer(self._upstream.arrived()))

    async def _answer(self, script: Script) -> None:
        await self.play(script)
        self.playing = None
        if not self.over:
            self._next()
