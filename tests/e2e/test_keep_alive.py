"""Connections to an upstream are used again after a clean answer, and never after any other."""

from __future__ import annotations

import asyncio
import json

import pytest

from llms.protocol.events import AttemptFailed
from llms.testing.answers import Script, chunk, completion
from llms.testing.fake_upstream import (
    FakeUpstream,
    answer,
    body,
    close,
    cut,
    error,
    event,
    half_chunk,
    head,
    pause,
    reply,
    stall,
    text_stream,
    whole,
    wire,
)
from llms.testing.steps import Step
from tests.e2e.said import said
from tests.proxy import Proxy, RawClient, ask, chat, one_upstream, serving

NATIVE = "stream_usage: native, retries: 0, models: [real-model]"
"""A row that sends nothing to the upstream but the chats of a test."""
END = wire(b"0\r\n\r\n")
PIECE = event(chunk({"role": "assistant", "content": "piece"}))
UNCLEAN: dict[str, Script] = {
    "EOF between chunks": answer(PIECE, close()),
    "EOF inside a chunk": answer(PIECE, half_chunk()),
    "a reset": answer(PIECE, pause(0.05), cut()),
    "the end of the connection": text_stream("x").framed("close"),
    "silence": answer(PIECE, stall()),
    "silence after [DONE]": text_stream("x").then(stall()),
    "silence before the head": answer(stall()),
    "an error event and more to come": answer(PIECE, event({"error": {"message": "no"}}), stall()),
    "broken framing": answer(PIECE, pause(0.05), wire(b"zz\r\n"), stall()),
    "a refusal cut short": answer(head(500, {"Content-Length": "1000"}), close(), framing="length"),
    "a refusal without an end": answer(head(500, {"Content-Length": "1000"}), stall(), framing="length"),
    "Connection: close": answer(head(200, {"Connection": "close"}), *text_stream("x").steps),
    "an answer nobody asked for": text_stream("x").then(
        END, wire(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"), stall()
    ),
    "bytes nobody asked for": text_stream("x").then(END, pause(0.05), wire(b"hello"), stall()),
    "an upgrade": answer(head(101, {"Upgrade": "h2c", "Connection": "Upgrade"}), stall()),
}


def retried(proxy: Proxy) -> int:
    """Return how many attempts failed."""
    return sum(isinstance(event, AttemptFailed) for event in proxy.events)


async def test_requests_in_turn_share_one_connection() -> None:
    refusal = error(400, message="x" * 9000)
    async with FakeUpstream() as upstream:
        upstream.script(*[reply("a"), whole("b"), refusal, text_stream("c"), body({"error": {"message": "d"}})] * 4)
        async with serving(one_upstream(upstream, row=NATIVE)) as proxy:
            for number in range(20):
                await ask(proxy, chat(stream=number % 3 > 0))

    assert {seen.connection for seen in upstream.chats} == {1}


async def test_an_end_that_comes_a_little_after_done_costs_no_connection_a_request() -> None:
    async with FakeUpstream() as upstream:
        upstream.script(text_stream("fine").then(pause(0.03)))
        async with serving(one_upstream(upstream, row=NATIVE)) as proxy:
            client = await RawClient.to(proxy)
            for _ in range(5):
                await client.send(chat())
                assert said(await client.reply()) == "fine"
            client.close()

    assert {seen.connection for seen in upstream.chats} <= {1, 2}


async def test_requests_at_once_share_as_many_as_there_are() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, row=NATIVE)) as proxy:
        for _ in range(6):
            await asyncio.gather(*(ask(proxy, chat()) for _ in range(8)))
        assert upstream.open_connections <= 8

    assert len({seen.connection for seen in upstream.chats}) <= 8


