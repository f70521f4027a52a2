"""What is no proper HTTP is refused in our envelope, or handed over whole: on the fast path and off it, just alike."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Generator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llms.testing.fake_upstream import answer, echo, event, text_stream, wait
from tests.proxy import Proxy, RawClient, Reply, chat
from tests.server.both_ways import PROBE, Ways, both_ways, in_pieces, replies, told
from tests.server.forms import FORM as FORM_TYPE
from tests.server.forms import field, form
from tests.server.odd_requests import ALIVE, APART, CASES, GOOD, H2C, PATH, SMUGGLED, WHOLE_CHUNK, chunked
from tests.server.wire import CHUNKED, LENGTH, PROMPT, connected, post

CASE = [(name, sent, outcome) for outcome, group in CASES.items() for name, sent in group.items()]
SENT_ON = {**json.loads(PROMPT), "model": "real-model"}


@pytest.fixture(scope="module")
def ways() -> Generator[Ways, None, None]:
    with both_ways() as made:
        yield made


def saying(text: str, *lines: bytes, stream: bool = False) -> bytes:
    """Return a request of which the answer is `text`."""
    body = json.dumps(chat(stream=stream, messages=[{"role": "user", "content": text}])).encode()
    return post(b"Content-Length: %d" % len(body), *lines, body=body)


def said(reply: Reply) -> str:
    """Return what an answer says, whole or as a stream."""
    if reply.headers["content-type"] == "text/event-stream":
        assert reply.done
        return reply.text
    text: str = json.loads(reply.body)["choices"][0]["message"]["content"]
    return text


class TestOdd:
    @pytest.mark.parametrize(("sent", "outcome"), [case[1:] for case in CASE], ids=[case[0] for case in CASE])
    def test_every_request_has_its_one_outcome(self, ways: Ways, sent: bytes, outcome: tuple[str, ...]) -> None:
        found = ways.same(sent)

        assert found.answers == outcome
        assert [json.loads(body) for *_, body in found.reached] == [SENT_ON] * outcome.count("200")

    @pytest.mark.parametrize(("sent", "outcome"), [case[1:] for case in CASE], ids=[case[0] for case in CASE])
    def test_what_follows_in_the_same_read_is_a_request_or_nothing(
        self, ways: Ways, sent: bytes, outcome: tuple[str, ...]
    ) -> None:
        found = ways.same(sent + PROBE, ask=b"")

        assert found.answers == outcome if outcome[-1] == ALIVE else ALIVE not in found.answers
        assert len(found.reached) == found.answers.count("200")

    @pytest.mark.parametrize(("name", "sent", "outcome"), CASE, ids=[case[0] for case in CASE])
    def test_a_head_and_what_follows_it_may_come_apart(
        self, ways: Ways, name: str, sent: bytes, outcome: tuple[str, ...]
    ) -> None:
        head, end, rest = sent.partition(b"\r\n\r\n")
        found = ways.same(*((head + end, rest) if rest else (head[: len(head) // 2], head[len(head) // 2 :] + end)))

        assert found.answers == APART.get(name, outcome)
        assert [json.loads(body) for *_, body in found.reached] == [SENT_ON] * found.answers.count("200")

    def test_the_last_trailer_is_no_header_of_the_next_request(self, ways: Ways) -> None:
        sent = chunked(WHOLE_CHUNK[:-2] + b"X-LLMS-Hops: 9\r\n\r\n")

        assert ways.same(sent, ask=GOOD).answers == ("200",)

    @pytest.mark.parametrize("upgrade", [H2C, (b"Connection: Upgrade", b"Upgrade: websocket")])
    def test_the_body_of_a_request_behind_an_upgrade_is_no_request(
        self, ways: Ways, upgrade: tuple[bytes, ...]
    ) -> None:
        second = post(b"Content-Length: %d" % len(SMUGGLED))

        assert ways.same(post(*upgrade, LENGTH, body=PROMPT) + second, SMUGGLED).answers == ("200",)

    @pytest.mark.parametrize("path", [b"/health", PATH, b"/nowhere", b"/v1/models"])
    def test_a_head_request_has_no_body(self, ways: Ways, path: bytes) -> None:
        async def ask(proxy: Proxy) -> None:
            async with connected(proxy) as client, asyncio.timeout(5):
                client.writer.write(b"HEAD " + path + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                head, end, rest = (await client.reader.read()).partition(b"\r\n\r\n")
            assert (head[:9], end, rest) == (b"HTTP/1.1 ", b"\r\n\r\n", b"")

        ways.each(ask)


class TestUpload:
    """A form is sent on while it comes, so that its end must not be made up."""

    FORM = form(field("model", "m"), field("file", b"a" * 200_000, filename="a.wav"))
    KIND = b"Content-Type: " + FORM_TYPE.encode()

    def upload(self, body: bytes, framing: bytes) -> tuple[bytes, bytes]:
        """Return head and body."""
        lines = b"\r\n".join([b"POST /v1/audio/transcriptions HTTP/1.1", b"Host: localhost", self.KIND, framing])
        return lines + b"\r\n\r\n", body

    def test_one_in_chunks_reaches_the_upstream_whole(self, ways: Ways) -> None:
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(self.FORM), self.FORM)
        found = ways.same(*self.upload(body, CHUNKED))

        assert [seen.count(b"a" * 200_000) for *_, seen in found.reached] == [1]
        assert found.answers == ("200",)

    def test_one_whose_chunks_go_wrong_does_not(self, ways: Ways) -> None:
        body = b"%x\r\n%b\r\nzz\r\n" % (len(self.FORM), self.FORM)
        found = ways.same(*self.upload(body, CHUNKED))

        assert found == (("400 invalid_http",), [])


class TestCut:
    """Requests that end, or pause, at any byte."""

    @pytest.mark.parametrize("whole", [GOOD, chunked(WHOLE_CHUNK)], ids=["length", "chunks"])
    @pytest.mark.parametrize("leave", [RawClient.half_close, RawClient.reset], ids=lambda way: way.__name__)
    def test_what_ends_too_early_is_never_a_request(self, ways: Ways, whole: bytes, leave: object) -> None:
        assert callable(leave)

        async def cut(proxy: Proxy, place: int) -> None:
            async with connected(proxy) as client:
                await in_pieces(client, whole[:place])
                leave(client)
                got = [told(reply) async for reply in replies(client)] if leave is RawClient.half_close else []
            assert got in ([], ["400 invalid_http"])

        async def cut_everywhere(proxy: Proxy) -> None:
            before = len(ways.upstream.chats)
            async with asyncio.timeout(20):
                await asyncio.gather(*(cut(proxy, place) for place in range(len(whole))))
                while proxy.engine.gateway.live:
                    await asyncio.sleep(0.01)
            assert len(ways.upstream.chats) == before

        ways.each(cut_everywhere)

    @pytest.mark.parametrize(
        "sent",
        [
            saying("one") + saying("two", b"Connection: close", stream=True),
            saying("one", stream=True) + saying("two") + PROBE,
        ],
        ids=["whole, stream", "stream, whole"],
    )
    def test_pipelined_requests_in_two_reads_are_answered_in_order(self, ways: Ways, sent: bytes) -> None:
        async def halve(proxy: Proxy, place: int) -> None:
            async with connected(proxy) as client:
                await in_pieces(client, sent[:place], sent[place:])
                got = [reply async for reply in replies(client)]
            assert [said(reply) for reply in got[:2]] == ["one", "two"]
            assert [told(reply) for reply in got[2:]] == [ALIVE][: sent.count(PROBE)]

        async def halve_everywhere(proxy: Proxy) -> None:
            for first in range(1, len(sent), 32):
                await asyncio.gather(*(halve(proxy, place) for place in range(first, min(first + 32, len(sent)), 3)))

        ways.each(halve_everywhere)


LATE = {
    "nothing": (b"", ()),
    "garbage": (b"GARBAGE\r\n\r\n" + SMUGGLED, ("400 invalid_http",)),
    "a NUL": (b"\0", ("400 invalid_http",)),
    "an answer": (b"HTTP/1.1 200 OK\r\n\r\n", ("400 invalid_http",)),
    "a body": (PROMPT, ("400 invalid_http",)),
    "empty lines": (b"\r\n\r\n" + PROBE, (ALIVE,)),
    "a request": (saying("next") + PROBE, ("200", ALIVE)),
    "chunks that go wrong": (chunked(b"zz\r\n" + SMUGGLED), ("400 invalid_http",)),
    "two lengths": (post(LENGTH, LENGTH, body=PROMPT), ("400 invalid_http",)),
    "one for nowhere": (post(LENGTH, path=b"/nowhere", body=PROMPT) + PROBE, ("404 not_found", ALIVE)),
}


class TestWhileAnswering:
    @pytest.mark.parametrize(("late", "outcome"), LATE.values(), ids=LATE)
    def test_what_comes_during_a_stream_waits_for_its_end(
        self, ways: Ways, late: bytes, outcome: tuple[str, ...]
    ) -> None:
        async def stream(proxy: Proxy) -> None:
            go = asyncio.Event()
            steps = text_stream("one two three").steps
            ways.upstream.script(answer(*steps[:2], wait(go), *steps[2:]), echo)
            async with connected(proxy) as client:
                client.writer.write(saying("hello", stream=True))
                seen = await ways.upstream.arrived(len(ways.upstream.chats) + 1)
                await in_pieces(client, late)
                assert not seen.closed_by_client
                go.set()
                first = await client.reply()
                if not late:
                    client.half_close()
                rest = [told(reply) async for reply in replies(client)]
            assert said(first) == "one two three"
            assert tuple(rest) == outcome

        try:
            ways.each(stream)
        finally:
            ways.upstream.on(echo)

    def test_a_client_that_half_closes_has_left(self, ways: Ways) -> None:
        async def leave(proxy: Proxy) -> None:
            ways.upstream.script(answer(event("{}"), wait(asyncio.Event())))
            async with connected(proxy) as client:
                client.writer.write(saying("hello", stream=True))
                seen = await ways.upstream.arrived(len(ways.upstream.chats) + 1)
                client.half_close()
                await seen.gone()

        try:
            ways.each(leave)
        finally:
            ways.upstream.on(echo)


USUAL = b"\r\n".join(
    [
        b"POST /v1/chat/completions HTTP/1.1",
        b"Host: localhost:8000",
        b"Accept-Encoding: gzip, deflate",
        b"Connection: keep-alive",
        b"Accept: application/json",
        b"Content-Type: application/json",
        b"User-Agent: OpenAI/Python 2.0.0",
        b"X-Stainless-Async: false",
        b"Authorization: Bearer sk-none",
        b"Content-Length: %d" % len(PROMPT),
        b"",
        b"",
    ]
)
"""The head that the most usual client sends."""
REST = b"\r\n\r\n" + b"x" * 3000
"""Ends any head, breaks any chunk and fills most bodies, so that nothing is waited for."""
LINES = [
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Length: 5\r\n",
    b"Connection: close\r\n",
    b"Connection: Upgrade\r\nUpgrade: h2c\r\n",
    b"Expect: 100-continue\r\n",
    b"Host: localhost\r\n",
    b" folded\r\n",
]
WORDS = [b"\r\n", b"\n", b"\r", b" ", b"\t", b"\0", b":", b",", b";", b"-", b"+", b"0", b"chunked", b"http://localhost"]
PIECES = st.one_of(st.sampled_from(LINES), st.sampled_from(WORDS), st.binary(min_size=1, max_size=2))
CHANGES = st.lists(
    st.tuples(st.integers(0, len(USUAL)), st.integers(0, 3), st.just(b"") | PIECES), min_size=1, max_size=3
)


def changed(head: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    """Return bytes in which, one after the other, at a place some were taken out and others put in."""
    for place, count, piece in changes:
        if piece in LINES:
            place = head.find(b"\r\n", place) + 2
        head = head[:place] + piece + head[place + count :]
    return head


@settings(max_examples=300)
@given(changes=CHANGES)
def test_a_changed_request_is_the_same_both_ways(ways: Ways, changes: list[tuple[int, int, bytes]]) -> None:
    found = ways.same(changed(USUAL, changes) + PROMPT, REST, ask=b"")

    assert len(found.reached) == found.answers.count("200") <= 1
