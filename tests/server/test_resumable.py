"""Streams that outlive their connections: ids, taking up again, polling, cancelling, whose they are, how they end."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Final

import openai
import pytest

from llms.gateway.answer import Answer
from llms.protocol.chat import Chunk
from llms.server.resumable import Generation
from llms.testing.answers import chunk
from llms.testing.fake_upstream import (
    FakeUpstream,
    answer,
    cut,
    error,
    event,
    pause,
    stall,
    text_stream,
    tool_stream,
    wait,
)
from tests.proxy import Proxy, RawClient, Reply, ask, chat, one_upstream, serving
from tests.server.api import call, refused, told
from tests.server.test_openapi import problems
from tests.server.wire import BEARER, KEYS, OTHER_KEY, assert_refused

ASKED: Final = {"X-LLMS-Stream": "resumable"}
LONG: Final = "Grüße aus Köln 🎈 " * 40
END: Final = (event(chunk({}, "stop")), event("[DONE]"))
MORE: Final = "resume: {grace: 200ms, keep: 5m}\n"


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream() as running:
        yield running


@pytest.fixture
async def proxy(upstream: FakeUpstream) -> AsyncIterator[Proxy]:
    async with serving(one_upstream(upstream, row="retries: 0", more=MORE)) as running:
        yield running


def numbered(body: bytes, *, after: int = 0) -> bytes:
    """Return a stream without its ids, which must rise by one from the next one on."""
    frames = body.split(b"\n\n")
    assert frames.pop() == b""
    plain = []
    for count, frame in enumerate(frames, after + 1):
        first, _, rest = frame.partition(b"\n")
        assert first == b"id: %d" % count
        plain.append(rest + b"\n\n")
    return b"".join(plain)


def without_ids(reply: Reply, *, after: int = 0) -> Reply:
    """Return an answer as it were without ids."""
    return replace(reply, body=numbered(reply.body, after=after))


async def begun(proxy: Proxy, *, body: Any = None, until: bytes = b"data: ", **headers: str) -> tuple[RawClient, str]:
    """Begin a stream and read some of it; return the client and the stream's id."""
    client = await RawClient.to(proxy)
    await client.send(chat() if body is None else body, headers=ASKED | headers)
    seen = await client.until(until)
    return client, seen.decode().lower().partition("x-llms-stream-id: ")[2].partition("\r\n")[0]


async def follow(proxy: Proxy, stream_id: str, **headers: str) -> Reply:
    return await call(proxy, "GET", f"/v1/streams/{stream_id}", **headers)


async def state(proxy: Proxy, stream_id: str, **headers: str) -> dict[str, Any]:
    reply = await call(proxy, "GET", f"/v1/streams/{stream_id}", Accept="application/json", **headers)
    assert reply.status == 200, reply
    found: dict[str, Any] = json.loads(reply.body)
    return found


async def ends(proxy: Proxy, stream_id: str) -> dict[str, Any]:
    async with asyncio.timeout(5):
        while (found := await state(proxy, stream_id))["status"] == "in_progress":
            await asyncio.sleep(0.01)
    return found


@pytest.mark.parametrize("script", [text_stream(LONG), text_stream(LONG).joined(), tool_stream()])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/chat/completions/stream"])
async def test_the_stream_is_the_plain_one_with_ids(
    proxy: Proxy, upstream: FakeUpstream, script: Any, path: str
) -> None:
    upstream.script(script)
    plain = await ask(proxy, chat(), path=path)
    reply = await ask(proxy, chat(), headers=ASKED, path=path)
    assert "x-llms-stream-id" not in plain.headers
    assert b"id: " not in plain.body
    assert reply.headers["x-llms-stream-id"]
    assert reply.headers["x-llms-provider"] == "up"
    assert numbered(reply.body) == plain.body
    assert len(await proxy.all_ended(2)) == 2


