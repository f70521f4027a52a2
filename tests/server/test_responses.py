"""The Responses API through a whole proxy, by OpenAI's own client and by hand."""

from __future__ import annotations

import asyncio
import gc
import json
import shutil
import time
import tracemalloc
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from pydantic import BaseModel

from llms.testing.answers import Answer, body, chunk, completion, reasoning_stream, tool_stream
from llms.testing.fake_upstream import (
    FakeUpstream,
    answer,
    close,
    cut,
    error,
    event,
    pause,
    reply,
    stall,
    text_stream,
    wait,
    whole,
    whole_tools,
)
from tests.protocol.dialects.responses.order import checked, events_of, text_of
from tests.proxy import Proxy, RawClient, Reply, ask, one_upstream, serving
from tests.server.wire import BEARER, KEYS, OTHER_KEY, assert_envelope, assert_refused, read

PATH = "/v1/responses"
TOOL: Any = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": False,
}


@asynccontextmanager
async def up(
    place: Path, *, row: str = "", more: str = "", key: str = "any"
) -> AsyncGenerator[tuple[FakeUpstream, Proxy, AsyncOpenAI], None]:
    """Serve a proxy with one upstream, and a client of it."""
    async with (
        FakeUpstream() as upstream,
        serving(one_upstream(upstream, row=row, more=more), environ={"LLMS_DATA_DIR": str(place)}) as proxy,
        AsyncOpenAI(base_url=proxy.url, api_key=key, max_retries=0) as client,
    ):
        yield upstream, proxy, client


async def post(proxy: Proxy, **fields: Any) -> Reply:
    return await ask(proxy, {"model": "m", "input": "hi", **fields}, path=PATH)


def started(text: str = "a") -> Answer:
    """Return the beginning of a stream."""
    return answer(event(chunk({"role": "assistant", "content": text})))


