"""Progress on the wire: for those who asked, before the first chunk and beside the text; nothing for anybody else."""

from __future__ import annotations

import asyncio
import gc
import itertools
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, Final

import pytest

from llms.protocol.chat import ChatRequest, Chunk
from llms.protocol.errors import UpstreamUnavailable
from llms.protocol.progress import Progress
from llms.testing.answers import Answer, Script
from llms.testing.fake_upstream import (
    FakeUpstream,
    close,
    error,
    pause,
    reasoning_stream,
    stall,
    text_stream,
    tool_stream,
    whole,
)
from tests.gateway.slotted import TWO, Slotted, put
from tests.proxy import Proxy, RawClient, Reply, ask, chat, one_upstream, serving

ASKED: Final[Mapping[str, str]] = {"X-LLMS-Stream": "sooner, progress, later", "x-request-id": "r1"}
LONG: Final = "Grüße aus Köln 🎈 " * 40


def after(answer: Answer, *steps: Any) -> Answer:
    """Return an answer that begins with further steps."""
    return Answer((*steps, *answer.steps), answer.framing)


def early(reply: Reply) -> list[dict[str, Any]]:
    """Return the figures of the events before the first chunk, checking what stands around them."""
    found = [event for event in reply.events if event != "[DONE]" and event.get("id") == "r1"]
    assert reply.events[: len(found)] == found
    for event in found:
        assert event["choices"] == []
        assert event["object"] == "chat.completion.chunk"
        assert isinstance(event["created"], int)
    return [event["llms"] for event in found]


def figures(reply: Reply) -> list[dict[str, Any]]:
    return [event["llms"] for event in reply.events if isinstance(event, dict) and "llms" in event]


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not reached():
            await asyncio.sleep(0.005)


async def finished(client: RawClient) -> Reply:
    """Return the rest of an answer, and leave."""
    try:
        return await client.reply()
    finally:
        client.close()


def boards() -> int:
    """Count the boards in memory that somebody holds."""
    gc.collect()
    return sum(isinstance(item, Progress) for item in gc.get_objects())


@pytest.mark.parametrize(
    "script",
    [text_stream(LONG), text_stream(LONG, usage=False), text_stream(LONG).joined(), reasoning_stream(), tool_stream()],
    ids=["text", "no usage", "one read", "reasoning", "tools"],
)
@pytest.mark.parametrize("options", [{}, {"stream_options": {"include_usage": True}}], ids=["plain", "usage"])
async def test_the_stream_is_that_of_other_clients_but_for_the_figures(script: Script, options: Any) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        upstream.script(script)
        plain = await ask(proxy, chat(**options))
        told = await ask(proxy, chat(**options), headers=ASKED)
    assert b"llms" not in plain.body
    assert told.text == plain.text
    assert told.done
    events = told.events
    final = events[-2]["llms"]
    assert (final["percent"], final["eta_ms"]) == (100.0, 0)
    without = [{k: v for k, v in event.items() if k != "llms"} for event in events[:-1]]
    if len(events) > len(plain.events):
        own = without.pop()
        assert own == {**{name: without[0][name] for name in ("id", "object", "created", "model")}, "choices": []}
    assert without == plain.events[:-1]
    frames, others = told.body.split(b"\n\n"), plain.body.split(b"\n\n")
    kept = [frame.partition(b',"llms":')[0] for frame in frames if b'"choices":[],"llms"' not in frame]
    assert all(ours.startswith(theirs) for ours, theirs in zip(others, kept, strict=True))
    assert sum(ours != theirs for ours, theirs in zip(others, kept, strict=True)) <= 2


async def test_whole_answers_have_no_figures() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        upstream.script(whole("hi"))
        reply = await ask(proxy, chat(stream=False), headers=ASKED)
        assert reply.status == 200
        assert b'"llms"' not in reply.body


