"""The short cut changes nothing: every stream says the same, to client and observers, with it and without."""

from __future__ import annotations

import asyncio
import json
import re
import zlib
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llms.protocol.events import AttemptFailed, Event, RequestEnded
from llms.server.errors import stopping
from llms.server.event_stream import EventStream
from llms.testing.answers import Answer, chunk, usage_of
from llms.testing.exchange import Exchange, Framing
from llms.testing.fake_upstream import FakeUpstream, answer, close, cut, end, event, half_chunk, head, pause, raw, stall
from llms.testing.steps import Step
from llms.testing.transcripts import TRANSCRIPTS
from tests.proxy import Proxy, RawClient, Reply, ask, chat, one_upstream, serving
from tests.server.differential.telling import ODD, says

NOW = 1_760_000_000.0
ROLE = event(chunk({"role": "assistant", "content": ""}))
STOP = event(chunk({}, "stop"))
DONE = event("[DONE]")
PATH = "/v1/chat/completions"
FAST, SLOW = "server: {fast_path: true}\n", "server: {fast_path: false}\n"


@dataclass(frozen=True)
class Turns:
    """Let whoever is connected read what was written so far, before more is written."""

    size: ClassVar[int] = 0

    async def play(self, out: Exchange) -> None:
        for _turn in range(4):
            await asyncio.sleep(0)


@dataclass
class Both:
    """Two proxies of one upstream, with the short cut and without."""

    upstream: FakeUpstream
    fast: Proxy
    slow: Proxy
    asked: int = 0
    normal: Callable[[bytes], bytes] = bytes
    """Leaves out of a body what is another one each time."""

    async def compare(self, scripted: Answer, *, path: str = PATH, body: Any = None, **fields: Any) -> Reply:
        """Play an answer to both; what came out must be equal, and is returned."""
        self.asked += 1
        self.upstream.script(scripted)
        asked = chat(**fields) if body is None else body
        seen = [await self._ask(proxy, path, asked) for proxy in (self.fast, self.slow)]
        assert seen[0] == seen[1]
        return seen[0][0]

    async def _ask(self, proxy: Proxy, path: str, asked: Any) -> tuple[Reply, list[Event]]:
        before = len(proxy.events)
        reply = await ask(proxy, asked, headers={"x-request-id": f"asked-{self.asked}"}, path=path)
        await proxy.all_ended(self.asked)
        reply.headers.pop("date")
        reply.body = self.normal(reply.body)
        return reply, [timeless(told) for told in proxy.events[before:]]


def timeless(told: Event) -> Event:
    """Return what observers were told, without what a clock says."""
    if isinstance(told, RequestEnded):
        ttft = 0.0 if told.ttft is not None else None
        return told._replace(duration=0.0, overhead=0.0, started=0.0, ttft=ttft, after_upstream=None)
    return told._replace(seconds=0.0) if isinstance(told, AttemptFailed) else told


@asynccontextmanager
async def both(*, row: str = "retries: 0, models: [real-model], timeouts: {idle: 5s}") -> AsyncGenerator[Both, None]:
    async with (
        FakeUpstream() as upstream,
        serving(one_upstream(upstream, row=row, more=FAST)) as fast,
        serving(one_upstream(upstream, row=row, more=SLOW)) as slow,
    ):
        for proxy in (fast, slow):
            proxy.engine.gateway._now = lambda: NOW
        yield Both(upstream, fast, slow)


def read_by_read(*pieces: bytes | Step, framing: Framing = "chunked") -> Answer:
    """Return an answer whose pieces come in reads of their own."""
    steps = [raw(piece) if isinstance(piece, bytes) else piece for piece in pieces]
    return answer(*(step for each in steps for step in (Turns(), each)), framing=framing)


