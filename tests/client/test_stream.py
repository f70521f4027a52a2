"""Streams over connections that break: nothing is lost, nothing comes twice, and what cannot be mended is said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llms.client import (
    AsyncClient,
    NotFound,
    Patience,
    RateLimited,
    StreamFailed,
    StreamingChunk,
    StreamLost,
    Unreachable,
)
from llms.client.stream import ChatStream
from llms.testing.fake_upstream import (
    FakeUpstream,
    answer,
    cut,
    error,
    reasoning_stream,
    stall,
    text_stream,
    tool_stream,
    wait,
)
from tests.client.conftest import Pauses
from tests.client.fault_proxy import CUT, END, STALL, FaultProxy
from tests.proxy import Proxy, one_upstream, serving

TEXT: Final = "Grüße 🎈 x"
LONG: Final = "Grüße aus Köln 🎈 " * 40
EACH: Final = 2
"""Connections that aiohttp makes for a GET of ours when the first one breaks without an answer."""


async def drained(stream: ChatStream) -> list[StreamingChunk]:
    return [piece async for piece in stream]


def joined(found: list[StreamingChunk]) -> str:
    return "".join(piece.text for piece in found)


async def test_a_stream_that_nothing_disturbs(client: AsyncClient, upstream: FakeUpstream) -> None:
    upstream.script(text_stream(LONG))
    stream = client.chat_stream("hello", temperature=0.5, extra={"top_k": 3})
    found = await drained(stream)
    assert joined(found) == stream.text == LONG
    assert found[-1].usage is not None
    assert stream.usage == found[-1].usage
    assert [piece.finish_reason for piece in found if piece.finish_reason] == ["stop"] == [stream.finish_reason]
    assert (stream.reconnects, stream.id != "", stream.request_id != "") == (0, True, True)
    assert not any(piece.gap for piece in found)
    body = upstream.chats[0].json
    assert body["messages"] == [{"role": "user", "content": "hello"}]
    assert (body["temperature"], body["top_k"]) == (0.5, 3)


async def test_a_cut_at_every_byte(client: AsyncClient, upstream: FakeUpstream, faults: FaultProxy) -> None:
    upstream.script(text_stream(TEXT))
    plain = await drained(client.chat_stream("hello"))
    sent = bytes(faults.sent[0])
    head = sent.index(b"\r\n\r\n") + 4
    for position in [*range(0, head, 16), *range(head, len(sent))]:
        faults.plan((CUT if position % 2 else END, position))
        stream = client.chat_stream("hello")
        assert await drained(stream) == plain, position
    assert stream.reconnects <= 1


@pytest.mark.parametrize("script", [tool_stream(), reasoning_stream("Thought about it.", LONG)])
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(places=st.lists(st.tuples(st.sampled_from([CUT, END]), st.integers(0, 3000)), max_size=5))
def test_cuts_anywhere_again_and_again(script: object, places: list[tuple[str, int]]) -> None:
    async def run() -> None:
        async with (
            FakeUpstream() as upstream,
            serving(one_upstream(upstream, row="retries: 0")) as proxy,
            FaultProxy(proxy.port) as faults,
            AsyncClient(faults.url, model="m", patience=Patience(sleep=Pauses(), retries=9, reconnects=9)) as client,
        ):
            upstream.script(script)  # type: ignore[arg-type]
            plain = await drained(client.chat_stream("hello"))
            faults.plan(*places)
            assert await drained(client.chat_stream("hello")) == plain

    asyncio.run(run())


async def test_what_is_lost_while_the_answer_is_made_is_made_up_for(
    client: AsyncClient, upstream: FakeUpstream, faults: FaultProxy
) -> None:
    go = asyncio.Event()
    script = text_stream(LONG)
    upstream.script(answer(*script.steps[:4], wait(go), *script.steps[4:]))
    faults.plan((CUT, 900))
    stream = client.chat_stream("hello")
    found = [await anext(stream)]
    go.set()
    found += await drained(stream)
    assert joined(found) == LONG
    assert stream.reconnects == 1
    assert len(upstream.chats) == 1


async def test_a_silent_connection_counts_as_lost(upstream: FakeUpstream, faults: FaultProxy) -> None:
    upstream.script(text_stream(LONG))
    faults.plan((STALL, 900))
    async with AsyncClient(faults.url, model="m", patience=Patience(silence=0.05, sleep=Pauses())) as client:
        stream = client.chat_stream("hello")
        assert joined(await drained(stream)) == LONG
        assert stream.reconnects == 1


async def test_where_no_stream_gets_through_the_text_is_polled(
    client: AsyncClient, upstream: FakeUpstream, faults: FaultProxy, pauses: Pauses
) -> None:
    upstream.script(text_stream(LONG))
    faults.plan((CUT, 900), *[(CUT, 20)] * 5 * EACH)
    stream = client.chat_stream("hello")
    found = await drained(stream)
    assert joined(found) == LONG == stream.text
    assert [piece.gap for piece in found[-2:]] == [False, True]
    assert (stream.reconnects, stream.finish_reason) == (5, "stop")
    assert pauses.asked == [1, 2, 4, 8, 2]


async def test_calls_of_tools_are_not_polled_for(
    client: AsyncClient, upstream: FakeUpstream, faults: FaultProxy
) -> None:
    upstream.script(text_stream(LONG))
    faults.plan((CUT, 900), *[(CUT, 20)] * 5 * EACH)
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    with pytest.raises(StreamLost, match="cannot replace"):
        await drained(client.chat_stream("hello", tools=[tool]))


async def test_a_server_that_is_gone_for_good(client: AsyncClient, upstream: FakeUpstream, faults: FaultProxy) -> None:
    upstream.script(text_stream(LONG))
    faults.plan((CUT, 900), *[(CUT, 0)] * 9 * EACH)
    stream = client.chat_stream("hello")
    with pytest.raises(StreamLost) as lost:
        await drained(stream)
    assert lost.value.code == "upstream_truncated"
    assert lost.value.partial == stream.text
    assert LONG.startswith(lost.value.partial)
    assert 0 < len(lost.value.partial) < len(LONG)
    assert lost.value.request_id == stream.request_id


async def test_a_server_that_restarted_knows_the_stream_no_more(
    client: AsyncClient, upstream: FakeUpstream, faults: FaultProxy, proxy: Proxy
) -> None:
    upstream.script(text_stream(LONG).first(4).then(stall()))
    async with serving(one_upstream(upstream)) as other:
        stream = client.chat_stream("hello")
        first = await anext(stream)
        faults.redirect(other.port)
        with pytest.raises(StreamLost) as lost:
            await drained(stream)
    assert (lost.value.code, lost.value.status) == ("not_found", 404)
    assert lost.value.partial.startswith(first.text)
    assert LONG.startswith(lost.value.partial)


async def test_a_server_that_cannot_resume_is_said_to_be_one(upstream: FakeUpstream, patience: Patience) -> None:
    upstream.script(text_stream(LONG).first(4).then(cut()))
    async with AsyncClient(upstream.url, model="m", patience=patience) as client:
        stream = client.chat_stream("hello")
        with pytest.raises(StreamLost, match="cannot resume") as lost:
            await drained(stream)
    assert lost.value.partial == stream.text != ""
    assert len(upstream.chats) == 1


@pytest.mark.parametrize("script", [text_stream(LONG, done=False), text_stream(LONG).bytewise()])
async def test_other_servers_that_end_well(upstream: FakeUpstream, patience: Patience, script: object) -> None:
    upstream.script(script)  # type: ignore[arg-type]
    async with AsyncClient(upstream.url, model="m", patience=patience) as client:
        assert joined(await drained(client.chat_stream("hello"))) == LONG


async def test_an_error_in_the_stream_carries_the_text(client: AsyncClient, upstream: FakeUpstream) -> None:
    upstream.script(text_stream(LONG).first(4).then(cut()))
    with pytest.raises(StreamFailed) as failed:
        await drained(client.chat_stream("hello"))
    assert failed.value.code == "upstream_truncated"
    assert LONG.startswith(failed.value.partial)
    assert failed.value.partial != ""


async def test_leaving_early_stops_the_upstream(client: AsyncClient, upstream: FakeUpstream, proxy: Proxy) -> None:
    upstream.script(text_stream(LONG).first(4).then(stall()))
    async with client.chat_stream("hello") as stream:
        await anext(stream)
    await (await upstream.arrived()).gone()
    [ended] = await proxy.all_ended(1)
    assert ended.outcome == "cancelled"


async def test_a_cancelled_task_stops_the_upstream(client: AsyncClient, upstream: FakeUpstream) -> None:
    upstream.script(text_stream(LONG).first(4).then(stall()))
    stream = client.chat_stream("hello")
    await anext(stream)
    reading = asyncio.create_task(drained(stream))
    await asyncio.sleep(0)
    reading.cancel()
    await (await upstream.arrived()).gone()


async def test_a_stream_that_nobody_holds_stops_the_upstream(client: AsyncClient, upstream: FakeUpstream) -> None:
    upstream.script(text_stream(LONG).first(4).then(stall()))
    async for _ in client.chat_stream("hello"):
        break
    await (await upstream.arrived()).gone()


@pytest.mark.parametrize("is_read", [True, False])
async def test_closing_the_client_stops_the_upstream(upstream: FakeUpstream, faults: FaultProxy, is_read: bool) -> None:
    upstream.script(text_stream(LONG).first(4).then(stall()))
    async with AsyncClient(faults.url, model="m") as client:
        stream = client.chat_stream("hello")
        await anext(stream)
        reading = asyncio.create_task(drained(stream)) if is_read else None
        await asyncio.sleep(0)
    await (await upstream.arrived()).gone()
    if reading is None:
        assert await drained(stream) == []
    else:
        with pytest.raises((RuntimeError, StreamFailed), match=r"closed|cancelled"):
            await reading
    with pytest.raises(RuntimeError, match="closed"):
        await client.generate("hello")


@pytest.mark.parametrize("by", ["stream", "client"])
async def test_cancelling_while_somebody_reads(client: AsyncClient, upstream: FakeUpstream, by: str) -> None:
    upstream.script(text_stream(LONG).first(4).then(stall()))
    stream = client.chat_stream("hello")
    assert not await stream.cancel()
    await anext(stream)
    reading = asyncio.create_task(drained(stream))
    assert await (stream.cancel() if by == "stream" else client.cancel(stream.id))
    with pytest.raises(StreamFailed) as failed:
        await reading
    assert failed.value.code == "cancelled"
    assert not await stream.cancel()
    with pytest.raises(NotFound):
        await client.cancel("nothing")


async def test_progress_is_told_and_is_no_piece(client: AsyncClient, upstream: FakeUpstream) -> None:
    upstream.script(text_stream(LONG))
    heard: list[object] = []
    found = await drained(client.chat_stream("hello", progress=lambda figures: heard.append(dict(figures))))
    assert joined(found) == LONG
    assert heard
    assert heard[-1]["percent"] == 100 or heard[-1]["tokens"]  # type: ignore[index]


async def test_a_refusal_is_no_stream(client: AsyncClient, upstream: FakeUpstream) -> None:
    with pytest.raises(NotFound) as refused:
        await drained(client.chat_stream("hello", model="nothing"))
    assert (refused.value.code, refused.value.status) == ("model_not_found", 404)
    assert refused.value.request_id
    assert upstream.chats == []


async def test_patience_is_what_the_server_asks_for(
    client: AsyncClient, upstream: FakeUpstream, pauses: Pauses
) -> None:
    upstream.script(error(429, headers={"Retry-After": "7"}), error(503), text_stream(LONG))
    assert joined(await drained(client.chat_stream("hello"))) == LONG
    assert pauses.asked[0] == 7
    upstream.script(error(429, headers={"Retry-After": "7000"}))
    with pytest.raises(RateLimited) as refused:
        await drained(client.chat_stream("hello"))
    assert refused.value.retry_after == 7000


async def test_nobody_listens(pauses: Pauses, patience: Patience) -> None:
    async with FakeUpstream(refuses=True) as nobody, AsyncClient(nobody.url, model="m", patience=patience) as client:
        with pytest.raises(Unreachable, match="cannot be reached") as failed:
            await drained(client.chat_stream("hello"))
    assert (failed.value.code, pauses.asked) == ("upstream_unreachable", [1, 2])


@pytest.fixture
async def forgetful(upstream: FakeUpstream) -> AsyncIterator[FaultProxy]:
    """A server that keeps next to nothing of a stream."""
    more = "resume: {buffer: 16KiB}\n"
    async with (
        serving(one_upstream(upstream, row="retries: 0", more=more)) as running,
        FaultProxy(running.port) as between,
    ):
        yield between


async def test_events_that_are_kept_no_more_are_replaced_by_their_text(
    upstream: FakeUpstream, forgetful: FaultProxy, patience: Patience
) -> None:
    go = asyncio.Event()
    script = text_stream(LONG)
    upstream.script(answer(*script.steps[:-20], wait(go), *script.steps[-20:]))
    forgetful.plan((CUT, 900))
    async with AsyncClient(forgetful.url, model="m", patience=replace(patience, random=lambda: 0.0)) as client:
        stream = client.chat_stream("hello")
        found = [await anext(stream)]
        while not found[-1].gap:
            found.append(await anext(stream))
        go.set()
        found += await drained(stream)
    assert joined(found) == LONG == stream.text
    assert [piece.gap for piece in found].count(True) == 1
    assert stream.finish_reason == "stop"
