"""The steps of which a scripted answer is made: one TCP write a step, and every way to break off."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, final

from llms.testing.exchange import Exchange

HALF_CHUNK_SIZE = 64


class Step(Protocol):
    """One thing that an upstream does; your own need `size` and `play`."""

    @property
    def size(self) -> int:
        """Return how many bytes it adds to the body (for Content-Length)."""
        ...

    async def play(self, out: Exchange) -> None:
        """Do it."""
        ...


@final
@dataclass(frozen=True, slots=True)
class _Head:
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    size: ClassVar[int] = 0

    async def play(self, out: Exchange) -> None:
        await out.head(self.status, self.headers)


@final
@dataclass(frozen=True, slots=True)
class _Body:
    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    async def play(self, out: Exchange) -> None:
        await out.body(self.data)


@final
@dataclass(frozen=True, slots=True)
class _Wire:
    data: bytes
    size: ClassVar[int] = 0

    async def play(self, out: Exchange) -> None:
        await out.bare(self.data)


@final
@dataclass(frozen=True, slots=True)
class _Pause:
    seconds: float
    size: ClassVar[int] = 0

    async def play(self, out: Exchange) -> None:
        await asyncio.sleep(self.seconds)


@final
@dataclass(frozen=True, slots=True)
class _Wait:
    event: asyncio.Event
    size: ClassVar[int] = 0

    async def play(self, out: Exchange) -> None:
        await self.event.wait()


@final
@dataclass(frozen=True, slots=True)
class _Stop:
    how: str
    size: ClassVar[int] = 0

    async def play(self, out: Exchange) -> None:
        if self.how == "half_chunk":
            await out.half_chunk(HALF_CHUNK_SIZE)
        elif self.how == "stall":
            await out.stall()
        elif self.how == "end":
            await out.end()
        out.stop(self.how)


@final
@dataclass(frozen=True, slots=True)
class _Grouped:
    steps: Sequence[Step]
    bytewise: bool

    @property
    def size(self) -> int:
        return sum(step.size for step in self.steps)

    async def play(self, out: Exchange) -> None:
        with out.holding() as held:
            for step in self.steps:
                await step.play(out)
        await out.write(held, bytewise=self.bytewise)


def head(status: int = 200, headers: Mapping[str, str] | None = None) -> Step:
    """Send the status line and headers; without this step they go out before the first body bytes.

    The Content-Type is `text/event-stream` unless `headers` say otherwise; a header given here replaces the
    one that the framing would have sent.
    """
    return _Head(status, headers or {})


def event(value: Any, *, name: str = "", event_id: str = "") -> Step:
    """Send one event: an object as JSON, text and bytes as they are."""
    data = value if isinstance(value, str | bytes) else json.dumps(value, ensure_ascii=False)
    data = data.encode() if isinstance(data, str) else data
    lines = [b"event: " + name.encode()] if name else []
    lines += [b"id: " + event_id.encode()] if event_id else []
    lines += [b"data: " + line for line in data.split(b"\n")]
    return _Body(b"\n".join([*lines, b"", b""]))


def raw(data: bytes) -> Step:
    """Send bytes of the body as they are (a broken event, half a character)."""
    return _Body(data)


def wire(data: bytes) -> Step:
    """Send bytes without any HTTP framing; an answer that begins so has no other head and no other end."""
    return _Wire(data)


def comment(text: str = "ping") -> Step:
    """Send an SSE comment."""
    return _Body(f": {text}\n\n".encode())


def pause(seconds: float) -> Step:
    """Send nothing for a time."""
    return _Pause(seconds)


def wait(until: asyncio.Event) -> Step:
    """Send nothing until the test sets an event."""
    return _Wait(until)


def end() -> Step:
    """End the body as HTTP wants it; every answer ends so unless another last step stands there."""
    return _Stop("end")


def close() -> Step:
    """Close the connection (FIN) wherever the answer stands."""
    return _Stop("close")


def cut() -> Step:
    """Reset the connection (RST); bytes that the client has not read yet may be lost."""
    return _Stop("cut")


def half_chunk() -> Step:
    """Announce an HTTP chunk, send half of it, and close."""
    return _Stop("half_chunk")


def stall() -> Step:
    """Send nothing more until the client leaves."""
    return _Stop("stall")


def joined(*steps: Step) -> Step:
    """Send what several steps send in one write."""
    return _Grouped(steps, bytewise=False)


def bytewise(*steps: Step) -> Step:
    """Send what several steps send one byte a write, giving the client a chance to read each."""
    return _Grouped(steps, bytewise=True)