class TestWhatPasses:
    """Which chunks go past everybody, counted by those that do not."""

    async def stream(self, *pieces: bytes | Step, row: str = "", headers: dict[str, str] | None = None) -> Reply:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream, row=row, more=FAST)) as proxy:
            upstream.script(read_by_read(ROLE, *pieces, STOP, DONE))
            reply = await ask(proxy, chat(), headers=headers)
            [ended] = await proxy.all_ended(1)
            assert ended.chunks == sum(isinstance(told, dict) and bool(told["choices"]) for told in reply.events)
            return reply

    async def test_what_only_repeats_wakes_nobody(self, written: list[bytes]) -> None:
        reply = await self.stream(*(says(f"w{n} ") for n in range(40)))

        assert reply.text == "".join(f"w{n} " for n in range(40))
        assert len(written) < 8

    async def test_all_languages_do(self, written: list[bytes]) -> None:
        reply = await self.stream(*(says(f"{n}é漢字😀 ") for n in range(40)))

        assert reply.text == "".join(f"{n}é漢字😀 " for n in range(40))
        assert len(written) < 8

    async def test_lines_and_quotes_do(self, written: list[bytes]) -> None:
        reply = await self.stream(says("a"), says("b"), *(says(f'"{n}"\n\\') for n in range(40)))

        assert reply.text == "ab" + "".join(f'"{n}"\n\\' for n in range(40))
        assert len(written) < 8

    async def test_after_another_chunk_it_goes_on(self, written: list[bytes]) -> None:
        reply = await self.stream(*(says("\x01" if n == 20 else f"{n} ") for n in range(40)))

        assert "19 \x0121 " in reply.text
        assert len(written) < 9

    async def test_who_wants_progress_is_told_through_all_layers(self, written: list[bytes]) -> None:
        await self.stream(*(says(f"w{n} ") for n in range(40)), headers={"X-LLMS-Stream": "progress"})

        assert len(written) > 40

    async def test_an_inflated_answer_takes_the_long_way(self, written: list[bytes]) -> None:
        pack = zlib.compressobj(wbits=31)
        packed = [
            pack.compress(says(f"w{n} ", finish="stop" if n == 39 else None)) + pack.flush(zlib.Z_SYNC_FLUSH)
            for n in range(40)
        ]
        async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=FAST)) as proxy:
            upstream.script(read_by_read(head(200, {"Content-Encoding": "gzip"}), *packed))
            reply = await ask(proxy, chat())
        assert reply.text == "".join(f"w{n} " for n in range(40))
        assert len(written) >= 39


class TestTheSame:
    """Documented shapes and every kind of break."""

    @pytest.mark.parametrize("name", TRANSCRIPTS)
    async def test_transcripts(self, name: str) -> None:
        events = [part + b"\n\n" for part in TRANSCRIPTS[name].raw.split(b"\n\n")]
        async with both() as proxies:
            for framing in ("chunked", "length", "close"):
                await proxies.compare(read_by_read(*events, framing=framing), stream_options={"include_usage": True})
            await proxies.compare(read_by_read(*(event[:9] for event in events), *(event[9:] for event in events)))

    @pytest.mark.parametrize("ending", ["end", "close", "cut", "half_chunk", "garbage", "error", "flood", "more"])
    async def test_breaks(self, ending: str) -> None:
        broken: dict[str, list[bytes | Step]] = {
            "end": [end()],
            "close": [close()],
            "cut": [pause(0.05), cut()],
            "half_chunk": [half_chunk()],
            "garbage": [b"\xff\xfe{]", b"data: {]\n\n", STOP],
            "error": [event({"error": {"message": "it fell over", "type": "server_error"}}), says("more")],
            "flood": [b"data: " + b"x" * 100_000 for _ in range(20)],
            "more": [STOP, event({**chunk({}), "choices": [], "usage": usage_of()}), DONE, says("more")],
        }
        row = "retries: 0, models: [real-model], limits: {max_event: 1MiB}"
        async with both(row=row) as proxies:
            steady = [says(f"w{n} ") for n in range(9)]
            reply = await proxies.compare(read_by_read(ROLE, *steady, *broken[ending]))
        assert reply.text.startswith("".join(f"w{n} " for n in range(9)))

    async def test_silence_is_noticed_and_only_silence(self) -> None:
        row = "retries: 0, models: [real-model], timeouts: {idle: 0.6s}, heartbeat: 0.8s"
        steady = [step for n in range(16) for step in (raw(says(f"w{n} ")), pause(0.1))]
        async with both(row=row) as proxies:
            reply = await proxies.compare(answer(ROLE, *steady, stall()))
        assert reply.error["code"] == "upstream_timeout"
        assert b": ping" not in reply.body
        assert "w15 " in reply.text

    async def test_the_total_counts(self) -> None:
        row = "retries: 0, models: [real-model], timeouts: {total: 0.5s}"
        steady = [step for n in range(200) for step in (raw(says("word ")), pause(0.02))]
        async with both(row=row) as proxies:
            for proxy in (proxies.fast, proxies.slow):
                proxies.upstream.script(answer(ROLE, *steady))
                reply = await ask(proxy, chat())
                assert "word word word" in reply.text
                assert "total of 0.5 s" in reply.error["message"]
                assert (await proxy.all_ended(1))[0].chunks == len(reply.events) - 1


