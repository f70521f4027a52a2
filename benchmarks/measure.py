"""Measure one peer: what a load costs it, what it holds, how soon it is ready."""

import asyncio
import gc
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median

from benchmarks.cores import on_core
from benchmarks.cost import cpu_us, own_kib, rss_kib
from benchmarks.interrupt import run_interruptible
from benchmarks.launch import Running, own_environment
from benchmarks.load import Load, Plan
from benchmarks.visit import Outcome

SETTLE_S = 1.0
HELP_RUNS = 3
HELP_WITHIN_S = 30.0
OPEN_POLL_S = 0.05
WARM_UPS = (Plan(8, 100, size=1024), Plan(8, 10, stream=True, chunks=20, interval_ms=1))


def run_load(port: int, plan: Plan, tags: Iterator[str]) -> Outcome:
    """Run one plan to its end, with garbage collection held off."""
    gc.collect()
    gc.disable()
    try:
        return run_interruptible(Load(port, plan, tags=tags).run())
    finally:
        gc.enable()


def warm_up(peer: Running, tags: Iterator[str]) -> Outcome:
    """Let the peer open its connections and compile what it compiles; return what the last plan found."""
    for plan in WARM_UPS:
        outcome = run_load(peer.port, plan, tags)
        if outcome.faults.total:
            break
    return outcome


def measure_load(peer: Running, plan: Plan, tags: Iterator[str]) -> tuple[dict[str, float], Outcome]:
    """Run a plan and count the peer's CPU time for a request and for a chunk, and the latencies, all in µs."""
    run_load(peer.port, replace(plan, connections=1, requests=1, chunks=1), tags)  # loads what is loaded when asked for
    before = cpu_us(peer.pid)
    outcome = run_load(peer.port, plan, tags)
    spent = cpu_us(peer.pid) - before
    values = {"cpu_s": spent / 1e6, "answers": float(outcome.answers), "chunks": float(outcome.chunks)}
    if outcome.answers:
        values["cpu_us_per_request"] = spent / outcome.answers
    if outcome.chunks:
        values["cpu_us_per_chunk"] = spent / outcome.chunks
    for name, seconds in (("latency", outcome.latencies), ("ttft", outcome.ttfts)):
        if seconds:
            values[f"{name}_p50_us"] = percentile(seconds, 0.50) * 1e6
            values[f"{name}_p99_us"] = percentile(seconds, 0.99) * 1e6
    return values, outcome


def percentile(values: list[float], share: float) -> float:
    """Pick the value below which `share` of all values lie."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def measure_idle(peer: Running) -> dict[str, float]:
    """Note when a fresh peer was ready and what it holds after a second of rest."""
    time.sleep(SETTLE_S)
    return {"ready_s": peer.ready_s, "idle_mib": rss_kib(peer.pid) / 1024}


def measure_open(peer: Running, plan: Plan, tags: Iterator[str]) -> tuple[dict[str, float], Outcome]:
    """Count what a fresh, warm peer holds for each stream while all are open."""
    warm = warm_up(peer, tags)
    if warm.faults.total:
        return {}, warm
    time.sleep(SETTLE_S)
    before = own_kib(peer.pid)
    outcome, held = run_interruptible(_watch_open(peer, plan, tags))
    if not held:
        outcome.faults.add("open", f"never {plan.connections} streams open at once")
        return {}, outcome
    return {"kib_per_stream": (held - before) / plan.connections}, outcome


async def _watch_open(peer: Running, plan: Plan, tags: Iterator[str]) -> tuple[Outcome, float]:
    """Read the peer's memory as long as every stream is open; the largest reading counts, 0 for none."""
    load, held = Load(peer.port, plan, tags=tags), 0.0
    run = asyncio.create_task(load.run())
    while not run.done():
        await asyncio.wait([run], timeout=OPEN_POLL_S)
        if load.outcome.open == plan.connections:
            held = max(held, own_kib(peer.pid))
            await asyncio.wait([run], timeout=SETTLE_S)
    return await run, held


def measure_help(command: list[str], *, folder: Path, core: int | None) -> dict[str, float]:
    """Time how long the help takes, in seconds of the wall's clock; SubprocessError when it fails."""
    folder.mkdir(parents=True)
    environment, times = own_environment(folder), []
    with on_core(core):
        for _ in range(HELP_RUNS):
            began = time.perf_counter()
            subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, timeout=HELP_WITHIN_S)
            times.append(time.perf_counter() - began)
    return {"help_s": median(times)}