class TestWithTheSdk:
    async def test_a_whole_answer(self, tmp_path: Path) -> None:
        async with up(tmp_path) as (upstream, proxy, client):
            upstream.script(whole("Hello world"))
            found = await client.responses.create(model="m", input="hi", instructions="Be brief.", max_output_tokens=9)
            [ended] = await proxy.all_ended(1)

        assert (found.output_text, found.status, found.object) == ("Hello world", "completed", "response")
        assert found.usage is not None
        assert (found.usage.input_tokens, found.usage.output_tokens) == (7, 5)
        assert found.usage.input_tokens_details.cached_tokens == 2
        assert (ended.route, ended.outcome, ended.finish_reason) == (PATH, "ok", "stop")
        assert upstream.chats[0].json == {
            "model": "real-model",
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}],
            "max_tokens": 9,
        }

    async def test_a_stream(self, tmp_path: Path) -> None:
        async with up(tmp_path) as (upstream, _, client):
            upstream.script(text_stream("Grüße aus Köln \u2028"))
            async with client.responses.stream(model="m", input="hi") as stream:
                kinds = [found.type async for found in stream]
                final = await stream.get_final_response()

        assert final.output_text == "Grüße aus Köln \u2028"
        assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")

    async def test_a_loop_of_tools_over_three_turns_by_previous_response(self, tmp_path: Path) -> None:
        async with up(tmp_path) as (upstream, _, client):
            upstream.script(whole_tools([("get_weather", '{"city":"Ulm"}')]), reply("Dry."), reply("Still dry."))
            first = await client.responses.create(model="m", input="Rain in Ulm?", tools=[TOOL])
            [call] = first.output
            assert call.type == "function_call"
            output: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "no rain"}
            second = await client.responses.create(
                model="m", input=[output], previous_response_id=first.id, tools=[TOOL]
            )
            third = await client.responses.create(model="m", input="Sure?", previous_response_id=second.id)

        assert third.output_text == "Still dry."
        assert third.previous_response_id == second.id
        sent = upstream.chats[2].json["messages"]
        assert [one["role"] for one in sent] == ["user", "assistant", "tool", "assistant", "user"]
        assert sent[1]["tool_calls"][0]["id"] == sent[2]["tool_call_id"] == call.call_id

    @pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
    async def test_parallel_calls(self, tmp_path: Path, stream: bool) -> None:
        calls = [("get_weather", '{"city":"Ulm"}'), ("get_weather", '{"city":"Bonn"}')]
        async with up(tmp_path) as (upstream, _, client):
            upstream.script(tool_stream(calls) if stream else whole_tools(calls))
            if stream:
                async with client.responses.stream(model="m", input="hi", tools=[TOOL]) as told:
                    found: Any = await told.get_final_response()
            else:
                found = await client.responses.create(model="m", input="hi", tools=[TOOL])

        assert [(item.call_id, item.arguments) for item in found.output] == [
            ("call_0", '{"city":"Ulm"}'),
            ("call_1", '{"city":"Bonn"}'),
        ]

    async def test_structured_output(self, tmp_path: Path) -> None:
        class City(BaseModel):
            name: str

        async with up(tmp_path) as (upstream, _, client):
            upstream.script(whole('{"name": "Ulm"}'))
            found = await client.responses.parse(model="m", input="A city?", text_format=City)

        assert found.output_parsed == City(name="Ulm")
        form = upstream.chats[0].json["response_format"]
        assert form["type"] == "json_schema"
        assert form["json_schema"]["schema"]["required"] == ["name"]

    async def test_thoughts(self, tmp_path: Path) -> None:
        async with up(tmp_path) as (upstream, _, client):
            upstream.script(reasoning_stream("Let me think.", "Yes."))
            async with client.responses.stream(
                model="m", input="hi", reasoning={"effort": "high", "summary": "auto"}
            ) as stream:
                final: Any = await stream.get_final_response()

        assert final.output[0].summary[0].text == "Let me think."
        assert upstream.chats[0].json["reasoning_effort"] == "high"

    async def test_items_are_referred_to(self, tmp_path: Path) -> None:
        async with up(tmp_path) as (upstream, _, client):
            upstream.script(reply("Ulm."), reply("Yes."))
            first = await client.responses.create(model="m", input="A city?")
            items: Any = [
                {"role": "user", "content": "A city?"},
                {"type": "item_reference", "id": first.output[0].id},
                {"role": "user", "content": "Sure?"},
            ]
            await client.responses.create(model="m", input=items)

        assert [one["content"] for one in upstream.chats[1].json["messages"]] == ["A city?", "Ulm.", "Sure?"]

    async def test_what_was_made_is_fetched_listed_and_deleted(self, tmp_path: Path) -> None:
        async with up(tmp_path) as (upstream, _, client):
            upstream.script(reply("one"), reply("two"))
            first = await client.responses.create(model="m", input="a", metadata={"k": "v"})
            second = await client.responses.create(model="m", input="b", previous_response_id=first.id)
            fetched = await client.responses.retrieve(second.id)
            listed = [item async for item in client.responses.input_items.list(second.id, order="asc", limit=2)]
            await client.responses.delete(first.id)
            with pytest.raises(openai.NotFoundError):
                await client.responses.retrieve(first.id)
            with pytest.raises(openai.BadRequestError) as refused:
                await client.responses.create(model="m", input="c", previous_response_id=second.id)

        assert fetched == second
        assert [item.type for item in listed] == ["message", "message", "message"]
        assert [item.content[0].text for item in listed if item.type == "message"] == ["a", "one", "b"]  # type: ignore[union-attr]
        assert refused.value.code == "previous_response_not_found"
        assert refused.value.param == "previous_response_id"

    async def test_a_wrong_field_is_named(self, tmp_path: Path) -> None:
        async with up(tmp_path) as (upstream, _, client):
            web: Any = {"type": "web_search"}
            with pytest.raises(openai.BadRequestError, match="web_search") as refused:
                await client.responses.create(model="m", input="hi", tools=[TOOL, web])

            assert refused.value.param == "tools[1].type"
            assert not upstream.chats


