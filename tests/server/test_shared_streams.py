"""Streams that another process goes on with: two servers and a real Redis between them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from llms.testing.fake_upstream import FakeUpstream, answer, cut, error, pause, stall, text_stream, wait
from tests.proxy import Proxy, RawClient, Reply, ask, chat, one_upstream, serving
from tests.redis_server import RedisServer, redis_server
from tests.server.api import call
from tests.server.test_resumable import ASKED, begun, numbered, without_ids
from tests.server.wire import BEARER, KEYS, OTHER_KEY, assert_refused

pytestmark = pytest.mark.redis
LONG: Final = "".join(f"{n} " for n in range(300))
PATIENCE: Final = 15.0


@dataclass
class Pair:
    """Two servers with one upstream."""

    redis: RedisServer
    upstream: FakeUpstream
    a: Proxy
    b: Proxy


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[RedisServer]:
    async with redis_server(tmp_path) as running:
        yield running


@pytest.fixture
def more() -> str:
    """Return further lines of both configurations."""
    return ""


@pytest.fixture
async def pair(redis: RedisServer, more: str) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(FakeUpstream())
        text = one_upstream(upstream, row="retries: 0", more=f"stores: {{state: '{redis.url}'}}\n{more}")
        a = await stack.enter_async_context(serving(text))
        b = await stack.enter_async_context(serving(text))
        yield Pair(redis, upstream, a, b)


async def there(proxy: Proxy, stream_id: str, **headers: str) -> Reply:
    """Read a stream as soon as it is there: others are some milliseconds behind."""
    async with asyncio.timeout(PATIENCE):
        while True:
            reply = await call(proxy, "GET", f"/v1/streams/{stream_id}", **headers)
            if reply.status != 404:
                return reply
            await asyncio.sleep(0.02)


async def state(proxy: Proxy, stream_id: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((await there(proxy, stream_id, Accept="application/json")).body)
    return found


async def reaches(proxy: Proxy, stream_id: str, status: str) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE):
        while (found := await state(proxy, stream_id))["status"] != status:
            await asyncio.sleep(0.02)
    return found


async def test_another_server_gives_the_same_bytes(pair: Pair) -> None:
    pair.upstream.script(text_stream(LONG))
    whole = await ask(pair.a, chat(), headers=ASKED)
    stream_id = whole.headers["x-llms-stream-id"]
    assert (await there(pair.b, stream_id)).body == whole.body
    for after in (1, 19, 20, 21, 150, 300):
        rest = await there(pair.b, stream_id, Last_Event_ID=str(after))
        assert rest.body == whole.body[whole.body.index(b"id: %d\n" % (after + 1)) :]
    found = await reaches(pair.b, stream_id, "completed")
    assert found == await state(pair.a, stream_id)
    assert found["finish_reason"] == "stop"
    last = await there(pair.b, stream_id, Last_Event_ID=str(found["last_event_id"]))
    assert last.status == 204
    assert len(pair.upstream.chats) == 1
    assert len([*pair.a.ended, *pair.b.ended]) == 1


async def test_a_stream_that_runs_is_followed_from_elsewhere(pair: Pair) -> None:
    go = asyncio.Event()
    script = text_stream(LONG)
    pair.upstream.script(answer(*script.steps[:40], wait(go), *script.steps[40:]))
    client, stream_id = await begun(pair.a, until=b"id: 39\n")
    client.reset()
    reader = asyncio.create_task(there(pair.b, stream_id, Last_Event_ID="7"))
    await asyncio.sleep(0.05)
    go.set()
    reply = await reader
    plain = await ask(pair.a, chat())
    assert numbered(reply.body, after=7) == b"".join(part + b"\n\n" for part in plain.body.split(b"\n\n")[7:-1])


@pytest.mark.parametrize("more", ["resume: {grace: 300ms}\n"])
async def test_a_reader_elsewhere_keeps_it_going(pair: Pair) -> None:
    go = asyncio.Event()
    script = text_stream(LONG)
    pair.upstream.script(answer(*script.steps[:4], wait(go), *script.steps[4:]))
    client, stream_id = await begun(pair.a, until=b"id: 3\n")
    reader = asyncio.create_task(there(pair.b, stream_id))
    await asyncio.sleep(0.2)
    client.reset()
    await asyncio.sleep(1.0)
    go.set()
    assert without_ids(await reader).done


async def test_it_is_cancelled_from_elsewhere(pair: Pair) -> None:
    pair.upstream.script(text_stream(LONG).first(5).then(stall()))
    client, stream_id = await begun(pair.a, until=b"id: 4\n")
    await there(pair.b, stream_id, Accept="application/json")
    found = await call(pair.b, "DELETE", f"/v1/streams/{stream_id}")
    assert json.loads(found.body)["cancelled"] is True
    await (await pair.upstream.arrived()).gone()
    assert b'"code":"cancelled"' in await client.until(b"0\r\n\r\n")
    client.close()
    assert (await reaches(pair.b, stream_id, "cancelled"))["error"]["code"] == "cancelled"


async def test_a_broken_stream_is_broken_everywhere(pair: Pair) -> None:
    pair.upstream.script(text_stream("one two three").first(3).then(cut()))
    whole = await ask(pair.a, chat(), headers=ASKED)
    assert (await there(pair.b, whole.headers["x-llms-stream-id"])).body == whole.body


@pytest.mark.parametrize("more", ["resume: {buffer: 24KiB}\n"])
async def test_what_is_no_longer_kept_is_gone_everywhere(pair: Pair) -> None:
    pair.upstream.script(text_stream(LONG).paced(0.001))
    whole = await ask(pair.a, chat(), headers=ASKED)
    stream_id = whole.headers["x-llms-stream-id"]
    await reaches(pair.b, stream_id, "completed")
    reply = await there(pair.b, stream_id, Last_Event_ID="1")
    assert (reply.status, reply.error["code"], reply.error["partial"]) == (410, "replay_expired", LONG)


@pytest.mark.parametrize("more", [KEYS])
async def test_it_is_its_keys_own_everywhere(pair: Pair) -> None:
    whole = await ask(pair.a, chat(), headers={**ASKED, "Authorization": BEARER})
    path = f"/v1/streams/{whole.headers['x-llms-stream-id']}"
    assert (await there(pair.b, whole.headers["x-llms-stream-id"], Authorization=BEARER)).body == whole.body
    for method in ("GET", "DELETE"):
        assert_refused(await call(pair.b, method, path, x_api_key=OTHER_KEY), 404, code="not_found")
    for odd in ("x" * 500, "a{b}", "*", "%0d%0a"):
        assert_refused(await call(pair.b, "GET", f"/v1/streams/{odd}", Authorization=BEARER), 404)


async def test_a_store_that_is_lost_ends_no_stream(pair: Pair) -> None:
    go = asyncio.Event()
    script = text_stream(LONG)
    pair.upstream.script(answer(*script.steps[:20], wait(go), *script.steps[20:]))
    client, stream_id = await begun(pair.a, until=b"id: 19\n")
    elsewhere = asyncio.create_task(there(pair.b, stream_id))
    await asyncio.sleep(0.2)
    await pair.redis.stop()
    cut_off = await elsewhere
    assert cut_off.status == 200
    told = json.loads(cut_off.body.rpartition(b"data: ")[2])["error"]
    assert (told["resumable"], told["retry_after"]) == (True, 1)
    assert told["last_event_id"] == cut_off.body.count(b"id: ") - 1
    assert (await call(pair.b, "GET", f"/v1/streams/{stream_id}")).status == 503
    while (await state(pair.a, stream_id))["resumable"]:
        await asyncio.sleep(0.02)
    go.set()
    assert b"[DONE]" in await client.until(b"0\r\n\r\n")
    client.close()
    whole = await call(pair.a, "GET", f"/v1/streams/{stream_id}")
    assert without_ids(whole).text == LONG
    await pair.redis.start()
    assert (await there_again(pair.b, stream_id)).body == whole.body


async def test_a_redis_that_forgets_everything_is_told_again(pair: Pair) -> None:
    go = asyncio.Event()
    script = text_stream(LONG)
    pair.upstream.script(answer(*script.steps[:20], wait(go), *script.steps[20:]))
    client, stream_id = await begun(pair.a, until=b"id: 19\n")
    await there(pair.b, stream_id, Accept="application/json")
    await pair.redis.ask(b"FLUSHALL")
    go.set()
    await client.until(b"0\r\n\r\n")
    client.close()
    found = await reaches(pair.b, stream_id, "completed")
    assert found["text"] == LONG
    assert (await there(pair.b, stream_id)).body == (await there(pair.a, stream_id)).body


async def test_a_failure_before_the_first_event_is_a_failure_everywhere(redis: RedisServer) -> None:
    async with FakeUpstream() as upstream:
        more = f"defaults: {{heartbeat: 100ms, retries: 0}}\nstores: {{state: '{redis.url}'}}\n"
        text = one_upstream(upstream, more=more)
        async with serving(text) as a, serving(text) as b:
            upstream.script(answer(pause(0.5), *error(400, message="no such thing").steps))
            reply = await ask(a, chat(), headers=ASKED)
            assert reply.status == 200
            elsewhere = await there(b, reply.headers["x-llms-stream-id"])
            assert elsewhere.status == 502
            assert "no such thing" in elsewhere.error["message"]


async def test_a_server_that_stops_sends_readers_of_others_elsewhere(pair: Pair) -> None:
    pair.upstream.script(text_stream(LONG).first(5).then(stall()))
    client, stream_id = await begun(pair.a, until=b"id: 4\n")
    await there(pair.b, stream_id, Accept="application/json")
    reader, _ = await begun_reading(pair.b, stream_id)
    pair.b.engine.drain()
    assert pair.b.engine.is_busy
    pair.b.engine.interrupt()
    last = await reader.until(b"0\r\n\r\n")
    reader.close()
    client.close()
    assert b'"code":"server_stopping"' in last
    assert b'"resumable":true' in last
    assert (await state(pair.a, stream_id))["status"] == "in_progress"


async def begun_reading(proxy: Proxy, stream_id: str) -> tuple[RawClient, bytes]:
    client = await RawClient.to(proxy)
    client.writer.write(f"GET /v1/streams/{stream_id} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return client, await client.until(b"id: 3\n")


async def there_again(proxy: Proxy, stream_id: str) -> Reply:
    async with asyncio.timeout(PATIENCE):
        while (reply := await there(proxy, stream_id)).status == 503:
            await asyncio.sleep(0.05)
    return reply


async def test_without_its_store_a_server_starts_and_streams(pair: Pair) -> None:
    await pair.redis.stop()
    pair.upstream.script(text_stream(LONG))
    whole = await ask(pair.a, chat(), headers=ASKED)
    assert without_ids(whole).text == LONG
    pair.upstream.script(error(400, message="no such thing"))
    assert (await ask(pair.a, chat(), headers=ASKED)).status == 400
