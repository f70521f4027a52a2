"""Bounded load on one port of this machine, every answer checked."""

import asyncio
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from time import perf_counter

import orjson

from benchmarks.check import Check, PlainCheck
from benchmarks.dialect_checks import stream_check
from benchmarks.dialects import CHAT, Dialect
from benchmarks.script import MODEL, TAG_LENGTH, Script
from benchmarks.visit import Asked, Outcome, Visit

HOLE = "#" * TAG_LENGTH
KEY = "sk-bench"
FILLER = "The quick brown fox jumps over the lazy dog. "
HEAD = (
    "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {key}\r\n"
    "Content-Type: application/json\r\n{special}Content-Length: {length}\r\n\r\n"
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to ask: `connections` at once, each at most `requests` one after another.

    `opens_per_s` spreads the starts of the connections, 0 opens all at once. After `seconds` no request begins;
    after `deadline_s` those without end count as late.
    """

    connections: int
    requests: int
    stream: bool = False
    chunks: int = 1
    interval_ms: float = 0.0
    size: int = 16
    prompt_bytes: int = 0
    seconds: float = 60.0
    opens_per_s: float = math.inf
    deadline_s: float = 90.0
    dialect: Dialect = CHAT
    model: str = MODEL
    resumable: bool = False


class Load:
    """Run one plan; `outcome` may be watched meanwhile. `tags` are unique names of 8 letters, one a request."""

    def __init__(
        self,
        port: int,
        plan: Plan,
        *,
        tags: Iterator[str],
        key: str = KEY,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self.outcome = Outcome()
        self._port = port
        self._plan = plan
        self._tags = tags
        self._clock = clock
        self._request = _request_bytes(plan, port=port, key=key)
        self._end = 0.0

    async def run(self) -> Outcome:
        """Ask until every connection has had its requests, or time is over."""
        self._end = self._clock() + self._plan.seconds
        tasks = [asyncio.create_task(self._keep_asking(n)) for n in range(self._plan.connections)]
        try:
            _, unfinished = await asyncio.wait(tasks, timeout=self._plan.deadline_s)
            for _ in unfinished:
                self.outcome.faults.add("late", f"no end after {self._plan.deadline_s:g} s")
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result
        return self.outcome

    async def _keep_asking(self, number: int) -> None:
        """Use one connection, and another when the peer closes it, for as many requests as the plan says."""
        await asyncio.sleep(number / self._plan.opens_per_s)
        asks = self._asks()
        for asked in asks:
            try:
                await self._visit(chain([asked], asks))
            except OSError as problem:
                self.outcome.faults.add("connect", repr(problem))

    def _asks(self) -> Iterator[Asked]:
        for _ in range(self._plan.requests):
            if self._clock() >= self._end:
                return
            yield self._next_request()

    def _next_request(self) -> Asked:
        plan, tag = self._plan, next(self._tags)
        script = Script(plan.chunks, plan.interval_ms, plan.size, tag)
        check: Check = stream_check(plan.dialect, script) if plan.stream else PlainCheck(script)
        return self._request.replace(HOLE.encode(), tag.encode(), 1), check

    async def _visit(self, asks: Iterator[Asked]) -> None:
        loop = asyncio.get_running_loop()
        content_type = b"text/event-stream" if self._plan.stream else b"application/json"
        visit = Visit(asks, self.outcome, loop.create_future(), content_type=content_type, clock=self._clock)
        await loop.create_connection(lambda: visit, "127.0.0.1", self._port)
        try:
            await visit.done
        finally:
            visit.leave()


def _request_bytes(plan: Plan, *, port: int, key: str) -> bytes:
    """Write the request with a hole for the tag."""
    prompt = Script(plan.chunks, plan.interval_ms, plan.size, HOLE).prompt()
    prompt += (FILLER * (plan.prompt_bytes // len(FILLER) + 1))[: plan.prompt_bytes]
    body = plan.dialect.request(prompt, plan.model)
    if not plan.stream:
        body = {name: value for name, value in body.items() if not name.startswith("stream")}
    encoded = orjson.dumps(body)
    special = "X-LLMS-Stream: resumable\r\n" if plan.resumable else ""
    head = HEAD.format(path=plan.dialect.path, port=port, key=key, special=special, length=len(encoded))
    return head.encode() + encoded