@pytest.mark.parametrize("row", ["", "stream: false"])
async def test_an_upstream_that_does_not_stream_is_told_of_too(row: str) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, row=row)) as proxy:
        upstream.script(after(whole("hi"), pause(0.6)))
        reply = await ask(proxy, chat(), headers=ASKED)
        assert (reply.status, reply.text, reply.done) == (200, "hi", True)
        assert [each.keys() for each in early(reply)] == [{"elapsed_ms"}]
        assert (figures(reply)[-1]["tokens"], figures(reply)[-1]["percent"]) == (5, 100)


async def test_a_long_wait_for_the_first_chunk_is_told_of_once_a_second() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        upstream.script(after(text_stream("fine"), pause(1.9)))
        reply = await ask(proxy, chat(max_tokens=50), headers=ASKED)
    assert reply.status == 200
    assert "x-llms-provider" not in reply.headers
    first, second = early(reply)
    assert first.keys() == second.keys() == {"elapsed_ms", "max_tokens"}
    assert 300 <= first["elapsed_ms"] <= second["elapsed_ms"] - 1000
    assert reply.text == "fine"
    assert b": ping" not in reply.body
    assert figures(reply)[-1]["ttft_ms"] >= 1800


async def test_events_of_a_long_stream_are_a_second_apart() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        upstream.script(text_stream("a b c d e f g h i j k l", usage=False).paced(0.16))
        reply = await ask(proxy, chat(max_tokens=24), headers=ASKED)
    *timed, final = figures(reply)
    assert 2 <= len(timed) <= 3
    assert all(b["elapsed_ms"] - a["elapsed_ms"] >= 999 for a, b in itertools.pairwise(timed))
    assert timed[-1]["state"] == final["state"] == "writing"
    assert 1 < timed[-1]["tokens_per_second"] < 10
    assert timed[-1]["percent"] == round(100 * timed[-1]["tokens"] / 24, 1)
    assert timed[-1]["eta_ms"] > 0
    assert final["tokens"] == 12


async def test_a_quick_failure_keeps_its_status() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, row="retries: 0")) as proxy:
        upstream.script(error(400, message="no such thing"))
        assert (await ask(proxy, chat(), headers=ASKED)).status == 400
        assert (await ask(proxy, {**chat(), "model": "nobody's"}, headers=ASKED)).status == 404
        assert (await ask(proxy, {**chat(), "messages": 5}, headers=ASKED)).status == 400


async def test_a_late_failure_is_an_event() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, row="retries: 0")) as proxy:
        upstream.script(after(error(400, message="no such thing"), pause(0.7)))
        reply = await ask(proxy, chat(), headers=ASKED)
        assert reply.status == 200
        assert early(reply)
        assert "no such thing" in reply.error["message"]
        assert "[DONE]" not in reply.events


async def test_a_failed_attempt_is_a_warning_and_no_news() -> None:
    async with FakeUpstream() as bad, FakeUpstream() as good:
        bad.script(error(500, message="no luck today"))
        good.script(after(text_stream("fine"), pause(0.5)))
        text = (
            f'providers:\n  bad: {{type: openai_compatible, base_url: "{bad.url}", api_key: sk-planted}}\n'
            f'  good: {{type: openai_compatible, base_url: "{good.url}", api_key: sk-planted}}\n'
            "models: {m: {targets: [bad/x, good/x]}}\n"
        )
        async with serving(text) as proxy:
            reply = await ask(proxy, chat(), headers=ASKED)
    [told] = early(reply)
    assert told["elapsed_ms"] >= 300
    assert "no luck today" in told["warning"]
    assert [each for each in figures(reply) if "warning" in each] == [told]
    assert reply.text == "fine"


class Loading(Slotted):
    """A provider that says that it loads, and then answers or fails."""

    def __init__(self, failure: Exception | None = None) -> None:
        super().__init__({})
        self._failure = failure

    async def chat(self, request: ChatRequest, *, stream: bool = True) -> AsyncGenerator[Chunk, None]:
        if request.progress is not None:
            request.progress.state("loading", percent=41)
        await asyncio.sleep(0.25)
        if self._failure is not None:
            raise self._failure
        async for chunk in super().chat(request, stream=stream):
            yield chunk


