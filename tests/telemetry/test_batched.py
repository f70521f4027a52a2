"""Lines are gathered for a moment, in order, and none is lost at the end."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable, Sequence

import pytest
import structlog

from llms.protocol.events import RequestEnded
from llms.telemetry.batched import Batched
from llms.telemetry.log import RequestLog, configure
from llms.telemetry.redact import Redactor

Make = Callable[..., RequestEnded]


class Counted(io.BytesIO):
    """A stream that counts writes."""

    writes = 0

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.writes += 1
        return super().write(data)


def test_outside_a_loop_nothing_is_held_back() -> None:
    stream = Counted()
    Batched(stream).write(b"one\n")
    assert stream.getvalue() == b"one\n"


async def test_many_lines_become_one_write_in_order() -> None:
    stream = Counted()
    lines = Batched(stream)
    for place in range(100):
        lines.write(b"%d\n" % place)
    assert stream.getvalue() == b""
    async with asyncio.timeout(5):
        while not stream.writes:
            await asyncio.sleep(0.01)
    assert stream.getvalue() == b"".join(b"%d\n" % place for place in range(100))
    assert stream.writes == 1


async def test_much_is_written_at_once_and_the_end_writes_the_rest() -> None:
    stream = Counted()
    lines = Batched(stream)
    lines.write(b"x" * 70_000)
    assert stream.writes == 1
    lines.write(b"rest")
    lines.close()
    assert stream.getvalue().endswith(b"xrest")


async def test_a_stream_that_fails_later_harms_nobody() -> None:
    stream = io.BytesIO()
    lines = Batched(stream)
    lines.write(b"lost")
    stream.close()
    await asyncio.sleep(0.1)


def ids(ended: Sequence[RequestEnded]) -> bytes:
    return b"<%b>" % " ".join(event.request_id for event in ended).encode()


async def test_requests_become_lines_together_and_in_order_with_others(ended: Make) -> None:
    stream = Counted()
    lines = Batched(stream)
    lines.render = ids
    for what in ("a", "b", b"-line-", b"-line-", "c"):
        if isinstance(what, bytes):
            lines.write(what)
        else:
            lines.tell(ended(request_id=what))
    assert stream.getvalue() == b""
    lines.close()
    assert stream.getvalue() == b"<a b>-line--line-<c>"


async def test_requests_are_not_held_without_bound(ended: Make) -> None:
    stream = Counted()
    lines = Batched(stream)
    lines.render = ids
    for _ in range(1_000):
        lines.tell(ended())
    assert 1 < stream.writes < 20
    lines.close()
    assert stream.getvalue().count(b"req-1") == 1_000


@pytest.mark.usefixtures("restored_log")
async def test_the_log_of_a_server_keeps_the_order_in_which_things_happened(ended: Make) -> None:
    stream = Counted()
    lines = Batched(stream)
    tell = RequestLog(configure(level="info", pretty=False, stream=lines, redactor=Redactor()))
    for at in range(3):
        tell(ended(request_id=f"req-{at}"))
        structlog.get_logger().info("between", at=at)
    lines.close()
    told = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line.get("request_id", line.get("at")) for line in told] == ["req-0", 0, "req-1", 1, "req-2", 2]
