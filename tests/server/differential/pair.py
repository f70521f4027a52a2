"""Two proxies of one upstream, one with the fast path and one without: a case is played to both."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, final

import structlog

from llms.protocol.events import AttemptFailed, Event, HttpEnded, RequestEnded
from llms.telemetry.lines import JsonLine
from llms.telemetry.log import Log, Output, RequestLog
from llms.telemetry.redact import Redactor
from llms.telemetry.request_line import RequestLines
from tests.proxy import Proxy, serving
from tests.server.differential.answers import Got, got, whole_answers
from tests.server.differential.scripted import Script, ScriptedUpstream, Sent
from tests.server.differential.steps import Answered, How, Line, News, Step, turns

NOW: Final = 1_760_000_000.0
PATIENCE: Final = 5.0
"""Nothing here takes long; who waits for ever is told apart by this."""
_WARM: Final = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b'Content-Length: 65\r\n\r\n{"model": "m", "messages": [{"role": "user", "content": "warm"}]}'
)
_WARM_BODY: Final = b'{"choices": [{"index": 0, "message": {"role": "assistant", "content": "so"}}]}'
_WARM_ANSWER: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
    % (len(_WARM_BODY), _WARM_BODY),
)
_TIMES: Final = ("time", "duration_ms", "ttft_ms", "queued_ms")


@final
@dataclass(frozen=True)
class Case:
    """What the clients do, one connection each, and what the upstream answers to each request."""

    clients: tuple[tuple[Step, ...], ...]
    upstream: tuple[Script, ...]
    warm: bool = False
    """The proxy has a connection to the upstream already."""


class Outcome(NamedTuple):
    """All that can be seen of a case from outside."""

    clients: tuple[Got, ...]
    upstream: list[Sent]
    events: list[Event]
    log: list[Mapping[str, Any]]
    metrics: Mapping[str, float]
    complaints: list[str]
    """What the event loop had to say: exceptions that nobody took."""

    def without_connections(self) -> Outcome:
        """Leave out on which of the upstream's connections a request went: a new one where the last was cut."""
        return self._replace(upstream=[Sent(b"".join(sent.data for sent in self.upstream), left=False)])

    def without_leaving(self) -> Outcome:
        """Leave out who went first on the upstream's connections.

        One path may be through with an answer a turn before the upstream has said all of it.
        """
        return self._replace(upstream=[sent._replace(left=False) for sent in self.upstream])


@final
@dataclass
class Side:
    """One of the proxies, and its log of requests."""

    proxy: Proxy
    log: io.BytesIO
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    """Those that run while nobody asks for anything."""


@final
class Pair:
    """Play cases to both proxies, one after the other."""

    def __init__(self, upstream: ScriptedUpstream, fast: Side, slow: Side) -> None:
        self.fast = fast
        self.slow = slow
        self._upstream = upstream

    async def play(self, case: Case) -> tuple[Outcome, Outcome]:
        """Return what came of a case with the fast path, and without."""
        return await self._play(case, self.fast), await self._play(case, self.slow)

    async def _play(self, case: Case, side: Side) -> Outcome:
        proxy, news, complaints = side.proxy, News(), list[str]()
        if case.warm:
            await self._warm(side)
        proxy.engine.gateway.health._records.clear()
        proxy.events.clear()
        side.log.seek(0)
        side.log.truncate()
        before = metrics(proxy)
        self._upstream.begin(case.upstream, news)
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(str(context)))
        with structlog.testing.capture_logs() as told:
            try:
                async with asyncio.timeout(PATIENCE):
                    clients = await asyncio.gather(*(_client(proxy, steps, news) for steps in case.clients))
                    await self._quiet(side)
            finally:
                sent = await self._upstream.drop()
        after = metrics(proxy)
        return Outcome(
            clients=tuple(clients),
            upstream=sent,
            events=[_timeless(event) for event in proxy.events],
            log=[*map(_line, side.log.getvalue().splitlines()), *told],
            metrics={name: after[name] - before.get(name, 0.0) for name in after if after[name] != before.get(name)},
            complaints=complaints,
        )

    async def _warm(self, side: Side) -> None:
        news = News()
        self._upstream.begin((_WARM_ANSWER,), news)
        await _client(side.proxy, (_WARM, Answered(1), How.CLOSE), news)
        await self._quiet(side)

    async def _quiet(self, side: Side) -> None:
        """Wait until nothing of a case is left to be done."""
        engine, ours = side.proxy.engine, asyncio.current_task()
        while engine.gateway.live or asyncio.all_tasks() - side.tasks - self._upstream.stalling - {ours}:
            await asyncio.sleep(0)
        await turns()


