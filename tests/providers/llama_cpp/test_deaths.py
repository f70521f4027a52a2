"""The child process of a model dies in every way it can: chats are told, the next one works, nothing outlives us."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import structlog
import uvloop

from llms.protocol.errors import UpstreamUnavailable
from tests.providers.llama_cpp.children import Rig, is_running, is_there, until

ROOT = Path(__file__).parents[3]


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    found = Rig(tmp_path, slots=2)
    yield found
    await found.model.close()


# -- while it chats ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (["abort"], r"SIGABRT: ggml\.c:7: GGML_ASSERT\(n > 0\) failed"),
        (["segfault"], "SIGSEGV"),
        (["exit"], "status 3"),
        (["quit"], "status 1: SystemExit: enough"),
        (["garbage"], "sent a message of"),
    ],
    ids=lambda given: given[0] if isinstance(given, list) else "",
)
@pytest.mark.parametrize("words_before", [[], ["a", "b"]], ids=["before", "mid"])
async def test_a_crash_ends_each_chat_with_one_error_that_says_why(
    rig: Rig, words: list[str], words_before: list[str], cause: str
) -> None:
    other = await rig.begun("x", "endless")
    said: list[bytes] = []

    async def read() -> None:
        async for pieces in rig.chat(*words_before, *words, "never"):
            said.extend(pieces)

    with structlog.testing.capture_logs() as logged:
        with pytest.raises(UpstreamUnavailable, match=f"p/m: the model's process is gone: .*{cause}"):
            await read()
        with pytest.raises(UpstreamUnavailable, match=cause):
            async for _ in other:
                pass
    assert said == [word.encode() for word in words_before][: len(said)]
    [death] = [line for line in logged if line["event"] == "local model died"]
    assert (death["model"], death["log_level"]) == ("p/m", "warning")
    assert (rig.model.state, rig.model.is_loaded, rig.model.is_busy) == ("failed", False, False)
    assert rig.rests
    assert await rig.said("next") == b"next"
    assert rig.model.state == "loaded"


async def test_the_last_words_of_a_noisy_child_are_told(rig: Rig) -> None:
    before = _resident()
    with pytest.raises(UpstreamUnavailable, match=r"ended with status 3: last words$"):
        await rig.said("complain", "exit")
    assert _resident() - before < 10 * 2**20


async def test_a_child_that_cannot_speak_any_more_is_replaced(rig: Rig) -> None:
    with pytest.raises(UpstreamUnavailable, match="it closed its output"):
        await rig.said("a", "mute")
    assert await rig.said("next") == b"next"


async def test_a_killed_child_is_noticed_at_once_and_replaced_by_the_next_request(rig: Rig) -> None:
    for _ in range(3):
        chat = await rig.begun("a", "endless")
        assert rig.model.pid is not None
        os.kill(rig.model.pid, signal.SIGKILL)
        with pytest.raises(UpstreamUnavailable, match="killed, probably because memory ran out"):
            async for _ in chat:
                pass
        assert await rig.said("next") == b"next"


async def test_a_child_that_dies_while_nobody_uses_it_costs_the_next_request_nothing(rig: Rig) -> None:
    assert await rig.said("x") == b"x"
    assert rig.model.pid is not None
    os.kill(rig.model.pid, signal.SIGKILL)
    await until(lambda: not rig.model.is_loaded)
    assert await rig.said("next") == b"next"


async def test_a_request_that_comes_before_the_death_is_noticed_is_told(rig: Rig) -> None:
    assert await rig.said("x") == b"x"
    assert rig.model.pid is not None
    os.kill(rig.model.pid, signal.SIGKILL)
    with pytest.raises(UpstreamUnavailable, match="killed"):
        await rig.said("y")
    assert await rig.said("next") == b"next"


async def test_a_stopped_process_is_told_from_a_dead_one(rig: Rig) -> None:
    chat = await rig.begun("a", "b", "c")
    assert rig.model.pid is not None
    os.kill(rig.model.pid, signal.SIGSTOP)
    following = asyncio.ensure_future(rig.said("x"))
    done, _ = await asyncio.wait([following], timeout=0.1)
    assert not done
    os.kill(rig.model.pid, signal.SIGCONT)
    assert await following == b"x"
    await chat.aclose()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_what_a_terminal_sends_to_all_is_left_to_the_parent(rig: Rig, number: signal.Signals) -> None:
    assert await rig.said("x") == b"x"
    pid = rig.model.pid
    assert pid is not None
    os.kill(pid, number)
    assert await rig.said("y") == b"y"
    assert rig.model.pid == pid


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


# -- while it loads ------------------------------------------------------------------------------------------------


async def test_crashes_while_loading_are_rested_from_longer_each_time(rig: Rig) -> None:
    rig.order("abort")
    for crash, rest in enumerate([1, 2, 4, 8, 16, 30, 30]):
        with pytest.raises(UpstreamUnavailable, match="GGML_ASSERT") as died:
            await rig.said("x")
        assert died.value.retry_after is None
        for left in (rest, rest / 2):
            with pytest.raises(UpstreamUnavailable, match="GGML_ASSERT") as rests:
                await rig.said("x")
            assert rests.value.retry_after == pytest.approx(left)
            rig.now += left / 2
        assert rig.loads == crash + 1
        rig.now += rest / 4
    rig.order("")
    assert await rig.said("x") == b"x"
    rig.order("abort")
    await rig.model.unload()
    for _ in range(2):
        with pytest.raises(UpstreamUnavailable) as died:
            await rig.said("x")
    assert died.value.retry_after == pytest.approx(1)


async def test_a_process_that_cannot_be_started_is_an_answer(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(rig.folder / "nowhere"))
    with pytest.raises(UpstreamUnavailable, match=r"cannot be started: .*No such file"):
        await rig.said("x")


# -- with us -------------------------------------------------------------------------------------------------------

PROGRAM = """
import asyncio, sys
from pathlib import Path
import structlog
from tests.providers.llama_cpp.children import Rig

