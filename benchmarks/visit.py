"""One connection of the load: asks, checks the answer to its last byte, asks again."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import cast

from benchmarks.check import Check, Faults
from benchmarks.http1 import Message

SUCCESS = b"HTTP/1.1 200 "
Asked = tuple[bytes, Check]  # a request, and the check of its answer


@dataclass(slots=True)
class Outcome:
    """What came back: faultless answers, chunks of content, faults; seconds to the end and to the first chunk.

    `open` counts the streams that have had their first chunk and not their end yet.
    """

    answers: int = 0
    chunks: int = 0
    open: int = 0
    faults: Faults = field(default_factory=Faults)
    latencies: list[float] = field(default_factory=list)
    ttfts: list[float] = field(default_factory=list)


class Visit(asyncio.Protocol):
    """One connection; sends what `asks` yields; `done` is set when it is over."""

    def __init__(
        self,
        asks: Iterator[Asked],
        outcome: Outcome,
        done: asyncio.Future[None],
        *,
        content_type: bytes,
        clock: Callable[[], float],
    ) -> None:
        self.done = done
        self._asks = asks
        self._outcome = outcome
        self._content_type = content_type
        self._clock = clock
        self._check: Check | None = None
        self._refusal = b""
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask the first time."""
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def _ask(self) -> None:
        asked = next(self._asks, None)
        if asked is None:
            self._end()
            return
        request, self._check = asked
        self._answer, self._refusal = Message(), b""
        self._sent = self._clock()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Check what came; note the first chunk and the end."""
        check = self._check
        if check is None:
            self._outcome.faults.add("excess", repr(data))
            self._end()
            return
        begun = check.chunks > 0
        try:
            body = self._answer.feed(data)
        except ValueError as problem:
            self._break_off(check, "framing", str(problem))
            return
        if self._answer.start.startswith(SUCCESS):
            check.feed(body)
        else:
            self._refusal += body
        if check.chunks and not begun:
            self._outcome.ttfts.append(self._clock() - self._sent)
            self._outcome.open += 1
        if self._answer.complete:
            self._judge(check)

    def _judge(self, check: Check) -> None:
        """Finish one whole answer and go on to the next."""
        answer = self._answer
        self._outcome.latencies.append(self._clock() - self._sent)
        if not answer.start.startswith(SUCCESS):
            check.faults.add("status", repr(answer.start + b" " + self._refusal))
        elif not answer.headers.get(b"content-type", b"").startswith(self._content_type):
            check.faults.add("content type", repr(answer.headers.get(b"content-type")))
        else:
            check.finish()
        if answer.rest:
            check.faults.add("excess", f"{answer.rest} bytes after the end of the answer")
        self._count(check)
        if answer.headers.get(b"connection", b"").lower() == b"close":
            self._end()
        else:
            self._ask()

    def connection_lost(self, problem: Exception | None) -> None:
        """Count the answer that the peer broke off, if there is one."""
        if self._check is not None:
            self._break_off(self._check, "cut", f"closed within the answer ({problem or 'end of file'})")
        else:
            self._end()

    def _break_off(self, check: Check, kind: str, detail: str) -> None:
        check.faults.add(kind, detail)
        self._count(check)
        self._end()

    def _count(self, check: Check) -> None:
        self._outcome.chunks += check.chunks
        self._outcome.open -= check.chunks > 0
        self._outcome.answers += check.faults.total == 0
        self._outcome.faults.merge(check.faults)
        self._check = None

    def _end(self) -> None:
        self.leave()
        if not self.done.done():
            self.done.set_result(None)

    def leave(self) -> None:
        """Close the connection and forget what is still on the way."""
        self._check = None
        self._transport.abort()
