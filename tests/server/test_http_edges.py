"""What is no proper HTTP is refused in our envelope or dropped, and never understood as something else."""

from __future__ import annotations

import asyncio
import time

import pytest

from llms.server import body, protocol
from llms.testing.fake_upstream import FakeUpstream, answer, pause, text_stream, whole
from tests.proxy import RawClient, ask, chat, one_upstream, serving
from tests.server.wire import CHUNKED, LENGTH, PROMPT, answers, assert_fine, assert_refused, connected, get, post

_N = len(PROMPT)
_WHOLE_CHUNK = b"%x\r\n%b\r\n0\r\n\r\n" % (_N, PROMPT)
_SMUGGLED = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n" + LENGTH + b"\r\n\r\n" + PROMPT
_CLOSE = b"Connection: close"

MALFORMED = {
    "length and chunks": post(b"Content-Length: 4", CHUNKED, body=b"0\r\n\r\n" + _SMUGGLED),
    "chunks and length": post(CHUNKED, b"Content-Length: 4", body=b"0\r\n\r\n" + _SMUGGLED),
    "coding: identity": post(b"Transfer-Encoding: identity", LENGTH, body=PROMPT),
    "coding: unknown": post(b"Transfer-Encoding: xchunked", body=_WHOLE_CHUNK + _SMUGGLED),
    "coding: chunked not last": post(b"Transfer-Encoding: chunked, identity", body=_WHOLE_CHUNK + _SMUGGLED),
    "coding: gzip first": post(b"Transfer-Encoding: gzip, chunked", body=_WHOLE_CHUNK),
    "coding: gzip in a line before": post(b"Transfer-Encoding: gzip", CHUNKED, body=_WHOLE_CHUNK),
    "coding: another line": post(CHUNKED, b"Transfer-Encoding: identity", body=_WHOLE_CHUNK + _SMUGGLED),
    "coding: chunked in two lines": post(CHUNKED, CHUNKED, body=_WHOLE_CHUNK),
    "coding: chunked twice": post(b"Transfer-Encoding: chunked, chunked", body=_WHOLE_CHUNK),
    "coding: space before the colon": post(b"Transfer-Encoding : chunked", body=_WHOLE_CHUNK),
    "coding: vertical tab": post(b"Transfer-Encoding:\x0bchunked", body=_WHOLE_CHUNK),
    "coding: quoted": post(b'Transfer-Encoding: "chunked"', body=_WHOLE_CHUNK),
    "coding: empty": post(b"Transfer-Encoding:", LENGTH, body=PROMPT),
    "coding: folded": post(b"Transfer-Encoding:\r\n chunked", body=_WHOLE_CHUNK),
    "length: negative": post(b"Content-Length: -1", body=PROMPT),
    "length: plus": post(b"Content-Length: +%d" % _N, body=PROMPT),
    "length: hexadecimal": post(b"Content-Length: 0x10", body=PROMPT),
    "length: fraction": post(b"Content-Length: 5.0", body=PROMPT),
    "length: exponent": post(b"Content-Length: 1e2", body=PROMPT),
    "length: underscore": post(b"Content-Length: 1_0", body=PROMPT),
    "length: other digits": post("Content-Length: ٥".encode(), body=PROMPT),
    "length: empty": post(b"Content-Length: ", body=PROMPT),
    "length: list": post(b"Content-Length: %d, %d" % (_N, _N), body=PROMPT),
    "length: twice the same": post(LENGTH, LENGTH, body=PROMPT),
    "length: twice different": post(b"Content-Length: 5", LENGTH, body=PROMPT + _SMUGGLED),
    "length: beyond 64 bits": post(b"Content-Length: 99999999999999999999999", body=PROMPT),
    "length: beyond the limit": post(b"Content-Length: 999999999999", _CLOSE),
    "chunk: no digit": post(CHUNKED, body=b"zz\r\n" + _WHOLE_CHUNK),
    "chunk: negative": post(CHUNKED, body=b"-1\r\n" + _WHOLE_CHUNK),
    "chunk: plus": post(CHUNKED, body=b"+" + _WHOLE_CHUNK),
    "chunk: 0x": post(CHUNKED, body=b"0x" + _WHOLE_CHUNK),
    "chunk: beyond 64 bits": post(CHUNKED, body=b"fffffffffffffffff\r\n" + _WHOLE_CHUNK),
    "chunk: space before": post(CHUNKED, body=b" " + _WHOLE_CHUNK),
    "chunk: space behind": post(CHUNKED, body=b"3 \r\nabc\r\n0\r\n\r\n"),
    "chunk: more than said": post(CHUNKED, body=b"2\r\nabc\r\n0\r\n\r\n" + _SMUGGLED),
    "chunk: no size": post(CHUNKED, body=b"\r\n" + _WHOLE_CHUNK),
    "chunk: line feeds alone": post(CHUNKED, body=_WHOLE_CHUNK.replace(b"\r\n", b"\n")),
    "line feeds alone": post(LENGTH, body=PROMPT).replace(b"\r\n", b"\n"),
    "returns alone": b"GET /health HTTP/1.1\rHost: localhost\r\r",
    "NUL in a value": post(b"X-A: a\0b", LENGTH, body=PROMPT),
    "NUL in a name": post(b"X\0A: a", LENGTH, body=PROMPT),
    "control character in a value": post(b"X-A: a\x01b", LENGTH, body=PROMPT),
    "return in a value": post(b"X-A: a\rX-B: b", LENGTH, body=PROMPT),
    "folded line": post(b"X-A: a\r\n b", LENGTH, body=PROMPT),
    "folded first line": b"GET /health HTTP/1.1\r\n Host: localhost\r\n\r\n",
    "no colon": post(b"Nonsense", LENGTH, body=PROMPT),
    "no name": post(b": value", LENGTH, body=PROMPT),
    "space in a name": post(b"X A: value", LENGTH, body=PROMPT),
    "no host": post(LENGTH, body=PROMPT, host=()),
    "two hosts": post(LENGTH, body=PROMPT, host=(b"localhost", b"evil.example")),
    "two equal hosts": post(LENGTH, body=PROMPT, host=(b"localhost", b"localhost")),
    "an empty host": get(b"/health", host=b""),
    "no method": b" /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no path": b"GET  HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no version": b"GET /health\r\nHost: localhost\r\n\r\n",
    "HTTP/0.9": b"GET /health\r\n\r\n",
    "HTTP/1.11": b"GET /health HTTP/1.11\r\nHost: localhost\r\n\r\n",
    "HTTP/2.0": b"GET /health HTTP/2.0\r\nHost: localhost\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/9.9": b"GET /health HTTP/9.9\r\nHost: localhost\r\n\r\n",
    "http/1.1": b"GET /health http/1.1\r\nHost: localhost\r\n\r\n",
    "another protocol": b"GET /health ICY/1.1\r\nHost: localhost\r\n\r\n",
    "tabs between": b"GET\t/health\tHTTP/1.1\r\nHost: localhost\r\n\r\n",
    "space in the path": get(b"/health evil"),
    "small method": get(b"/health", method=b"get"),
    "unknown method": get(b"/health", method=b"FROB"),
    "endless method": get(b"/health", method=b"G" * 100_000),
    "bytes in the path": get(b"/h\xff\xfe"),
    "NUL in the path": get(b"/\0"),
    "an authority": get(b"evil.example:443", method=b"CONNECT"),
    "an asterisk": get(b"*"),
    "a file": get(b"file:///etc/passwd"),
    "a foreign address": get(b"http://evil.example/v1/models"),
    "a foreign address behind a user": get(b"http://localhost@evil.example/v1/models"),
    "an address that is none": get(b"http://[/health"),
    "an address with an endless port": get(b"http://localhost:99999999/health"),
    "our address for a foreign host": get(b"http://localhost/health", host=b"evil.example"),
    "a TLS greeting": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    "every byte": bytes(range(256)) * 8,
    "SSH": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "an unknown expectation": post(b"Expect: miracles", LENGTH, body=PROMPT),
}
TOO_LARGE = {
    "a header of 9 KB": post(b"X-A: " + b"a" * 9_000, LENGTH, body=PROMPT),
    "a header of 256 KB": post(b"X-A: " + b"a" * 262_144, LENGTH, body=PROMPT),
    "a header name of 128 KB": post(b"a" * 131_072 + b": 1", LENGTH, body=PROMPT),
    "5000 headers": post(*(b"X-%d: a" % i for i in range(5_000)), LENGTH, body=PROMPT),
    "a path of 128 KB": post(LENGTH, body=PROMPT, path=b"/" + b"a" * 131_072),
    "a query of 128 KB": post(LENGTH, body=PROMPT, path=b"/v1/chat/completions?" + b"a" * 131_072),
}


