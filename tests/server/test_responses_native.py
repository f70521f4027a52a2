"""Targets that speak the Responses API: their bytes are passed on, and what they keep stays theirs."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from llms.protocol.chat import Usage
from llms.testing.answers import body
from llms.testing.fake_upstream import FakeUpstream, answer, close, cut, error, pause, reply, stall
from llms.testing.responses import ID, STREAM, event, events, message, response, stream
from tests.protocol.dialects.responses.order import events_of
from tests.proxy import Proxy, RawClient, Reply, ask, one_upstream, serving
from tests.server.wire import BEARER, KEYS, OTHER_KEY, assert_refused, read

PATH = "/v1/responses"
NATIVE = "dialects: [responses]"
WEB: Any = {"type": "web_search"}


@asynccontextmanager
async def up(
    place: Path, *, row: str = "", more: str = "", key: str = "any"
) -> AsyncGenerator[tuple[FakeUpstream, Proxy, AsyncOpenAI], None]:
    """Serve a proxy with one upstream that speaks the dialect, and a client of it."""
    async with FakeUpstream() as upstream:
        text = one_upstream(upstream, row=f"{NATIVE}{', ' if row else ''}{row}", more=more)
        async with (
            serving(text, environ={"LLMS_DATA_DIR": str(place)}) as proxy,
            AsyncOpenAI(base_url=proxy.url, api_key=key, max_retries=0) as client,
        ):
            yield upstream, proxy, client


async def post(proxy: Proxy, **fields: Any) -> Reply:
    return await ask(proxy, {"model": "m", "input": "hi", **fields}, path=PATH)


class TestPassing:
    async def test_a_stream_is_the_upstreams(self, tmp_path: Path) -> None:
        fields = {
            "tools": [WEB],
            "conversation": "conv_1",
            "x_new": {"kept": [1]},
            "include": ["web_search_call.results"],
        }
        async with up(tmp_path) as (upstream, proxy, _):
            upstream.script(stream(*STREAM))
            got = await post(proxy, stream=True, **fields)
            [ended] = await proxy.all_ended(1)

        assert (got.status, got.body) == (200, b"".join(STREAM))
        assert upstream.chats[0].path == PATH
        assert upstream.chats[0].json == {"model": "real-model", "input": "hi", "stream": True, **fields}
        assert ended.usage == Usage(36, 87, 4, 8, "reported")
        assert (ended.outcome, ended.finish_reason) == ("ok", "stop")

    async def test_a_whole_answer_is_the_upstreams(self, tmp_path: Path) -> None:
        text = json.dumps(response(output=[message()], x_new=1), indent=1)
        async with up(tmp_path) as (upstream, proxy, _):
            upstream.script(body(text, headers={"Content-Type": "application/json"}))
            got = await post(proxy)

        assert got.body == text.encode()
        assert got.headers["x-llms-provider"] == "up"

    @pytest.mark.parametrize("end", [close(), cut(), stall()], ids=["close", "cut", "stall"])
    async def test_one_that_breaks_ends_with_an_error_of_the_next_number(self, tmp_path: Path, end: Any) -> None:
        async with up(tmp_path, row="timeouts: {idle: 200ms}") as (upstream, proxy, _):
            upstream.script(stream(*STREAM[:5]).then(pause(0.02), end))
            got = await post(proxy, stream=True)

        found = events_of(got.body)
        assert got.body.startswith(b"".join(STREAM[:5]))
        assert (found[-1]["type"], found[-1]["sequence_number"]) == ("error", 5)

    async def test_a_failure_that_the_upstream_tells_is_told(self, tmp_path: Path) -> None:
        failed = response("failed", error={"code": "server_error", "message": "oh no"})
        async with up(tmp_path) as (upstream, proxy, _):
            upstream.script(stream(*STREAM[:5], event("response.failed", 5, response=failed)))
            got = await post(proxy, stream=True)

        assert events_of(got.body)[-1]["response"] == failed

    async def test_a_client_that_leaves_stops_the_upstream(self, tmp_path: Path) -> None:
        async with up(tmp_path) as (upstream, proxy, _):
            upstream.script(stream(*STREAM[:5]).then(stall()))
            raw = await RawClient.to(proxy)
            await raw.send({"model": "m", "input": "hi", "stream": True}, path=PATH)
            seen = await upstream.arrived()
            await raw.until(b"output_text.delta")
            left = time.monotonic()
            raw.close()
            assert await seen.gone() - left < 1.0

    async def test_a_chat_is_asked_where_the_route_is_missing(self, tmp_path: Path) -> None:
        async with up(tmp_path) as (upstream, _, client):
            upstream.on(lambda seen: error(404) if seen.path == PATH else reply("fine")(seen))  # type: ignore[operator]
            assert (await client.responses.create(model="m", input="hi")).output_text == "fine"
            with pytest.raises(openai.BadRequestError, match="web_search"):
                await client.responses.create(model="m", input="hi", tools=[WEB])

    async def test_only_a_target_that_speaks_it_is_asked_for_what_no_chat_can_say(self, tmp_path: Path) -> None:
        text = """
