"""Lines are gathered for a moment, in order, and none is lost at the end."""

from __future__ import annotations

import asyncio
import io

from llms.telemetry.batched import Batched


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