@pytest.mark.parametrize("more", [FAST, SLOW], ids=["short cut", "long way"])
class TestClients:
    """Clients that leave, or take their time."""

    async def test_one_that_leaves_stops_the_upstream(self, more: str) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=more)) as proxy:
            upstream.script(read_by_read(ROLE, *[says(f"w{n} ") for n in range(20)], stall()))
            client = await RawClient.to(proxy)
            await client.send(chat())
            await client.until(b"w19 ")
            client.reset()
            seen = await upstream.arrived()
            await seen.gone()
            [ended] = await proxy.all_ended(1)
            assert (ended.outcome, ended.window, ended.chunks) == ("cancelled", "streaming", 21)

    async def test_one_that_is_slow_gets_everything_and_holds_the_upstream_back(
        self, more: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        streams: list[EventStream] = []
        commit = EventStream.commit

        async def noting(events: EventStream, headers: dict[str, str]) -> None:
            streams.append(events)
            await commit(events, headers)

        monkeypatch.setattr(EventStream, "commit", noting)
        texts = [f"{n:06d}".ljust(60_000, "x") for n in range(260)]
        async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=more)) as proxy:
            upstream.script(read_by_read(ROLE, *map(says, texts), STOP, DONE))
            client = await RawClient.to(proxy)
            await client.send(chat(), headers={"Connection": "close"})
            got = await client.until(b"000000")
            await asyncio.sleep(0.3)
            transport = streams[0]._outlet.transport
            assert transport is not None
            assert transport.get_write_buffer_size() < 1_000_000
            got += await client.reader.read()
            client.close()
            [ended] = await proxy.all_ended(1)
        assert re.findall(rb'"(\d{6})x', got) == [text[:6].encode() for text in texts]
        assert (ended.outcome, ended.chunks) == ("ok", 262)

    async def test_the_owner_ends_a_stream(self, more: str) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=more)) as proxy:
            upstream.script(read_by_read(ROLE, *[says(f"w{n} ") for n in range(20)], stall()))
            client = await RawClient.to(proxy)
            await client.send(chat())
            await client.until(b"w19 ")
            [exchange] = proxy.engine.gateway.live
            assert exchange.chunks == 21
            proxy.engine.services.running.cancel(exchange.request_id, stopping())
            assert b"server_stopping" in await client.until(b"0\r\n\r\n")
            client.close()
            await (await upstream.arrived()).gone()

    async def test_one_of_http_1_0_is_sent_no_chunks(self, more: str) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=more)) as proxy:
            upstream.script(read_by_read(ROLE, *[says(f"w{n} ") for n in range(20)], STOP, DONE))
            client = await RawClient.to(proxy)
            body = json.dumps(chat()).encode()
            client.writer.write(
                b"POST /v1/chat/completions HTTP/1.0\r\nHost: localhost\r\nContent-Length: %d\r\n" % len(body)
            )
            client.writer.write(b"Content-Type: application/json\r\n\r\n" + body)
            said = await client.reader.read()
            client.close()
        frames = said.partition(b"\r\n\r\n")[2].split(b"\n\n")
        assert all(frame.startswith(b"data: ") for frame in frames[:-1])
        assert len(frames) == 24


TEXTS = st.one_of(
    st.text(st.characters(codec="ascii", exclude_characters='"\\', min_codepoint=32), max_size=6),
    st.text(max_size=6),
    st.sampled_from(['"', "\\", "\n", "\u2028", "\x85", "\ud83d", "é", "漢", " ", ""]),
)
ODDLY = st.sampled_from(ODD)
EVENTS = st.lists(st.one_of(TEXTS.map(says), TEXTS.map(says), TEXTS.map(says), ODDLY), max_size=16)
FRAMINGS = st.sampled_from(["chunked", "length", "close"])


@st.composite
def streams(draw: st.DrawFn) -> Answer:
    """Draw a stream: steady at first, then anything, cut into reads anywhere or at the events, ended in any way."""
    events = [says("a "), says("b "), says("c "), *draw(EVENTS)]
    whole = b"".join(events)
    if draw(st.booleans()):
        places = sorted(draw(st.sets(st.integers(1, len(whole)), max_size=8)))
        events = [whole[start:stop] for start, stop in zip([0, *places], [*places, len(whole)], strict=True)]
    ending: Sequence[Step] = draw(st.sampled_from([(STOP, DONE), (), (close(),), (STOP, cut()), (half_chunk(),)]))
    pieces = [piece for piece in events if piece]
    return read_by_read(ROLE, *pieces, *ending, framing=draw(FRAMINGS))


def test_any_stream_says_the_same() -> None:
    with asyncio.Runner() as runner:
        servers = AsyncExitStack()
        proxies = runner.run(servers.enter_async_context(both()))

        @settings(max_examples=500)
        @given(scripted=streams(), asked=st.booleans())
        def same(scripted: Answer, asked: bool) -> None:
            runner.run(proxies.compare(scripted, stream_options={"include_usage": asked}))

        try:
            same()
        finally:
            runner.run(servers.aclose())
