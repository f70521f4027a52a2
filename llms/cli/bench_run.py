"""One measurement of the proxy: an upstream and clients here, the server in a process of its own, loopback alone."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, final

from llms.cli.bench_load import Plan, Tally, ask
from llms.cli.bench_upstream import Upstream
from llms.cli.running import loop_factory

_ROUNDS: Final = 3
_WARM: Final = (Plan(4, 0.3), Plan(4, 0.1, stream=True, chunks=3))
_ENDING_SECONDS: Final = 5.0
_KEPT: Final = (
    "PATH",
    "HOME",
    "LANG",
    "PYTHONPATH",
    "PYTHONHOME",
    "VIRTUAL_ENV",
    "SYSTEMROOT",
    "TEMP",
    "TMP",
    "TMPDIR",
)
"""What the server gets of the environment: no key, no proxy, no setting."""


@final
@dataclass(frozen=True, slots=True)
class Figures:
    """What the proxy costs; times in microseconds."""

    cpu_per_request: float
    cpu_per_chunk: float
    """Of 20 streams with a chunk each 20 ms, the cost of their requests in it."""
    added_p50: float
    added_p99: float
    added_first_p50: float
    """Until a stream's first text."""
    added_first_p99: float
    requests_per_second: float
    """As fast as this process asks: it is both the clients and the upstream."""
    requests_per_core: float
    """As many as the processor time of the server would allow in a second."""
    parts: dict[str, float]
    """By component, without the operating system."""
    faults: int
    """Answers that were not as they should be."""


class NotMeasured(Exception):
    """The server did not start, or ended."""


def measure(*, share: float = 1.0) -> Figures:
    """Measure for about six seconds, or a share of that; raise NotMeasured."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        listening = runner.run(_listen())
        port = listening.sockets[0].getsockname()[1]
        try:
            with _server(port) as server:
                return _Measuring(runner, port, server, share).figures()
        finally:
            listening.close()
            runner.run(asyncio.sleep(0))


async def _listen() -> asyncio.Server:
    return await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", 0)


@final
class _Server:
    """The process that is measured."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.port = int(self._line())

    def ask(self, what: str) -> Any:
        """Ask it about itself."""
        assert self._process.stdin is not None
        try:
            print(what, file=self._process.stdin, flush=True)
        except OSError:
            raise NotMeasured("The server that was measured has ended.") from None
        return json.loads(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        if line := self._process.stdout.readline():
            return line
        raise NotMeasured("The server that was to be measured did not start.")


@contextmanager
def _server(upstream_port: int) -> Iterator[_Server]:
    """Run the server as long as this lasts."""
    command = [sys.executable, "-m", "llms.cli.bench_server", str(upstream_port)]
    environ = {name: os.environ[name] for name in _KEPT if name in os.environ}
    pipe = subprocess.PIPE
    # In a session of its own: Ctrl-C is for this process, which ends the other one.
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environ, start_new_session=True)  # noqa: S603
    with process:
        try:
            yield _Server(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(_ENDING_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


@final
class _Measuring:
    """Load after load, directly and by the server in turn."""

    def __init__(self, runner: asyncio.Runner, upstream_port: int, server: _Server, share: float) -> None:
        self._runner = runner
        self._upstream_port = upstream_port
        self._server = server
        self._share = share
        self._faults = 0

    def figures(self) -> Figures:
        """Measure everything."""
        for plan in _WARM:
            self._load(plan)
        added, added_first = self._added(stream=False), self._added(stream=True)
        cost, busy = self._cost(Plan(16, 1.2 * self._share))
        chunk_cost, streams = self._cost(Plan(20, 0, stream=True, chunks=max(2, int(50 * self._share))))
        per_request = cost / max(1, busy.answers)
        return Figures(
            cpu_per_request=per_request,
            cpu_per_chunk=chunk_cost / max(1, streams.chunks),
            added_p50=added[0],
            added_p99=added[1],
            added_first_p50=added_first[0],
            added_first_p99=added_first[1],
            requests_per_second=busy.answers / busy.seconds,
            requests_per_core=1e6 / per_request,
            parts=self._server.ask("parts"),
            faults=self._faults,
        )

    def _load(self, plan: Plan, port: int | None = None) -> Tally:
        tally = self._runner.run(ask(port or self._server.port, plan))
        self._faults += tally.faults
        return tally

    def _added(self, *, stream: bool) -> tuple[float, float]:
        """Return what the server adds to p50 and p99 of a latency: one request after another, both ways in turn."""
        plan = Plan(1, 0.25 * self._share, stream=stream)
        direct: list[float] = []
        ours: list[float] = []
        for _ in range(_ROUNDS):
            direct += self._load(plan, self._upstream_port).latencies
            ours += self._load(plan).latencies
        return (_percentile(ours, 50) - _percentile(direct, 50)), (_percentile(ours, 99) - _percentile(direct, 99))

    def _cost(self, plan: Plan) -> tuple[float, Tally]:
        """Return the microseconds of processor time that a load takes of the server."""
        before = self._server.ask("cpu")
        tally = self._load(plan)
        return (self._server.ask("cpu") - before) * 1e6, tally


def _percentile(seconds: list[float], percent: int) -> float:
    """Return microseconds; 0 where there is nothing."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) * percent // 100, len(ordered) - 1)] * 1e6 if ordered else 0.0
