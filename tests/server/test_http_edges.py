"""What is no proper HTTP is refused in our envelope or dropped, and never understood as something else."""

from __future__ import annotations

import asyncio
import time

import pytest

from llms.server import body, hot_connection, protocol, runner
from llms.testing.fake_upstream import FakeUpstream, answer, pause, text_stream, whole
from tests.proxy import RawClient, ask, chat, one_upstream, serving
from tests.server.wire import CHUNKED, LENGTH, PROMPT, answers, assert_fine, assert_refused, connected, post


async def test_a_head_may_come_byte_by_byte() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy, connected(proxy) as client:
        for byte in post(LENGTH, body=PROMPT):
            client.writer.write(bytes([byte]))
            await client.writer.drain()
            await asyncio.sleep(0)
        assert (await client.reply()).status == 200


async def test_pipelined_requests_are_answered_in_their_order() -> None:
    async with FakeUpstream() as upstream:
        upstream.script(text_stream("first"), whole("second"))
        async with serving(one_upstream(upstream)) as proxy, connected(proxy) as client:
            streamed = PROMPT.replace(b"false", b"true")
            client.writer.write(
                post(b"Content-Length: %d" % len(streamed), body=streamed)
                + post(LENGTH, body=PROMPT)
                + b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
            )
            first, second, third = [await client.reply() for _ in range(3)]
            assert (first.text, first.done) == ("first", True)
            assert b"second" in second.body
            assert third.body == b'{"status":"ok"}'


async def test_a_malformed_request_behind_a_good_one_ends_the_connection() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        async with connected(proxy) as client:
            client.writer.write(post(LENGTH, body=PROMPT))
            assert (await client.reply()).status == 200
            client.writer.write(b"GARBAGE\r\n\r\n" + post(LENGTH, body=PROMPT))
            assert_refused(await client.reply(), 400, code="invalid_http")
            assert await client.reader.read() == b""
        await assert_fine(proxy, upstream, before=1)


ENDLESS = {
    "a header": (b"X-A: " + b"a" * 4_000_000, 431),
    "what is no HTTP": (b"nonsense\r\n\r\n" + b"a" * 4_000_000, 400),
}


@pytest.mark.parametrize(("sent", "status"), ENDLESS.values(), ids=ENDLESS)
async def test_a_client_that_sends_on_gets_its_refusal_before_the_end(sent: bytes, status: int) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy, connected(proxy) as client:
        client.writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + sent)
        await client.writer.drain()
        assert_refused(await client.reply(), status)
        assert await client.reader.read() == b""


async def test_a_client_that_asks_first_is_told_to_go_on() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy, connected(proxy) as client:
        for _ in range(2):
            client.writer.write(post(b"Expect: 100-continue", LENGTH))
            assert await client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            client.writer.write(PROMPT)
            assert (await client.reply()).status == 200


ASKED_FIRST = {
    "the length": (post(b"Expect: 100-continue", b"Content-Length: 999999999"), 413),
    "the type": (post(b"Expect: 100-continue", b"Content-Encoding: gzip", LENGTH), 415),
    "the host": (post(b"Expect: 100-continue", LENGTH, host=(b"evil.example",)), 403),
    "the key": (post(b"Expect: 100-continue", b"Authorization: Bearer wrong", LENGTH), 401),
    "the path": (post(b"Expect: 100-continue", LENGTH, path=b"/v1/nothing"), 404),
}


@pytest.mark.parametrize(("sent", "status"), ASKED_FIRST.values(), ids=ASKED_FIRST)
async def test_a_client_that_asks_first_is_refused_before_it_sends(
    sent: bytes, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "_LINGER_SECONDS", 0.1)
    keys = 'keys: {required: true, static: ["sk-llms-the-right-one"]}'
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=keys if status == 401 else "")) as proxy:
        [reply] = await answers(proxy, sent)
        assert_refused(reply, status)
        assert reply.headers["connection"] == "close"


@pytest.mark.parametrize(
    "leave", [RawClient.close, RawClient.reset, RawClient.half_close], ids=lambda way: way.__name__
)
@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"POST /v1/chat",
        post(LENGTH)[:-2],
        post(LENGTH),
        post(LENGTH, body=PROMPT[:-1]),
        post(b"Content-Length: 70000", body=PROMPT),
        post(CHUNKED, body=b"%x\r\n%b\r\n" % (len(PROMPT), PROMPT)),
        post(CHUNKED, body=b"%x\r\n%b" % (len(PROMPT), PROMPT[:9])),
    ],
    ids=["nothing", "half a line", "half a head", "no body", "short body", "very short body", "no end", "half a chunk"],
)
async def test_whoever_leaves_before_the_end_of_a_request_is_forgotten(sent: bytes, leave: object) -> None:
    assert callable(leave)
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        async with connected(proxy) as client:
            client.writer.write(sent)
            await client.writer.drain()
            leave(client)
            async with asyncio.timeout(5):
                while await client.reader.read(65536) if leave is RawClient.half_close else False:
                    pass
            await assert_fine(proxy, upstream)
        assert not proxy.engine.gateway.live
        assert len(proxy.ended) == 1