@pytest.mark.parametrize("how", ["header", "starting_after", "last-event-id"])
async def test_a_stream_is_taken_up_where_it_was_left(proxy: Proxy, upstream: FakeUpstream, how: str) -> None:
    upstream.script(text_stream(LONG).joined())
    whole = await ask(proxy, chat(), headers=ASKED)
    stream_id = whole.headers["x-llms-stream-id"]
    frames = whole.body.split(b"\n\n")
    for after in (0, 1, 7, len(frames) - 2):
        query, headers = ("", {"Last-Event-ID": str(after)}) if how == "header" else (f"?{how}={after}", {})
        rest = await follow(proxy, stream_id + query, **headers)
        assert rest.body == b"\n\n".join(frames[after:])
        assert rest.headers["content-type"] == "text/event-stream"
        assert rest.headers["x-llms-stream-id"] == stream_id
    metrics = (await call(proxy, "GET", "/metrics")).body.decode()
    assert "llms_resumed_total 4.0" in metrics
    assert len(proxy.ended) == 1


async def test_the_header_counts_before_the_address(proxy: Proxy) -> None:
    whole = await ask(proxy, chat(), headers=ASKED)
    stream_id = whole.headers["x-llms-stream-id"]
    rest = await follow(proxy, f"{stream_id}?starting_after=1", Last_Event_ID="2")
    assert rest.body.startswith(b"id: 3\n")


async def test_a_reader_that_has_everything_is_told_not_to_come_again(proxy: Proxy) -> None:
    whole = await ask(proxy, chat(), headers=ASKED)
    last = whole.body.count(b"\n\n")
    reply = await follow(proxy, whole.headers["x-llms-stream-id"], Last_Event_ID=str(last))
    assert (reply.status, reply.body) == (204, b"")


async def test_a_connection_is_lost_and_the_generation_goes_on(proxy: Proxy, upstream: FakeUpstream) -> None:
    go = asyncio.Event()
    script = text_stream(LONG)
    upstream.script(answer(*script.steps[:4], wait(go), *script.steps[4:]))
    client, stream_id = await begun(proxy, until=b"id: 3\n")
    client.reset()
    readers = [asyncio.create_task(follow(proxy, stream_id, Last_Event_ID=str(n))) for n in (0, 1, 2)]
    await asyncio.sleep(0)
    go.set()
    replies = await asyncio.gather(*readers)
    plain = await ask(proxy, chat())
    for after, reply in enumerate(replies):
        assert without_ids(reply, after=after).done
        assert numbered(reply.body, after=after) == b"".join(
            frame + b"\n\n" for frame in plain.body.split(b"\n\n")[after:-1]
        )
    [ended, _] = await proxy.all_ended(2)
    assert ended.outcome == "ok"
    assert len(upstream.chats) == 2


async def test_without_a_reader_it_is_cancelled_after_the_grace(proxy: Proxy, upstream: FakeUpstream) -> None:
    upstream.script(text_stream(LONG).first(4).then(stall()))
    client, stream_id = await begun(proxy, until=b"id: 3\n")
    client.close()
    await (await upstream.arrived()).gone()
    found = await ends(proxy, stream_id)
    assert (found["status"], found["error"]["code"], found["finish_reason"]) == ("cancelled", "abandoned", None)
    assert found["text"]
    assert LONG.startswith(found["text"])
    [ended] = await proxy.all_ended(1)
    assert (ended.outcome, ended.error_code, ended.window) == ("cancelled", "abandoned", "streaming")
    rest = without_ids(await follow(proxy, stream_id, Last_Event_ID="3"), after=3)
    assert rest.error["code"] == "abandoned"
    assert rest.error["resumable"] is False
    metrics = (await call(proxy, "GET", "/metrics")).body.decode()
    assert 'llms_errors_total{code="abandoned"} 1.0' in metrics
    assert 'llms_cancelled_total{stage="streaming"} 1.0' in metrics


