"""Reads that go past the parser: whatever is read, and however it is framed, what comes out is the same."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llms.protocol.shape import Shape
from llms.providers._connection import Connection
from llms.streaming.lane import Lane
from llms.streaming.ticker import Ticker

BEFORE, AFTER = b'{"choices":[{"delta":{"content":"', b'"}}]}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n%b\r\n"
CHUNKED = HEAD % b"Transfer-Encoding: chunked\r\n"


class Socket(asyncio.Transport):
    """Keep what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closing = False
        self.waiting = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def abort(self) -> None:
        self.closing = True

    def pause_reading(self) -> None:
        raise AssertionError("nothing of this is so long")


class Account:
    chunks = 0


class Upstream:
    """A connection on which a request went out, with a lane to a client or without; notes what came of the body."""

    def __init__(self, *, lane: bool) -> None:
        self.connection = Connection(lambda _: None)
        self.transport, self.client = Socket(), Socket()
        self.connection.connection_made(self.transport)
        self.connection.send(b"GET / HTTP/1.1\r\n\r\n", b"")
        self.connection.listen(self._arrived)
        self.account = Account()
        self.parsed: list[bytes] = []
        self.body = b""
        self.lane = Lane(self.client, self.account, ticker=Ticker())
        self.lane.shape = Shape(BEFORE, AFTER)
        if lane:
            self.connection.lend(self.lane)

    def _arrived(self) -> None:
        self.parsed.append(self.connection.arrived)
        self.body += self.connection.arrived
        self.connection.drop()

    def read(self, data: bytes) -> None:
        if self.transport.closing:
            return
        passed = len(self.client.written)
        self.connection.data_received(data)
        for wire in self.client.written[passed:]:
            assert wire == data
            self.body += wire[wire.index(b"\r\n") + 2 : -2]

    @property
    def state(self) -> tuple[object, ...]:
        """Return what an exchange leaves behind."""
        connection = self.connection
        failure = connection._failure
        return self.body, connection.status, connection.ended, connection.whole, type(failure), str(failure)


def says(text: bytes) -> bytes:
    return b"data: %b%b%b\n\n" % (BEFORE, text, AFTER)


def framed(data: bytes, size: bytes = b"%x") -> bytes:
    return b"%b\r\n%b\r\n" % (size % len(data) if b"%" in size else size, data)


TEXTS = st.one_of(
    st.text(max_size=6).map(str.encode), st.binary(max_size=4), st.sampled_from([b"", b"\r\n", b"0\r\n\r\n", b"\n\n"])
)
PAYLOADS = st.one_of(
    TEXTS.map(says),
    TEXTS.map(says),
    st.lists(TEXTS.map(says), min_size=1, max_size=3).map(b"".join),
    TEXTS.map(says).map(lambda event: event[:-3]),
    st.sampled_from([b"\n\n", b"\n", b"5\r\n", b"data: [DONE]\n\n", framed(says(b"in"))]),
)
SIZES = st.sampled_from([b"%x"] * 8 + [b"%X", b"%X", b"0%x", b"%x;a=b", b"%x ", b"+%x", b"4", b"ffff", b"0x%x", b""])
"""How the size of a chunk is told: rightly, oddly or not rightly."""


@st.composite
def reads(draw: st.DrawFn) -> list[bytes]:
    """Draw a body chunk by chunk, read so or cut anywhere."""
    pieces = [framed(draw(PAYLOADS), draw(SIZES)) for _ in range(draw(st.integers(1, 10)))]
    pieces.append(draw(st.sampled_from([b"0\r\n\r\n", b"0\r\na: b\r\n\r\n", b"", b"\r\n"])))
    if draw(st.booleans()):
        whole = b"".join(pieces)
        places = sorted(draw(st.sets(st.integers(0, len(whole)), max_size=6)))
        pieces = [whole[start:stop] for start, stop in zip([0, *places], [*places, len(whole)], strict=True)]
    return [piece for piece in pieces if piece]


def play(head: bytes, pieces: Sequence[bytes], *, lane: bool) -> Upstream:
    upstream = Upstream(lane=lane)
    for piece in (head, *pieces):
        upstream.read(piece)
    return upstream


async def test_any_framing_read_in_any_way_is_the_same_with_a_lane() -> None:
    passed = 0

    @settings(max_examples=600, deadline=None)
    @given(pieces=reads())
    def same(pieces: list[bytes]) -> None:
        nonlocal passed
        fast, slow = play(CHUNKED, pieces, lane=True), play(CHUNKED, pieces, lane=False)
        assert fast.state == slow.state
        passed += len(fast.client.written)

    same()
    assert passed > 100


