"""The lane changes nothing, with a task behind it or inline: every framing of every stream says the same."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llms.protocol.sse import PING
from llms.streaming.lane import Lane
from llms.testing.answers import Answer
from llms.testing.fake_upstream import FakeUpstream, answer, head, pause, raw, stall
from llms.testing.steps import Step, wire
from tests.gateway.test_short_cut import DONE, EVENTS, FAST, ROLE, STOP, Turns, both, read_by_read, says
from tests.proxy import RawClient, ask, chat, one_upstream, serving

WORDS = [says(f"w{n} ") for n in range(40)]
LAST = [says("", finish="stop"), b"data: [DONE]\n\n"]


@pytest.fixture
def passed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What went past the parser."""
    found: list[bytes] = []
    take = Lane.take

    def noting(lane: Lane, data: bytes) -> bool:
        is_taken = take(lane, data)
        found.extend([data] * is_taken)
        return is_taken

    monkeypatch.setattr(Lane, "take", noting)
    return found


async def test_what_only_repeats_takes_it_with_a_task_and_inline(passed: list[bytes]) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=FAST)) as proxy:
        for turn in (1, 2):  # the first request to an upstream finds no connection, and is not inline
            upstream.script(read_by_read(ROLE, *WORDS, STOP, DONE))
            reply = await ask(proxy, chat())
            ended = (await proxy.all_ended(turn))[-1]
            assert reply.text == "".join(f"w{n} " for n in range(40))
            assert (ended.chunks, ended.outcome) == (42, "ok")
            assert len(passed) > 30 * turn


@pytest.mark.parametrize("is_kept", [False, True], ids=["with a task", "inline"])
async def test_only_silence_is_silence(passed: list[bytes], *, is_kept: bool) -> None:
    row = "retries: 0, timeouts: {idle: 0.7s}, heartbeat: 0.4s"
    steady = [step for event in WORDS[:20] for step in (raw(event), pause(0.06))]
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, row=row, more=FAST)) as proxy:
        if is_kept:
            upstream.script(read_by_read(ROLE, STOP, DONE))
            await ask(proxy, chat())
        upstream.script(answer(ROLE, *steady, stall()))
        reply = await ask(proxy, chat())
    assert len(passed) >= 15
    assert reply.error["code"] == "upstream_timeout"
    assert "w19 " in reply.text
    assert reply.body.index(PING) > reply.body.index(b"w19 ")


async def test_a_client_that_leaves_stops_the_upstream(passed: list[bytes]) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=FAST)) as proxy:
        upstream.script(read_by_read(ROLE, STOP, DONE))
        await ask(proxy, chat())
        upstream.script(read_by_read(ROLE, *WORDS, stall()))
        client = await RawClient.to(proxy)
        await client.send(chat())
        await client.until(b"w39 ")
        assert len(passed) > 30
        client.reset()
        await (await upstream.arrived(2)).gone()
        ended = (await proxy.all_ended(2))[-1]
    assert (ended.outcome, ended.window, ended.chunks) == ("cancelled", "streaming", 41)


FRAMES = st.sampled_from(["%x\r\n", "%x\r\n", "%x\r\n", "%X\r\n", "00%x\r\n", "%x;a=b\r\n"])


@st.composite
def framings(draw: st.DrawFn) -> Answer:
    """Draw a stream with sizes of chunks told in any way, read chunk by chunk or cut anywhere."""
    frame = draw(FRAMES).encode()
    events = [*WORDS[:3], *draw(EVENTS), *WORDS[:2], *LAST]
    pieces = [frame % len(event) + event + b"\r\n" for event in events]
    pieces[-1] += b"0\r\n\r\n"
    if draw(st.booleans()):
        whole = b"".join(pieces)
        places = sorted(draw(st.sets(st.integers(1, len(whole) - 1), max_size=8)))
        pieces = [whole[start:stop] for start, stop in zip([0, *places], [*places, len(whole)], strict=True)]
    steps: list[Step] = [head(200), *(step for piece in pieces for step in (Turns(), wire(piece)))]
    return answer(*steps)


def test_any_framing_says_the_same() -> None:
    with asyncio.Runner() as runner:
        servers = AsyncExitStack()
        proxies = runner.run(servers.enter_async_context(both()))

        @settings(max_examples=150, deadline=None)
        @given(scripted=framings())
        def same(scripted: Answer) -> None:
            runner.run(proxies.compare(scripted))

        try:
            same()
        finally:
            runner.run(servers.aclose())