async def test_without_a_reader_before_the_first_chunk_it_is_cancelled_too(upstream: FakeUpstream) -> None:
    upstream.script(answer(stall()))
    async with serving(one_upstream(upstream, more=f"defaults: {{heartbeat: 100ms}}\n{MORE}")) as proxy:
        client, stream_id = await begun(proxy, until=b": ping\n")
        client.close()
        await (await upstream.arrived()).gone()
        assert (await ends(proxy, stream_id))["error"]["code"] == "abandoned"
        [ended] = await proxy.all_ended(1)
        assert (ended.outcome, ended.error_code, ended.window) == ("cancelled", "abandoned", "before_first_chunk")


async def test_a_client_that_leaves_before_it_knows_the_stream_takes_it_along(upstream: FakeUpstream) -> None:
    upstream.script(answer(stall()))
    async with serving(one_upstream(upstream, more="resume: {grace: 1h}\n")) as proxy:
        client = await RawClient.to(proxy)
        await client.send(chat(), headers=ASKED)
        seen = await upstream.arrived()
        client.close()
        await seen.gone()
        [ended] = await proxy.all_ended(1)
        assert (ended.outcome, ended.window) == ("cancelled", "before_first_chunk")
        assert proxy.engine.services.streams.sessions == []


async def test_a_failure_before_the_first_event_is_a_status(proxy: Proxy, upstream: FakeUpstream) -> None:
    upstream.script(error(400, message="no such thing"))
    reply = await ask(proxy, chat(), headers=ASKED)
    assert reply.status == 400
    assert set(reply.error) == {"message", "type", "param", "code"}
    assert "x-llms-stream-id" not in reply.headers
    assert proxy.engine.services.streams.sessions == []
    assert (await ask(proxy, {**chat(), "model": "nobody's"}, headers=ASKED)).status == 404


async def test_a_failure_after_a_heartbeat_is_an_event(upstream: FakeUpstream) -> None:
    more = "defaults: {heartbeat: 100ms, retries: 0}\n"
    async with serving(one_upstream(upstream, more=more)) as proxy:
        upstream.script(answer(pause(0.6), *error(400, message="no such thing").steps))
        reply = await ask(proxy, chat(), headers=ASKED)
        assert reply.status == 200
        assert reply.body.startswith(b": ping\n")
        assert b": ping\n\n" not in reply.body
        told_of = json.loads(reply.body.partition(b"id: 1\ndata: ")[2])["error"]
        assert "no such thing" in told_of["message"]
        assert (told_of["resumable"], told_of["last_event_id"]) == (False, 0)
        again = await follow(proxy, reply.headers["x-llms-stream-id"])
        assert again.status == 400


async def test_a_stream_that_breaks_says_so_to_whoever_comes(proxy: Proxy, upstream: FakeUpstream) -> None:
    upstream.script(text_stream("one two three").first(3).then(cut()))
    reply = await ask(proxy, chat(), headers=ASKED)
    again = await follow(proxy, reply.headers["x-llms-stream-id"], Last_Event_ID="1")
    assert again.body == reply.body.partition(b"\n\n")[2]
    stream_id = reply.headers["x-llms-stream-id"]
    reply = without_ids(reply)
    assert reply.error["code"]
    assert reply.error["stream_id"] == stream_id
    assert reply.error["last_event_id"] == len(reply.events) - 1
    assert reply.error["resumable"] is False
    assert reply.error["retry_after"] is None
    assert (await state(proxy, stream_id))["status"] == "failed"
    [ended] = await proxy.all_ended(1)
    assert ended.outcome in ("error", "truncated")


