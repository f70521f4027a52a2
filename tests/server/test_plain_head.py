"""Whatever is taken for a plain head, aiohttp's parser reads the same from it; and nothing that it would refuse is."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import NamedTuple

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParser
from hypothesis import example, given
from hypothesis import strategies as st

from llms.server.plain_head import HeadReader

LINE = b"POST /v1/chat/completions HTTP/1.1\r\n"
HEAD = LINE + b"Host: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n"


class Parsed(NamedTuple):
    """What aiohttp reads from one request."""

    line: str
    headers: dict[str, str]
    body: bytes


@pytest.fixture(scope="module")
def loop() -> Generator[asyncio.AbstractEventLoop, None, None]:
    made = asyncio.new_event_loop()
    yield made
    made.close()


def parsed(data: bytes, loop: asyncio.AbstractEventLoop) -> Parsed | None:
    """Return what aiohttp's parser reads from bytes that hold one request; None where it refuses them."""
    parser = HttpRequestParser(BaseProtocol(loop), loop, 2**16, max_line_size=8190, max_field_size=8190)
    try:
        messages, _, rest = parser.feed_data(data)
    except HttpProcessingError:
        return None
    assert len(messages) == 1
    assert not rest
    [(message, body)] = messages
    assert body.is_eof()
    line = f"{message.method} {message.path} HTTP/{message.version.major}.{message.version.minor}"
    return Parsed(line, {name.lower(): value for name, value in message.headers.items()}, body.read_nowait())


def reader() -> HeadReader:
    """Return a reader to which all is plain that may be."""
    return HeadReader(lambda line, headers: True)


NAMES = st.one_of(
    st.sampled_from(["Host", "host", "Content-Length", "content-length", "Transfer-Encoding", "Connection", "X-A"]),
    st.text(st.characters(max_codepoint=255), max_size=4),
)
VALUES = st.one_of(
    st.sampled_from(["localhost", "2", " 2 ", "02", "+2", "2, 2", "0x2", "", "chunked", "a\tb", "\x0b", "é"]),
    st.text(st.characters(max_codepoint=255), max_size=6),
)
LINES = st.sampled_from(
    [
        "POST /v1/chat/completions HTTP/1.1",
        "POST  / HTTP/1.1",
        "POST / HTTP/1.0",
        "POST /\tx HTTP/1.1",
        "P\x00ST / HTTP/1.1",
        " POST / HTTP/1.1",
        "POST / HTTP/1.1 ",
        "",
    ]
)
BREAKS = st.sampled_from(["\r\n"] * 12 + ["\n", "\r", "\r\n ", "\r\r\n"])


@st.composite
def heads(draw: st.DrawFn) -> bytes:
    """Draw a head that is sound but for what is not."""
    lines = [draw(LINES), "Host: localhost"] if draw(st.booleans()) else [draw(LINES)]
    lines += [f"{name}:{draw(st.sampled_from([' ', '', '  ']))}{draw(VALUES)}" for name in draw(st.lists(NAMES))]
    return "".join(line + draw(BREAKS) for line in lines).encode("latin-1") + b"\r\n"


@given(head=heads(), pad=st.binary(max_size=4))
@example(head=HEAD, pad=b"")
@example(head=LINE + b"Host: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", pad=b"")
@example(head=LINE + b"Host: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", pad=b"")
@example(head=LINE + b"Host: a\r\nX: b\n\r\nContent-Length: 2\r\n\r\n", pad=b"")
@example(head=LINE + b"Host: a\r\n folded: 1\r\nContent-Length: 2\r\n\r\n", pad=b"")
def test_aiohttp_reads_the_same(head: bytes, pad: bytes, loop: asyncio.AbstractEventLoop) -> None:
    read = reader().read(head + pad)
    if read is None or read[2] > 1000:
        return
    plain, size, length = read
    assert size <= len(head)
    data = head[:size] + b"{" * length
    theirs = parsed(data, loop)
    if theirs is None:
        # A line that no server answers may be stricter with them; the hot route answers one line alone.
        assert not plain.line.startswith("POST /v1/chat/completions ")
        return
    assert theirs.headers.pop("content-length", "0").strip("0") == str(length).strip("0")
    assert theirs[1:] == (plain.headers, b"{" * length)
    if plain.line == LINE.decode().strip():
        assert theirs.line == plain.line


@given(at=st.integers(0, len(HEAD) - 1))
def test_a_part_of_a_head_is_none(at: int) -> None:
    assert reader().read(HEAD[:at]) is None


@given(more=st.binary(max_size=50))
def test_what_follows_changes_nothing(more: bytes) -> None:
    heads = reader()
    assert heads.read(HEAD + more) == heads.read(HEAD)


@pytest.mark.parametrize(
    "line",
    [
        b"Content-Length: 1",
        b"content-length: 2",
        b"Transfer-Encoding: chunked",
        b"X\x00: 1",
        b"X : 1",
        b" X: 1",
        b"X: a\x00",
        b"X: a\rb",
        b"X: a\nb",
        b"X: a\tb",
        b"X: \xe9",
        b"X",
        b": x",
        b"X: " + b"a" * 8192,
        b"\r\n".join(b"X-%d: 1" % number for number in range(70)),
    ],
)
def test_unusual_heads_are_left_to_aiohttp(line: bytes) -> None:
    assert reader().read(HEAD[:-2] + line + b"\r\n\r\n") is None


def test_names_are_forgotten_when_there_are_many() -> None:
    found_by = reader()
    for number in range(1000):
        found = found_by.read(HEAD[:-2] + b"X-%d: %d\r\n\r\n" % (number, number))
        assert found is not None
        assert found[0].headers[f"x-{number}"] == str(number)
    assert len(found_by._names) <= 256


@given(lengths=st.lists(st.integers(0, 10**6), min_size=2))
def test_a_head_that_came_before_is_known_whatever_its_length(lengths: list[int]) -> None:
    heads = reader()
    read = [heads.read(HEAD.replace(b"Length: 2", b"Length: %d" % length)) for length in lengths]
    assert [length for _, _, length in filter(None, read)] == lengths
    assert len({head for head, _, _ in filter(None, read)}) == 1


def test_heads_are_forgotten_when_there_are_many() -> None:
    heads = reader()
    for number in range(1000):
        assert heads.read(HEAD[:-2] + b"X: %d\r\n\r\n" % number) is not None
    assert len(heads._known) <= 256


@pytest.mark.parametrize("line", [b"x-request-id: a", b"X: " + b"a" * 4096])
def test_what_does_not_come_again_is_not_remembered(line: bytes) -> None:
    heads = reader()
    assert heads.read(HEAD[:-2] + line + b"\r\n\r\n") is not None
    assert not heads._known
