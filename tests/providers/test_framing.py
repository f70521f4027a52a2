"""Upstreams that end their answers in odd ways, or not: the client hears the truth, and the next one nothing of it."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Generator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llms.providers._pool import Origin, Pool
from llms.testing.answers import chunk
from tests.providers.raw_upstream import Cut, RawUpstream, raw_upstream
from tests.proxy import Proxy, ask, chat, one_upstream, serving

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
TURNS = 60
"""Of the event loop, in which an answer usually comes to the client; behind them the upstream waits no longer."""
PROTOCOL, CUT, GONE = "upstream_protocol_error", "upstream_truncated", "upstream_unreachable"


def content(text: str, *, stream: bool) -> bytes:
    """Return the body of an answer."""
    if not stream:
        message = {"role": "assistant", "content": text}
        return json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).encode()
    events = [json.dumps(chunk({"content": text})), json.dumps(chunk({}, "stop")), "[DONE]"]
    return b"".join(b"data: %b\n\n" % event.encode() for event in events)


def kind(*, stream: bool) -> bytes:
    return b"Content-Type: text/event-stream\r\n" if stream else b"Content-Type: application/json\r\n"


def length(data: bytes, lines: bytes = b"", first: bytes = OK) -> bytes:
    """Return an answer with a Content-Length; the body tells the type."""
    return first + kind(stream=data.startswith(b"data:")) + lines + b"Content-Length: %d\r\n\r\n" % len(data) + data


def chunks(
    data: bytes, lines: bytes = CHUNKED, first: bytes = OK, end: bytes = b"0\r\n\r\n", size: bytes = b""
) -> bytes:
    """Return an answer in one chunk, the `size` of it as told."""
    head = first + kind(stream=data.startswith(b"data:")) + lines
    return head + b"\r\n%b\r\n%b\r\n%b" % (size or b"%x" % len(data), data, end)


Make = Callable[[bytes], bytes]
KEPT: Final[dict[str, Make]] = {
    "plain": length,
    "plain chunks": chunks,
    "an empty line behind": lambda d: length(d) + b"\r\n",
    "100": lambda d: b"HTTP/1.1 100 Continue\r\n\r\n" + length(d),
    "103": lambda d: b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + chunks(d),
    "100 and 103 and 102": lambda d: b"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 103 E\r\n\r\nHTTP/1.1 102 P\r\n\r\n" + chunks(d),
    "100 with a length": lambda d: b"HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n" + length(d),
    "an upgrade offered": lambda d: length(d, b"Connection: Upgrade\r\nUpgrade: h2c\r\n"),
    "no reason": lambda d: length(d, first=b"HTTP/1.1 200\r\n"),
    "HTTP/1.0 that stays": lambda d: length(d, b"Connection: keep-alive\r\n", first=b"HTTP/1.0 200 OK\r\n"),
    "empty lines before all": lambda d: b"\r\n\r\n" + length(d),
    "coding: in capitals": lambda d: chunks(d, b"TRANSFER-ENCODING: CHUNKED\r\n"),
    "extension": lambda d: chunks(d, size=b"%x;a=b" % len(d)),
    "trailer": lambda d: chunks(d, end=b"0\r\nX-Sum: 1\r\nContent-Type: text/html\r\n\r\n"),
}
"""Answers behind which the connection carries the next request."""
LAST: Final[dict[str, Make]] = {
    "length: too short": lambda d: (
        OK + kind(stream=d.startswith(b"data:")) + b"Content-Length: %d\r\n\r\n" % len(d) + d + b"more"
    ),
    "bytes behind": lambda d: length(d) + b"x",
    "an answer behind": lambda d: length(d) + length(b'{"evil": 1}'),
    "half an answer behind": lambda d: length(d) + b"H",
    "a NUL behind": lambda d: length(d) + b"\0",
    "bytes behind chunks": lambda d: chunks(d) + b"x",
    "an answer behind chunks": lambda d: chunks(d) + length(b'{"evil": 1}'),
    "a last chunk twice": lambda d: chunks(d) + b"0\r\n\r\n",
    "close": lambda d: length(d, b"Connection: close\r\n"),
    "close, in chunks": lambda d: chunks(d, CHUNKED + b"Connection: close\r\n"),
    "keep-alive and close": lambda d: length(d, b"Connection: keep-alive, close\r\n"),
    "close and bytes behind": lambda d: length(d, b"Connection: close\r\n") + b"x",
    "HTTP/1.0": lambda d: length(d, first=b"HTTP/1.0 200 OK\r\n"),
    "HTTP/1.0 in chunks": lambda d: chunks(d, CHUNKED + b"Connection: keep-alive\r\n", first=b"HTTP/1.0 200 OK\r\n"),
}
"""Answers that are good, and behind which it does not."""
LATE: Final[dict[str, Make]] = {
    "chunk: too short": lambda d: chunks(d, size=b"%x" % (len(d) - 3)),
    "chunk: too long": lambda d: chunks(d, size=b"%x" % (len(d) + 2)),
    "chunk: line feed at the end": lambda d: chunks(d, end=b"0\r\n\n"),
    "trailer: a length": lambda d: chunks(d, end=b"0\r\nContent-Length: 5\r\n\r\n"),
    "trailer: NUL": lambda d: chunks(d, end=b"0\r\nX-Sum: \0\r\n\r\n"),
}
"""Answers that go wrong behind their body: a stream has said all by then."""
REFUSED: Final[dict[str, Make]] = {
    "length and chunks": lambda d: chunks(d, b"Content-Length: 5\r\n" + CHUNKED),
    "chunks and length": lambda d: chunks(d, CHUNKED + b"Content-Length: 5\r\n"),
    "two equal lengths": lambda d: length(d, b"Content-Length: %d\r\n" % len(d)),
    "two lengths": lambda d: length(d, b"Content-Length: 5\r\n"),
    "length: list": lambda d: OK + b"Content-Length: %d, %d\r\n\r\n" % (len(d), len(d)) + d,
    "length: plus": lambda d: OK + b"Content-Length: +%d\r\n\r\n" % len(d) + d,
    "length: negative": lambda d: OK + b"Content-Length: -%d\r\n\r\n" % len(d) + d,
    "length: hexadecimal": lambda d: OK + b"Content-Length: 0x%x\r\n\r\n" % len(d) + d,
    "length: 2^64 too many": lambda d: OK + b"Content-Length: %d\r\n\r\n" % (2**64 + len(d)) + d,
    "length: empty": lambda d: OK + b"Content-Length: \r\n\r\n" + d,
    "length: space before the colon": lambda d: OK + b"Content-Length : %d\r\n\r\n" % len(d) + d,
    "100 with a body": lambda d: b"HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\nabcde" + length(d),
    "100 with chunks": lambda d: b"HTTP/1.1 100 Continue\r\n" + CHUNKED + b"\r\n5\r\nabcde\r\n0\r\n\r\n" + length(d),
    "100 and close": lambda d: b"HTTP/1.1 100 Continue\r\nConnection: close\r\n\r\n" + length(d),
    "101": lambda d: b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + length(d),
    "101 to h2c": lambda d: b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + length(d),
    "204 with a body": lambda d: length(d, first=b"HTTP/1.1 204 No Content\r\n"),
    "204 with chunks": lambda d: chunks(d, first=b"HTTP/1.1 204 No Content\r\n"),
    "304 with a body": lambda d: length(d, first=b"HTTP/1.1 304 Not Modified\r\n"),
    "status 000": lambda d: length(b"evil", first=b"HTTP/1.1 000 Nothing\r\n") + length(d),
    "status 099": lambda d: length(b"evil", first=b"HTTP/1.1 099 Nothing\r\n") + length(d),
    "status 20": lambda d: length(d, first=b"HTTP/1.1 20 OK\r\n"),
    "status 2000": lambda d: length(d, first=b"HTTP/1.1 2000 OK\r\n"),
    "HTTP/0.9": lambda d: d,
    "HTTP/0.9 with a head": lambda d: length(d, first=b"HTTP/0.9 200 OK\r\n"),
    "HTTP/1.2": lambda d: length(d, first=b"HTTP/1.2 200 OK\r\n"),
    "HTTP/2.0": lambda d: length(d, first=b"HTTP/2.0 200 OK\r\n"),
    "http/1.1": lambda d: length(d, first=b"http/1.1 200 OK\r\n"),
    "ICY": lambda d: length(d, first=b"ICY 200 OK\r\n"),
    "a request": lambda d: length(d, first=b"POST / HTTP/1.1\r\n"),
    "space before all": lambda d: b" " + length(d),
    "coding: gzip first": lambda d: chunks(d, b"Transfer-Encoding: gzip, chunked\r\n"),
    "coding: gzip": lambda d: chunks(d, b"Transfer-Encoding: gzip\r\n"),
    "coding: identity": lambda d: chunks(d, b"Transfer-Encoding: identity\r\n"),
    "coding: chunked twice": lambda d: chunks(d, b"Transfer-Encoding: chunked, chunked\r\n"),
    "coding: in two lines": lambda d: chunks(d, CHUNKED + CHUNKED),
    "coding: not last": lambda d: chunks(d, b"Transfer-Encoding: chunked, gzip\r\n"),
    "coding: unknown": lambda d: chunks(d, b"Transfer-Encoding: xchunked\r\n"),
    "coding: tab behind": lambda d: chunks(d, b"Transfer-Encoding: chunked\t\r\n"),
    "coding: folded": lambda d: chunks(d, b"Transfer-Encoding:\r\n chunked\r\n"),
    "chunk: no digit": lambda d: chunks(d, size=b"zz"),
    "chunk: negative": lambda d: chunks(d, size=b"-%x" % len(d)),
    "chunk: plus": lambda d: chunks(d, size=b"+%x" % len(d)),
    "chunk: 0x": lambda d: chunks(d, size=b"0x%x" % len(d)),
    "chunk: 2^64 too many": lambda d: chunks(d, size=b"%x" % (2**64 + len(d))),
    "chunk: space": lambda d: chunks(d, size=b"%x " % len(d)),
    "chunk: line feeds alone": lambda d: (
        OK + kind(stream=d.startswith(b"data:")) + CHUNKED + b"\r\n%x\n%b\n0\n\n" % (len(d), d)
    ),
    "extension of 600 KB": lambda d: chunks(d, size=b"%x;a=%b" % (len(d), b"b" * 600_000)),
    "NUL in a value": lambda d: length(d, b"X-A: a\0b\r\n"),
    "NUL in a name": lambda d: length(d, b"X\0A: a\r\n"),
    "control character": lambda d: length(d, b"X-A: \x01\r\n"),
    "no colon": lambda d: length(d, b"Nonsense\r\n"),
    "no name": lambda d: length(d, b": a\r\n"),
    "folded line": lambda d: length(d, b"X-A: a\r\n b\r\n"),
    "return in a value": lambda d: length(d, b"X-A: a\rContent-Length: 5\r\n"),
    "line feeds alone": lambda d: length(d).replace(b"\r\n", b"\n"),
    "line feed at the head's end": lambda d: length(d).replace(b"\r\n\r\n", b"\r\n\n"),
    "5000 headers": lambda d: length(d, b"X-A: aaaaaaaaaaaa\r\n" * 5_000),
    "a header of 200 KB": lambda d: length(d, b"X-A: " + b"a" * 200_000 + b"\r\n"),
}
"""What is no answer of HTTP/1.1, or none to what was asked."""


@dataclass
class World:
    """A proxy in front of an upstream of bytes, in an event loop of their own."""

    runner: asyncio.Runner
    upstream: RawUpstream
    proxy: Proxy

    def after(self, answer: bytes | Cut, *, stream: bool) -> tuple[str, str, bool]:
        """Return what a client hears of an answer, what of the next one, and whether a connection carried both."""
        return self.runner.run(self._after(answer, stream=stream))

    async def _after(self, answer: bytes | Cut, *, stream: bool) -> tuple[str, str, bool]:
        await self.script(answer, length(content("next", stream=stream)))
        first = await self.ask(stream=stream)
        second = await self.ask(stream=stream)
        assert not self.upstream.script
        return first, second, len(set(self.upstream.asked)) == 1

    async def script(self, *answers: bytes | Cut) -> None:
        """Answer the next requests so, on new connections; those before are forgotten."""
        for connection in self.upstream.connections:
            connection.close()
            with suppress(ConnectionError):
                await connection.wait_closed()
        self.upstream.connections.clear()
        self.upstream.script.clear()
        self.upstream.script.extend(answers)
        self.upstream.asked.clear()

    async def ask(self, text: str = "hello", *, stream: bool = False) -> str:
        """Return what an answer says, or the code of its error; it must be whole in any case."""
        reply = await ask(self.proxy, chat(stream=stream, messages=[{"role": "user", "content": text}]))
        assert reply.whole
        if reply.status != 200:
            return str(reply.error["code"])
        if stream:
            return reply.text if reply.done else str(reply.error["code"])
        return str(json.loads(reply.body)["choices"][0]["message"]["content"])


@pytest.fixture(scope="module", params=["true", "false"], ids=["fast", "slow"])
def world(request: pytest.FixtureRequest) -> Generator[World, None, None]:
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()

        async def start() -> World:
            upstream = await stack.enter_async_context(raw_upstream())
            row, way = "retries: 0, models: [real-model]", f"server: {{fast_path: {request.param}}}\n"
            proxy = await stack.enter_async_context(serving(one_upstream(upstream, row=row, more=way)))
            return World(runner, upstream, proxy)

        try:
            yield runner.run(start())
        finally:
            runner.run(stack.aclose())


both = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


@both
class TestAnswers:
    @pytest.mark.parametrize("make", KEPT.values(), ids=KEPT)
    def test_behind_a_clean_end_the_connection_is_used_again(self, world: World, make: Make, stream: bool) -> None:
        assert world.after(make(content("hello", stream=stream)), stream=stream) == ("hello", "next", True)

    @pytest.mark.parametrize("make", LAST.values(), ids=LAST)
    def test_behind_any_other_end_it_is_not(self, world: World, make: Make, stream: bool) -> None:
        assert world.after(make(content("hello", stream=stream)), stream=stream) == ("hello", "next", False)

    @pytest.mark.parametrize("make", LATE.values(), ids=LATE)
    def test_what_goes_wrong_at_the_end_is_told_to_whom_it_matters(
        self, world: World, make: Make, stream: bool
    ) -> None:
        heard = "hello" if stream else PROTOCOL
        assert world.after(make(content("hello", stream=stream)), stream=stream) == (heard, "next", False)

    @pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED)
    def test_what_is_no_answer_is_an_error(self, world: World, make: Make, stream: bool) -> None:
        assert world.after(make(content("hello", stream=stream)), stream=stream) == (PROTOCOL, "next", False)

    @pytest.mark.parametrize("make", [length, chunks])
    def test_an_answer_that_breaks_off_before_its_finish_is_an_error(
        self, world: World, make: Make, stream: bool
    ) -> None:
        whole = make(content("hello", stream=stream))
        head = whole.index(b"\r\n\r\n") + 4
        said = whole.index(b"\n\n", whole.index(b"stop")) + 2 if stream else len(whole)
        for place in range(1, len(whole), 7):
            heard = GONE if place < head else CUT if place < said else "hello"
            assert world.after(Cut(whole[:place]), stream=stream) == (heard, "next", False)

    def test_a_body_may_last_as_long_as_its_connection(self, world: World, stream: bool) -> None:
        whole = OK + kind(stream=stream) + b"\r\n" + content("hello", stream=stream)

        assert world.after(Cut(whole), stream=stream) == ("hello", "next", False)

    def test_a_length_without_a_body_is_an_error(self, world: World, stream: bool) -> None:
        whole = OK + kind(stream=stream) + b"Content-Length: 50\r\n\r\n"

        assert world.after(Cut(whole), stream=stream) == (CUT, "next", False)


STALE = {
    "nothing": (b"", "next", [1, 1, 2]),
    "half a line": (b"HTTP/1.1 2", GONE, [1, 1]),
    "half a head": (OK + b"Content-Le", GONE, [1, 1]),
    "an empty line": (b"\r\n", GONE, [1, 1]),
    "an interim answer": (b"HTTP/1.1 100 Continue\r\n\r\n", GONE, [1, 1]),
    "half a body": (length(content("late", stream=False))[:-5], CUT, [1, 1]),
    "what was left over": (b"garbage", "next", [1, 1, 2]),
    "half a line, then garbage": (b"HTTP/1.1 2\0", PROTOCOL, [1, 1]),
    "an interim answer, then garbage": (b"HTTP/1.1 100 Continue\r\n\r\ngarbage", PROTOCOL, [1, 1]),
}


class TestKept:
    """Connections that were kept, and are not what they were."""

    @pytest.mark.parametrize(("data", "heard", "asked"), STALE.values(), ids=STALE)
    def test_only_where_nothing_of_an_answer_came_the_request_is_sent_again(
        self, world: World, data: bytes, heard: str, asked: list[int]
    ) -> None:
        good = length(content("next", stream=False))

        async def again() -> tuple[str, str]:
            await world.script(good, Cut(data), good)
            return await world.ask(), await world.ask()

        assert world.runner.run(again()) == ("next", heard)
        assert world.upstream.asked == asked

    @pytest.mark.parametrize("stray", [b"x", b"\r\n", length(content("evil", stream=False))])
    def test_what_comes_when_nobody_asked_ends_the_connection(self, world: World, stray: bytes) -> None:
        good = length(content("next", stream=False))

        async def again() -> str:
            await world.script(good, good)
            await world.ask()
            world.upstream.connections[-1].write(stray)
            return await world.ask()

        assert world.runner.run(again()) == "next"
        assert len(set(world.upstream.asked)) == 2

    @pytest.mark.parametrize("stray", [b"x", b""], ids=["bytes", "the end"])
    async def test_a_connection_with_something_unread_is_not_lent(self, stray: bytes) -> None:
        loop = asyncio.get_running_loop()
        pool = Pool(clock=loop.time)
        with socket.create_server(("127.0.0.1", 0)) as listening:
            origin = Origin("http", *listening.getsockname())
            connection = await pool.connect(origin)
            theirs, _ = listening.accept()
            with theirs:
                theirs.sendall(length(b"{}"))
                connection.send(b"GET / HTTP/1.1\r\n\r\n", b"")
                await connection.answered()
                assert await connection.read() == b"{}"
                pool.give(origin, connection)
                lent = pool.take(origin)
                assert lent is connection
                pool.give(origin, lent)
                if stray:
                    theirs.sendall(stray)
                else:
                    theirs.shutdown(socket.SHUT_WR)
                assert pool.take(origin) is None
        await pool.close()

    @pytest.mark.parametrize("refused", [True, False])
    def test_an_answer_before_the_request_was_sent_is_heard_and_the_last(self, world: World, refused: bool) -> None:
        first = b"HTTP/1.1 413 Too Large\r\n" if refused else OK
        good = length(content("next", stream=False))

        async def early() -> tuple[str, str]:
            await world.script(length(content("early", stream=False), first=first), good)
            world.upstream.eager = True
            heard = await world.ask("x" * 20_000_000)
            world.upstream.eager = False
            return heard, await world.ask()

        heard, after = world.runner.run(early())
        assert (heard == "early") is not refused
        assert after == "next"
        assert len(set(world.upstream.asked)) == 2


EVIL = length(content("evil", stream=False))
PIECES = st.one_of(
    st.sampled_from([b"\r\n", b"\n", b"0\r\n\r\n", b"5\r\n", b"HTTP/1.1 ", b"HTTP/1.1 100 C\r\n\r\n", EVIL, EVIL[:20]]),
    st.binary(min_size=1, max_size=4),
)
CHANGES = st.lists(st.tuples(st.floats(0, 1) | st.just(1.0), PIECES), min_size=1, max_size=3)


@settings(max_examples=150)
@given(changes=CHANGES, make=st.sampled_from([length, chunks]), stream=st.booleans())
def test_nothing_of_an_answer_is_heard_in_the_next(
    world: World, changes: list[tuple[float, bytes]], make: Make, stream: bool
) -> None:
    sent = make(content("hello", stream=stream))
    for part, piece in changes:
        place = round(part * len(sent))
        sent = sent[:place] + piece + sent[place:]

    async def heard() -> str:
        await world.script(sent, length(content("next", stream=stream)))
        first = asyncio.create_task(world.ask(stream=stream))
        while not first.done():
            for _turn in range(TURNS):
                await asyncio.sleep(0)
            for connection in set(world.upstream.asked) if not first.done() else ():
                world.upstream.connections[connection - 1].close()
        first.result()
        return await world.ask(stream=stream)

    assert world.runner.run(heard()) == "next"
