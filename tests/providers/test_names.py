"""A name is looked up once for all who wait, and one that hangs stands in nobody's way."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from llms.providers import _names
from llms.providers._names import Names
from llms.testing.clock import Clock

Answer = Callable[[], list[Any]]
HERE = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))]
THERE = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", 80))]


class System:
    """Answers instead of the system, and counts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self.go = threading.Event()
        self.answers: dict[str, Any] = {}
        monkeypatch.setattr(socket, "getaddrinfo", self._answer)

    def _answer(self, host: str, *_: object, **__: object) -> list[Any]:
        self.asked.append(host)
        if host == "hangs.test":
            self.go.wait(20)
        found = self.answers.get(host, HERE)
        if isinstance(found, Exception):
            raise found
        return list(found)


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> System:
    return System(monkeypatch)


async def settled(names: Names) -> None:
    """Wait until nothing is looked up any more."""
    while names._lookups:
        await asyncio.gather(*names._lookups.values())


async def test_a_name_that_hangs_takes_one_thread_however_many_ask(system: System) -> None:
    names = Names(clock=Clock())
    waiting = [asyncio.create_task(names.addresses("hangs.test", 80)) for _ in range(100)]
    await asyncio.sleep(0)
    for task in waiting[:50]:
        task.cancel()
    async with asyncio.timeout(5):
        assert await names.addresses("good.test", 80) == HERE
    system.go.set()
    found = await asyncio.gather(*waiting, return_exceptions=True)

    assert system.asked.count("hangs.test") == 1
    assert found[50:] == [HERE] * 50


async def test_an_address_is_used_while_a_newer_one_is_looked_up(system: System) -> None:
    clock = Clock()
    names = Names(clock=clock)
    await names.addresses("a.test", 80)
    system.answers["a.test"] = THERE
    assert await names.addresses("a.test", 80) == HERE
    assert len(system.asked) == 1
    clock.advance(_names._FRESH_SECONDS + 1)
    assert await names.addresses("a.test", 80) == HERE
    await settled(names)

    assert await names.addresses("a.test", 80) == THERE
    assert len(system.asked) == 2


async def test_an_old_address_is_not_used(system: System) -> None:
    clock = Clock()
    names = Names(clock=clock)
    await names.addresses("a.test", 80)
    system.answers["a.test"] = THERE
    clock.advance(_names._STALE_SECONDS + 1)

    assert await names.addresses("a.test", 80) == THERE


async def test_a_forgotten_address_is_looked_up_again(system: System) -> None:
    names = Names(clock=Clock())
    await names.addresses("a.test", 80)
    system.answers["a.test"] = THERE
    names.forget("a.test", 80)
    names.forget("never-known.test", 80)

    assert await names.addresses("a.test", 80) == THERE


async def test_a_name_that_is_none_fails_for_all_and_is_tried_again(system: System) -> None:
    names = Names(clock=Clock())
    system.answers["no.test"] = socket.gaierror(socket.EAI_NONAME, "no such name")
    found = await asyncio.gather(*(names.addresses("no.test", 80) for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in found] == [socket.gaierror] * 3
    assert len(system.asked) == 1
    system.answers["no.test"] = HERE

    assert await names.addresses("no.test", 80) == HERE


async def test_a_renewal_that_fails_keeps_the_address(system: System) -> None:
    clock = Clock()
    names = Names(clock=clock)
    await names.addresses("a.test", 80)
    system.answers["a.test"] = socket.gaierror(socket.EAI_AGAIN, "not now")
    clock.advance(_names._FRESH_SECONDS + 1)
    for _ in range(2):
        assert await names.addresses("a.test", 80) == HERE
        await settled(names)


async def test_nothing_is_waited_for_at_the_end(system: System) -> None:
    names = Names(clock=Clock())
    asked = asyncio.create_task(names.addresses("hangs.test", 80))
    await asyncio.sleep(0)
    asked.cancel()
    async with asyncio.timeout(5):
        await names.close()
    system.go.set()

    assert not names._lookups


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_a_number_needs_no_thread(host: str) -> None:
    found = await Names(clock=Clock()).addresses(host, 8000)

    assert [address[4][:2] for address in found] == [(host, 8000)]