class TestBackground:
    async def test_it_is_fetched_later(self, tmp_path: Path) -> None:
        go = asyncio.Event()
        async with up(tmp_path) as (upstream, proxy, client):
            upstream.script(Answer((*started("Hel").steps, wait(go), *text_stream("lo").steps[1:])))
            made = await client.responses.create(model="m", input="hi", background=True)
            await upstream.arrived()
            assert made.status == "queued"
            assert (await client.responses.retrieve(made.id)).status in ("queued", "in_progress")
            go.set()
            await proxy.all_ended(1)
            found = await client.responses.retrieve(made.id)

        assert (found.status, found.output_text, found.background) == ("completed", "Hello", True)

    async def test_its_stream_goes_on_where_it_was_left(self, tmp_path: Path) -> None:
        go = asyncio.Event()
        async with up(tmp_path) as (upstream, _, client):
            upstream.script(Answer((*started("Hel").steps, wait(go), *text_stream("lo").steps[1:])))
            made = await client.responses.create(model="m", input="hi", background=True, stream=True)
            first = []
            async for told in made:
                first.append(told)
                if told.type == "response.output_text.delta":
                    break
            await made.close()
            [response_id] = {told.response.id for told in first if told.type == "response.created"}
            go.set()
            again = await client.responses.retrieve(response_id, stream=True, starting_after=first[-1].sequence_number)
            rest = [told async for told in again]

        numbers = [told.sequence_number for told in (*first, *rest)]
        assert numbers == list(range(len(numbers)))
        assert rest[-1].type == "response.completed"
        assert rest[-1].response.output_text == "Hello"

    async def test_cancelling_stops_the_upstream(self, tmp_path: Path) -> None:
        async with up(tmp_path) as (upstream, proxy, client):
            upstream.script(started("Hel").then(stall()))
            made = await client.responses.create(model="m", input="hi", background=True)
            seen = await upstream.arrived()
            cancelled = await client.responses.cancel(made.id)
            await seen.gone()
            [ended] = await proxy.all_ended(1)
            again = await client.responses.cancel(made.id)
            stored = await client.responses.retrieve(made.id)

        assert cancelled.status == again.status == stored.status == "cancelled"
        assert ended.outcome == "cancelled"

    async def test_a_failure_is_told_by_the_response(self, tmp_path: Path) -> None:
        async with up(tmp_path, row="retries: 0") as (upstream, proxy, client):
            upstream.script(error(500, message="no luck"))
            got = await post(proxy, background=True, stream=True)
            told = events_of(got.body)
            found = await client.responses.retrieve(told[0]["response"]["id"])

        assert [one["type"] for one in told[-2:]] == ["error", "response.failed"]
        assert (found.status, found.error is not None and "no luck" in found.error.message) == ("failed", True)

    async def test_deleting_ends_and_forgets_it(self, tmp_path: Path) -> None:
        async with up(tmp_path) as (upstream, _, client):
            upstream.script(started("Hel").then(stall()))
            made = await client.responses.create(model="m", input="hi", background=True)
            seen = await upstream.arrived()
            await client.responses.delete(made.id)
            await seen.gone()
            with pytest.raises(openai.NotFoundError):
                await client.responses.retrieve(made.id)

    async def test_what_was_asked_is_not_held_when_it_is_over(self, tmp_path: Path) -> None:
        async with up(tmp_path) as (upstream, proxy, _):
            sessions = proxy.engine.services.streams
            tracemalloc.start(1)
            try:
                for _ in range(16):
                    upstream.script(text_stream("Hello"))
                    assert (await post(proxy, input="long " * 100_000, background=True)).status == 200
                    while any(session.status == "in_progress" for session in sessions.sessions):
                        await asyncio.sleep(0.01)
                upstream.requests.clear()
                gc.collect()
                held, _ = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()

            assert [session.status for session in sessions.sessions] == ["completed"] * 16
            assert held < 5_000_000

    async def test_one_that_is_not_in_the_background_cannot_be_cancelled(self, tmp_path: Path) -> None:
        async with up(tmp_path) as (_, _, client):
            made = await client.responses.create(model="m", input="hi")
            with pytest.raises(openai.BadRequestError, match="background"):
                await client.responses.cancel(made.id)
            with pytest.raises(openai.APIStatusError) as gone:
                await client.responses.retrieve(made.id, stream=True)

        assert gone.value.status_code == 410

    async def test_a_server_that_stops_says_so(self, tmp_path: Path) -> None:
        async with up(tmp_path) as (upstream, proxy, client):
            upstream.script(started("Hel").then(stall()))
            made = await client.responses.create(model="m", input="hi", background=True)
            await upstream.arrived()
            while (await client.responses.retrieve(made.id)).status == "queued":
                await asyncio.sleep(0)
            proxy.engine.interrupt()
            await proxy.all_ended(1)
            found = await client.responses.retrieve(made.id)

        assert (found.status, found.error is not None and "shutting down" in found.error.message) == ("failed", True)

    async def test_one_that_a_closed_server_left_has_failed(self, tmp_path: Path) -> None:
        async with up(tmp_path) as (upstream, _, client):
            upstream.script(started("Hel").then(stall()))
            made = await client.responses.create(model="m", input="hi", background=True)
            await upstream.arrived()
        async with up(tmp_path) as (_, _, client):
            found = await client.responses.retrieve(made.id)

        assert (found.status, found.error is not None and "shutting down" in found.error.message) == ("failed", True)

    async def test_one_that_a_killed_server_left_has_failed(self, tmp_path: Path) -> None:
        async with up(tmp_path) as (upstream, _, client):
            upstream.script(started("Hel").then(stall()))
            made = await client.responses.create(model="m", input="hi", background=True)
            await upstream.arrived()
            copy = tmp_path / "left"
            copy.mkdir()
            for file in tmp_path.glob("responses.sqlite3*"):
                shutil.copy(file, copy)
        async with up(copy) as (_, _, client):
            found = await client.responses.retrieve(made.id)

        assert (found.status, found.error is not None and found.error.code) == ("failed", "server_error")