async def test_polling_tells_how_far_it_is(proxy: Proxy, upstream: FakeUpstream) -> None:
    go = asyncio.Event()
    script = text_stream("one two three")
    upstream.script(answer(*script.steps[:3], wait(go), *script.steps[3:]))
    client, stream_id = await begun(proxy, until=b"id: 2\n")
    found = await state(proxy, stream_id)
    assert not problems("StreamState", found)
    assert (found["status"], found["usage"], found["error"]) == ("in_progress", None, None)
    assert found["finish_reason"] is None
    assert "one two three".startswith(found["text"])
    assert found["last_event_id"] >= 2
    go.set()
    client.close()
    found = await ends(proxy, stream_id)
    assert (found["status"], found["text"], found["finish_reason"]) == ("completed", "one two three", "stop")
    assert found["usage"]["completion_tokens"] > 0


async def test_deleting_cancels_at_once(proxy: Proxy, upstream: FakeUpstream) -> None:
    upstream.script(text_stream(LONG).first(4).then(stall()))
    client, stream_id = await begun(proxy, until=b"id: 3\n")
    found = await told(proxy, "DELETE", f"/v1/streams/{stream_id}")
    assert found == {"id": stream_id, "object": "stream", "cancelled": True}
    await (await upstream.arrived()).gone()
    last = await client.until(b"0\r\n\r\n")
    client.close()
    assert b'"code":"cancelled"' in last
    assert b"[DONE]" not in last
    assert (await told(proxy, "DELETE", f"/v1/streams/{stream_id}"))["cancelled"] is False
    [ended] = await proxy.all_ended(1)
    assert ended.outcome == "cancelled"


async def test_the_owner_of_the_server_can_stop_it_too(proxy: Proxy, upstream: FakeUpstream) -> None:
    upstream.script(text_stream(LONG).first(4).then(stall()))
    client, stream_id = await begun(proxy, until=b"id: 3\n", **{"x-request-id": "the-one"})
    assert (await told(proxy, "DELETE", "/api/requests/the-one"))["cancelled"] is True
    assert b'"code":"cancelled"' in await client.until(b"0\r\n\r\n")
    client.close()
    assert (await state(proxy, stream_id))["status"] == "cancelled"


async def test_a_stream_is_its_keys_own(upstream: FakeUpstream) -> None:
    async with serving(one_upstream(upstream, more=KEYS)) as proxy:
        whole = await ask(proxy, chat(), headers={**ASKED, "Authorization": BEARER})
        path = f"/v1/streams/{whole.headers['x-llms-stream-id']}"
        for method in ("GET", "DELETE"):
            assert_refused(await call(proxy, method, path), 401)
            found = await refused(proxy, method, path, status=404, code="not_found", x_api_key=OTHER_KEY)
            unknown = await refused(proxy, method, "/v1/streams/stream_0", status=404, Authorization=BEARER)
            assert found["message"].partition("'")[0] == unknown["message"].partition("'")[0]
        assert (await call(proxy, "GET", path, Authorization=BEARER)).body == whole.body


@pytest.mark.parametrize("given", ["-1", "x", "1.5", "9" * 400, "%D9%A3"])
async def test_an_id_that_is_none_is_refused(proxy: Proxy, given: str) -> None:
    whole = await ask(proxy, chat(), headers=ASKED)
    path = f"/v1/streams/{whole.headers['x-llms-stream-id']}"
    found = await refused(proxy, "GET", f"{path}?starting_after={given}", status=400)
    assert found["param"] == "starting_after"


async def test_an_id_that_was_not_sent_yet_is_refused(proxy: Proxy) -> None:
    whole = await ask(proxy, chat(), headers=ASKED)
    path = f"/v1/streams/{whole.headers['x-llms-stream-id']}"
    await refused(proxy, "GET", path, status=400, Last_Event_ID="999")


