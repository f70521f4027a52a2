"""`llms bench`: what it measures and prints; never how fast that was."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from unittest.mock import patch

import psutil  # type: ignore[import-untyped]
import pytest

from llms.cli import bench_run
from llms.cli.bench_load import Plan, ask
from llms.cli.bench_run import Figures, measure
from llms.cli.bench_upstream import Upstream
from llms.testing.fake_upstream import FakeUpstream, cut, error, text_stream
from tests.cli.conftest import Run

PARTS = {"head", "access", "parse", "plan", "send", "read", "account", "log", "usage row", "chunk"}
MADE_UP = Figures(
    cpu_per_request=100.4, cpu_per_chunk=20.26, added_p50=130.0, added_p99=250.0, added_first_p50=140.0,
    added_first_p99=300.0, requests_per_second=5000.0, requests_per_core=9960.2,
    parts={**dict.fromkeys(sorted(PARTS), 5.0), "chunk": 1.5}, faults=0,
)  # fmt: skip


@pytest.fixture(scope="module")
def figures() -> Figures:
    """Return those of one real run, a short one."""
    before = {child.pid for child in psutil.Process().children()}
    found = measure(share=0.1)
    assert {child.pid for child in psutil.Process().children()} == before
    return found


def test_it_measures_a_server_of_its_own(figures: Figures) -> None:
    assert figures.faults == 0
    assert figures.cpu_per_request > 0
    assert figures.cpu_per_chunk > 0
    assert figures.requests_per_second > 0


def test_it_tells_each_component(figures: Figures) -> None:
    assert set(figures.parts) == PARTS
    assert all(time >= 0 for time in figures.parts.values())
    assert figures.parts["head"] > 0
    assert figures.parts["chunk"] > 0


async def test_it_shows_tables(llms: Run) -> None:
    with patch.object(bench_run, "measure", lambda: MADE_UP):
        ran = await llms("bench")
    assert ran.code == 0
    assert "processor time per request" in ran.out
    rows = {line.split("  ")[0] for line in ran.out.splitlines()}
    assert PARTS - {"chunk"} < set(rows)
    [rest] = [line for line in ran.out.splitlines() if line.startswith("rest")]
    assert rest.split()[1:3] == ["55.4", "µs"]
    assert "Of a chunk, 1.5 µs are ours" in ran.out


async def test_it_prints_json(llms: Run) -> None:
    with patch.object(bench_run, "measure", lambda: MADE_UP):
        ran = await llms("bench", "--json")
    told = json.loads(ran.out)
    assert told["cpu_per_chunk"] == 20.26
    assert set(told["parts"]) == PARTS
    assert set(told) == set(Figures.__dataclass_fields__)


async def test_wrong_answers_are_a_failure(llms: Run) -> None:
    with patch.object(bench_run, "measure", lambda: replace(MADE_UP, faults=3)):
        ran = await llms("bench")
    assert ran.code == 1
    assert "3 answers were not as they should be" in ran.err


async def test_a_server_that_does_not_start_is_told_in_a_line(llms: Run) -> None:
    with patch.object(bench_run.sys, "executable", "/bin/false"):
        ran = await llms("bench")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "The server that was to be measured did not start.\n"


@asynccontextmanager
async def scripted() -> AsyncIterator[int]:
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_the_load_counts_every_answer_and_chunk() -> None:
    async with scripted() as port:
        whole = await ask(port, Plan(3, 0.0))
        stream = await ask(port, Plan(2, 0.0, stream=True, chunks=3))
    assert (whole.answers, whole.chunks, whole.faults, len(whole.latencies)) == (3, 0, 0, 3)
    assert (stream.answers, stream.chunks, stream.faults, len(stream.latencies)) == (2, 6, 0, 2)


@pytest.mark.parametrize(
    "answer", [error(500, "no"), text_stream("other words"), text_stream("one").first(1).then(cut())]
)
async def test_an_answer_that_is_not_the_scripts_is_a_fault(answer: object) -> None:
    async with FakeUpstream() as upstream:
        upstream.script(answer)  # type: ignore[arg-type]
        tally = await ask(upstream.port, Plan(1, 0.0, stream=True, chunks=2))
    assert (tally.answers, tally.faults) == (0, 1)