async def main():
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    rig = Rig(Path(sys.argv[1]), slots=2)
    chat = await rig.begun("a", "flood")
    freezing = asyncio.ensure_future(rig.said(sys.argv[2]))
    await rig.noted("+" + sys.argv[2])
    print(rig.model.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("work", ["endless", "freeze", "deaf"])
def test_no_child_outlives_a_parent_that_is_killed(tmp_path: Path, work: str) -> None:
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path), work], stdout=subprocess.PIPE, env=environ, cwd=tmp_path
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_running(pid)
        parent.kill()
    _wait_for(lambda: not is_running(pid))


def _wait_for(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_all_of_it_works_in_the_servers_own_loop_too(tmp_path: Path) -> None:
    async def walk() -> None:
        rig = Rig(tmp_path, slots=2)
        assert await rig.said("a", "b") == b"ab"
        with pytest.raises(UpstreamUnavailable, match=r"SIGABRT: ggml\.c:7"):
            await rig.said("abort")
        chat = await rig.begun("a", "endless")
        assert rig.model.pid is not None
        os.kill(rig.model.pid, signal.SIGKILL)
        with pytest.raises(UpstreamUnavailable, match="killed"):
            async for _ in chat:
                pass
        chat = await rig.begun("a", "freeze")
        pid = rig.model.pid
        assert pid is not None
        await rig.model.close()
        assert not is_there(pid)
        await chat.aclose()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(walk())


async def test_the_child_gets_the_environment_without_the_secrets_in_it(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted-0123456789")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    said = [piece async for pieces in rig.chat("environ") for piece in pieces]
    environ = json.loads(b"".join(said))
    assert environ["OMP_NUM_THREADS"] == "1"
    assert "sk-planted-0123456789" not in environ.values()
