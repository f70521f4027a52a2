"""Every wait for an upstream ends in time: with an error, with the next target, and with the upstream let go."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from llms.testing.answers import chunk
from llms.testing.fake_upstream import (
    FakeUpstream,
    answer,
    comment,
    error,
    event,
    flood,
    head,
    pause,
    raw,
    reply,
    stall,
    text_stream,
)
from llms.testing.steps import Step
from tests.e2e.said import said
from tests.e2e.several import several_upstreams
from tests.proxy import RawClient, Reply, ask, chat, one_upstream, serving

BOTH = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
SLACK = 30.0
"""Seconds that a busy machine may add."""
FIRST = event(chunk({"role": "assistant", "content": "a"}))
LAST = (event(chunk({}, "stop")), event("[DONE]"))
COMMENTS = tuple(step for _ in range(100) for step in (comment(), pause(0.05)))


@contextmanager
def full_backlog() -> Generator[int, None, None]:
    """Listen on a port whose queue of connections is full, so that the kernel answers no more of them."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        fillers = []
        try:
            for _ in range(8):
                filler = socket.socket()
                fillers.append(filler)
                filler.setblocking(False)
                filler.connect_ex(listening.getsockname())
            yield listening.getsockname()[1]
        finally:
            for filler in fillers:
                filler.close()


