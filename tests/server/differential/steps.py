"""What one side of a connection does, in order: bytes to the letter, and events in place of times to wait for."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise
from typing import Any, cast, final

TURNS = 6
"""Turns of the event loop in which everybody has read, and answered, what was written: loopback delivers at once."""


class How(Enum):
    """Ways to go."""

    CLOSE = "close"
    RESET = "reset"
    HALF_CLOSE = "half-close"
    STALL = "stall"
    """Do nothing until the other side goes."""


@final
@dataclass(frozen=True)
class Say:
    """Let the other side know."""

    word: str


@final
@dataclass(frozen=True)
class Hear:
    """Wait until a word was said; the upstream says `request 1` when that has arrived."""

    word: str


@final
@dataclass(frozen=True)
class Came:
    """Wait until these bytes came."""

    text: bytes


@final
@dataclass(frozen=True)
class Answered:
    """Wait until so many answers are whole."""

    count: int


Step = bytes | How | Say | Hear | Came | Answered
"""Bytes are one write, after which everybody gets time to read it."""


def cut(data: bytes, *places: int) -> tuple[bytes, ...]:
    """Return data in writes of its own, cut at these places."""
    at = sorted({0, len(data), *(place for place in places if 0 < place < len(data))})
    return tuple(data[start:stop] for start, stop in pairwise(at))


async def turns(count: int = TURNS) -> None:
    """Let everybody read."""
    for _ in range(count):
        await asyncio.sleep(0)


@final
@dataclass
class News:
    """What was said in one case; who waits for anything looks again whenever anything happens."""

    said: set[str] = field(default_factory=set)
    _waiting: set[asyncio.Future[None]] = field(default_factory=set)

    def say(self, word: str) -> None:
        self.said.add(word)
        self.look()

    def look(self) -> None:
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
        self._waiting.clear()

    async def until(self, reached: Callable[[], bool]) -> None:
        while not reached():
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.add(waiter)
            await waiter


class Line(asyncio.Protocol):
    """One end of one connection."""

    def __init__(self, news: News) -> None:
        self.news = news
        self.came = bytearray()
        self.stalled = False
        self.over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.came += data
        self.news.look()

    def connection_lost(self, exc: BaseException | None) -> None:
        self.over = True
        self.news.look()

    async def play(self, steps: Iterable[Step], *, answers: Callable[[bytes], int] = len) -> None:
        """Take steps, but only words once one of the sides has gone; `answers` counts those that are whole."""
        for step in steps:
            if isinstance(step, Say) or not (self.over or self.transport.is_closing()):
                await self._take(step, answers)

    async def _take(self, step: Step, answers: Callable[[bytes], int]) -> None:
        match step:
            case bytes():
                self.transport.write(step)
                await turns()
            case How():
                await self._go(step)
            case Say(word):
                self.news.say(word)
            case Hear(word):
                await self.news.until(lambda: self.over or word in self.news.said)
                await turns()
            case Came(text):
                await self.news.until(lambda: self.over or text in self.came)
                await turns()
            case Answered(count):
                await self.news.until(lambda: self.over or answers(bytes(self.came)) >= count)

    async def _go(self, how: How) -> None:
        if how is How.STALL:
            self.stalled = True
            await self.news.until(lambda: self.over)
        elif how is How.HALF_CLOSE:
            self.transport.write_eof()
        elif how is How.CLOSE:
            self.transport.close()
        else:
            reset(self.transport)
        await turns()


def reset(transport: Any) -> None:
    """Break a connection off at once (RST)."""
    transport.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00"
    )
    transport.abort()