async def test_what_fell_out_of_the_buffer_is_gone_but_for_its_text(upstream: FakeUpstream) -> None:
    text = "".join(f"{n} " for n in range(400))
    upstream.script(text_stream(text).paced(0))
    async with serving(one_upstream(upstream, more="resume: {buffer: 24KiB}\n")) as proxy:
        whole = await ask(proxy, chat(), headers=ASKED)
        assert without_ids(whole).text == text
        stream_id = whole.headers["x-llms-stream-id"]
        reply = await follow(proxy, stream_id, Last_Event_ID="1")
        assert reply.status == 410
        assert (reply.error["code"], reply.error["partial"]) == ("replay_expired", text)
        last = whole.body.count(b"\n\n")
        rest = await follow(proxy, stream_id, Last_Event_ID=str(last - 5))
        assert without_ids(rest, after=last - 5).done
        [session] = proxy.engine.services.streams.sessions
        assert session.size <= 24 * 1024
        assert (await state(proxy, stream_id))["text"] == text


async def test_what_was_kept_long_enough_is_forgotten(upstream: FakeUpstream) -> None:
    async with serving(one_upstream(upstream, more="resume: {keep: 50ms}\n")) as proxy:
        whole = await ask(proxy, chat(), headers=ASKED)
        async with asyncio.timeout(5):
            while proxy.engine.services.streams.sessions:
                await asyncio.sleep(0.01)
        assert (await follow(proxy, whole.headers["x-llms-stream-id"])).status == 404


async def test_there_are_limits_to_how_many(upstream: FakeUpstream) -> None:
    upstream.script(text_stream(LONG).first(4).then(stall()))
    async with serving(one_upstream(upstream, more="resume: {streams_per_caller: 1}\n")) as proxy:
        client, stream_id = await begun(proxy)
        over = await ask(proxy, chat(), headers=ASKED)
        assert_refused(over, 429, code="rate_limit_exceeded")
        assert len(upstream.chats) == 1
        await told(proxy, "DELETE", f"/v1/streams/{stream_id}")
        await ends(proxy, stream_id)
        upstream.script(text_stream("fine"))
        assert without_ids(await ask(proxy, chat(), headers=ASKED)).text == "fine"
        client.close()


async def test_progress_has_ids_too(proxy: Proxy, upstream: FakeUpstream) -> None:
    upstream.script(answer(pause(0.6), *text_stream("one two").steps))
    reply = await ask(proxy, chat(), headers={"X-LLMS-Stream": "resumable, progress"})
    plain = numbered(reply.body)
    first = json.loads(plain.partition(b"\n\n")[0][6:])
    assert (first["choices"], "llms" in first) == ([], True)
    assert without_ids(reply).text == "one two"
    assert (await follow(proxy, reply.headers["x-llms-stream-id"])).body == reply.body


async def test_an_end_of_the_server_ends_the_stream_honestly(proxy: Proxy, upstream: FakeUpstream) -> None:
    upstream.script(text_stream(LONG).first(4).then(stall()))
    client, _ = await begun(proxy, until=b"id: 3\n")
    proxy.engine.drain()
    assert proxy.engine.is_busy
    proxy.engine.interrupt()
    last = await client.until(b"0\r\n\r\n")
    client.close()
    assert b'"code":"server_stopping"' in last
    assert b'"resumable":false' in last
    [ended] = await proxy.all_ended(1)
    assert ended.error_code == "server_stopping"


async def test_whole_answers_are_not_resumable(proxy: Proxy) -> None:
    reply = await ask(proxy, chat(stream=False), headers=ASKED)
    assert reply.status == 200
    assert "x-llms-stream-id" not in reply.headers