# -- deadlines -----------------------------------------------------------------------------------------------------

HEAD = 0.3


@pytest.mark.parametrize("begin", [b"", b"P", post(LENGTH)[:-3]], ids=["nothing", "a byte", "nearly all"])
async def test_slow_heads_are_cut_while_others_are_served(begin: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (hot_connection, protocol):
        monkeypatch.setattr(module, "HEAD_SECONDS", HEAD)
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        since = time.monotonic()
        clients = [await RawClient.to(proxy) for _ in range(50)]
        for client in clients:
            client.writer.write(begin)
        await assert_fine(proxy, upstream)
        for client in clients:
            async with asyncio.timeout(HEAD + 5):
                assert await client.reader.read() == b""
            client.close()
        assert time.monotonic() - since >= HEAD


async def test_a_head_that_never_ends_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", HEAD)
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        async with connected(proxy) as client:
            client.writer.write(post()[:-2])
            over = asyncio.create_task(client.reader.read())
            async with asyncio.timeout(HEAD + 5):
                while not over.done():
                    client.writer.write(b"X-More: a\r\n")
                    await asyncio.sleep(HEAD / 20)
        await assert_fine(proxy, upstream)


@pytest.mark.parametrize("turns", range(3))
async def test_a_request_in_two_parts_may_take_longer_than_a_head(turns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.1)
    async with FakeUpstream() as upstream:
        upstream.script(answer(pause(0.4), *whole("fine").steps, framing="length"))
        async with serving(one_upstream(upstream)) as proxy, connected(proxy) as client:
            client.writer.write(post(LENGTH))
            for _ in range(turns):
                await asyncio.sleep(0)
            client.writer.write(PROMPT)
            assert (await client.reply()).status == 200


async def test_an_idle_connection_is_no_slow_head(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (hot_connection, protocol):
        monkeypatch.setattr(module, "HEAD_SECONDS", 0.1)
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy, connected(proxy) as client:
        client.writer.write(post(LENGTH, path=b"/v1/nothing"))
        assert (await client.reply()).status == 404
        client.writer.write(PROMPT)
        await asyncio.sleep(0.3)
        client.writer.write(post(LENGTH, body=PROMPT))
        assert (await client.reply()).status == 200


async def test_slow_bodies_are_cut_while_others_are_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "PATIENCE", 0.4)
    monkeypatch.setattr(runner, "_LINGER_SECONDS", 0.1)
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:

        async def drip(head: bytes, piece: bytes) -> tuple[int, str]:
            async with connected(proxy) as client:
                client.writer.write(head)
                answered = asyncio.create_task(client.reply())
                while not answered.done():
                    client.writer.write(piece)
                    await asyncio.sleep(0.02)
                reply = await answered
                async with asyncio.timeout(5):
                    assert await client.reader.read() == b""
            return reply.status, reply.error["code"]

        slow = [drip(post(b"Content-Length: 1000000"), b" ") for _ in range(25)]
        slow += [drip(post(CHUNKED), b"1\r\n \r\n") for _ in range(25)]
        async with asyncio.timeout(20):
            found = asyncio.gather(*slow)
            await assert_fine(proxy, upstream)
            assert set(await found) == {(408, "request_timeout")}


async def test_a_body_that_keeps_coming_has_the_time_that_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "PATIENCE", 0.3)
    monkeypatch.setattr(body, "BYTES_PER_SECOND", 1000)
    padded = PROMPT + b" " * 2000
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy, connected(proxy) as client:
        client.writer.write(post(b"Content-Length: %d" % len(padded), body=padded[:1500]))
        await asyncio.sleep(0.6)
        client.writer.write(padded[1500:])
        assert (await client.reply()).status == 200


async def test_a_slow_client_of_another_connection_holds_nobody_up() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        slow = [await RawClient.to(proxy) for _ in range(100)]
        for place, client in enumerate(slow):
            client.writer.write(post(LENGTH)[: place + 1])
        for _ in range(5):
            assert (await ask(proxy, chat(stream=False))).status == 200
        for client in slow:
            client.close()
