"""What a server may answer to a stream that is taken up again, event by event."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from llms.client import AsyncClient, Patience, StreamFailed, StreamingChunk, StreamLost
from llms.client.stream import ChatStream
from llms.testing.fake_upstream import Answer, FakeUpstream, answer, body, cut, end, error, head, raw
from tests.client.conftest import Pauses

HEADERS = {"Content-Type": "text/event-stream", "X-LLMS-Stream-Id": "s1", "x-request-id": "r1"}
WORDS = ["one ", "two ", "three ", "four"]


def delta(text: str, finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}


EVENTS: list[Any] = [*map(delta, WORDS), delta("", "stop"), "[DONE]"]


def events(first: int, last: int, told: Mapping[str, Any] | None = None, *, whole: bool = False) -> Answer:
    """Answer the events from one to another, then an error event or a loss; or the end where that is all."""
    sent: list[Any] = [*EVENTS[first - 1 : last], *([{"error": told}] if told else ())]
    texts = [item if isinstance(item, str) else json.dumps(item) for item in sent]
    frames = [f"id: {number}\ndata: {text}\n\n" for number, text in enumerate(texts, first)]
    return answer(head(200, HEADERS), raw("".join(frames).encode()), end() if whole or told else cut())


STOPPING = {"code": "server_stopping", "resumable": True, "last_event_id": 2, "retry_after": 3}
REST = events(3, 6, whole=True)


def state(last: int, status: str = "in_progress", **more: Any) -> Answer:
    usage = {"prompt_tokens": 1, "completion_tokens": 4}
    text = "".join(WORDS[:last])
    told = {"status": status, "text": text, "text_is_whole": True, "last_event_id": last, "usage": usage, "error": None}
    return body({**told, **more})


@pytest.fixture
async def direct(upstream: FakeUpstream, patience: Patience) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(upstream.url, model="m", patience=patience) as opened:
        yield opened


async def drained(stream: ChatStream) -> list[StreamingChunk]:
    return [piece async for piece in stream]


def paths(upstream: FakeUpstream) -> list[str]:
    return [f"{seen.method} {seen.path.removeprefix('/v1/')}" for seen in upstream.requests[1:]]


@pytest.mark.parametrize(
    ("scripts", "waited"),
    [
        ([events(1, 2), REST], []),
        ([events(1, 2, STOPPING), REST], [3]),
        ([events(1, 2), error(503, headers={"Retry-After": "7"}), REST], [7]),
        ([events(1, 2), error(429), body("<html>wait</html>"), REST], [1, 2]),
        ([events(1, 1), events(2, 2), REST], []),
    ],
)
async def test_it_goes_on(
    direct: AsyncClient, upstream: FakeUpstream, pauses: Pauses, scripts: list[Answer], waited: list[float]
) -> None:
    upstream.script(*scripts)
    stream = direct.chat_stream("hello")
    assert [piece.text for piece in await drained(stream)] == [*WORDS, ""]
    assert stream.finish_reason == "stop"
    assert pauses.asked == waited
    assert set(paths(upstream)) <= {"GET streams/s1?starting_after=1", "GET streams/s1?starting_after=2"}
    assert stream.reconnects == len(scripts) - 1


EXPIRED: dict[str, Any] = {"code": "replay_expired", "message": "too slow"}


@pytest.mark.parametrize(
    ("scripts", "found", "gaps", "finish"),
    [
        ([events(1, 1), error(410, {"error": EXPIRED}), state(2), REST], [*WORDS, ""], 1, "stop"),
        ([events(1, 1, {**EXPIRED, "last_event_id": 1}), state(2), REST], [*WORDS, ""], 1, "stop"),
        ([events(1, 1), error(410, {"error": EXPIRED}), state(6, "completed")], ["one ", "two three four"], 1, None),
        (
            [events(1, 1), error(410, {"error": EXPIRED}), state(6, "completed", finish_reason="length")],
            ["one ", "two three four"],
            1,
            "length",
        ),
        ([events(1, 5), body("", status=204), state(5, "completed")], [*WORDS, ""], 0, "stop"),
    ],
)
async def test_text_replaces_events_that_are_gone(
    direct: AsyncClient, upstream: FakeUpstream, scripts: list[Answer], found: list[str], gaps: int, finish: str | None
) -> None:
    upstream.script(*scripts)
    stream = direct.chat_stream("hello")
    pieces = await drained(stream)
    assert [piece.text for piece in pieces] == found
    assert [piece.gap for piece in pieces].count(True) == gaps
    assert stream.finish_reason == finish
    assert stream.text == "".join(WORDS)
    assert (stream.usage is not None) == (scripts[-1] is not REST)


@pytest.mark.parametrize(
    ("scripts", "kind", "code", "partial"),
    [
        ([events(1, 2), error(404, {"error": {"code": "not_found"}})], StreamLost, "not_found", "one two "),
        ([events(1, 2), error(401, {"error": {"code": "invalid_api_key"}})], StreamLost, "invalid_api_key", "one two "),
        ([events(1, 2), events(2, 6, whole=True)], StreamLost, "upstream_protocol_error", "one two "),
        (
            [events(1, 1), error(410, {"error": EXPIRED}), state(3, text="Others")],
            StreamLost,
            "replay_expired",
            "one ",
        ),
        (
            [events(1, 1), error(410, {"error": EXPIRED}), state(3, "failed", error={"code": "upstream_timeout"})],
            StreamFailed,
            "upstream_timeout",
            "one two three ",
        ),
        ([events(1, 1, {"code": "abandoned", "resumable": False})], StreamFailed, "abandoned", "one "),
        (
            [events(1, 1, {"code": "upstream_truncated", "resumable": False, "partial": "one two"})],
            StreamFailed,
            "upstream_truncated",
            "one two",
        ),
    ],
)
async def test_it_does_not_go_on(
    direct: AsyncClient, upstream: FakeUpstream, scripts: list[Answer], kind: type, code: str, partial: str
) -> None:
    upstream.script(*scripts, body({"cancelled": True}))
    with pytest.raises(kind) as broken:
        await drained(direct.chat_stream("hello"))
    assert type(broken.value) is kind
    assert (broken.value.code, broken.value.partial, broken.value.request_id) == (code, partial, "r1")


async def test_what_cannot_be_read_is_cancelled(direct: AsyncClient, upstream: FakeUpstream) -> None:
    upstream.script(events(1, 2), events(2, 6, whole=True), body({"cancelled": True}))
    with pytest.raises(StreamLost):
        await drained(direct.chat_stream("hello"))
    assert paths(upstream)[-1] == "DELETE streams/s1"


async def test_an_error_without_its_blank_line_is_one(direct: AsyncClient, upstream: FakeUpstream) -> None:
    upstream.script(answer(raw(b'data: {"error": {"message": "over", "code": "c1"}}'), end()))
    with pytest.raises(StreamFailed, match="over"):
        await drained(direct.chat_stream("hello"))