class TestStreams:
    async def test_the_bytes_are_in_order(self, tmp_path: Path) -> None:
        async with up(tmp_path) as (upstream, proxy, _):
            upstream.script(reasoning_stream("Hm.", "Yes."))
            got = await post(proxy, stream=True)

        assert (got.status, got.headers["content-type"], got.whole) == (200, "text/event-stream", True)
        assert got.headers["x-llms-provider"] == "up"
        assert b"[DONE]" not in got.body
        assert text_of(checked(got.body).response["output"]) == "Yes."

    @pytest.mark.parametrize("end", [close(), cut(), stall()], ids=["close", "cut", "stall"])
    async def test_one_that_breaks_ends_with_an_error_and_has_failed(self, tmp_path: Path, end: Any) -> None:
        async with up(tmp_path, row="timeouts: {idle: 200ms}") as (upstream, proxy, client):
            upstream.script(started().then(pause(0.02), end))
            got = await post(proxy, stream=True)
            order = checked(got.body, ends=("response.failed",))
            kept = await client.responses.retrieve(order.response["id"])

        assert order.error is not None
        assert order.error["code"] in ("upstream_truncated", "upstream_timeout")
        assert text_of(order.response["output"]) == "a"
        assert (kept.status, kept.output_text) == ("failed", "a")

    @pytest.mark.parametrize(
        ("bad", "status", "code"),
        [
            (error(400), 400, "invalid_request"),
            (error(401), 502, "upstream_authentication_failed"),
            (error(429), 429, "rate_limit_exceeded"),
            (answer(cut()), 502, "upstream_unreachable"),
        ],
        ids=range(4),
    )
    @pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
    async def test_a_failure_before_the_first_event_has_its_status(
        self, tmp_path: Path, bad: Answer, status: int, code: str, stream: bool
    ) -> None:
        async with up(tmp_path, row="retries: 0") as (upstream, proxy, _):
            upstream.script(bad)
            got = await post(proxy, stream=stream)

        assert got.status == status
        assert_envelope(got, code=code)

    async def test_one_that_breaks_is_raised_by_the_sdk(self, tmp_path: Path) -> None:
        async with up(tmp_path) as (upstream, _, client):
            upstream.script(started().then(close()))
            stream = await client.responses.create(model="m", input="hi", stream=True)
            with pytest.raises(openai.APIError) as raised:
                _ = [told async for told in stream]

        assert raised.value.code == "upstream_truncated"

    async def test_silence_is_filled_with_comments(self, tmp_path: Path) -> None:
        async with up(tmp_path, more="defaults: {heartbeat: 100ms}") as (upstream, proxy, _):
            upstream.script(Answer((pause(0.5), *text_stream("fine").steps)))
            got = await post(proxy, stream=True)

        assert got.body.startswith(b": ping\n\n")
        assert text_of(checked(got.body).response["output"]) == "fine"

    async def test_a_failure_after_a_heartbeat_is_an_event(self, tmp_path: Path) -> None:
        async with up(tmp_path, row="retries: 0", more="defaults: {heartbeat: 100ms}") as (upstream, proxy, _):
            upstream.script(answer(pause(0.5), cut()))
            got = await post(proxy, stream=True)

        [told] = events_of(got.body)
        assert (got.status, told["type"], told["sequence_number"]) == (200, "error", 0)

    @pytest.mark.parametrize(
        "leave", [RawClient.close, RawClient.reset, RawClient.half_close], ids=lambda way: way.__name__
    )
    @pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
    async def test_a_client_that_leaves_stops_the_upstream(
        self, tmp_path: Path, stream: bool, leave: Callable[[RawClient], None]
    ) -> None:
        async with up(tmp_path) as (upstream, proxy, client):
            upstream.script(started().then(stall()) if stream else answer(stall()))
            raw = await RawClient.to(proxy)
            await raw.send({"model": "m", "input": "hi", "stream": stream}, path=PATH)
            seen = await upstream.arrived()
            response_id = ""
            if stream:
                told = await raw.until(b"output_text.delta\ndata: ")
                response_id = json.loads(told.partition(b"data: ")[2].partition(b"\n")[0])["response"]["id"]
            left = time.monotonic()
            leave(raw)
            assert await seen.gone() - left < 1.0
            [ended] = await proxy.all_ended(1)
            if stream:
                kept = await client.responses.retrieve(response_id)
                assert (kept.status, kept.output_text) == ("cancelled", "a")
            raw.close()

        assert (ended.outcome, ended.route) == ("cancelled", PATH)

    async def test_a_server_that_stops_ends_a_stream_with_an_error(self, tmp_path: Path) -> None:
        async with up(tmp_path) as (upstream, proxy, _):
            upstream.script(started().then(stall()))
            client = await RawClient.to(proxy)
            await client.send({"model": "m", "input": "hi", "stream": True}, path=PATH)
            head = await client.until(b"output_text.delta")
            proxy.engine.interrupt()
            rest = await client.until(b"0\r\n\r\n")
            client.close()

        assert b'"server_stopping"' in rest
        assert b"response.failed" in rest
        assert b"response.completed" not in head + rest

    async def test_a_server_that_stops_ends_a_whole_answer_with_its_status(self, tmp_path: Path) -> None:
        async with up(tmp_path) as (upstream, proxy, _):
            upstream.script(answer(stall()))
            asking = asyncio.create_task(post(proxy))
            await upstream.arrived()
            proxy.engine.interrupt()
            got = await asking

        assert_envelope(got, code="server_stopping")

    async def test_the_bare_twin_answers(self, tmp_path: Path) -> None:
        async with up(tmp_path) as (upstream, proxy, _):
            upstream.script(reply("x"))
            got = await ask(proxy, {"model": "m", "input": "hi"}, path="/responses")

        assert json.loads(got.body)["output"][0]["content"][0]["text"] == "x"


