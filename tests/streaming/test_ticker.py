"""One timer for all: it goes on whatever a member does, and sleeps without members."""

from __future__ import annotations

import asyncio

import pytest

from llms.protocol.errors import UpstreamTimeout
from llms.streaming.deadline import Deadline
from llms.streaming.lane import Lane
from llms.streaming.ticker import Ticker


class Member:
    """Count ticks; fail at each when told to."""

    def __init__(self, *, fails: bool = False) -> None:
        self.fails = fails
        self.ticked = asyncio.Event()

    def tick(self, now: float) -> bool:
        self.ticked.set()
        if self.fails:
            raise RuntimeError("a member that fails")
        return True


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
    deadline.arm(60, "something passed by after that")
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


class Silent:
    """Have nothing to do for long, and note at which ticks that is looked at."""

    looks = 0

    def tick(self, now: float) -> bool:
        self.looks += 1
        return False


async def test_those_with_nothing_to_do_soon_look_once_in_ten_ticks() -> None:
    ticker, often = Ticker(), Member()
    silent = [Silent() for _ in range(50)]
    for member in (often, *silent):
        ticker.add(member)
    ticks = 0
    while ticks < 21:
        await often.ticked.wait()
        often.ticked.clear()
        ticks += 1
    assert {member.looks for member in silent} <= {2, 3, 4}
    for member in (often, *silent):
        ticker.discard(member)
    assert not ticker.members


async def test_a_short_wait_after_a_long_one_is_noticed_in_time() -> None:
    ticker = Ticker()
    deadline = Deadline(ticker, total=0)
    deadline.arm(60, "too late")
    while deadline in ticker._soon:
        await asyncio.sleep(0.05)
    deadline.arm(0.05, "too late")
    assert deadline in ticker._soon
    with pytest.raises(asyncio.CancelledError):
        await asyncio.sleep(60)
    assert deadline.caught("up") is not None
    deadline.close()


async def test_what_passes_on_a_lane_puts_a_wait_off() -> None:
    ticker = Ticker()
    deadline = Deadline(ticker, total=0)
    lane = Lane(asyncio.Transport(), Exchange(), ticker=ticker)
    deadline.follow(lane)
    deadline.arm(0.3, "nothing for {:g} s")
    for _ in range(8):
        await asyncio.sleep(0.1)
        lane.at = ticker.now
    assert deadline.waited(0.3) < 0.25
    with pytest.raises(asyncio.CancelledError):
        await asyncio.sleep(60)
    error = deadline.caught("up")
    assert error is not None
    assert error.message == "up: nothing for 0.3 s"
    deadline.close()


async def test_a_lane_does_not_put_off_the_total() -> None:
    ticker = Ticker()
    deadline = Deadline(ticker, total=0.4)
    lane = Lane(asyncio.Transport(), Exchange(), ticker=ticker)
    deadline.follow(lane)
    deadline.arm(0.2, "nothing for {:g} s")

    async def pass_on() -> None:
        for _ in range(200):
            await asyncio.sleep(0.02)
            lane.at = ticker.now

    with pytest.raises(asyncio.CancelledError):
        await pass_on()
    error = deadline.caught("up")
    assert error is not None
    assert "total of 0.4 s" in error.message
    deadline.close()


class Exchange:
    """Count nothing."""

    chunks = 0
