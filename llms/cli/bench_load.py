"""Bounded load on one port of this machine: connections that ask again and again, every answer looked at."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final, cast, final

from llms.cli import bench_script as script

_LENGTH: Final = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_OK: Final = b"HTTP/1.1 200 "
_LATE: Final = 20.0
"""Seconds after which nobody waits any longer for an answer."""


@dataclass(slots=True)
class Tally:
    """What came back; times are in seconds."""

    answers: int = 0
    chunks: int = 0
    faults: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    """Until the whole answer was there, or a stream's first text."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to ask: of `connections` at once, until `seconds` are over, and at least one request of each."""

    connections: int
    seconds: float
    stream: bool = False
    chunks: int = 1


async def ask(port: int, plan: Plan) -> Tally:
    """Run a plan to its end."""
    loop = asyncio.get_running_loop()
    tally, began = Tally(), perf_counter()
    askers = [_Asker(plan, began + plan.seconds, tally, loop.create_future()) for _ in range(plan.connections)]
    for asker in askers:
        await loop.create_connection(lambda asker=asker: asker, "127.0.0.1", port)  # type: ignore[misc]
    _, late = await asyncio.wait([asker.done for asker in askers], timeout=plan.seconds + _LATE)
    tally.faults += len(late)
    tally.seconds = perf_counter() - began
    for asker in askers:
        asker.leave()
    return tally


@final
class _Asker(asyncio.Protocol):
    """One connection; `done` is set when it has asked enough."""

    def __init__(self, plan: Plan, until: float, tally: Tally, done: asyncio.Future[None]) -> None:
        self.done = done
        self._plan = plan
        self._until = until
        self._tally = tally
        self._request = script.request(stream=plan.stream, chunks=plan.chunks)
        self._buffer = bytearray()
        self._sent = 0.0
        self._has_text = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask the first time."""
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def _ask(self) -> None:
        self._buffer.clear()
        self._has_text = False
        self._sent = perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Note the first text of a stream, and the end of an answer."""
        self._buffer += data
        if self._plan.stream and not self._has_text and script.texts_in(self._buffer):
            self._has_text = True
            self._tally.latencies.append(perf_counter() - self._sent)
        if self._is_whole():
            self._judge()

    def _is_whole(self) -> bool:
        buffer = self._buffer
        end = buffer.find(b"\r\n\r\n")
        length = _LENGTH.search(buffer, 0, end) if end >= 0 else None
        return len(buffer) >= end + 4 + int(length[1]) if length else buffer.endswith(b"\r\n0\r\n\r\n")

    def _judge(self) -> None:
        """Count an answer, and ask again while there is time."""
        tally, texts = self._tally, script.texts_in(self._buffer)
        if not self._plan.stream:
            tally.latencies.append(perf_counter() - self._sent)
        fine = self._buffer.startswith(_OK) and texts == (self._plan.chunks if self._plan.stream else 0)
        tally.answers += fine
        tally.faults += not fine
        tally.chunks += texts
        if perf_counter() < self._until:
            self._ask()
        elif not self.done.done():
            self.done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count what was cut."""
        if not self.done.done():
            self._tally.faults += 1
            self.done.set_result(None)

    def leave(self) -> None:
        """Close the connection."""
        if not self.done.done():
            self.done.cancel()
        self._transport.abort()