async def test_a_load_is_news_and_told_at_once() -> None:
    async with serving(TWO.replace("local: {type: echo}", "local: {type: echo, retries: 0}")) as proxy:
        provider = Loading()
        provider.let_go()
        put(proxy, provider)
        reply = await ask(proxy, {**chat(), "model": "local/m"}, headers=ASKED)
        [loading] = early(reply)
        assert (loading["state"], loading["percent"]) == ("loading", 41)
        assert loading["elapsed_ms"] < 250
        assert (reply.text, reply.done) == ("hi", True)
        put(proxy, Loading(UpstreamUnavailable("the file is broken")))
        reply = await ask(proxy, {**chat(), "model": "local/m"}, headers=ASKED)
        assert (reply.status, reply.error["message"]) == (200, "the file is broken")


async def queued(proxy: Proxy, number: int) -> RawClient:
    """Ask for the busy model, and wait until this request is the last in line (0: until it runs)."""
    member = proxy.engine.gateway.fleet.members["local"]
    client = await RawClient.to(proxy)
    await client.send({**chat(), "model": "local/one"}, headers=ASKED)
    await until(lambda: member.slots.waiting == number and bool(member.slots.of("one", 1).busy))
    return client


async def test_who_waits_in_line_hears_its_place() -> None:
    async with serving(TWO) as proxy:
        provider = Slotted({"one": 1})
        put(proxy, provider)
        first, second, third = [await queued(proxy, number) for number in range(3)]
        seen = await third.until(b'"queue_position":2')
        assert b'"state":"queued"' in seen
        assert b"eta_ms" not in seen
        provider.let_go()
        assert (await finished(first)).done
        assert b'"eta_ms"' in await third.until(b'"queue_position":1')
        provider.let_go(2)
        reply = await finished(second)
        assert early(reply)[0]["queue_position"] == 1
        assert reply.text == "hi"
        assert b'"content":"hi"' in await third.until(b"[DONE]")
        third.close()


async def test_who_finds_the_line_full_gets_the_status() -> None:
    text = TWO.replace("local: {type: echo}", "local: {type: echo, limits: {queue: 0}}")
    async with serving(text) as proxy:
        provider = Slotted({"one": 1})
        put(proxy, provider)
        client = await queued(proxy, 0)
        reply = await ask(proxy, {**chat(), "model": "local/one"}, headers=ASKED)
        assert (reply.status, reply.headers["x-llms-queue-depth"]) == (429, "0")
        provider.let_go()
        assert (await finished(client)).done


async def test_no_board_is_left_of_those_who_left() -> None:
    before = boards()
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        member = put(proxy, Slotted({"one": 1}), name="up")
        provider = member.require()
        assert isinstance(provider, Slotted)
        clients = []
        for waiting in range(3):
            client = await RawClient.to(proxy)
            await client.send({**chat(), "model": "up/one"}, headers=ASKED)
            await until(lambda waiting=waiting: len(provider.came) == 1 and member.slots.waiting == waiting)  # type: ignore[misc]
            clients.append(client)
        await clients[2].until(b"queue_position")
        assert boards() == before + 3
        for client in clients:
            client.reset()
        await proxy.all_ended(3)
        await until(lambda: boards() == before)
        assert (member.slots.waiting, member.slots.of("one", 1).busy) == (0, 0)


@pytest.mark.parametrize(
    "script", [text_stream("a b").first(2).then(stall()), text_stream("a b").first(2).then(close())]
)
async def test_no_board_is_left_of_a_stream_that_broke(script: Script) -> None:
    before = boards()
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        upstream.script(script)
        client = await RawClient.to(proxy)
        await client.send(chat(), headers=ASKED)
        await client.until(b'"llms"')
        assert boards() <= before + 1
        client.reset()
        await proxy.all_ended(1)
        await until(lambda: boards() == before)
