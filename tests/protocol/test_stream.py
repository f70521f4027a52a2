"""Reads of a stream become chunks; recognising repeated shapes changes nothing but the cost."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from llms.protocol.conform import Conform
from llms.protocol.shape import Shape
from llms.protocol.sse import encode_chunk
from llms.protocol.stream import ChunkReader

HEAD = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}


def chunk(delta: dict[str, Any], *, finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {**HEAD, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}


def reader(*, searches: int = 8) -> ChunkReader:
    made = ChunkReader(provider="p", max_event=1 << 20)
    made._searches = searches
    return made


def read(made: ChunkReader, parts: list[bytes], conform: Conform | None = None) -> tuple[list[Any], bytes, int]:
    """Return the objects and the bytes that a client would get, and how many events were left out."""
    objects: list[Any] = []
    skipped = 0
    wire = b""
    for part in parts:
        got = made.feed(part)
        skipped += got.skipped if got is not None else 0
        if got is not None and conform is not None:
            got = conform.apply(got)
        if got is not None:
            wire += encode_chunk(got)
            assert got.count == len(got.objects) == len(got.payloads())
            objects += got.objects
    return objects, wire, skipped + made.skipped


def conform() -> Conform:
    return Conform(model="m", fallback_id="f", created=1, include_usage=False)


texts = st.one_of(
    st.sampled_from(
        ["a", "", " word", 'quote"', "back\\slash", "new\nline", "tab\t", "é", "\u2028", "~", '"},"x":{"', "null"]
    ),
    st.text(max_size=8),
)
deltas = st.one_of(
    texts.map(lambda text: {"content": text}),
    texts.map(lambda text: {"reasoning_content": text}),
    texts.map(lambda text: {"content": text, "refusal": None}),
    texts.map(lambda text: {"content": "x", "note": text}),
    st.just({"role": "assistant", "content": ""}),
    st.just({}),
)
items = st.one_of(
    deltas.map(chunk),
    texts.map(lambda text: chunk({"content": text}, obfuscation=text)),
    texts.map(lambda text: chunk({"content": "same"}, fingerprint=text)),
    st.just(chunk({}, finish="stop")),
    st.just({**HEAD, "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}),
    st.just({**chunk({"content": "other"}), "model": "n"}),
)
encoders = st.sampled_from(
    [
        lambda value: json.dumps(value),
        lambda value: json.dumps(value, ensure_ascii=False),
        lambda value: json.dumps(value, separators=(",", ":")),
    ]
)
separators = st.sampled_from(["\n\n", "\r\n\r\n", "\n: ping\n\n", "\n\n\n"])


@st.composite
def streams(draw: st.DrawFn) -> list[bytes]:
    """Draw a stream with one way of writing JSON, mostly, cut anywhere."""
    encode = draw(encoders)
    written = ""
    for item in draw(st.lists(items, max_size=14)):
        payload = draw(st.sampled_from([encode(item), encode(item), encode(item), "{broken", "null"]))
        end = draw(st.sampled_from(["\n\n", "\n\n", "\n\n", draw(separators)]))
        written += f"data: {payload}{end}"
    data = written.encode("utf-8", "surrogatepass")
    data *= draw(st.sampled_from([1, 1, 5]))
    if draw(st.booleans()):
        data = data.replace("é".encode(), draw(st.sampled_from([b"\xc3", b"\xa9", b"\xff", b"\xed\xa0\x80"])))
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=6)))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


@given(streams())
def test_shapes_change_nothing(parts: list[bytes]) -> None:
    with_shapes, without = reader(), reader(searches=0)
    assert read(with_shapes, parts) == read(without, parts)


@given(streams())
def test_shapes_change_nothing_for_clients(parts: list[bytes]) -> None:
    first, second = conform(), conform()
    assert read(reader(), parts, first) == read(reader(searches=0), parts, second)
    assert (first.complete, first.finish, first.usage) == (second.complete, second.finish, second.usage)


def test_a_steady_stream_is_not_decoded_and_its_bytes_go_on() -> None:
    made = reader()
    frames = [b"data: %b\n\n" % json.dumps(chunk({"content": text})).encode() for text in ("a", "b", "c d")]
    assert made.feed(frames[0]) is not None
    second = made.feed(frames[1] + frames[2])
    assert second is not None
    assert list(second.decoded) == [None, None]
    assert encode_chunk(second) is second.wire
    assert [item["choices"][0]["delta"]["content"] for item in second.objects] == ["b", "c d"]


def test_a_text_that_needs_decoding_is_decoded() -> None:
    item = chunk({"content": "a"})
    shape = Shape.of(json.dumps(item).encode(), item)
    assert shape is not None
    for text in ("\x00", "a\x1f"):
        frame = b"data: %b\n\n" % json.dumps(chunk({"content": text}), ensure_ascii=False).encode()
        assert shape.count(frame) == 0
    raw_control = b"data: %b\n\n" % json.dumps(item).encode().replace(b'"a"', b'"a\x01b"')
    assert shape.count(raw_control) == 0
    assert shape.count(raw_control.replace(b"\x01", b"!")) == 1
    assert shape.count(raw_control.replace(b"\x01", "é😀".encode())) == 1


def test_short_escapes_are_no_reason_to_decode() -> None:
    item = chunk({"content": "a"})
    shape = Shape.of(json.dumps(item).encode(), item)
    assert shape is not None
    frame = b"data: %b\n\n" % json.dumps(item).encode()
    for text in ('say "x"', "back\\", "\n", "\\n\t\\\\"):
        assert shape.count(frame.replace(b'"a"', json.dumps(text).encode())) == 1
    for broken in (b'"\\"', b'"\\x"', b'"a"b"', b'"\\\\\\"', b'"\\ud83d"'):
        assert shape.count(frame.replace(b'"a"', broken)) == 0
        assert shape.count(frame.replace(b'"a"', broken) + frame) == 0
    halves = frame.replace(b'"a"', b'"\\"') + frame.replace(b'"a"', b'"n"')
    assert shape.count(halves) == 0


def test_half_a_character_of_utf8_is_looked_at_closely() -> None:
    item = chunk({"content": "a"})
    shape = Shape.of(json.dumps(item).encode(), item)
    assert shape is not None
    frame = b"data: %b\n\n" % json.dumps(item).encode()
    halves = frame.replace(b'"a"', b'"\xc3"') + frame.replace(b'"a"', b'"\xa9"')
    assert shape.count(halves) == 0
    assert shape.count(frame.replace(b'"a"', b'"\xed\xa0\x80"')) == 0


def test_a_key_that_only_looks_like_the_text_gives_no_shape() -> None:
    item = {"note": {"content": "a"}, **chunk({"content": "a"})}
    assert Shape.of(json.dumps(item).encode(), item) is None
