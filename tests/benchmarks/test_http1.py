"""Messages are cut out of reads of any size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.http1 import LARGEST_HEAD, LAST_CHUNK, Message, http_chunk

CUTS = st.lists(st.integers(0, 400), max_size=12)


def fed(wire: bytes, cuts: list[int]) -> tuple[Message, bytes]:
    message, body, at = Message(), b"", 0
    for cut in [*sorted(cuts), len(wire)]:
        if cut > at:
            body += message.feed(wire[at:cut])
            at = cut
    return message, body


@given(st.lists(st.binary(min_size=1, max_size=60), max_size=6), CUTS)
def test_a_chunked_body_survives_any_cut(pieces: list[bytes], cuts: list[int]) -> None:
    wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(map(http_chunk, pieces))
    message, body = fed(wire + LAST_CHUNK, cuts)
    assert (message.complete, message.rest, body) == (True, 0, b"".join(pieces))


@given(st.binary(max_size=300), CUTS)
def test_a_sized_body_survives_any_cut(content: bytes, cuts: list[int]) -> None:
    wire = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(content) + content
    message, body = fed(wire, cuts)
    assert (message.complete, message.rest, body) == (True, 0, content)


def test_header_names_are_lowered_and_values_stripped() -> None:
    message, _ = fed(b"GET / HTTP/1.1\r\nX-Name:  Value \r\n\r\n", [])
    assert (message.start, message.headers, message.complete) == (b"GET / HTTP/1.1", {b"x-name": b"Value"}, True)


@pytest.mark.parametrize(
    "wire",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabcd",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nsize\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"x" * (LARGEST_HEAD + 1),
    ],
)
def test_broken_framing_raises(wire: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        fed(wire, [])