async def test_a_reader_that_takes_nothing_slows_nobody(upstream: FakeUpstream) -> None:
    piece = "x" * 16_000 + " "
    upstream.script(text_stream(piece * 1000, usage=False).paced(0))
    async with serving(one_upstream(upstream, more="resume: {buffer: 2MiB}\n")) as proxy:
        slow, stream_id = await begun(proxy)
        quick = await RawClient.to(proxy)
        quick.writer.write(f"GET /v1/streams/{stream_id} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        whole = without_ids(await quick.reply(patience=60))
        quick.close()
        assert whole.done
        assert len(whole.text) == len(piece) * 1000
        [session] = proxy.engine.services.streams.sessions
        assert session.size <= 2 * 2**20
        [ended] = await proxy.all_ended(1)
        assert ended.outcome == "ok"
        rest = await slow.until(b"\r\n0\r\n\r\n", patience=60)
        slow.close()
        told_of = json.loads(rest.rpartition(b"data: ")[2].partition(b"\n\n")[0])["error"]
        assert (told_of["code"], told_of["resumable"]) == ("replay_expired", False)
        assert told_of["stream_id"] == stream_id


async def test_the_owner_sees_the_streams(proxy: Proxy, upstream: FakeUpstream) -> None:
    assert (await told(proxy, "GET", "/api/streams"))["data"] == []
    whole = await ask(proxy, chat(), headers=ASKED)
    upstream.script(text_stream(LONG).first(4).then(stall()))
    client, stream_id = await begun(proxy, until=b"id: 3\n")
    found = await told(proxy, "GET", "/api/streams")
    running, over = found["data"]
    assert (running["id"], running["status"], running["readers"]) == (stream_id, "in_progress", 1)
    assert (over["id"], over["status"], over["readers"]) == (whole.headers["x-llms-stream-id"], "completed", 0)
    assert over["model"] == "real-model"
    assert over["last_event_id"] == whole.body.count(b"\n\n")
    assert (found["total"], found["bytes"]) == (2, running["bytes"] + over["bytes"])
    await follow(proxy, over["id"])
    client.close()
    _, over_again = (await told(proxy, "GET", "/api/streams"))["data"]
    assert (over["reconnect_count"], over_again["reconnect_count"]) == (0, 1)
    assert over["connected_at"] <= over["last_ping"] <= over_again["last_ping"] <= time.time()
    assert (over["owner"], over["tokens_sent"]) == ("", 5)


async def test_the_owner_of_the_server_stops_any_stream(upstream: FakeUpstream) -> None:
    upstream.script(text_stream(LONG).first(4).then(stall()))
    async with serving(one_upstream(upstream, more=KEYS)) as proxy:
        client, stream_id = await begun(proxy, until=b"id: 3\n", Authorization=BEARER)
        path = f"/api/streams/{stream_id}"
        assert_refused(await call(proxy, "DELETE", path), 401)
        assert json.loads((await call(proxy, "DELETE", path, x_api_key=OTHER_KEY)).body)["cancelled"] is True
        await (await upstream.arrived()).gone()
        assert b'"code":"cancelled"' in await client.until(b"0\r\n\r\n")
        client.close()
        await refused(proxy, "DELETE", "/api/streams/stream_0", status=404, code="not_found", Authorization=BEARER)


async def test_openais_library_reads_ids_and_heartbeats(upstream: FakeUpstream) -> None:
    script = text_stream("one two three")
    upstream.script(answer(pause(0.3), *script.steps[:3], pause(0.3), *script.steps[3:]))
    async with (
        serving(one_upstream(upstream, more="defaults: {heartbeat: 100ms}\n")) as proxy,
        openai.AsyncOpenAI(base_url=proxy.url, api_key="none", default_headers=ASKED, max_retries=0) as client,
        await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "hello"}], stream=True
        ) as stream,
    ):
        found = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert "".join(found) == "one two three"


async def test_text_that_only_repeats_does_not_wake_the_generation(
    upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[bytes] = []
    tell = Generation._told

    def noting(generation: Generation, seen: Chunk, whose: Answer) -> bytes:
        woken.append(data := tell(generation, seen, whose))
        return data

    monkeypatch.setattr(Generation, "_told", noting)
    words = [f"w{number} " for number in range(40)]
    upstream.script(answer(*(step for word in words for step in (event(chunk({"content": word})), pause(0.002))), *END))
    async with serving(one_upstream(upstream, more="server: {fast_path: true}\n")) as proxy:
        reply = await ask(proxy, chat(), headers=ASKED)

    assert without_ids(reply).text == "".join(words)
    assert len(woken) < 20
