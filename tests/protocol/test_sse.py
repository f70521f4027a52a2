"""The decoder gives the same events however a stream is cut, and the encoder writes what decoders read."""

from __future__ import annotations

import json
import re
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llms.protocol.chat import Chunk
from llms.protocol.sse import (
    DONE,
    PING,
    Decoder,
    Event,
    EventTooLong,
    encode,
    encode_chunk,
    escape_separators,
)

PATIENT = settings(deadline=None)


class Reference:
    """The standard's algorithm, line by line over the whole stream, with the end as a blank line."""

    def __init__(self, stream: bytes) -> None:
        self.events: list[Event] = []
        self.last_id = ""
        self.retry: int | None = None
        self.name, self.lines = b"", list[bytes]()
        for line in re.split(rb"\r\n|\r|\n", stream.removeprefix(b"\xef\xbb\xbf")):
            self.take(line)
        self.take(b"")

    def take(self, line: bytes) -> None:
        if line == b"":
            if self.lines:
                self.events.append((self.name, b"\n".join(self.lines)))
            self.name, self.lines = b"", []
            return
        if line.startswith(b":"):
            return
        field, value = line.split(b":", 1) if b":" in line else (line, b"")
        value = value[1:] if value.startswith(b" ") else value
        if field == b"data":
            self.lines.append(value)
        if field == b"event":
            self.name = value
        if field == b"id" and b"\0" not in value:
            self.last_id = value.decode(errors="replace")
        if field == b"retry" and re.fullmatch(rb"[0-9]{1,18}", value):
            self.retry = int(value)


def decode(*reads: bytes) -> list[Event]:
    decoder = Decoder()
    return [event for read in reads for event in decoder.feed(read)] + decoder.close()


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:end] for start, end in pairwise(edges)]


LINES = st.sampled_from(
    [
        b"data: one",
        b"data:two",
        b"data:  two spaces",
        b"data",
        b"data:",
        b"data: \xc3\xa9\xe2\x80\xa8",
        b"data: a:b",
        b": comment",
        b":",
        b"event: ping",
        b"event",
        b"id: 7",
        b"id",
        b"id: a\0b",
        b"id: \xff",
        b"retry: 10",
        b"retry: -1",
        b"retry: 1x",
        b"retry: 10 ",
        b"retry: " + b"9" * 5000,
        b"unknown: x",
        b" data: indented",
        b"Data: capital",
        b"\xef\xbb\xbfdata: late mark",
        b"",
        b"",
        b"",
    ]
)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
STREAMS = st.builds(
    lambda mark, lines, rest: mark + b"".join(line + end for line, end in lines) + rest,
    st.sampled_from([b"", b"\xef\xbb\xbf", b"\xef\xbb", b"\xef\xbb\xbf\xef\xbb\xbf"]),
    st.lists(st.tuples(LINES, ENDS)),
    st.sampled_from([b"", b"data: unfinished", b"data: unfinished\r", b"id: 9"]),
)
ANY_STREAM = STREAMS | st.binary() | st.text("dat: \r\n\0").map(str.encode)


@PATIENT
@given(ANY_STREAM, st.lists(st.integers(0, 10_000), max_size=12))
def test_any_cut_of_any_stream_gives_the_events_of_the_standard(stream: bytes, places: list[int]) -> None:
    reads = cut(stream, places)
    decoder = Decoder()
    events = [event for read in reads for event in decoder.feed(read)] + decoder.close()
    expected = Reference(stream)
    assert events == expected.events
    assert (decoder.last_id, decoder.retry) == (expected.last_id, expected.retry)


@PATIENT
@given(ANY_STREAM)
def test_one_byte_at_a_time_gives_the_same(stream: bytes) -> None:
    assert decode(*(stream[i : i + 1] for i in range(len(stream)))) == Reference(stream).events


@PATIENT
@given(STREAMS, STREAMS, st.lists(st.integers(0, 10_000), max_size=6))
def test_an_event_comes_with_the_read_that_ends_it(before: bytes, after: bytes, places: list[int]) -> None:
    for end in (b"\n\n", b"\r\r", b"\r\n\r\n", b"\r\n\r"):
        decoder = Decoder()
        events = [event for read in cut(before + b"\ndata: x" + end, places) for event in decoder.feed(read)]
        assert events == Reference(before + b"\ndata: x\n\n").events
        followed = [*events, *decoder.feed(after), *decoder.close()]
        assert followed == Reference(before + b"\ndata: x" + end + after).events


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: {}\n\ndata: [DONE]\n\n", [(b"", b"{}"), (b"", b"[DONE]")]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [(b"", b"a"), (b"", b"b")]),
        (b"data: a\r\rdata: b\r\r", [(b"", b"a"), (b"", b"b")]),
        (b"data: YHOO\ndata: +2\ndata: 10\n\n", [(b"", b"YHOO\n+2\n10")]),
        (b"data\n\ndata\ndata\n\ndata:", [(b"", b""), (b"", b"\n"), (b"", b"")]),
        (b"data:test\n\ndata: test\n\n", [(b"", b"test"), (b"", b"test")]),
        (b"event: add\ndata: 1\n\ndata: 2\n\n", [(b"add", b"1"), (b"", b"2")]),
        (b"event: lost\n\ndata: 2\n\n", [(b"", b"2")]),
        (b": ping\n\n: ping\ndata: a\n\nretry: 3\n\nid: 1\n\n", [(b"", b"a")]),
        (b"\n\n\ndata: a\n\n\n\n\ndata: b\n", [(b"", b"a"), (b"", b"b")]),
        (b"\xef\xbb\xbfdata: a\n\n", [(b"", b"a")]),
        (b"data: no blank line", [(b"", b"no blank line")]),
        (b"", []),
        (b"\n", []),
        (b"\xef\xbb", []),
    ],
)
def test_known_streams(stream: bytes, events: list[Event]) -> None:
    assert decode(stream) == events
    assert Reference(stream).events == events


