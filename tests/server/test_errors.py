"""A defect of ours is one honest error for its client, one line in the log with its cause, nobody else's trouble."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from llms.server import chat as handler
from llms.server import models
from llms.testing.fake_upstream import FakeUpstream, flood, text_stream
from tests.proxy import RawClient, ask, chat, one_upstream, serving
from tests.server.wire import answers, assert_envelope, assert_fine, get

_PLANTED = "planted words of a defect"
SLOW = "server: {fast_path: false}\n"


def _break(monkeypatch: pytest.MonkeyPatch, place: Any, name: str, *, after: int = 0) -> None:
    """Have a function raise from its call number `after` on, as a defect would."""
    good = getattr(place, name)
    calls = 0

    def broken(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > after:
            raise ZeroDivisionError(_PLANTED)
        return good(*args, **options)

    monkeypatch.setattr(place, name, broken)


@pytest.mark.parametrize("stream", [True, False])
async def test_a_defect_before_the_answer_is_a_500_in_our_envelope(
    stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=SLOW)) as proxy:
        with monkeypatch.context() as patch, capture_logs() as logged:
            _break(patch, handler, "read_json")
            got = await ask(proxy, chat(stream=stream), headers={"x-request-id": "mine"})
        assert got.status == 500
        error = assert_envelope(got, code="internal_error")
        assert _PLANTED not in str(got)
        assert "ZeroDivisionError" not in str(got)
        assert error["type"] == "api_error"
        [line] = [line for line in logged if line["log_level"] == "error"]
        assert (line["event"], line["request_id"]) == ("request failed", "mine")
        await assert_fine(proxy, upstream)


async def test_a_defect_behind_the_first_bytes_cuts_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=SLOW)) as proxy:
        upstream.script(text_stream("one two three four").paced(0.02))
        client = await RawClient.to(proxy)
        with monkeypatch.context() as patch, capture_logs() as logged:
            _break(patch, handler.EventStream, "write", after=2)
            await client.send(chat())
            seen = await _rest(client)
        client.close()
        assert seen.count(b"HTTP/1.1 ") == 1
        assert b"internal_error" not in seen
        assert b"[DONE]" not in seen
        assert not seen.endswith(b"0\r\n\r\n"), "the stream looks whole"
        assert [line["event"] for line in logged if line["log_level"] == "error"] == ["request failed"]
        [ended] = await proxy.all_ended(1)
        assert ended.outcome != "ok"
        await (await upstream.arrived()).over()
        upstream.script(text_stream("fine"))
        assert (await ask(proxy, chat())).text == "fine"
        assert proxy.engine.gateway.fleet.members["up"].running == 0
        assert not proxy.engine.gateway.live


async def _rest(client: RawClient) -> bytes:
    """Read until the connection ends, in whatever way."""
    seen = b""
    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionError):
            while data := await client.reader.read(65536):
                seen += data
    return seen


@pytest.mark.parametrize(
    "leave", [RawClient.close, RawClient.reset, RawClient.half_close], ids=lambda way: way.__name__
)
async def test_clients_that_leave_are_no_defect(leave: Callable[[RawClient], None]) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        upstream.script(flood(20 * 2**20))
        with capture_logs() as logged:
            for count in range(1, 4):
                client = await RawClient.to(proxy)
                await client.send(chat())
                await client.until(b"xxxx")
                leave(client)
                await proxy.all_ended(count)
                client.close()
        assert [line for line in logged if line["log_level"] not in ("debug", "info")] == []


async def test_a_defect_of_another_route_is_told_the_same_way(monkeypatch: pytest.MonkeyPatch) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        with monkeypatch.context() as patch, capture_logs():
            _break(patch, models, "_entry")
            [got] = await answers(proxy, get(b"/v1/models"))
        assert got.status == 500
        assert_envelope(got, code="internal_error")
        await assert_fine(proxy, upstream)


async def test_a_defect_below_the_routes_is_logged_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        with capture_logs() as logged:
            proxy.engine.services.observers.append(_raise)  # type: ignore[attr-defined]
            [got] = await answers(proxy, get(b"/health"))
            proxy.engine.services.observers.remove(_raise)  # type: ignore[attr-defined]
        assert got.status == 500
        assert_envelope(got, code="internal_error")
        [line] = [line for line in logged if line["log_level"] == "error"]
        assert line["event"] == "request failed"
        assert isinstance(line["exc_info"], ZeroDivisionError)
        await assert_fine(proxy, upstream)


def _raise(_: object) -> None:
    raise ZeroDivisionError(_PLANTED)


async def test_malformed_requests_leave_no_trace_in_the_log() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        with capture_logs() as logged:
            for sent in (
                b"GARBAGE\r\n\r\n",
                b"\x16\x03\x01",
                get(b"evil:443", method=b"CONNECT"),
                get(b"/x", b"A: \0"),
            ):
                client = await RawClient.to(proxy)
                client.writer.write(sent)
                client.half_close()
                async with asyncio.timeout(5):
                    await client.reader.read()
                client.close()
        assert [line for line in logged if line["log_level"] not in ("debug", "info")] == []
