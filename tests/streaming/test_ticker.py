"""One timer for all: it goes on whatever a member does, and sleeps without members."""

from __future__ import annotations

import asyncio

import pytest

from llms.protocol.errors import UpstreamTimeout
from llms.streaming.deadline import Deadline
from llms.streaming.ticker import Ticker


class Member:
    """Count ticks; fail at each when told to."""

    def __init__(self, *, fails: bool = False) -> None:
        self.fails = fails
        self.ticked = asyncio.Event()

    def tick(self, now: float) -> None:
        self.ticked.set()
        if self.fails:
            raise RuntimeError("a member that fails")


async def test_a_member_that_fails_does_not_stop_the_time_of_others() -> None:
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    ticker, bad, good = Ticker(), Member(fails=True), Member()
    ticker.add(bad)
    async with asyncio.timeout(5):
        await bad.ticked.wait()
        ticker.add(good)
        ticker.discard(bad)
        await good.ticked.wait()
    ticker.discard(good)


async def test_a_deadline_cancels_the_wait_that_is_due_and_tells_so() -> None:
    deadline = Deadline(Ticker(), total=0)
    deadline.arm(0.05, "too late after {:g} s")
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(5):
            await asyncio.Event().wait()
    error = deadline.caught("up")
    assert isinstance(error, UpstreamTimeout)
    assert error.message == "up: too late after 0.05 s"
    deadline.close()


async def test_a_client_that_leaves_is_no_timeout() -> None:
    deadline = Deadline(Ticker(), total=0)
    caught: list[object] = []

    async def work() -> None:
        deadline.arm(60, "too late")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            caught.append(deadline.caught("up"))
            raise
        finally:
            deadline.close()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert caught == [None]


async def wait_often(deadline: Deadline) -> None:
    for _ in range(200):
        deadline.arm(60, "out of time")
        await asyncio.sleep(0.02)
        deadline.disarm()


async def test_the_total_counts_over_all_waits() -> None:
    deadline = Deadline(Ticker(), total=0.2)
    with pytest.raises(asyncio.CancelledError):
        await wait_often(deadline)
    assert isinstance(deadline.caught("up"), UpstreamTimeout)
    deadline.close()