class TestKeeping:
    async def test_what_shall_be_forgotten_is_not_kept(self, tmp_path: Path) -> None:
        async with up(tmp_path) as (upstream, _, client):
            upstream.script(reply("x"))
            made = await client.responses.create(model="m", input="hi", store=False)
            with pytest.raises(openai.NotFoundError):
                await client.responses.retrieve(made.id)

        assert made.model_extra is not None
        assert made.model_extra["store"] is False

    async def test_a_server_may_keep_nothing(self, tmp_path: Path) -> None:
        async with up(tmp_path, more="responses: {store: false}") as (upstream, proxy, client):
            upstream.script(reply("x"))
            made = await client.responses.create(model="m", input="hi")
            got = await post(proxy, previous_response_id=made.id)
            later = await post(proxy, background=True)
            with pytest.raises(openai.NotFoundError):
                await client.responses.retrieve(made.id)

        assert "responses.store" in assert_refused(got, 400, code="previous_response_not_found")["message"]
        assert assert_refused(later, 400)["param"] == "background"
        assert not list(tmp_path.glob("responses*"))

    async def test_it_outlives_the_server(self, tmp_path: Path) -> None:
        async with up(tmp_path) as (upstream, _, client):
            upstream.script(reply("one"))
            made = await client.responses.create(model="m", input="a")
        async with up(tmp_path) as (upstream, _, client):
            upstream.script(reply("two"))
            await client.responses.create(model="m", input="b", previous_response_id=made.id)

        assert [one["content"] for one in upstream.chats[0].json["messages"]] == ["a", "one", "b"]

    async def test_thoughts_come_back_to_the_model_that_had_them(self, tmp_path: Path) -> None:
        detail = {"type": "reasoning.text", "text": "Hm.", "signature": "s", "format": "x", "index": 0}
        said = completion({"content": "Yes.", "reasoning_content": "Hm.", "reasoning_details": [detail]})
        async with up(tmp_path) as (upstream, _, client):
            upstream.script(body(said))
            first = await client.responses.create(model="m", input="a")
            await client.responses.create(model="m", input="b", previous_response_id=first.id)
            encrypted = await client.responses.create(
                model="m", input="a", store=False, include=["reasoning.encrypted_content"]
            )
            items: Any = [{"role": "user", "content": "a"}, *[item.model_dump() for item in encrypted.output]]
            await client.responses.create(model="m", input=items, store=False)

        for seen in (upstream.chats[1], upstream.chats[3]):
            assert seen.json["messages"][1]["reasoning_details"] == [detail]
            assert seen.json["messages"][1]["reasoning_content"] == "Hm."
        assert "encrypted_content" not in first.output[0].to_dict()

    async def test_a_response_may_be_continued_without_a_word(self, tmp_path: Path) -> None:
        async with up(tmp_path) as (upstream, proxy, client):
            upstream.script(reply("one"), reply("two"))
            first = await client.responses.create(model="m", input="a")
            got = await ask(proxy, {"model": "m", "previous_response_id": first.id}, path=PATH)

        assert got.status == 200
        assert [one["role"] for one in upstream.chats[1].json["messages"]] == ["user", "assistant"]

    async def test_a_broken_file_hurts_nobody_who_asks(self, tmp_path: Path) -> None:
        (tmp_path / "responses.sqlite3").write_bytes(b"no database" * 100)
        async with up(tmp_path) as (upstream, proxy, client):
            upstream.script(reply("fine"))
            made = await client.responses.create(model="m", input="a")
            streamed = await post(proxy, stream=True)
            got = await read(proxy, f"{PATH}/{made.id}")

        assert made.output_text == "fine"
        assert checked(streamed.body).response["status"] == "completed"
        assert (got.status, assert_envelope(got)["code"]) == (500, "internal_error")

    async def test_others_find_nothing(self, tmp_path: Path) -> None:
        async with up(tmp_path, more=KEYS, key=BEARER.removeprefix("Bearer ")) as (upstream, proxy, client):
            upstream.script(reply("x"))
            made = await client.responses.create(model="m", input="hi")
            other = f"Bearer {OTHER_KEY}"
            for method, path in (
                ("GET", f"{PATH}/{made.id}"),
                ("DELETE", f"{PATH}/{made.id}"),
                ("POST", f"{PATH}/{made.id}/cancel"),
                ("GET", f"{PATH}/{made.id}/input_items"),
            ):
                assert_refused(await read(proxy, path, method=method, authorization=other), 404, code="not_found")
            asked = {"model": "m", "input": "b", "previous_response_id": made.id}
            stolen = await ask(proxy, asked, path=PATH, headers={"Authorization": other})
            assert_refused(stolen, 400, code="previous_response_not_found")
            assert (await client.responses.retrieve(made.id)).id == made.id

    @pytest.mark.parametrize(
        ("query", "param"),
        [("limit=0", "limit"), ("limit=x", "limit"), ("order=up", "order"), ("after=nobody", "after")],
    )
    async def test_a_wrong_parameter_of_a_list_is_named(self, tmp_path: Path, query: str, param: str) -> None:
        async with up(tmp_path) as (_, proxy, client):
            made = await client.responses.create(model="m", input="hi")
            got = await read(proxy, f"{PATH}/{made.id}/input_items?{query}")

        assert assert_refused(got, 400)["param"] == param