@pytest.mark.parametrize("sent", MALFORMED.values(), ids=MALFORMED)
async def test_malformed_requests_are_refused_once_and_the_connection_is_over(
    sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "_LINGER_SECONDS", 0.1)
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        replies = await answers(proxy, sent)
        assert len(replies) <= 1, "something behind the malformed request was answered"
        for reply in replies:
            assert_refused(reply)
        assert not upstream.chats
        await assert_fine(proxy, upstream)


@pytest.mark.parametrize("sent", TOO_LARGE.values(), ids=TOO_LARGE)
async def test_heads_that_are_too_large_are_refused_as_such(sent: bytes) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        [reply] = await answers(proxy, sent)
        assert_refused(reply, 431, code="headers_too_large")
        await assert_fine(proxy, upstream)


LEGAL = {
    "chunks": post(CHUNKED, _CLOSE, body=_WHOLE_CHUNK),
    "chunks in capitals": post(b"TRANSFER-ENCODING: CHUNKED", _CLOSE, body=_WHOLE_CHUNK),
    "chunks of one byte": post(CHUNKED, _CLOSE, body=b"".join(b"1\r\n%c\r\n" % byte for byte in PROMPT) + b"0\r\n\r\n"),
    "chunk extensions": post(CHUNKED, _CLOSE, body=b"%x;a=b\r\n%b\r\n0\r\n\r\n" % (_N, PROMPT)),
    "trailers": post(CHUNKED, _CLOSE, body=b"%x\r\n%b\r\n0\r\nHost: evil.example\r\n\r\n" % (_N, PROMPT)),
    "a length with zeros": post(b"Content-Length: 000%d" % _N, _CLOSE, body=PROMPT),
    "blanks around a value": post(b"Content-Length:   %d  " % _N, _CLOSE, body=PROMPT),
    "empty lines before": b"\r\n\r\n" + post(LENGTH, _CLOSE, body=PROMPT),
    "our own address": post(LENGTH, _CLOSE, body=PROMPT, path=b"http://localhost:8000/v1/chat/completions"),
    "HTTP/1.0": post(LENGTH, body=PROMPT).replace(b"HTTP/1.1", b"HTTP/1.0"),
    "an upgrade to HTTP/2": post(
        b"Connection: Upgrade, HTTP2-Settings, close",
        b"Upgrade: h2c",
        b"HTTP2-Settings: AAMAAABkAAQAAP__",
        LENGTH,
        body=PROMPT,
    ),
    "an upgrade to a WebSocket": post(b"Connection: Upgrade, close", b"Upgrade: websocket", LENGTH, body=PROMPT),
}


