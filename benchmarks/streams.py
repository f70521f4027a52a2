"""What resumable streams take and give back: `python -m benchmarks.streams`.

One `llms serve` in front of the scripted upstream: its memory before 10,000 streams and after they are forgotten, the
first token of 100 streams at once, streams that are cut and taken up again, the memory of open streams.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp

from benchmarks.cores import choose_cores, on_core
from benchmarks.cost import rss_kib
from benchmarks.interrupt import raise_on_signals, run_interruptible
from benchmarks.launch import PeerFailed, Running, started
from benchmarks.load import KEY, Plan
from benchmarks.measure import SETTLE_S, measure_open, run_load, warm_up
from benchmarks.peers import DIRECT, OURS, our_command, upstream_command
from benchmarks.run import allow_many_sockets, say, unique_tags
from benchmarks.script import DONE, MODEL, Script

KEEP_S = 20
"""Seconds for which this server keeps finished streams."""
CONFIG = f"resume: {{keep: {KEEP_S}s, streams: 2000, streams_per_caller: 2000}}\n"
FIRST = Plan(100, 1, stream=True, chunks=100, interval_ms=20, resumable=True)
OPEN = Plan(500, 1, stream=True, chunks=100, interval_ms=100, opens_per_s=500, resumable=True)
FINISHED = Plan(50, 200, stream=True, chunks=20, interval_ms=1, resumable=True)
CUT = Script(chunks=100, interval_ms=20)
CUTS = 200
EVENTS_BEFORE_A_CUT = 20
GIVEN_BACK_WITHIN_S = 15
HEADERS = {"Authorization": f"Bearer {KEY}", "X-LLMS-Stream": "resumable"}


@dataclass(frozen=True, slots=True)
class Found:
    """One figure and its bound; above it where `least`, else below."""

    what: str
    value: float
    bound: float
    unit: str
    least: bool = False

    @property
    def is_good(self) -> bool:
        """Tell whether the bound is kept."""
        return self.value > self.bound if self.least else self.value < self.bound

    def __str__(self) -> str:
        relation = "over" if self.least else "under"
        verdict = "" if self.is_good else "   MISSED"
        return f"{self.what:<58}{self.value:>9.1f} {self.unit:<4} {relation} {self.bound:g}{verdict}"


def our_streams_command(port: int, upstream_port: int, folder: Path) -> list[str]:
    """Start `llms serve` with room for many streams, which it soon forgets."""
    command = our_command(port, upstream_port, folder)
    config = folder / "providers.yaml"
    config.write_text(config.read_text() + CONFIG)
    return command


def main() -> int:
    """Measure and print; 0 when every bound is kept, 1 when one is not, 130 when interrupted."""
    raise_on_signals()
    allow_many_sockets()
    try:
        with ExitStack() as stack:
            found = measured(_server(stack))
    except KeyboardInterrupt:
        return 130
    except PeerFailed as problem:
        print(problem, file=sys.stderr)
        return 1
    print(*found, sep="\n")
    return 0 if all(each.is_good for each in found) else 1


def _server(stack: ExitStack) -> Running:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="llms-streams-")))
    cores = choose_cores()
    stack.enter_context(on_core(cores.load))
    upstream = stack.enter_context(
        started(DIRECT, upstream_command, upstream_port=0, folder=folder / "upstream", core=cores.load)
    )
    command = our_streams_command
    return stack.enter_context(
        started(OURS, command, upstream_port=upstream.port, folder=folder / "ours", core=cores.proxy)
    )


def measured(server: Running) -> list[Found]:
    """Return all figures, in the order of measuring."""
    tags = unique_tags()
    warm_up(server, tags)
    run_load(server.port, replace(FIRST, connections=1), tags)  # loads what is loaded when asked for
    return [*_finished(server, tags), *_first_tokens(server, tags), *_recovered(server, tags), *_open(server, tags)]


def _first_tokens(server: Running, tags: Iterator[str]) -> list[Found]:
    say("the first tokens of 100 streams")
    outcome = run_load(server.port, FIRST, tags)
    return [
        Found("slowest first token of 100 streams, upstream of 20 ms", max(outcome.ttfts) * 1000, 500, "ms"),
        Found("faults in them", outcome.faults.total, 1, ""),
    ]


def _recovered(server: Running, tags: Iterator[str]) -> list[Found]:
    say(f"{CUTS} streams that are cut")
    whole, rate = run_interruptible(_cut_all(server.port, tags))
    return [
        Found(f"whole of {CUTS} streams that were cut once", 100 * whole / CUTS, 99, "%", least=True),
        Found("recovery_rate of /api/analytics", 100 * rate, 99, "%", least=True),
    ]


async def _cut_all(port: int, tags: Iterator[str]) -> tuple[int, float]:
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    base = f"http://127.0.0.1:{port}/"
    async with aiohttp.ClientSession(base, headers=HEADERS, connector=connector) as http:
        scripts = [replace(CUT, tag=next(tags)) for _ in range(CUTS)]
        whole = await asyncio.gather(*(_cut(http, script) for script in scripts))
        async with http.get("api/analytics") as answer:
            told = await answer.json()
    return sum(whole), told["windows"][0]["recovery_rate"] or 0.0


async def _cut(http: aiohttp.ClientSession, script: Script) -> bool:
    """Leave a stream after some events, come back for the rest; tell whether each piece came, once and in order."""
    body = {"model": MODEL, "stream": True, "messages": [{"role": "user", "content": script.prompt()}]}
    data = b""
    async with http.post("v1/chat/completions", json=body) as answer:
        stream_id = answer.headers["X-LLMS-Stream-Id"]
        async for some in answer.content.iter_any():
            data += some
            if data.count(b"\n\n") >= EVENTS_BEFORE_A_CUT:
                break
    data = data[: data.rindex(b"\n\n") + 2]
    after = {"Last-Event-ID": str(data.count(b"\n\n"))}
    async with http.get(f"v1/streams/{stream_id}", headers=after) as answer:
        data += await answer.read()
    places = [data.find(script.text(seq).encode()) for seq in range(script.chunks)]
    ids = [int(frame.partition(b"\n")[0][4:]) for frame in data.split(b"\n\n")[:-1]]
    return data.endswith(DONE) and -1 not in places and places == sorted(places) and ids == list(range(1, len(ids) + 1))


def _open(server: Running, tags: Iterator[str]) -> list[Found]:
    say(f"{OPEN.connections} open streams")
    values, outcome = measure_open(server, OPEN, tags)
    faults = outcome.faults
    if "kib_per_stream" not in values:
        raise PeerFailed(f"the open streams failed: {faults.first}")
    return [Found(f"memory of one of {OPEN.connections} open streams", values["kib_per_stream"], 100, "KiB")]


def _finished(server: Running, tags: Iterator[str]) -> list[Found]:
    count = FINISHED.connections * FINISHED.requests
    say(f"{count} streams")
    time.sleep(SETTLE_S)
    before = rss_kib(server.pid) / 1024
    outcome = run_load(server.port, FINISHED, tags)
    held = rss_kib(server.pid) / 1024
    say(f"waiting until they are forgotten, {KEEP_S} s and what it takes to give memory back")
    time.sleep(KEEP_S + GIVEN_BACK_WITHIN_S)
    after = rss_kib(server.pid) / 1024
    say(f"{before:.1f} MiB before them, {held:.1f} with them, {after:.1f} after")
    return [
        Found(f"more memory after {count} finished streams", after - before, 25, "MiB"),
        Found("faults in them", outcome.faults.total, 1, ""),
    ]


if __name__ == "__main__":
    sys.exit(main())