CODEX: Any = {
    "model": "m",
    "instructions": "You are a coding agent.",
    "input": [
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "<permissions>"}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "<environment_context>"}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "fix it"}]},
        {"type": "reasoning", "summary": [], "content": None, "encrypted_content": "gAAAA"},
        {"type": "custom_tool_call", "status": "completed", "call_id": "c0", "name": "apply_patch", "input": "*** "},
        {"type": "custom_tool_call_output", "call_id": "c0", "output": "ok"},
    ],
    "tools": [
        {"type": "function", "name": "shell", "description": "", "strict": False, "parameters": {"type": "object"}},
        {
            "type": "custom",
            "name": "apply_patch",
            "description": "Edits files.",
            "format": {"type": "grammar", "syntax": "lark", "definition": "start: begin_patch"},
        },
    ],
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "reasoning": {"effort": "medium", "summary": "auto"},
    "store": False,
    "stream": True,
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "0199a213-81c0-7800-8aa1-bbab2a035a53",
    "text": {"verbosity": "medium"},
}
"""A request as the Codex command line sends one."""


async def test_a_coding_agent_is_understood(tmp_path: Path) -> None:
    patch = json.dumps({"input": "*** Begin Patch\n*** End Patch"})
    async with up(tmp_path) as (upstream, proxy, _):
        upstream.script(tool_stream([("apply_patch", patch), ("shell", '{"command":["ls"]}')]))
        got = await ask(proxy, CODEX, path=PATH)

    items = checked(got.body).response["output"]
    assert [item["type"] for item in items] == ["custom_tool_call", "function_call"]
    assert items[0]["input"] == "*** Begin Patch\n*** End Patch"
    roles = [one["role"] for one in upstream.chats[0].json["messages"]]
    assert roles == ["system", "user", "user", "assistant", "tool"]
