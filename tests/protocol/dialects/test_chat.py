"""The dialect that is relayed: nothing is translated, and nothing is lost."""

from __future__ import annotations

import json

from llms.protocol.chat import Chunk, Completion, Usage
from llms.protocol.dialects.chat import ChatDialect
from llms.protocol.errors import UpstreamTimeout
from llms.protocol.shape import Shape
from llms.testing.answers import chunk

DIALECT = ChatDialect()
RAW = b'{"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": true}'


class Told:
    """Nobody asks."""

    @property
    def usage(self) -> Usage | None:
        raise AssertionError("nobody asks for usage here")

    @property
    def seconds(self) -> float:
        raise AssertionError("nobody asks for the time here")


def test_a_body_is_read_as_that_of_a_chat() -> None:
    request = DIALECT.parse(RAW, request_id="r", hops=1, stream=None)

    assert (request.model, request.stream, request.request_id, request.hops) == ("m", True, "r", 1)
    assert not DIALECT.parse(RAW, request_id="r", hops=1, stream=False).stream


def test_bytes_are_passed_on() -> None:
    wire = b'data: {"a":1}\n\ndata: {"a":1}\n\n'
    telling = DIALECT.telling(DIALECT.parse(RAW, request_id="", hops=0, stream=None))

    assert telling.chunk(Chunk.repeated(_shape(), 2, wire)) is wire
    assert telling.chunk(Chunk([{"a": 1}], [b'{ "a": 1}'])) == b'data: { "a": 1}\n\n'
    assert telling.end(Chunk([{"a": 1}], [b"{}"]), Told()) == b"data: {}\n\ndata: [DONE]\n\n"
    assert DIALECT.whole(Completion({}, b'{"x":  1}'), Told()) == b'{"x":  1}'


def test_separators_are_escaped_everywhere() -> None:
    telling = DIALECT.telling(DIALECT.parse(RAW, request_id="", hops=0, stream=None))
    item = chunk({"content": "a\u2028b"})
    wire = b"data: " + json.dumps(item, ensure_ascii=False).encode() + b"\n\n"

    for told in (telling.chunk(Chunk.of(item)), telling.chunk(Chunk.repeated(_shape(), 1, wire))):
        assert b"a\\u2028b" in told
        assert json.loads(told[6:]) == item
    assert DIALECT.whole(Completion({}, '{"x":"\u2029"}'.encode()), Told()) == b'{"x":"\\u2029"}'


def test_a_broken_stream_ends_without_done() -> None:
    telling = DIALECT.telling(DIALECT.parse(RAW, request_id="", hops=0, stream=None))

    assert json.loads(telling.error(UpstreamTimeout("late"))[6:]) == {
        "error": {"message": "late", "type": "api_error", "param": None, "code": "upstream_timeout"}
    }


def _shape() -> Shape:
    return Shape(b"{", b"}")