@pytest.mark.parametrize("sent", LEGAL.values(), ids=LEGAL)
async def test_unusual_but_legal_requests_are_answered(sent: bytes) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        [reply] = await answers(proxy, sent)
        assert reply.status == 200, reply
        assert len(upstream.chats) == 1


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
            client.writer.write(b"GARBAGE\r\n\r\n" + _SMUGGLED)
            assert_refused(await client.reply(), 400, code="invalid_http")
            assert await client.reader.read() == b""
        await assert_fine(proxy, upstream, before=1)


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
    monkeypatch.setattr(protocol, "_LINGER_SECONDS", 0.1)
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
        post(CHUNKED, body=b"%x\r\n%b\r\n" % (_N, PROMPT)),
        post(CHUNKED, body=b"%x\r\n%b" % (_N, PROMPT[:9])),
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
    monkeypatch.setattr(protocol, "HEAD_SECONDS", HEAD)
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
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.1)
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy, connected(proxy) as client:
        client.writer.write(post(LENGTH, path=b"/v1/nothing"))
        assert (await client.reply()).status == 404
        client.writer.write(PROMPT)
        await asyncio.sleep(0.3)
        client.writer.write(post(LENGTH, body=PROMPT))
        assert (await client.reply()).status == 200


async def test_slow_bodies_are_cut_while_others_are_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "PATIENCE", 0.4)
    monkeypatch.setattr(protocol, "_LINGER_SECONDS", 0.1)
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
