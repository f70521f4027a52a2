"""The short cut changes nothing in streams that come in the client's own dialect."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llms.testing import messages, responses
from llms.testing.fake_upstream import FakeUpstream, cut
from llms.testing.steps import Step
from tests.gateway.test_short_cut import FAST, SLOW, Both, read_by_read
from tests.proxy import Reply, one_upstream, serving

Asked = tuple[str, dict[str, Any]]
MESSAGES: Asked = (
    "/v1/messages",
    {"model": "m", "max_tokens": 9, "stream": True, "messages": [{"role": "user", "content": "hi"}]},
)
RESPONSES: Asked = ("/v1/responses", {"model": "m", "input": "hi", "stream": True, "store": False})
WORDS = [f"w{number} é😀 " for number in range(40)]


def message(*words: str) -> Sequence[bytes]:
    text = messages.block(0, {"type": "text", "text": ""}, *(messages.delta("text", word) for word in words))
    told = messages.start() + messages.PING + text + messages.message_event(tokens=len(words)) + messages.STOP
    return [event + b"\n\n" for event in told.split(b"\n\n") if event]


def response(*words: str) -> Sequence[bytes]:
    place = {"item_id": responses.ITEM, "output_index": 0, "content_index": 0}
    first, last = responses.STREAM[:4], responses.STREAM[-1]
    told = (
        responses.event("response.output_text.delta", number, **place, delta=word)
        for number, word in enumerate(words, 4)
    )
    return [*first, *told, last]


STREAMS = {"messages": (MESSAGES, message), "responses": (RESPONSES, response)}


@asynccontextmanager
async def both() -> AsyncGenerator[Both, None]:
    row = "retries: 0, dialects: [messages, responses], timeouts: {idle: 5s}"
    async with (
        FakeUpstream() as upstream,
        serving(one_upstream(upstream, row=row, more=FAST)) as fast,
        serving(one_upstream(upstream, row=row, more=SLOW)) as slow,
    ):
        yield Both(upstream, fast, slow)


async def compare(proxies: Both, asked: Asked, *pieces: bytes | Step) -> Reply:
    path, body = asked
    return await proxies.compare(read_by_read(*pieces), path=path, body=body)


def said(reply: Reply) -> list[Any]:
    return [json.loads(line[6:]) for line in reply.body.splitlines() if line.startswith(b"data: ")]


@pytest.mark.parametrize("dialect", STREAMS)
async def test_what_brings_text_wakes_nobody(dialect: str, written: list[bytes]) -> None:
    asked, stream = STREAMS[dialect]
    events = stream(*WORDS)
    async with both() as proxies:
        reply = await compare(proxies, asked, *events)

    assert (reply.body, reply.whole) == (b"".join(events), True)
    assert len(events) - 2 < len(written) < len(events) + 8, "all of the slow one, and little of the fast one"


@pytest.mark.parametrize("dialect", STREAMS)
async def test_a_cut_is_told_after_all_that_came(dialect: str) -> None:
    asked, stream = STREAMS[dialect]
    events = stream(*WORDS)[:20]
    async with both() as proxies:
        reply = await compare(proxies, asked, *events, cut())

    assert reply.body.startswith(b"".join(events))
    assert said(reply)[-1]["type"] in ("error", "response.failed")


async def test_an_error_event_of_ours_goes_on_counting() -> None:
    events = response(*WORDS)[:30]
    async with both() as proxies:
        reply = await compare(proxies, RESPONSES, *events, cut())

    assert [event["sequence_number"] for event in said(reply)[:31]] == list(range(31))


def test_however_a_stream_is_cut_into_reads() -> None:
    """Compare both ways, at random cuts."""
    with asyncio.Runner() as runner:
        servers = AsyncExitStack()
        proxies = runner.run(servers.enter_async_context(both()))

        @settings(max_examples=60)
        @given(
            dialect=st.sampled_from(sorted(STREAMS)),
            words=st.lists(st.sampled_from(["a", "error", "é\r\n", "message_delta", '"x"', "\u2028"]), max_size=8),
            cuts=st.lists(st.integers(0, 4000), max_size=8),
        )
        def same(dialect: str, words: list[str], cuts: list[int]) -> None:
            asked, stream = STREAMS[dialect]
            text = b"".join(stream(*words))
            at = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
            pieces = [text[start:end] for start, end in pairwise(at)]
            assert runner.run(compare(proxies, asked, *pieces)).body == text

        try:
            same()
        finally:
            runner.run(servers.aclose())