@pytest.mark.parametrize("farewell", [close(), cut()], ids=["closed", "reset"])
@pytest.mark.parametrize("wait", [0.0, 0.02], ids=["at once", "soon"])
async def test_a_kept_connection_that_the_upstream_ended_costs_nothing(farewell: Step, wait: float) -> None:
    async with FakeUpstream() as upstream:
        upstream.script(text_stream("fine", usage=False).then(event("[DONE]"), END, farewell))
        async with serving(one_upstream(upstream, row=NATIVE)) as proxy:
            for _ in range(20):
                got = await ask(proxy, chat())
                assert (said(got), got.headers["x-llms-attempts"]) == ("fine", "1")
                await asyncio.sleep(wait)

    assert retried(proxy) == 0
    assert len(upstream.chats) >= 20


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("farewell", [close(), cut()], ids=["closed", "reset"])
async def test_a_kept_connection_that_ends_on_its_next_request_is_replaced(farewell: Step, stream: bool) -> None:
    async with FakeUpstream() as upstream:
        upstream.script(reply("first"), answer(farewell), reply("second"))
        async with serving(one_upstream(upstream, row=NATIVE)) as proxy:
            assert said(await ask(proxy, chat(stream=stream))) == "first"
            got = await ask(proxy, chat(stream=stream))
            [_, ended] = await proxy.all_ended(2)

    assert (said(got), got.headers["x-llms-attempts"]) == ("second", "1")
    assert (ended.attempts, ended.retries, retried(proxy)) == (1, 0, 0)
    assert [seen.connection for seen in upstream.chats] == [1, 1, 2]


async def test_a_new_connection_that_ends_on_its_first_request_is_a_failure() -> None:
    async with FakeUpstream() as upstream:
        upstream.script(answer(close()), reply("never"))
        async with serving(one_upstream(upstream, row=NATIVE)) as proxy:
            got = await ask(proxy, chat())

    assert (got.status, got.error["code"]) == (502, "upstream_unreachable")
    assert len(upstream.chats) == 1


@pytest.mark.parametrize("fault", UNCLEAN)
async def test_after_an_unclean_end_the_connection_is_not_used_again(fault: str) -> None:
    row = f"{NATIVE}, timeouts: {{idle: 0.3s, first_chunk: 0.3s}}"
    async with FakeUpstream() as upstream:
        upstream.script(reply("before"), UNCLEAN[fault], reply("after"))
        async with serving(one_upstream(upstream, row=row)) as proxy:
            assert said(await ask(proxy, chat())) == "before"
            await ask(proxy, chat())
            assert said(await ask(proxy, chat())) == "after"
            assert said(await ask(proxy, chat(stream=False))) == "after"
            async with asyncio.timeout(5):
                while upstream.open_connections > 1:
                    await asyncio.sleep(0.01)

    assert [seen.connection for seen in upstream.chats] == [1, 1, 2, 2]


async def test_after_a_client_left_the_connection_is_not_used_again() -> None:
    async with FakeUpstream() as upstream:
        upstream.script(answer(PIECE, stall()), reply("after"))
        async with serving(one_upstream(upstream, row=NATIVE)) as proxy:
            client = await RawClient.to(proxy)
            await client.send(chat())
            await client.until(b"piece")
            client.close()
            await upstream.chats[0].gone()
            assert said(await ask(proxy, chat())) == "after"

    assert [seen.connection for seen in upstream.chats] == [1, 2]


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize(
    "interim", [b"", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n"]
)
async def test_interim_answers_and_old_versions_are_understood(interim: bytes, version: str) -> None:
    data = json.dumps(completion({"content": "hi"})).encode()
    head = f"HTTP/{version} 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    async with FakeUpstream() as upstream:
        upstream.script(answer(wire(interim + head.encode() + data)))
        async with serving(one_upstream(upstream, row=NATIVE)) as proxy:
            assert [said(await ask(proxy, chat(stream=bool(n % 2)))) for n in range(4)] == ["hi"] * 4

    assert {seen.connection for seen in upstream.chats} == ({1} if version == "1.1" else {1, 2, 3, 4})


async def test_an_upstreams_request_id_is_kept_within_bounds() -> None:
    async with FakeUpstream() as upstream:
        upstream.script(
            answer(head(200, {"x-request-id": "req-up-1"}), *text_stream("a").steps),
            answer(head(200, {"x-request-id": "x" * 20_000}), *text_stream("b").steps),
            error(400, headers={"x-request-id": "y" * 20_000}),
        )
        async with serving(one_upstream(upstream, row=NATIVE)) as proxy:
            got = [await ask(proxy, chat()) for _ in range(3)]

    assert got[0].headers["x-llms-upstream-request-id"] == "req-up-1"
    assert [one.status for one in got] == [200, 200, 400]
    assert all(len(one.headers.get("x-llms-upstream-request-id", "")) <= 256 for one in got)