providers:
  plain: {{type: openai_compatible, base_url: "{0}", retries: 0}}
  native: {{type: openai_compatible, base_url: "{1}", retries: 0, dialects: [responses]}}
models:
  m: {{targets: [plain/one, native/two]}}
"""
        async with FakeUpstream() as plain, FakeUpstream() as native:
            native.script(body(response(output=[message()])))
            config = text.format(plain.url, native.url)
            async with serving(config, environ={"LLMS_DATA_DIR": str(tmp_path)}) as proxy:
                got = await post(proxy, tools=[WEB])

            assert (got.status, got.headers["x-llms-provider"]) == (200, "native")
            assert not plain.chats


class TestKept:
    async def test_it_is_continued_where_it_is_kept(self, tmp_path: Path) -> None:
        text = """
providers:
  other: {{type: openai_compatible, base_url: "{0}", dialects: [responses]}}
  native: {{type: openai_compatible, base_url: "{1}", dialects: [responses]}}
models:
  first: {{targets: [native/one]}}
  m: {{targets: [other/one, native/two]}}
"""
        async with FakeUpstream() as other, FakeUpstream() as native:
            native.script(stream(*STREAM), body(response()))
            config = text.format(other.url, native.url)
            async with serving(config, environ={"LLMS_DATA_DIR": str(tmp_path)}) as proxy:
                await post(proxy, model="first", stream=True)
                got = await post(proxy, previous_response_id=ID)

            assert (got.status, got.headers["x-llms-provider"]) == (200, "native")
            assert native.chats[1].json == {"model": "two", "input": "hi", "previous_response_id": ID}
            assert not other.chats

    async def test_it_is_fetched_cancelled_listed_and_deleted_there(self, tmp_path: Path) -> None:
        listed = {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}
        async with up(tmp_path) as (upstream, proxy, client):
            upstream.script(
                body(response("queued", background=True)),
                body(response("in_progress", background=True)),
                body(response("cancelled", background=True)),
                body(listed),
                body({"id": ID, "object": "response", "deleted": True}),
            )
            made = await client.responses.create(model="m", input="hi", background=True)
            assert (await client.responses.retrieve(made.id, include=["reasoning.encrypted_content"])).id == ID
            assert (await client.responses.cancel(made.id)).status == "cancelled"
            await read(proxy, f"{PATH}/{ID}/input_items?limit=3")
            await client.responses.delete(made.id)
            with pytest.raises(openai.NotFoundError):
                await client.responses.retrieve(made.id)

        assert [
            (seen.method, seen.path.replace("%5B%5D", "[]")) for seen in upstream.requests if "models" not in seen.path
        ] == [
            ("POST", PATH),
            ("GET", f"{PATH}/{ID}?include[]=reasoning.encrypted_content"),
            ("POST", f"{PATH}/{ID}/cancel"),
            ("GET", f"{PATH}/{ID}/input_items?limit=3"),
            ("DELETE", f"{PATH}/{ID}"),
        ]
        assert upstream.chats[0].json["background"] is True
        assert all(seen.headers["authorization"] == "Bearer sk-planted-upstream-key" for seen in upstream.requests)

    async def test_questions_about_it_count_their_hops(self, tmp_path: Path) -> None:
        async with up(tmp_path) as (upstream, proxy, client):
            upstream.script(body(response("queued", background=True)))
            await client.responses.create(model="m", input="hi", background=True)
            upstream.script(body(response("in_progress", background=True)))
            found = await read(proxy, f"{PATH}/{ID}", x_llms_hops="2")
            lost = await read(proxy, f"{PATH}/{ID}", x_llms_hops="4")

        assert (found.status, upstream.requests[-1].headers["x-llms-hops"]) == (200, "3")
        assert (lost.status, lost.error["code"]) == (508, "loop_detected")

    async def test_its_stream_goes_on(self, tmp_path: Path) -> None:
        async with up(tmp_path) as (upstream, _, client):
            upstream.script(body(response("queued", background=True)), stream(*STREAM[3:]))
            await client.responses.create(model="m", input="hi", background=True)
            again = await client.responses.retrieve(ID, stream=True, starting_after=2)
            numbers = [told.sequence_number async for told in again]

        assert numbers == list(range(3, 10))
        assert "starting_after=2" in upstream.requests[-1].path

    async def test_a_break_of_its_stream_is_told(self, tmp_path: Path) -> None:
        async with up(tmp_path) as (upstream, proxy, _):
            upstream.script(body(response("queued", background=True)), stream(*STREAM[:3]).then(cut()))
            await post(proxy, background=True)
            got = await read(proxy, f"{PATH}/{ID}?stream=true")

        assert events_of(got.body)[-1]["type"] == "error"

    @pytest.mark.parametrize("query", ["", "?stream=true"])
    async def test_a_server_that_stops_ends_what_is_asked_of_its_keeper(self, tmp_path: Path, query: str) -> None:
        async with up(tmp_path) as (upstream, proxy, _):
            upstream.script(body(response("queued", background=True)), answer(stall()))
            await post(proxy, background=True)
            asking = asyncio.create_task(read(proxy, f"{PATH}/{ID}{query}"))
            while len(proxy.engine.services.running) == 0:
                await asyncio.sleep(0.01)
            proxy.engine.interrupt()
            async with asyncio.timeout(10):
                got = await asking

        assert (got.status, got.error["code"]) == (503, "server_stopping")

    async def test_others_find_nothing(self, tmp_path: Path) -> None:
        async with up(tmp_path, more=KEYS, key=BEARER.removeprefix("Bearer ")) as (upstream, proxy, client):
            upstream.script(body(response()))
            await client.responses.create(model="m", input="hi")
            other = f"Bearer {OTHER_KEY}"
            assert_refused(await read(proxy, f"{PATH}/{ID}", authorization=other), 404, code="not_found")
            asked = {"model": "m", "input": "b", "previous_response_id": ID}
            stolen = await ask(proxy, asked, path=PATH, headers={"Authorization": other})
            assert_refused(stolen, 400, code="previous_response_not_found")
            assert len(upstream.chats) == 1

    async def test_a_provider_that_is_gone_is_named(self, tmp_path: Path) -> None:
        async with up(tmp_path) as (upstream, _, client):
            upstream.script(body(response()))
            await client.responses.create(model="m", input="hi")
            text = one_upstream(upstream).replace(" up:", " new:").replace("up/", "new/")
        async with serving(text, environ={"LLMS_DATA_DIR": str(tmp_path)}) as proxy:
            continued = await post(proxy, previous_response_id=ID)
            fetched = await read(proxy, f"{PATH}/{ID}")

        for got in (continued, fetched):
            assert "'up'" in assert_refused(got, 400)["message"]

    async def test_a_model_of_another_provider_is_refused(self, tmp_path: Path) -> None:
        async with up(tmp_path) as (upstream, _, client):
            upstream.script(body(response()))
            await client.responses.create(model="m", input="hi")
            text = one_upstream(upstream, row=NATIVE).replace("providers:", "providers:\n  echo: {type: echo}")
        async with serving(text, environ={"LLMS_DATA_DIR": str(tmp_path)}) as proxy:
            got = await post(proxy, previous_response_id=ID, model="echo/echo")

        found = assert_refused(got, 400)
        assert (found["param"], "'up'" in found["message"]) == ("model", True)

    async def test_where_nothing_is_kept_the_upstream_knows(self, tmp_path: Path) -> None:
        async with up(tmp_path, more="responses: {store: false}") as (upstream, proxy, _):
            upstream.script(body(response()))
            await post(proxy, previous_response_id="resp_there")

        assert upstream.chats[0].json["previous_response_id"] == "resp_there"

    async def test_a_conversation_that_was_translated_goes_on_natively(self, tmp_path: Path) -> None:
        async with FakeUpstream() as upstream:
            upstream.script(reply("one"), body(response()))
            place = {"LLMS_DATA_DIR": str(tmp_path)}
            async with serving(one_upstream(upstream), environ=place) as proxy:
                first = json.loads((await post(proxy)).body)
            async with serving(one_upstream(upstream, row=NATIVE), environ=place) as proxy:
                await post(proxy, input="more", previous_response_id=first["id"])

        sent = upstream.chats[1].json
        assert "previous_response_id" not in sent
        assert [item["content"][0]["text"] for item in sent["input"]] == ["hi", "one", "more"]


async def test_ids_that_are_none_are_not_remembered(tmp_path: Path) -> None:
    odd = "resp_/../models"
    async with up(tmp_path) as (upstream, proxy, _):
        upstream.script(stream(*events(response_id=odd)))
        got = await post(proxy, stream=True)
        again = await post(proxy, previous_response_id=odd)

    assert got.status == 200
    assert_refused(again, 400, code="previous_response_not_found")
