"""What a request costs by component: the functions of the server, called with bytes that come from no socket."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable
from statistics import median
from typing import Any, Final, final

from llms.app import Engine
from llms.cli import bench_script as script
from llms.protocol.dialects.chat import ChatDialect
from llms.protocol.events import Event, Observer
from llms.providers._connection import Connection
from llms.providers._pool import Origin
from llms.server.access import Access, Door
from llms.server.body import plain_json
from llms.server.hot_connection import HotConnection
from llms.server.hot_route import HOT_ROUTE
from llms.server.inline_chat import InlineChat
from llms.server.plain_exchange import PlainExchange
from llms.server.runner import Runner
from llms.server.services import Services
from llms.telemetry.batched import Batched
from llms.telemetry.log import RequestLog
from llms.telemetry.metrics import Metrics
from llms.telemetry.usage import UsageRecorder

_ROUNDS: Final = 10
_TURNS: Final = 150
"""Requests of a round; between two rounds others get their turn: what is held back is written."""
_PAUSE: Final = 0.02
_OBSERVERS: Final[dict[type[Any], str]] = {Metrics: "account", RequestLog: "log", UsageRecorder: "usage row"}


@final
class _Nowhere(asyncio.Transport):
    """A transport that takes everything at once; its socket, at which nothing arrives, can be looked at."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__({"socket": sock})

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Forget it."""

    def is_closing(self) -> bool:
        """Stay open."""
        return False

    def get_write_buffer_size(self) -> int:
        """Hold nothing back."""
        return 0

    def pause_reading(self) -> None:
        """Have nothing to read."""

    def resume_reading(self) -> None:
        """Have nothing to read."""

    def close(self) -> None:
        """Have nothing to close."""

    abort = close


@final
class Parts:
    """Times in microseconds, each the median of many; `note` hears of every request."""

    def __init__(self, upstream_port: int, lines: Batched) -> None:
        """Take the port of the upstream, whose place is taken, and where the log is held back."""
        self._origin = Origin("http", "127.0.0.1", upstream_port)
        self._lines = lines
        self._round: deque[Event] = deque(maxlen=_TURNS)
        self.note: Observer = self._round.append

    async def measure(self, engine: Engine, runner: Runner) -> dict[str, float]:
        """Walk through requests, one component after another."""
        ours, theirs = socket.socketpair()
        upstream = Connection(lambda connection: None)
        assert runner.server is not None
        client = runner.server()
        assert isinstance(client, HotConnection)
        with ours, theirs:
            upstream.connection_made(_Nowhere(ours))
            client.connection_made(_Nowhere(theirs))
            engine.pool.give(self._origin, upstream)
            walk = _Walk(engine.services, runner, client, upstream)
            for _ in range(_ROUNDS):
                for _ in range(_TURNS):
                    walk.request()
                self._tell(engine.services, walk)
                await asyncio.sleep(_PAUSE)
            walk.stream(_ROUNDS * _TURNS)
            client.connection_lost(None)
            upstream.connection_lost(None)
        return walk.parts()

    def _tell(self, services: Services, walk: _Walk) -> None:
        """Time each observer by itself with all that a round told, and with what it does later for many at once."""
        told = tuple(self._round)
        for observe in services.observers:
            if name := _OBSERVERS.get(type(observe)):
                self._settle(observe)
                walk.timed(name, lambda observe=observe: self._account(observe, told), of=len(told))  # type: ignore[misc]

    def _account(self, observe: Observer, told: Iterable[Event]) -> None:
        for event in told:
            observe(event)
        self._settle(observe)

    def _settle(self, observe: Observer) -> None:
        if isinstance(observe, Metrics):
            observe.settle()
        elif isinstance(observe, RequestLog):
            self._lines.close()


@final
class _Walk:
    """The way of a request, as the hot route takes it, with a clock between the steps."""

    def __init__(self, services: Services, runner: Runner, client: HotConnection, upstream: Connection) -> None:
        self._services = services
        self._hot = runner.app[HOT_ROUTE]
        self._client = client
        self._upstream = upstream
        self._dialect = ChatDialect()
        self._access: Access
        self._enter = Door(services).inline(self._let_in)
        self._times: dict[str, list[float]] = {}
        self._asked = {stream: script.request(stream=stream) for stream in (False, True)}
        self._answer = script.whole()

    def timed(self, name: str, do: Callable[[], Any], *, of: int = 1) -> Any:
        """Do something and note how long it took, for each of so many requests."""
        began = time.perf_counter_ns()
        done = do()
        self._times.setdefault(name, []).append((time.perf_counter_ns() - began) / of)
        return done

    def _let_in(self, exchange: PlainExchange, access: Access) -> bool:
        self._access = access
        return True

    def request(self) -> None:
        """Walk through a request and its whole answer."""
        inline = self._begun(stream=False)
        assert inline is not None
        self.timed("read", lambda: self._upstream.data_received(self._answer))

    def _begun(self, *, stream: bool) -> InlineChat | None:
        """Walk through a request until it has been sent; the steps of a stream are not noted."""
        timed = (lambda name, do: do()) if stream else self.timed
        exchange = timed("head", lambda: self._read(self._asked[stream]))
        timed("access", lambda: self._enter(exchange))
        chat = timed("parse", lambda: self._parse(exchange))
        timed("plan", lambda: self._plan(chat.model))
        inline = InlineChat(
            exchange, self._access, chat, dialect=self._dialect, wire=self._dialect.wire, services=self._services
        )
        return inline if timed("send", inline.begin) else None

    def _read(self, data: bytes) -> PlainExchange:
        read = self._hot.read(data)
        assert read is not None
        head, size, length = read
        assert head.is_plain
        assert self._hot.takes(length)
        return PlainExchange(self._client, head, data[size:])

    def _parse(self, exchange: PlainExchange) -> Any:
        access = self._access
        raw = plain_json(exchange, self._services)
        return self._dialect.parse(raw, request_id=access.request_id, hops=access.hops, stream=None)

    def _plan(self, model: str) -> None:
        fleet = self._services.gateway.fleet
        fleet.planner.plan(fleet.catalog.resolve(model))

    def stream(self, chunks: int) -> None:
        """Walk through a stream."""
        self._begun(stream=True)
        receive, chunk = self._upstream.data_received, script.stream_chunk()
        receive(script.stream_begin())
        for _ in range(chunks):
            self.timed("chunk", lambda: receive(chunk))
        receive(script.stream_end())

    def parts(self) -> dict[str, float]:
        """Return each component's time without that of what it calls and that is told by itself."""
        found = {name: median(times) / 1000 for name, times in self._times.items()}
        found["send"] = max(0.0, found["send"] - found["plan"])
        found["read"] = max(0.0, found["read"] - found.get(_OBSERVERS[UsageRecorder], 0.0))
        return {name: round(value, 2) for name, value in found.items()}
