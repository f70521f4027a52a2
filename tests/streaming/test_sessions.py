"""Sessions without a server: readers and their pace, grace, memory, and every way to end."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing

import pytest

from llms.config.model import Resume
from llms.protocol.errors import Cancelled, LlmsError, RateLimited, ReplayExpired, UpstreamError
from llms.streaming import giving_back
from llms.streaming.session import StreamSession
from llms.streaming.sessions import StreamSessions
from llms.tasks import Tasks


class Feed:
    """A source that brings what a test puts in, and notes that it was closed."""

    def __init__(self) -> None:
        self.items: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
        self.closed = asyncio.Event()

    def put(self, *words: str) -> None:
        for word in words:
            self.items.put_nowait(b"data: %b\n\n" % word.encode())

    def end(self, error: Exception | None = None) -> None:
        self.items.put_nowait(error)

    async def __call__(self, session: StreamSession) -> AsyncGenerator[bytes, None]:
        try:
            while (item := await self.items.get()) is not None:
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            self.closed.set()


def tell(error: LlmsError) -> bytes:
    return f"data: !{error.code}\n\n".encode()


def text_of(event: bytes) -> str:
    return event.decode()[6:-2]


Start = Callable[..., tuple[StreamSession, Feed]]


@pytest.fixture
async def tasks() -> AsyncIterator[Tasks]:
    tasks = Tasks()
    yield tasks
    await tasks.close()


def starting(tasks: Tasks, trim: Callable[[], None] = lambda: None, **bounds: float) -> tuple[StreamSessions, Start]:
    counter = itertools.count(1)
    kept = StreamSessions(
        lambda: Resume(**bounds),  # type: ignore[arg-type]
        tasks=tasks,
        new_id=lambda: f"s{next(counter)}",
        trim=trim,
    )

    def start(owner: str = "me", *, outlives: bool = False) -> tuple[StreamSession, Feed]:
        feed = Feed()
        return kept.start(feed, owner=owner, tell=tell, text_of=text_of, outlives=outlives), feed

    return kept, start


async def read(session: StreamSession, *, after: int = 0) -> list[str]:
    async with aclosing(session.follow(after=after)) as found:
        return [text_of(event.data) async for some in found for event in some]


async def until(reached: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not reached():
            await asyncio.sleep(0.002)


async def test_all_readers_get_everything_whenever_they_come(tasks: Tasks) -> None:
    _, start = starting(tasks)
    session, feed = start()
    early = asyncio.create_task(read(session))
    feed.put("a", "b")
    await until(lambda: session.last == 2)
    middle = asyncio.create_task(read(session, after=1))
    feed.put("c")
    feed.end()
    assert await early == ["a", "b", "c"]
    assert await middle == ["b", "c"]
    assert await read(session, after=2) == ["c"]
    assert await read(session, after=3) == []
    assert (session.status, session.text, session.readers) == ("completed", "abc", 0)


async def test_a_slow_reader_slows_nobody_and_is_told_what_it_missed(tasks: Tasks) -> None:
    _, start = starting(tasks, buffer=2000)
    session, feed = start()
    async with aclosing(session.follow()) as slow:
        feed.put("first")
        [event] = await anext(slow)
        quick = asyncio.create_task(read(session))
        for n in range(500):
            feed.put(f"{n:03d}")
            await until(lambda: feed.items.empty())
            assert session.size <= 2000
        feed.end()
        assert await quick == ["first", *(f"{n:03d}" for n in range(500))]
        with pytest.raises(ReplayExpired) as caught:
            await anext(slow)
    assert event.id == 1
    assert caught.value.resuming is not None
    assert caught.value.resuming[:3] == (session.id, 1, False)
    assert caught.value.resuming.partial is not None
    assert caught.value.resuming.partial.startswith("first000001")


@pytest.mark.parametrize("error", [UpstreamError("broke"), Cancelled("stopped")])
async def test_an_error_ends_it_with_an_event_for_all(tasks: Tasks, error: LlmsError) -> None:
    _, start = starting(tasks)
    session, feed = start()
    feed.put("a")
    feed.end(error)
    assert await read(session) == ["a", f"!{error.code}"]
    assert session.status == ("cancelled" if isinstance(error, Cancelled) else "failed")
    assert await read(session, after=1) == [f"!{error.code}"]


async def test_an_error_before_the_first_event_is_raised(tasks: Tasks) -> None:
    _, start = starting(tasks)
    session, feed = start()
    feed.end(UpstreamError("no luck"))
    for _ in range(2):
        with pytest.raises(UpstreamError):
            await read(session)


async def test_a_defect_ends_it_too(tasks: Tasks, caplog: pytest.LogCaptureFixture) -> None:
    _, start = starting(tasks)
    session, feed = start()
    with caplog.at_level(logging.CRITICAL):
        feed.put("a")
        feed.end(ZeroDivisionError("a defect"))
        assert await read(session) == ["a", "!internal_error"]


@pytest.mark.parametrize("turns", [0, 1, 5])
async def test_cancelling_closes_the_source_at_any_time(tasks: Tasks, turns: int) -> None:
    _, start = starting(tasks)
    session, feed = start()
    feed.put("a")
    for _ in range(turns):
        await asyncio.sleep(0)
    assert session.cancel(Cancelled("enough"))
    assert not session.cancel(Cancelled("again"))
    await until(lambda: session.status == "cancelled")
    assert feed.closed.is_set() or not session.last
    assert session.error is not None
    assert session.error.message == "enough"


async def test_the_grace_begins_when_the_last_reader_leaves(tasks: Tasks) -> None:
    _, start = starting(tasks, grace=0.05)
    session, feed = start()
    feed.put("a")
    one, two = session.follow(), session.follow()
    await anext(one)
    await anext(two)
    await one.aclose()
    await asyncio.sleep(0.1)
    assert session.status == "in_progress"
    await two.aclose()
    await until(lambda: session.status == "cancelled")
    assert feed.closed.is_set()


async def test_a_session_may_do_without_readers(tasks: Tasks) -> None:
    _, start = starting(tasks, grace=0.01)
    session, feed = start(outlives=True)
    await asyncio.sleep(0.05)
    feed.put("a")
    feed.end()
    assert await read(session) == ["a"]
    assert session.status == "completed"


async def test_memory_of_all_is_bounded_by_forgetting_what_is_over(tasks: Tasks) -> None:
    kept, start = starting(tasks, memory=300_000)
    running, feed = start()
    feed.put("still here")
    for _ in range(10):
        session, other = start()
        other.put("x" * 50_000)
        other.end()
        await until(lambda session=session: session.status == "completed")
    assert sum(session.size for session in kept.sessions) <= 300_000
    assert kept.sessions[0] is running
    assert 2 <= len(kept.sessions) <= 6
    assert kept.find(session.id, owner="me") is session


async def test_memory_of_all_is_bounded_by_shortening_what_runs(tasks: Tasks) -> None:
    kept, start = starting(tasks, memory=200_000)
    pairs = [start() for _ in range(2)]
    for _ in range(400):
        for _, feed in pairs:
            feed.put("y" * 1000)
    await until(lambda: all(session.last == 400 for session, _ in pairs))
    assert sum(session.size for session in kept.sessions) <= 200_000
    assert all(session.first > 1 for session, _ in pairs)


async def test_the_limits_are_of_what_is_under_way(tasks: Tasks) -> None:
    _, start = starting(tasks, streams=3, streams_per_caller=2)
    first, feed = start("a")
    start("a")
    with pytest.raises(RateLimited, match="This key has 2"):
        start("a")
    start("b")
    with pytest.raises(RateLimited, match="The server has 3"):
        start("c")
    feed.end()
    await until(lambda: first.status == "completed")
    start("a")


async def test_closing_everything_leaves_no_reader_behind(tasks: Tasks) -> None:
    kept, start = starting(tasks)
    session, feed = start()
    feed.put("a")
    reader = asyncio.create_task(read(session))
    await until(lambda: session.readers)
    await until(lambda: session.last)
    await tasks.close()
    await kept.close()
    assert await reader == ["a", "!cancelled"]
    assert kept.sessions == []


async def test_memory_of_what_is_forgotten_is_given_back_once_nothing_runs(
    tasks: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(giving_back, "_PAUSE", 0.01)
    trimmed = asyncio.Event()
    kept, start = starting(tasks, trimmed.set, keep=0.001)
    running, feed = start()
    for _ in range(10):
        _, other = start()
        other.put("x" * 300_000)
        other.end()
    await until(lambda: kept.sessions == [running])
    await asyncio.sleep(0.05)
    assert not trimmed.is_set()
    feed.end()
    async with asyncio.timeout(5):
        await trimmed.wait()
    await kept.close()


def test_trimming_is_harmless() -> None:
    giving_back.trim()