async def _client(proxy: Proxy, steps: tuple[Step, ...], news: News) -> Got:
    loop = asyncio.get_running_loop()
    _, line = await loop.create_connection(lambda: Line(news), "127.0.0.1", proxy.port)
    try:
        await line.play(steps, answers=whole_answers)
        await news.until(lambda: line.over)
    finally:
        line.transport.abort()
    return got(bytes(line.came))


def metrics(proxy: Proxy) -> dict[str, float]:
    """Return the figures of the page but for those that clocks make, of the whole process, and of one way alone."""
    lines = proxy.engine.services.exposition()[0].decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith(("#", "process_", "llms_tasks")))
    others = ("_seconds_bucket", "_seconds_sum", "after_upstream")
    return {name: float(value) for name, value in pairs if not any(other in name for other in others)}


def _timeless(event: Event) -> Event:
    if isinstance(event, RequestEnded):
        ttft = None if event.ttft is None else 0.0
        event = event._replace(duration=0.0, overhead=0.0, started=0.0, queued=0.0, ttft=ttft, after_upstream=None)
    elif isinstance(event, HttpEnded):
        event = event._replace(duration=0.0)
    if isinstance(event, AttemptFailed):
        return event._replace(seconds=0.0)
    return event._replace(request_id="req_made") if event.request_id.startswith("req_") else event


def _line(line: bytes) -> Mapping[str, Any]:
    fields: dict[str, Any] = json.loads(line)
    if str(fields.get("request_id", "")).startswith("req_"):
        fields["request_id"] = "req_made"
    return {name: None if name in _TIMES and value is not None else value for name, value in fields.items()}


@asynccontextmanager
async def both(rows: str, *, server: str = "") -> AsyncGenerator[Pair, None]:
    """Serve one configuration both ways; `PORT` stands for the upstream's port, `server` adds to that section."""
    upstream = ScriptedUpstream()
    await upstream.open()
    text = rows.replace("PORT", str(upstream.port))
    try:
        async with _side(text, server, fast=True) as fast, _side(text, server, fast=False) as slow:
            pair = Pair(upstream, fast, slow)
            await _start(pair)
            yield pair
    finally:
        await upstream.close()


@asynccontextmanager
async def _side(text: str, server: str, *, fast: bool) -> AsyncGenerator[Side, None]:
    section = f"server: {{fast_path: {str(fast).lower()}{server and ', '}{server}}}\n"
    lines, redactor = io.BytesIO(), Redactor()
    render = JsonLine(redactor)
    log = RequestLog(Log(render, Output(lines), logging.DEBUG, requests=RequestLines(render, redactor)))
    async with serving(text + section, observers=[log]) as proxy:
        engine = proxy.engine
        engine._rng.random = lambda: 0.0
        engine.gateway._now = engine.services.now = lambda: NOW
        yield Side(proxy, lines)


async def _start(pair: Pair) -> None:
    """Wait until what servers do at their start is done; what is left then are their duties."""
    await turns(50)
    ours = asyncio.current_task()
    for side in (pair.fast, pair.slow):
        side.tasks = {task for task in asyncio.all_tasks() if task is not ours}
