"""Progress beside the text: the text stays what it is, the bytes of other chunks too."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncGenerator, Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.protocol.chat import Chunk, Usage
from llms.protocol.progress import Place, Progress
from llms.protocol.sse import encode_chunk
from llms.protocol.stream import ChunkReader
from llms.streaming.progress import Waiting, with_progress
from llms.testing.clock import Clock

HEAD = {"id": "c1", "object": "chat.completion.chunk", "created": 5, "model": "m"}
ROLE = {"role": "assistant", "content": ""}


def one(delta: dict[str, Any], finish: str | None = None, **top: Any) -> dict[str, Any]:
    return {**HEAD, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **top}


def read(objects: Iterable[dict[str, Any]], cuts: Iterable[int], *, done: bool) -> list[Chunk]:
    """Return what reads of a stream bring that is cut anywhere; the last chunk is final."""
    reader = ChunkReader(provider="up", max_event=2**20)
    wire = b"".join(b"data: %b\n\n" % json.dumps(item, ensure_ascii=False).encode() for item in objects)
    wire += b"data: [DONE]\n\n" if done else b""
    edges = sorted({0, len(wire), *(cut % (len(wire) + 1) for cut in cuts)})
    found = [reader.feed(wire[start:stop]) for start, stop in itertools.pairwise(edges)]
    chunks = [chunk for chunk in found if chunk is not None]
    if not chunks or not chunks[-1].final:
        chunks.append(Chunk(()))
        chunks[-1].final = True
    return chunks


class Source:
    """A stream that takes its time, and notes that it was closed."""

    def __init__(self, chunks: Iterable[Chunk], clock: Clock, seconds: Iterator[float] | None = None) -> None:
        self.closed = False
        self._chunks = chunks
        self._clock = clock
        self._seconds = seconds or itertools.repeat(0.0)

    async def __call__(self) -> AsyncGenerator[Chunk, None]:
        try:
            for chunk in self._chunks:
                self._clock.advance(next(self._seconds))
                yield chunk
        finally:
            self.closed = True


async def passed(
    chunks: list[Chunk], *, every: float = 0.0, usage: Usage | None = None, limit: int | None = None
) -> list[Chunk]:
    """Return the chunks as a client that opted in gets them."""
    clock = Clock()
    progress = Progress(clock=clock, limit=limit)
    source = Source(chunks, clock, itertools.repeat(every))
    seen = [chunk async for chunk in with_progress(source(), progress, usage=lambda: usage)]
    assert source.closed
    return seen


def objects_of(chunks: Iterable[Chunk]) -> list[dict[str, Any]]:
    """Return what stands on the wire, checking that it is what the chunks say."""
    wire = b"".join(map(encode_chunk, chunks))
    found = [json.loads(frame.removeprefix(b"data: ")) for frame in wire.split(b"\n\n")[:-1]]
    assert found == [item for chunk in chunks for item in chunk.objects]
    return found


def told(chunks: Iterable[Chunk]) -> list[dict[str, Any]]:
    return [item["llms"] for item in objects_of(chunks) if "llms" in item]


TEXTS = st.lists(st.text(st.characters(codec="utf-8"), max_size=6), max_size=30)


@given(
    texts=TEXTS,
    cuts=st.lists(st.integers(0, 5000), max_size=30),
    done=st.booleans(),
    every=st.sampled_from([0.0, 0.3, 1.0, 5.0]),
    thought=st.integers(0, 30),
)
async def test_the_text_stays_what_it_is(
    texts: list[str], cuts: list[int], done: bool, every: float, thought: int
) -> None:
    deltas = [{"reasoning_content" if at < thought else "content": text} for at, text in enumerate(texts)]
    stream = [one(ROLE), *map(one, deltas), one({}, "stop")]
    seen = await passed(read(stream, cuts, done=done), every=every)
    found = objects_of(seen)
    figures = [item.pop("llms") for item in found if "llms" in item]
    extra = found.pop() if found[-1] == {**HEAD, "choices": []} else None
    assert found == stream
    assert figures[-1]["percent"] == 100
    assert [chunk.final for chunk in seen] == [False] * (len(seen) - 1) + [True]
    assert extra is None or seen[-1].count == 1
    assert sum(map(bool, texts)) <= figures[-1].get("tokens", 0) <= len(texts)


async def test_a_chunk_between_two_reports_is_the_same_object() -> None:
    chunks = [Chunk.of(one({"content": "x"})) for _ in range(11)]
    chunks[-1].final = True
    seen = await passed(chunks, every=0.4)
    marked = [at for at, (before, after) in enumerate(zip(chunks, seen, strict=True)) if before is not after]
    assert marked == [0, 3, 6, 9, 10]
    assert len(told(seen)) == len(marked)


async def test_what_gets_figures_keeps_its_bytes_before_them() -> None:
    payload = (
        b'{ "id":"c1", "object":"chat.completion.chunk","created":5,"model":"m","x":1.0,'
        b'"choices":[{"index":0,"delta":{"content":"\\u00e9"}}]} '
    )
    chunk = ChunkReader(provider="up", max_event=2**20).feed(b"data: " + payload + b"\n\n")
    assert chunk is not None
    chunk.upstream_request_id, chunk.skipped = "r", 2
    [seen] = await passed([chunk])
    wire = encode_chunk(seen)
    assert wire.startswith(b"data: " + payload[:-2] + b',"llms":{')
    assert (seen.upstream_request_id, seen.skipped) == ("r", 2)


async def test_states_follow_the_deltas() -> None:
    call = {"index": 0, "id": "a", "type": "function", "function": {"name": "look", "arguments": ""}}
    stream = [
        one(ROLE),
        one({"reasoning_content": "hm"}),
        one({"reasoning_content": "hm "}),
        one({"content": "I"}),
        one({"tool_calls": [call]}),
        one({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}),
        one({}, "tool_calls"),
    ]
    chunks = [Chunk.of(item) for item in stream]
    chunks[-1].final = True
    figures = told(await passed(chunks, every=1.0))
    assert [each["state"] for each in figures] == ["thinking", "thinking", "writing", "tool", "tool", "tool"]
    assert [each.get("tool", {}).get("status") for each in figures[-3:]] == ["writing", "writing", "ready"]
    assert [each["tokens"] for each in figures] == [1, 2, 3, 4, 5, 5]


async def test_many_events_of_one_read_get_figures_once() -> None:
    stream = [one(ROLE), *(one({"content": "tick "}) for _ in range(200)), one({}, "stop")]
    seen = await passed(read(stream, [600, 900, 9000], done=True), every=2.0)
    assert sum(chunk.count for chunk in seen) == len(stream)
    assert [each.get("tokens", 0) for each in told(seen)][-1] == 200
    assert len(told(seen)) == len(seen)


async def test_the_final_figures_have_the_upstreams_count() -> None:
    usage = Usage(completion_tokens=77, source="reported")
    final = Chunk(())
    final.final = True
    seen = await passed([Chunk.of(one({"content": "x"})), Chunk.of(one({}, "stop")), final], usage=usage, limit=100)
    [first, last] = told(seen)
    assert first["tokens"] == 1
    assert (last["tokens"], last["percent"], last["eta_ms"]) == (77, 100.0, 0)
    assert objects_of(seen)[-1] == {**HEAD, "choices": [], "llms": last}


@pytest.mark.parametrize(
    "odd",
    [
        {"tool_calls": [{"index": 0, "type": "custom", "custom": "x"}]},
        {"tool_calls": [{"index": 0, "function": {"name": 5}}]},
        {"content": None, "reasoning": 7},
    ],
)
async def test_odd_deltas_pass(odd: dict[str, Any]) -> None:
    chunks = [Chunk.of(one(odd)), Chunk.of(one({}, "tool_calls", usage={"completion_tokens": "many"}))]
    chunks[-1].final = True
    assert [item["choices"][0]["delta"] for item in objects_of(await passed(chunks))] == [odd, {}]


async def test_who_stops_reading_closes_the_source() -> None:
    clock = Clock()
    source = Source([Chunk.of(one({"content": "x"}))] * 5, clock)
    reading = with_progress(source(), Progress(clock=clock), usage=lambda: None)
    await anext(reading)
    await reading.aclose()
    assert source.closed


# -- before the first chunk ---------------------------------------------------------------------------------


def waiting(clock: Clock) -> tuple[Progress, Waiting]:
    progress = Progress(clock=clock)
    return progress, Waiting(progress, request_id="req-1", model="asked", created=9)


def llms_of(event: bytes | None) -> dict[str, Any]:
    assert event is not None
    assert event.startswith(b"data: ")
    assert event.endswith(b"\n\n")
    found: dict[str, Any] = json.loads(event[6:])
    assert found == {
        "id": "req-1",
        "object": "chat.completion.chunk",
        "created": 9,
        "model": "asked",
        "choices": [],
        "llms": found["llms"],
    }
    figures: dict[str, Any] = found["llms"]
    return figures


def test_nothing_is_told_of_the_first_moments() -> None:
    clock = Clock()
    _, before = waiting(clock)
    assert before.event() is None
    clock.advance(0.29)
    assert before.event() is None
    clock.advance(0.02)
    assert llms_of(before.event()) == {"elapsed_ms": 310}
    clock.advance(0.9)
    assert before.event() is None
    clock.advance(0.1)
    assert llms_of(before.event()) == {"elapsed_ms": 1310}


def test_news_is_told_at_once() -> None:
    clock = Clock()
    progress, before = waiting(clock)
    progress.queue(lambda: Place(2, 0.5))
    assert llms_of(before.event())["queue_position"] == 2
    assert before.event() is None
    progress.state("loading")
    assert llms_of(before.event())["state"] == "loading"


def test_a_message_cannot_break_a_line() -> None:
    clock = Clock()
    progress, before = waiting(clock)
    progress.say("one\ntwo\u2028three\x85")
    assert before.event() is None
    clock.advance(0.31)
    event = before.event()
    assert llms_of(event)["message"] == "one\ntwo\u2028three\x85"
    assert event is not None
    assert event.isascii()
    assert event.count(b"\n") == 2