@contextmanager
def silent_port() -> Generator[int, None, None]:
    """Listen on a port where connections stand and nobody speaks, so that a TLS handshake never ends."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@contextmanager
def unanswered_address(*, tls: bool = False) -> Generator[str, None, None]:
    """Give a base address to which no connection comes about; over TLS where the kernel takes every other."""
    with full_backlog() as full, silent_port() as silent:
        yield f"https://127.0.0.1:{silent}/v1" if tls or connects(full) else f"http://127.0.0.1:{full}/v1"


def connects(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.3):
            return True
    except TimeoutError:
        return False


class TestConnect:
    """Until the connection stands, TLS included."""

    @BOTH
    @pytest.mark.parametrize("tls", [False, True], ids=["full backlog", "silent TLS"])
    async def test_it_is_bounded(self, tls: bool, stream: bool) -> None:
        with unanswered_address(tls=tls) as address:
            started = time.monotonic()
            async with FakeUpstream(refuses=True) as nobody:
                text = one_upstream(nobody, row="timeouts: {connect: 0.4s}").replace(nobody.url, address)
                async with serving(text) as proxy:
                    got = await ask(proxy, chat(stream=stream))
                    [ended] = await proxy.all_ended(1)

        assert time.monotonic() - started < 0.4 + SLACK
        assert (got.status, got.error["code"], ended.attempts) == (504, "upstream_timeout", 1)
        assert "no connection" in got.error["message"]

    @BOTH
    async def test_the_wait_for_an_answer_bounds_it_too(self, stream: bool) -> None:
        with unanswered_address() as address:
            async with FakeUpstream(refuses=True) as nobody:
                text = one_upstream(nobody, row="timeouts: {first_chunk: 0.4s, answer: 0.4s}")
                async with serving(text.replace(nobody.url, address)) as proxy:
                    started = time.monotonic()
                    got = await ask(proxy, chat(stream=stream))
                    assert 0.4 <= time.monotonic() - started < 0.4 + SLACK

        assert (got.status, got.error["code"]) == (504, "upstream_timeout")

    async def test_a_client_that_leaves_meanwhile_ends_it(self) -> None:
        with unanswered_address() as address:
            async with (
                FakeUpstream(refuses=True) as nobody,
                serving(one_upstream(nobody).replace(nobody.url, address)) as proxy,
            ):
                client = await RawClient.to(proxy)
                await client.send(chat())
                await asyncio.sleep(0.2)
                assert len(proxy.engine.gateway.live) == 1
                client.close()
                [ended] = await proxy.all_ended(1, patience=1.0)
                assert not proxy.engine.pool._open

        assert (ended.outcome, ended.window) == ("cancelled", "before_first_chunk")

    async def test_the_next_target_is_asked(self) -> None:
        with unanswered_address() as address:
            async with FakeUpstream(refuses=True) as nobody, FakeUpstream() as good:
                text = several_upstreams(nobody, good, row="timeouts: {connect: 0.3s}")
                async with serving(text.replace(nobody.url, address)) as proxy:
                    assert said(await ask(proxy, chat())) == "Hello world"


BEFORE_THE_FIRST = {
    "no head": answer(stall()),
    "no event": answer(head(), stall()),
    "comments only": answer(*COMMENTS),
    "half an event": answer(raw(b'data: {"id":'), stall()),
    "chunks without choices": answer(event({**chunk({}), "choices": []}), stall()),
}


class TestFirstChunk:
    """Until the first chunk of a stream."""

    @pytest.mark.parametrize("what", BEFORE_THE_FIRST)
    async def test_it_is_bounded(self, what: str) -> None:
        async with FakeUpstream() as upstream:
            upstream.script(BEFORE_THE_FIRST[what], reply("fine"))
            async with serving(one_upstream(upstream, row="timeouts: {first_chunk: 0.4s}")) as proxy:
                started = time.monotonic()
                got = await ask(proxy, chat())
                assert 0.4 <= time.monotonic() - started < 0.4 + SLACK
                await upstream.chats[0].gone()
                assert said(await ask(proxy, chat())) == "fine"

        assert (got.status, got.error["code"]) == (504, "upstream_timeout")
        assert "first chunk" in got.error["message"]
        assert len(upstream.chats) == 2, "a wait of that length is not tried again at the same target"

    async def test_it_is_each_attempts_own(self) -> None:
        async with FakeUpstream() as first, FakeUpstream() as second:
            first.script(answer(stall()))
            second.script(answer(pause(0.4), *text_stream("slow").steps))
            async with serving(several_upstreams(first, second, row="timeouts: {first_chunk: 0.7s}")) as proxy:
                assert said(await ask(proxy, chat())) == "slow"


class TestAnswer:
    """Until a whole answer."""

    @pytest.mark.parametrize("what", ["no head", "no body", "a body that trickles"])
    async def test_it_is_bounded(self, what: str) -> None:
        trickle = [step for _ in range(100) for step in (raw(b" "), pause(0.05))]
        as_json = head(200, {"Content-Type": "application/json"})
        scripted = {
            "no head": answer(stall()),
            "no body": answer(as_json, stall()),
            "a body that trickles": answer(as_json, *trickle),
        }
        async with FakeUpstream() as upstream:
            upstream.script(scripted[what], reply("fine"))
            async with serving(one_upstream(upstream, row="timeouts: {answer: 0.4s}")) as proxy:
                started = time.monotonic()
                got = await ask(proxy, chat(stream=False))
                assert 0.4 <= time.monotonic() - started < 0.4 + SLACK
                await upstream.chats[0].gone()
                assert said(await ask(proxy, chat(stream=False))) == "fine"

        assert (got.status, got.error["code"]) == (504, "upstream_timeout")
        assert "answer" in got.error["message"]

    async def test_it_is_each_attempts_own(self) -> None:
        async with FakeUpstream() as first, FakeUpstream() as second:
            first.script(answer(stall()))
            second.script(answer(pause(0.4), *reply_steps("slow"), framing="length"))
            async with serving(several_upstreams(first, second, row="timeouts: {answer: 0.7s}")) as proxy:
                assert said(await ask(proxy, chat(stream=False))) == "slow"

    async def test_the_other_waits_do_not_bound_it(self) -> None:
        async with FakeUpstream() as upstream:
            upstream.script(answer(pause(0.6), *reply_steps("slow"), framing="length"))
            async with serving(one_upstream(upstream, row="timeouts: {first_chunk: 0.2s, idle: 0.2s}")) as proxy:
                assert said(await ask(proxy, chat(stream=False))) == "slow"


def reply_steps(text: str) -> tuple[Step, ...]:
    """Return the steps of a whole answer."""
    message = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    data = json.dumps({"id": "w", "object": "chat.completion", "created": 1, "model": "m", "choices": [message]})
    return head(200, {"Content-Type": "application/json"}), raw(data.encode())


class TestIdle:
    """Between two chunks of a stream."""

    @pytest.mark.parametrize("how", ["silence", "comments", "half an event"])
    async def test_it_is_bounded(self, how: str) -> None:
        after = {"silence": (stall(),), "comments": COMMENTS, "half an event": (raw(b'data: {"'), stall())}[how]
        async with FakeUpstream() as upstream:
            upstream.script(answer(FIRST, event(chunk({"content": "b"})), *after))
            async with serving(one_upstream(upstream, row="timeouts: {idle: 0.4s}")) as proxy:
                started = time.monotonic()
                got = await ask(proxy, chat())
                assert 0.4 <= time.monotonic() - started < 0.4 + SLACK
                await upstream.chats[0].gone()
                [ended] = await proxy.all_ended(1)

        assert (got.status, got.text, got.error["code"]) == (200, "ab", "upstream_timeout")
        assert "[DONE]" not in got.events
        assert (ended.outcome, ended.error_code, ended.attempts) == ("error", "upstream_timeout", 1)

    async def test_slow_but_alive_is_not_cut(self) -> None:
        pieces = [step for n in range(6) for step in (event(chunk({"content": str(n)})), pause(0.3))]
        async with FakeUpstream() as upstream:
            upstream.script(answer(FIRST, *pieces, *LAST))
            async with serving(one_upstream(upstream, row="timeouts: {idle: 0.9s, first_chunk: 0.9s}")) as proxy:
                got = await ask(proxy, chat())

        assert (got.text, got.done) == ("a012345", True)

    async def test_time_blocked_on_our_own_client_does_not_count(self) -> None:
        size = 24 * 2**20
        async with FakeUpstream() as upstream:
            upstream.script(flood(size))
            async with serving(one_upstream(upstream, row="timeouts: {idle: 0.4s}")) as proxy:
                client = await RawClient.to(proxy)
                await client.send(chat())
                await asyncio.sleep(1.5)
                assert not upstream.chats[0].finished, "everything fitted into buffers: the client was not waited for"
                got = await client.reply(patience=30)
                client.close()

        assert got.done
        assert len(got.text) > size * 0.9
        assert not got.text.strip("x")


class TestTotal:
    """Over all attempts of a request."""

    MORE = "defaults: {timeouts: {total: 1s}}\n"

    @BOTH
    async def test_it_bounds_all_attempts_together(self, stream: bool) -> None:
        async with FakeUpstream() as first, FakeUpstream() as second:
            for upstream in (first, second):
                upstream.script(answer(stall()))
            text = several_upstreams(first, second, row="timeouts: {first_chunk: 0.6s, answer: 0.6s}", more=self.MORE)
            async with serving(text) as proxy:
                started = time.monotonic()
                got = await ask(proxy, chat(stream=stream))
                assert 0.9 <= time.monotonic() - started < 1.2 + SLACK
                assert (len(first.chats), len(second.chats)) == (1, 1)

        assert (got.status, got.error["code"]) == (504, "upstream_timeout")

    async def test_no_attempt_is_made_that_would_come_too_late(self) -> None:
        async with FakeUpstream() as upstream:
            upstream.script(error(429, headers={"Retry-After": "5"}))
            async with serving(one_upstream(upstream, more=self.MORE)) as proxy:
                got = await ask(proxy, chat())

        assert (got.status, got.headers["retry-after"], len(upstream.chats)) == (429, "5", 1)

    async def test_it_ends_a_stream_that_never_ends(self) -> None:
        endless = [step for n in range(100) for step in (event(chunk({"content": f"{n} "})), pause(0.05))]
        async with FakeUpstream() as upstream:
            upstream.script(answer(FIRST, *endless))
            async with serving(one_upstream(upstream, more=self.MORE)) as proxy:
                started = time.monotonic()
                got = await ask(proxy, chat())
                assert 0.9 <= time.monotonic() - started < 1.2 + SLACK
                await upstream.chats[0].gone()

        assert got.text.startswith("a0 1 2 ")
        assert got.error["code"] == "upstream_timeout"
        assert "total" in got.error["message"]

    async def test_waiting_in_line_counts(self) -> None:
        async with FakeUpstream() as upstream:
            upstream.script(answer(FIRST, stall()))
            text = one_upstream(upstream, row="limits: {concurrency: 1, queue: 4}", more=self.MORE)
            async with serving(text) as proxy:
                first = asyncio.create_task(ask(proxy, chat()))
                await upstream.arrived()
                started = time.monotonic()
                got = await ask(proxy, chat())
                assert time.monotonic() - started < 1.2 + SLACK
                held: Reply = await first

        assert held.error["code"] == "upstream_timeout"
        assert (got.status, got.error["code"]) == (504, "upstream_timeout")
        assert len(upstream.chats) <= 2