def test_a_line_end_cut_in_two_ends_one_line_only() -> None:
    decoder = Decoder()
    assert decoder.feed(b"data: a\r") == []
    assert decoder.feed(b"\n") == []
    assert decoder.feed(b"") == []
    assert decoder.feed(b"data: b\r\n\r") == [(b"", b"a\nb")]
    assert decoder.feed(b"\ndata: c\n\n") == [(b"", b"c")]


def test_ids_and_retry_are_remembered() -> None:
    decoder = Decoder()
    decoder.feed(b"id: 41\nretry: 250\ndata: a\n\nid: 4\x002\nretry: 1.5\ndata: b\n\n")
    assert (decoder.last_id, decoder.retry) == ("41", 250)
    decoder.feed(b"id\n\n")
    assert decoder.last_id == ""


def test_the_end_comes_once() -> None:
    decoder = Decoder()
    assert decoder.feed(b"event: e\ndata: a") == []
    assert decoder.close() == [(b"e", b"a")]
    assert decoder.close() == []


def test_ten_thousand_events_in_one_read() -> None:
    stream = b"".join(b"data: %d\n\n" % number for number in range(10_000))
    assert decode(stream) == [(b"", b"%d" % number) for number in range(10_000)]
    irregular = b"".join(b"event: e\r\ndata: %d\r\n\r\n" % number for number in range(10_000))
    assert decode(irregular) == [(b"e", b"%d" % number) for number in range(10_000)]


@pytest.mark.parametrize("line", [b"x" * 2_000_000, b"data: y\n" * 250_000], ids=["one line", "many lines"])
def test_a_long_event_in_small_reads_costs_linear_time(line: bytes) -> None:
    stream = b"data: " + line + b"\n\n"
    started = time.process_time()
    events = decode(*(stream[i : i + 16] for i in range(0, len(stream), 16)))
    assert time.process_time() - started < 5
    assert events == Reference(stream).events


def test_characters_cut_into_bytes_stay_whole() -> None:
    text = "naïve 😀 日本語 \u2028 ünï"
    stream = b"data: " + text.encode() + b"\r\n\r\n"
    assert decode(*(bytes([byte]) for byte in stream)) == [(b"", text.encode())]


def test_an_endless_event_is_refused() -> None:
    decoder = Decoder(max_event=1000)
    assert decoder.feed(b"data: " + b"x" * 900) == []
    assert decoder.feed(b"x" * 94) == []
    with pytest.raises(EventTooLong, match="1000 bytes"):
        decoder.feed(b"\n")


def test_the_limit_is_for_one_event_not_for_the_stream() -> None:
    decoder = Decoder(max_event=100)
    for _ in range(50):
        assert decoder.feed(b"data: " + b"x" * 60) == []
        assert len(decoder.feed(b"\n\ndata: y\n\n: p")) == 2
        assert decoder.feed(b"ing\n\n") == []


@PATIENT
@given(st.binary(), st.none() | st.text(st.characters(exclude_characters="\r\n\0", codec="utf-8"), min_size=1))
def test_what_is_encoded_is_decoded(data: bytes, name: str | None) -> None:
    decoder = Decoder()
    events = decoder.feed(encode(data, name=name, event_id=12))
    assert events == [((name or "").encode(), re.sub(rb"\r\n|\r", b"\n", data))]
    assert decoder.last_id == "12"


def test_encoded_forms() -> None:
    assert encode(b"{}") == b"data: {}\n\n"
    assert encode(b"{}", name="ping") == b"event: ping\ndata: {}\n\n"
    assert encode(b"a\r\nb", event_id=0) == b"id: 0\ndata: a\ndata: b\n\n"
    assert decode(DONE) == [(b"", b"[DONE]")]
    assert decode(PING) == []
    assert PING.endswith(b"\n\n")


@pytest.mark.parametrize("broken", ["a\nb", "a\rb", "a\0b"])
def test_a_name_or_id_cannot_smuggle_a_line(broken: str) -> None:
    with pytest.raises(ValueError, match="line break"):
        encode(b"{}", name=broken)
    with pytest.raises(ValueError, match="line break"):
        encode(b"{}", event_id=broken)


def test_a_chunk_is_one_write_and_keeps_known_bytes() -> None:
    kept = b'{"n": 1}'
    assert encode_chunk(Chunk([{"n": 1}], [kept])) == b'data: {"n": 1}\n\n'
    assert encode_chunk(Chunk([{"n": 1}, {"n": 2}], [kept, None])) == b'data: {"n": 1}\n\ndata: {"n":2}\n\n'
    assert encode_chunk(Chunk.of({"n": 3})) == b'data: {"n":3}\n\n'
    assert encode_chunk(Chunk.of()) == b""


def test_plain_text_is_returned_as_the_same_object() -> None:
    for data in (b'{"a":"b"}', '{"a":"naïve — 日本"}'.encode()):
        assert escape_separators(data) is data


@PATIENT
@given(st.text(st.sampled_from("aé\u2028\u2029\u0085â\u2027\xc2\x80")))
def test_escaping_leaves_no_line_end_and_changes_no_value(text: str) -> None:
    escaped = escape_separators(json.dumps({"a": text}, ensure_ascii=False).encode())
    assert len(escaped.decode().splitlines()) == 1
    assert json.loads(escaped) == {"a": text}
