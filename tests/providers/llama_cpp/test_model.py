"""Slots, line, cancellation, loading and unloading of a local model, with a scripted library in a real child."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from llms.protocol.errors import InvalidRequest, UpstreamError, UpstreamUnavailable
from llms.protocol.progress import Progress
from tests.providers.llama_cpp.children import PATIENCE, Rig, is_there, until
from tests.providers.llama_cpp.scripted import KIBIBYTE


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    found = Rig(tmp_path)
    yield found
    await found.model.close()


@pytest.fixture
async def wide(tmp_path: Path) -> AsyncIterator[Rig]:
    found = Rig(tmp_path, slots=3)
    yield found
    await found.model.close()


# -- chats ---------------------------------------------------------------------------------------------------------


async def test_pieces_arrive_whole_and_in_order(wide: Rig) -> None:
    stories = [[f"{number},", *map(str, range(300))] for number in range(10)]
    answers = await asyncio.gather(*(wide.said(*words) for words in stories))
    assert answers == ["".join(words).encode() for words in stories]


@pytest.mark.parametrize("slots", [1, 3])
async def test_no_more_chats_than_slots_and_first_come_first_served(tmp_path: Path, slots: int) -> None:
    rig = Rig(tmp_path, slots=slots)
    chats = [asyncio.ensure_future(rig.said("wait", str(number))) for number in range(8)]
    await until(lambda: sum(note.startswith("+") for note in rig.notes) == slots)
    rig.go()
    assert await asyncio.gather(*chats) == [b"%d" % number for number in range(8)]
    at_once = most = 0
    for note in rig.notes:
        at_once += {"+": 1, "-": -1}.get(note[0], 0)
        most = max(most, at_once)
    assert most == slots
    if slots == 1:
        assert [note for note in rig.notes if note[0] == "+"] == [f"+wait{number}" for number in range(8)]
    await rig.model.close()


async def test_a_piece_larger_than_the_window_passes(rig: Rig) -> None:
    assert len(await rig.said("large", "x")) == 3_000_001


async def test_what_the_library_raises_reaches_the_reader_after_the_pieces(rig: Rig) -> None:
    pieces: list[bytes] = []

    async def read(word: str) -> None:
        async for arrived in rig.chat("a", "b", word):
            pieces.extend(arrived)

    with pytest.raises(InvalidRequest, match="p/m: a bad request"):
        await read("refuse")
    with pytest.raises(UpstreamError, match="p/m: a bad day"):
        await read("fail")
    assert pieces == [b"a", b"b"] * 2
    assert await rig.said("fine") == b"fine"
    assert rig.loads == 1


async def test_embeddings_come_whole_however_long(rig: Rig) -> None:
    assert await rig.model.embed(b"[1, 2]") == ("[" + "1, 2, " * 99_999 + "1, 2]").encode()
    with pytest.raises(InvalidRequest, match="nothing to embed"):
        await rig.model.embed(b'["refuse"]')


async def test_what_native_code_prints_harms_nobody(rig: Rig) -> None:
    assert await rig.said("a", "print", "b") == b"ab"


async def test_the_child_imports_next_to_nothing(rig: Rig) -> None:
    loaded = set((await rig.said("modules")).decode().split())
    assert not loaded & {"aiohttp", "asyncio", "pydantic", "structlog", "orjson", "concurrent", "logging", "yaml"}


# -- a slow reader -------------------------------------------------------------------------------------------------


async def test_a_slow_reader_holds_back_its_chat_and_no_other(wide: Rig) -> None:
    flood = wide.chat("flood")
    taken = len(b"".join(await anext(flood)))
    flooded = -1
    async with asyncio.timeout(PATIENCE):
        while flooded != (flooded := int(await wide.said("flooded_bytes"))):
            await asyncio.sleep(0.02)
    assert 0 < flooded <= taken + 2**16 + len(KIBIBYTE)
    for _ in range(200):
        taken += len(b"".join(await anext(flood)))
    assert taken > 2**18
    await flood.aclose()
    assert await asyncio.gather(*(wide.said("x") for _ in range(3))) == [b"x"] * 3


async def test_a_chat_that_waits_for_its_reader_can_be_stopped(rig: Rig) -> None:
    for _ in range(3):
        flood = rig.chat("flood")
        await anext(flood)
        await flood.aclose()
    async with asyncio.timeout(PATIENCE):
        assert await rig.said("next") == b"next"
    assert rig.loads == 1


# -- giving up -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("work", ["endless", "prompt"])
async def test_a_chat_that_is_given_up_is_stopped_at_once(rig: Rig, work: str) -> None:
    chat = await rig.begun("a", work)
    await chat.aclose()
    assert await rig.said("next") == b"next"
    assert rig.loads == 1, "it is not killed but stopped"
    assert "stop" in rig.notes


async def test_the_slot_stays_taken_until_the_child_has_stopped(rig: Rig) -> None:
    chat = await rig.begun("a", "wait")
    await chat.aclose()
    following = asyncio.ensure_future(rig.said("next"))
    done, _ = await asyncio.wait([following], timeout=0.1)
    assert not done
    assert rig.model.is_busy
    rig.go()
    assert await following == b"next"
    assert [note for note in rig.notes if note != "stop"][-3:] == ["-await", "+next", "-next"]


async def test_a_child_that_does_not_stop_is_replaced(rig: Rig) -> None:
    chat = await rig.begun("a", "deaf")
    first = rig.model.pid
    await chat.aclose()
    began = time.monotonic()
    assert await rig.said("next") == b"next"
    assert time.monotonic() - began > 0.9
    assert rig.model.pid != first
    assert rig.loads == 2


async def test_a_child_that_does_not_stop_is_left_alone_while_others_chat_in_it(wide: Rig) -> None:
    deaf, other = await wide.begun("a", "deaf"), await wide.begun("b", "wait", "c")
    first = wide.model.pid
    await deaf.aclose()
    await asyncio.sleep(1.3)
    assert await wide.said("x") == b"x"
    assert wide.model.pid == first
    wide.go()
    assert [piece async for pieces in other for piece in pieces] == [b"c"]
    await until(lambda: wide.model.pid != first)
    assert await wide.said("next") == b"next"
    assert wide.loads == 2


async def test_one_that_stopped_late_is_not_held_against_the_others(wide: Rig) -> None:
    late, other, last = await wide.begun("a", "deaf"), await wide.begun("b", "deaf"), await wide.begun("c", "endless")
    await late.aclose()
    await asyncio.sleep(1.3)
    (wide.folder / "hear").touch()
    await wide.noted("-adeaf")
    await other.aclose()
    await last.aclose()
    assert await wide.said("next") == b"next"
    assert wide.loads == 1


async def test_a_chat_that_leaves_the_line_costs_no_slot(rig: Rig) -> None:
    first = asyncio.ensure_future(rig.said("wait", "a"))
    await rig.noted("+waita")
    waiting = [asyncio.ensure_future(rig.said("never")) for _ in range(5)]
    last = asyncio.ensure_future(rig.said("b"))
    await asyncio.sleep(0)
    for chat in waiting:
        chat.cancel()
    rig.go()
    assert (await first, await last) == (b"a", b"b")
    assert "+never" not in rig.notes


async def test_cancelling_in_every_phase_leaves_the_model_usable(rig: Rig) -> None:
    for delay in (0, 0.001, 0.005, 0.02, 0.05, 0.1):
        task = asyncio.ensure_future(rig.said("a", "endless"))
        await asyncio.sleep(delay)
        task.cancel()
        await asyncio.wait([task])
        async with asyncio.timeout(PATIENCE):
            assert await rig.said("next") == b"next"
        assert not rig.model.is_busy


# -- loading -------------------------------------------------------------------------------------------------------


async def test_one_load_serves_all_who_wait_and_goes_on_without_the_first(wide: Rig) -> None:
    wide.order("wait")
    chats = [asyncio.ensure_future(wide.said("x")) for _ in range(5)]
    await until(lambda: wide.loads == 1)
    assert wide.model.state == "loading"
    assert wide.model.is_loaded
    chats[0].cancel()
    wide.go()
    assert await asyncio.gather(*chats[1:]) == [b"x"] * 4
    assert (wide.loads, wide.model.state) == (1, "loaded")
    assert wide.model.facts == {"library": "scripted", "n_ctx": 64}
    assert wide.model.memory is not None
    assert 5e6 < wide.model.memory < 60e6


async def test_a_failed_load_is_told_to_all_and_tried_again_by_the_next(wide: Rig) -> None:
    wide.order("refuse")
    outcomes = await asyncio.gather(wide.said("x"), wide.said("x"), return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == ["p/m: no such file"] * 2
    assert (wide.model.is_loaded, wide.model.state, wide.model.trouble) == (False, "failed", "no such file")
    assert wide.rests
    wide.order("")
    assert await wide.said("x") == b"x"
    assert wide.model.trouble == ""


async def test_a_failed_load_that_nobody_waited_for_is_not_told_to_the_next(rig: Rig) -> None:
    rig.order("wait")
    gone = asyncio.ensure_future(rig.said("x"))
    await until(lambda: rig.loads == 1)
    gone.cancel()
    await asyncio.wait([gone])
    rig.go()
    await until(lambda: rig.model.state == "loaded")
    assert await rig.said("x") == b"x"
    assert rig.loads == 1


@pytest.mark.parametrize(
    ("order", "reason"), [("fail", r"MemoryError\('none left'\)"), ("strange", "TypeError.*not JSON serializable")]
)
async def test_an_unforeseen_failure_of_loading_is_told_too(rig: Rig, order: str, reason: str) -> None:
    rig.order(order)
    for _ in range(2):
        with pytest.raises(UpstreamUnavailable, match=f"p/m: loading failed: {reason}"):
            await rig.said("x")


async def test_who_asked_is_told_that_the_model_loads(rig: Rig) -> None:
    rig.order("wait")
    progress = Progress(clock=time.monotonic)
    loading = asyncio.ensure_future(rig.model.load(progress))
    await until(lambda: rig.loads == 1)
    assert progress.report()["state"] == "loading"
    rig.go()
    await loading
    assert "state" not in progress.report()
    assert rig.model.state == "loaded"
    await rig.model.load()
    assert rig.loads == 1


# -- unloading -----------------------------------------------------------------------------------------------------


async def test_unloading_ends_the_process(rig: Rig) -> None:
    for _ in range(2):
        assert await rig.said("x") == b"x"
        pid = rig.model.pid
        assert pid is not None
        await rig.model.unload()
        assert not is_there(pid)
        assert (rig.model.state, rig.model.pid, rig.model.memory, rig.model.facts) == ("unloaded", None, None, {})
    await rig.model.unload()


async def test_unloading_ends_a_load(rig: Rig) -> None:
    rig.order("freeze")
    chat = asyncio.ensure_future(rig.said("x"))
    await until(lambda: rig.loads == 1)
    rig.order("")
    unloading = asyncio.ensure_future(rig.model.unload())
    with pytest.raises(UpstreamUnavailable, match="being unloaded"):
        await chat
    assert await rig.said("y") == b"y"
    await unloading
    assert rig.loads == 2


async def test_unloading_in_every_phase_of_a_load_leaves_the_model_usable(rig: Rig) -> None:
    for turns in (1, 2, 3, 5, 8, 13, 21):
        chat = asyncio.ensure_future(rig.said("x"))
        for _ in range(turns):
            await asyncio.sleep(0)
        await rig.model.unload()
        with pytest.raises(UpstreamUnavailable, match="being unloaded"):
            await chat
        assert await rig.said("y") == b"y"
        await rig.model.unload()


async def test_unloading_ends_chats_and_those_in_line_load_again(rig: Rig) -> None:
    chat = await rig.begun("a", "endless")
    following = asyncio.ensure_future(rig.said("next"))
    await asyncio.sleep(0)
    await rig.model.unload()
    with pytest.raises(UpstreamUnavailable, match="being unloaded"):
        await _rest_of(chat)
    assert await following == b"next"
    assert rig.loads == 2


async def test_closing_stops_chats_refuses_those_in_line_and_leaves_no_process(rig: Rig) -> None:
    chat = await rig.begun("a", "endless")
    pid = rig.model.pid
    assert pid is not None
    waiting = asyncio.ensure_future(rig.said("never"))
    await asyncio.sleep(0)
    await rig.model.close()
    assert not is_there(pid)
    outcomes = await asyncio.gather(waiting, _rest_of(chat), rig.said("never"), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [UpstreamUnavailable] * 3
    assert "+never" not in rig.notes


async def test_closing_kills_a_child_that_hangs_with_pythons_lock_in_hand(rig: Rig) -> None:
    chat = await rig.begun("a", "freeze")
    pid = rig.model.pid
    assert pid is not None
    await rig.model.close()
    assert not is_there(pid)
    with pytest.raises(UpstreamUnavailable):
        await _rest_of(chat)


async def test_an_idle_model_is_unloaded_but_not_a_busy_one(tmp_path: Path) -> None:
    rig = Rig(tmp_path, unload_after=0.02)
    chat = asyncio.ensure_future(rig.said("a", "wait", "b"))
    await rig.noted("+awaitb")
    await asyncio.sleep(0.1)
    assert rig.model.is_loaded
    rig.go()
    assert await chat == b"ab"
    await until(lambda: not rig.model.is_loaded)
    assert await rig.said("x") == b"x"
    assert rig.loads == 2
    await rig.model.close()


async def test_loading_and_unloading_leaves_nothing_behind(rig: Rig) -> None:
    async def turn() -> None:
        async with aclosing(rig.chat("a", "endless")) as chat:
            await anext(chat)
        await rig.model.unload()

    for _ in range(3):
        await turn()
    before = _resident()
    for _ in range(20):
        await turn()
    assert _resident() - before < 5 * 2**20


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def _rest_of(chat: AsyncGenerator[list[bytes], None]) -> None:
    async for _ in chat:
        pass
