"""Two upstreams that fail at random: what clients notice of it, and what it costs."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Final

from llms.protocol.events import RequestEnded
from llms.testing.answers import Answer
from llms.testing.fake_upstream import FakeUpstream, answer, body, close, cut, either, error, event, head, reply
from llms.testing.seen import Seen
from llms.testing.steps import Step
from tests.e2e.said import said
from tests.e2e.several import several_upstreams
from tests.proxy import Proxy, RawClient, Reply, chat, serving

SEED: Final = "381"
"""No request of it meets a fault at each of its six attempts, however breakers divide them between the upstreams.

Chance would deal that to one request in 1,400 for each way to divide them.
"""
WORDS: Final = 8
PERIOD: Final = 200
"""Requests, at all upstreams, from one outage of an upstream to its next: a slow machine has the same outages."""
TOLD: Final = {"error": {"message": "no luck", "type": "server_error", "param": None, "code": None}}
FAULTS: Final = (
    error(500),
    answer(cut()),
    answer(close()),
    answer(head(), close()),
    either(answer(event(TOLD), event("[DONE]")), body(TOLD)),
)
ENDINGS: Final[Sequence[Sequence[Step]]] = ((cut(),), (close(),), (event(TOLD),), ())


class Flaky:
    """An upstream that fails a share of its requests before their first byte, and never says the same twice."""

    def __init__(self, name: str, *, faulty: float, cut_off: float = 0.0) -> None:
        self._name = name
        self._faulty = faulty
        self._cut_off = cut_off
        self._tries: Counter[str] = Counter()
        self._said = 0

    def __call__(self, seen: Seen) -> Answer:
        """Answer by a chance that depends on nothing but the request and how often it was here."""
        tag = str(seen.json["messages"][0]["content"])
        self._tries[tag] += 1
        chance = random.Random(f"{SEED}/{self._name}/{tag}/{self._tries[tag]}")
        if chance.random() < self._faulty:
            fault = chance.choice(FAULTS)
            return fault(seen) if callable(fault) else fault
        self._said += 1
        said_so = reply(" ".join(f"{self._name}/{tag}/{self._said}/{n}" for n in range(WORDS)))
        made = said_so(seen) if callable(said_so) else said_so
        if chance.random() < self._cut_off:
            return made.first(chance.randrange(2, WORDS)).then(*chance.choice(ENDINGS))
        return made


def in_turn(up: Flaky, down: Flaky, came: Iterator[int], *, shift: float) -> Callable[[Seen], Answer]:
    """Return what is down for the first three tenths of every period, which begins `shift` periods late."""

    def answered(seen: Seen) -> Answer:
        phase = (next(came) / PERIOD + shift) % 1.0
        return down(seen) if phase < 0.3 else up(seen)

    return answered


def comes_from_one_answer(text: str, tag: str) -> int:
    """Return how many words of one answer to this request a text is made of; fail when it is made otherwise."""
    words = [word.split("/") for word in text.split()]
    assert len({(name, serial) for name, _, serial, _ in words}) <= 1, f"spliced: {text}"
    assert {of for _, of, _, _ in words} <= {tag}, f"foreign: {text}"
    assert [int(place) for *_, place in words] == list(range(len(words))), f"lost, doubled or reordered: {text}"
    return len(words)


async def crowd(
    proxy: Proxy, many: int, look: Callable[[str, Reply], None], *, at_once: int = 24, pace: float = 0.0
) -> None:
    """Send so many requests, every other one streamed, over a few kept connections; look at each answer."""
    todo = iter(range(many))

    async def one_by_one() -> None:
        client = await RawClient.to(proxy)
        for number in todo:
            tag = f"t{number}"
            await client.send(chat(stream=bool(number % 2), messages=[{"role": "user", "content": tag}]))
            look(tag, await client.reply(patience=30))
            await asyncio.sleep(pace)
        client.close()

    await asyncio.gather(*(one_by_one() for _ in range(at_once)))


async def test_with_both_thirty_percent_faulty_nearly_all_requests_succeed() -> None:
    failed: list[tuple[str, Reply]] = []

    def look(tag: str, got: Reply) -> None:
        text = said(got)
        if comes_from_one_answer(text, tag) != WORDS:
            failed.append((tag, got))

    async with FakeUpstream() as first, FakeUpstream() as second:
        first.on(Flaky("a", faulty=0.3))
        second.on(Flaky("b", faulty=0.3))
        async with serving(several_upstreams(first, second, model="strategy: round_robin")) as proxy:
            await crowd(proxy, 1500, look)
            ended = await proxy.all_ended(1500)

    assert len(failed) <= 1, failed
    assert sum(one.outcome == "ok" for one in ended) >= 1499
    assert len(first.chats) + len(second.chats) < 1500 * 1.6


async def test_with_each_down_in_turn_nearly_all_requests_succeed() -> None:
    failed: list[tuple[str, Reply]] = []

    def look(tag: str, got: Reply) -> None:
        if comes_from_one_answer(said(got), tag) != WORDS:
            failed.append((tag, got))

    async with FakeUpstream() as first, FakeUpstream() as second:
        came = count()
        first.on(in_turn(Flaky("a", faulty=0.0), Flaky("a", faulty=1.0), came, shift=0.0))
        second.on(in_turn(Flaky("b", faulty=0.0), Flaky("b", faulty=1.0), came, shift=0.5))
        async with serving(several_upstreams(first, second, model="strategy: round_robin")) as proxy:
            await crowd(proxy, 2000, look, at_once=8, pace=0.01)

    assert len(failed) <= 2, failed


async def test_with_one_sixty_percent_faulty_nearly_all_requests_succeed() -> None:
    failed: list[tuple[str, Reply]] = []

    def look(tag: str, got: Reply) -> None:
        if comes_from_one_answer(said(got), tag) != WORDS:
            failed.append((tag, got))

    async with FakeUpstream() as first, FakeUpstream() as second:
        first.on(Flaky("a", faulty=0.6))
        second.on(Flaky("b", faulty=0.0))
        async with serving(several_upstreams(first, second)) as proxy:
            await crowd(proxy, 600, look)

    assert failed == []


async def test_text_is_never_spliced_however_streams_break() -> None:
    whole = broken = 0

    def look(tag: str, got: Reply) -> None:
        nonlocal whole, broken
        if not got.headers["content-type"].startswith("text/event-stream"):
            return
        words = comes_from_one_answer(got.text, tag)
        assert got.done is ("error" not in got.events[-1]), "neither whole nor an error, or both"
        assert not got.done or words == WORDS
        whole, broken = whole + got.done, broken + (not got.done)

    async with FakeUpstream() as first, FakeUpstream() as second:
        first.on(Flaky("a", faulty=0.2, cut_off=0.3))
        second.on(Flaky("b", faulty=0.2, cut_off=0.3))
        async with serving(several_upstreams(first, second, model="strategy: round_robin")) as proxy:
            await crowd(proxy, 600, look)

    assert broken > 50
    assert whole > 150


async def test_a_total_outage_costs_no_more_than_two_attempts_a_request() -> None:
    statuses: Counter[int] = Counter()

    def look(tag: str, got: Reply) -> None:
        statuses[got.status] += 1

    async with FakeUpstream() as first, FakeUpstream() as second:
        first.on(Flaky("a", faulty=1.0))
        second.on(Flaky("b", faulty=1.0))
        async with serving(several_upstreams(first, second)) as proxy:
            await crowd(proxy, 30, look, at_once=4)
            warm = len(first.chats) + len(second.chats)
            await crowd(proxy, 200, look, at_once=8)
            ended: Sequence[RequestEnded] = (await proxy.all_ended(230))[30:]

    assert len(first.chats) + len(second.chats) - warm <= 400
    assert sum(one.attempts for one in ended) <= 400
    assert statuses.keys() <= {500, 502}
