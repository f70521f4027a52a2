"""`llms pull` and `llms rm`: what people see, and what an interruption leaves."""

from __future__ import annotations

import asyncio
import json
import shlex
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from llms.cli.pull_progress import Lines
from llms.downloads.progress import Progress
from tests.cli.conftest import ECHO, PATIENCE, Home, Run, ended
from tests.downloads.fake_hub import TOKEN, FakeHub, fake_hub, model, sha256

DATA = model(500_000)
CUT = 200_000


@pytest.fixture
async def hub(home: Home) -> AsyncIterator[FakeHub]:
    async with fake_hub() as running:
        running.repos["o/r"] = {"m-Q4_K_M.gguf": DATA, "m-Q8_0.gguf": model(seed=2)}
        running.files["m.gguf"] = DATA
        yield running


def models(home: Home) -> Path:
    return home.path / "data" / "models"


def names(home: Home) -> list[str]:
    return sorted(path.name for path in models(home).iterdir()) if models(home).is_dir() else []


async def test_a_model_of_the_hub_is_fetched(hub: FakeHub, home: Home, llms: Run) -> None:
    ran = await llms("pull", "hf:o/r", **hub.environ(token=TOKEN))
    again = await llms("pull", "o/r:Q4_K_M", **hub.environ())

    place = models(home) / "m-Q4_K_M.gguf"
    assert (ran.code, ran.out) == (0, f"m-Q4_K_M is there: {place} (500.0 kB)\n")
    assert "100 % of 500.0 kB" in ran.err
    assert ran.err.splitlines()[-1] == "checking: 500.0 kB"
    assert TOKEN not in ran.out + ran.err
    assert (again.code, again.out) == (0, f"m-Q4_K_M was there already: {place} (500.0 kB)\n")
    assert place.read_bytes() == DATA


async def test_an_address_is_fetched_under_another_name(hub: FakeHub, home: Home, llms: Run) -> None:
    ran = await llms("pull", f"{hub.url}/files/m.gguf", "--name", "mine", "--sha256", sha256(DATA))

    assert ran.code == 0
    assert names(home) == ["mine.gguf"]


async def test_the_data_directory_of_the_configuration_counts(hub: FakeHub, home: Home, llms: Run) -> None:
    home.write(f"{ECHO}server: {{data_dir: {home.path}/elsewhere}}\n")
    ran = await llms("pull", f"{hub.url}/files/m.gguf", LLMS_DATA_DIR="")

    assert ran.code == 0
    assert (home.path / "elsewhere" / "models" / "m.gguf").is_file()


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["nothing"], 2, "hf:owner/repo[:quant]"),
        (["file:///etc/passwd"], 2, "no http:// or https:// address"),
        (["hf:o/r", "--name", "../x"], 2, "cannot be the name"),
        (["hf:o/r", "--sha256", "x"], 2, "64 hexadecimal digits"),
        (["hf:o/none"], 1, "There is no o/none"),
        (["hf:o/r:Q2_K"], 1, "there are: Q8_0"),
        (["http://127.0.0.1:9/m.gguf"], 1, "Connection refused"),
    ],
)
async def test_what_cannot_be_pulled_is_one_line(
    hub: FakeHub, home: Home, llms: Run, args: list[str], code: int, words: str
) -> None:
    ran = await llms("pull", *args, **hub.environ())

    assert (ran.code, ran.out) == (code, "")
    assert len(ran.err.splitlines()) == 1
    assert words in ran.err
    assert names(home) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
async def test_an_interrupted_pull_goes_on_later(
    hub: FakeHub, home: Home, llms_apart: Run, number: signal.Signals
) -> None:
    part = models(home) / "mine.gguf.part"
    hub.kept = lambda: part.stat().st_size if part.is_file() else 0
    hub.stalls = [CUT]
    source = f"{hub.url}/files/m.gguf?a=b&c=d"
    process = await home.start("pull", source, "--name", "mine")
    async with asyncio.timeout(PATIENCE):
        await hub.stalled.wait()
    process.send_signal(number)
    ran = await ended(process)

    assert names(home) == ["mine.gguf.part"]
    assert part.stat().st_size == CUT
    if number == signal.SIGINT:
        assert ran.code == 130
        command = ran.err.splitlines()[-1].partition("go on with: ")[2]
        assert shlex.split(command) == ["llms", "pull", source, "--name=mine"]
    again = await llms_apart("pull", source, "--name=mine")
    assert again.code == 0
    assert hub.seen[-1].headers["Range"] == f"bytes={CUT}-"
    assert hub.seen[-1].sent == len(DATA) - CUT
    assert (models(home) / "mine.gguf").read_bytes() == DATA


async def test_a_silent_hub_does_not_hold_up_an_interruption(hub: FakeHub, home: Home) -> None:
    waiting = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        waiting.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        process = await home.start("pull", "hf:o/r", environ={"HF_ENDPOINT": f"http://127.0.0.1:{port}"})
        async with asyncio.timeout(PATIENCE):
            await waiting.wait()
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(5):
            ran = await ended(process)

    assert ran.code == 130


async def test_two_at_once_are_told_apart(hub: FakeHub, home: Home, llms: Run) -> None:
    hub.stalls = [CUT]
    first = await home.start("pull", f"{hub.url}/files/m.gguf")
    async with asyncio.timeout(PATIENCE):
        await hub.stalled.wait()
    second = await llms("pull", f"{hub.url}/files/m.gguf")
    removed = await llms("rm", "m", "--yes")
    first.kill()
    await ended(first)

    for ran in (second, removed):
        assert ran.code == 1
        assert f"process {first.pid}" in ran.err


async def test_rm_deletes_what_was_pulled(hub: FakeHub, home: Home, llms: Run) -> None:
    await llms("pull", "hf:o/r", **hub.environ())
    unasked = await llms("rm", "m-q4_k_m")
    assert (unasked.code, unasked.out) == (2, "")
    assert "--yes" in unasked.err
    assert names(home) == ["m-Q4_K_M.gguf"]

    ran = await llms("rm", "local/m-q4_k_m", "--yes")
    assert (ran.code, ran.out) == (0, "m-q4_k_m is deleted (1 file).\n")
    assert names(home) == []
    gone = await llms("rm", "m-q4_k_m", "--yes")
    assert gone.code == 1
    assert "No model m-q4_k_m was pulled" in gone.err


async def test_rm_deletes_nothing_elsewhere(home: Home, llms: Run) -> None:
    precious = home.write("GGUF", "precious.gguf")
    for name in ("../../precious", str(precious), "..", "remote/precious"):
        assert (await llms("rm", name, "--yes")).code == 1

    assert precious.is_file()


@pytest.mark.parametrize(("total", "lines"), [(1000, 11), (None, 4)])
def test_lines_are_few(capsys: pytest.CaptureFixture[str], total: int | None, lines: int) -> None:
    import sys

    shown = Lines(sys.stdout)
    for size in range(1001):
        shown.show(Progress("downloading", size if total else size * 300_000, total))
    written = capsys.readouterr().out.splitlines()

    assert len(written) == lines
    assert json.dumps(written).isascii()