class TestWhatPasses:
    """Whole chunks of the shape, once the parser stands before one."""

    async def test_all_but_the_first_read_go_past_the_parser(self) -> None:
        upstream = play(CHUNKED, [framed(says(b"w%d" % n)) for n in range(20)], lane=True)

        assert upstream.parsed == [b"", says(b"w0")]
        assert len(upstream.client.written) == upstream.account.chunks == 19

    @pytest.mark.parametrize("size", [b"%x", b"%X"])
    async def test_sizes_in_either_case_do(self, size: bytes) -> None:
        upstream = play(CHUNKED, [framed(says(b"w" * n), size) for n in range(40)], lane=True)

        assert len(upstream.client.written) == 39

    async def test_several_events_in_one_chunk_do_and_are_counted(self) -> None:
        upstream = play(CHUNKED, [framed(says(b"a")), framed(says(b"b") * 3)], lane=True)

        assert (len(upstream.client.written), upstream.account.chunks) == (1, 3)

    @pytest.mark.parametrize(
        "data",
        [
            framed(says(b"a")) * 2,
            framed(says(b"a"), b"0%x"),
            framed(says(b"a"), b"%x;a=b"),
            framed(says(b"a"))[:-1],
            framed(says(b"a")) + b"0",
            framed(says(b'"')),
            framed(says(b"\xff")),
            framed(says(b"a")[:-1]),
            says(b"a"),
            b"",
        ],
        ids=repr,
    )
    async def test_what_is_not_one_plain_chunk_goes_down(self, data: bytes) -> None:
        upstream = play(CHUNKED, [framed(says(b"a")), data], lane=True)

        assert upstream.client.written == []

    @pytest.mark.parametrize("lines", [b"Content-Length: 5000\r\n", b""], ids=["length", "close"])
    async def test_bodies_without_chunks_do_not(self, lines: bytes) -> None:
        """They may hold what looks like chunks."""
        pieces = [framed(says(b"w%d" % n)) for n in range(20)]
        upstream = play(HEAD % lines, pieces, lane=True)

        assert upstream.client.written == []
        assert upstream.body == b"".join(pieces)

    async def test_what_stands_within_a_chunk_does_not(self) -> None:
        inner = [framed(says(b"w%d" % n)) for n in range(20)]
        upstream = play(CHUNKED, [b"%x\r\n" % len(b"".join(inner)), *inner, b"\r\n", b"0\r\n\r\n"], lane=True)

        assert upstream.client.written == []
        assert upstream.body == b"".join(inner)
        assert upstream.connection.whole

    async def test_what_comes_behind_the_end_does_not(self) -> None:
        upstream = play(CHUNKED, [framed(says(b"a")), framed(says(b"b")), b"0\r\n\r\n", framed(says(b"c"))], lane=True)

        assert upstream.body == says(b"a") + says(b"b")
        assert upstream.transport.closing

    async def test_nothing_does_while_the_client_is_slow_or_gone(self) -> None:
        upstream = play(CHUNKED, [framed(says(b"a"))], lane=True)
        upstream.client.waiting = 1
        upstream.read(framed(says(b"b")))
        upstream.client.waiting, upstream.client.closing = 0, True
        upstream.read(framed(says(b"c")))

        assert upstream.client.written == []
        assert upstream.parsed[1:] == [says(b"a"), says(b"b"), says(b"c")]

    async def test_what_the_wire_would_change_does_not(self) -> None:
        upstream = Upstream(lane=False)
        lane = Lane(
            upstream.client, upstream.account, ticker=Ticker(), wire=lambda data: data.replace("é".encode(), b"e")
        )
        lane.shape = Shape(BEFORE, AFTER)

        assert not lane.take(framed(says("é".encode())))
        assert lane.take(framed(says("è".encode())))
        assert lane.take(framed(says(b"e")))

    async def test_nothing_overtakes_what_a_task_has_still_to_read(self) -> None:
        upstream = play(CHUNKED, [framed(says(b"a"))], lane=False)
        upstream.connection.listen(None)
        relay = Relay(upstream.lane)
        reading = asyncio.create_task(upstream.connection.read(relay))
        await asyncio.sleep(0)
        upstream.connection.data_received(framed(says(b"b")))
        assert len(upstream.client.written) == 1
        upstream.connection.data_received(framed(b"other\n\n"))
        upstream.connection.data_received(framed(says(b"c")))

        assert await reading == b"other\n\n" + says(b"c")
        assert len(upstream.client.written) == 1


class Relay:
    """One that takes nothing of what was parsed."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane

    def expect(self, shape: object) -> None:
        raise AssertionError

    def take(self, data: bytes) -> bool:
        return False
