"""POST /generate and /generate/stream through a whole proxy."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from llms.protocol.chat import Usage
from llms.testing.answers import Answer, body, chunk, completion, reply, text_stream
from llms.testing.fake_upstream import (
    FakeUpstream,
    answer,
    close,
    cut,
    error,
    event,
    pause,
    reasoning_stream,
    stall,
    whole,
)
from tests.proxy import Proxy, RawClient, Reply, ask, one_upstream, serving
from tests.server.wire import BEARER, KEYS, assert_envelope, assert_refused, connected

DEFAULT = "defaults: {model: m}"


def asked(**fields: Any) -> dict[str, Any]:
    return {"prompt": "Say hello.", **fields}


async def generate(proxy: Proxy, sent: Any, *, stream: bool = False, **headers: str) -> Reply:
    return await ask(proxy, sent, path="/generate/stream" if stream else "/generate", headers=headers)


def started(text: str = "a") -> Answer:
    """Return the beginning of a stream."""
    return answer(event(chunk({"role": "assistant", "content": text})))


class TestWhole:
    async def test_text_and_figures_come_back(self) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=DEFAULT)) as proxy:
            upstream.script(whole("Hello world"))
            got = await generate(
                proxy, asked(max_tokens=50, top_k=40, repeat_penalty=1.1, stop=["x"], seed=1, x_more=2)
            )
            (seen,) = upstream.chats

        found = json.loads(got.body)
        assert (got.status, got.headers["content-type"]) == (200, "application/json")
        assert (got.headers["x-llms-provider"], got.headers["x-llms-attempts"]) == ("up", "1")
        assert 0 <= found.pop("generation_time") < 10
        assert found.pop("usage")["total_tokens"] == 12
        assert found == {
            "text": "Hello world",
            "tokens_generated": 5,
            "finish_reason": "stop",
            "model": "fake-model",
        }
        assert seen.path == "/v1/chat/completions"
        assert seen.json == {
            "model": "real-model",
            "messages": [{"role": "user", "content": "Say hello."}],
            "max_tokens": 50,
            "top_k": 40,
            "repeat_penalty": 1.1,
            "stop": ["x"],
            "seed": 1,
            "x_more": 2,
        }

    async def test_a_tool_call_is_no_text(self) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=DEFAULT)) as proxy:
            upstream.script(body(completion({"content": None}, finish="content_filter")))
            found = json.loads((await generate(proxy, asked())).body)

        assert (found["text"], found["finish_reason"]) == ("", "content_filter")

    @pytest.mark.parametrize(
        ("bad", "status", "code"),
        [
            (error(400), 400, "invalid_request"),
            (error(401), 502, "upstream_authentication_failed"),
            (error(429, headers={"Retry-After": "30"}), 429, "rate_limit_exceeded"),
            (answer(cut()), 502, "upstream_unreachable"),
        ],
        ids=range(4),
    )
    @pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
    async def test_a_failure_has_its_status(self, bad: Answer, status: int, code: str, stream: bool) -> None:
        async with FakeUpstream() as upstream:
            upstream.script(bad)
            async with serving(one_upstream(upstream, row="retries: 0", more=DEFAULT)) as proxy:
                got = await generate(proxy, asked(), stream=stream)

        assert got.status == status
        assert_envelope(got, code=code)


class TestTheModel:
    async def test_may_be_named(self) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
            assert (await generate(proxy, asked(model="up/other"))).status == 200
            assert upstream.chats[0].json["model"] == "other"

    async def test_is_the_only_one_where_there_is_no_default(self) -> None:
        async with serving("providers:\n  echo: {type: echo}") as proxy:
            await proxy.engine.services.refresh()
            assert json.loads((await generate(proxy, asked())).body)["text"] == "Say hello."

    async def test_has_to_be_named_where_there_are_several(self) -> None:
        async with serving("providers:\n  echo: {type: echo, models: [a, b]}") as proxy:
            await proxy.engine.services.refresh()
            for stream in (True, False):
                got = await generate(proxy, asked(), stream=stream)
                found = assert_refused(got, 400, code="invalid_request")
                assert (found["param"], "defaults.model" in found["message"]) == ("model", True)

    async def test_that_nobody_has_is_not_found(self) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
            assert_refused(await generate(proxy, asked(model="nobody")), 404, code="model_not_found")


class TestStream:
    async def test_a_first_chunk_that_says_nothing_brings_the_status(self) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=DEFAULT)) as proxy:
            upstream.script(started("").then(stall()))
            client = await RawClient.to(proxy)
            await client.send(asked(), path="/generate/stream")
            assert (await client.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")
            client.close()

    async def test_text_grows_until_it_is_finished(self) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=DEFAULT)) as proxy:
            upstream.script(reply("Grüße aus Köln 🎈 \u2028 "))
            got = await generate(proxy, asked(), stream=True)
            [ended] = await proxy.all_ended(1)
            (seen,) = upstream.chats

        assert (got.status, got.headers["content-type"], got.whole) == (200, "text/event-stream", True)
        assert (got.headers["cache-control"], got.headers["x-accel-buffering"]) == ("no-cache", "no")
        assert (got.headers["x-llms-provider"], seen.json["stream"]) == ("up", True)
        *before, last = got.events
        assert "".join(found["text"] for found in got.events) == "Grüße aus Köln 🎈 \u2028 "
        for number, found in enumerate(before):
            assert found["accumulated_text"] == "".join(one["text"] for one in got.events[: number + 1])
            assert (found["finished"], set(found)) == (
                False,
                {"text", "accumulated_text", "tokens_generated", "finished"},
            )
        assert last["accumulated_text"] == "Grüße aus Köln 🎈 \u2028 "
        assert (last["finished"], last["finish_reason"], last["model"]) == (True, "stop", "fake-model")
        assert (last["tokens_generated"], last["usage"]["prompt_tokens"]) == (5, 7)
        assert b"[DONE]" not in got.body
        assert (ended.route, ended.outcome, ended.stream) == ("/generate/stream", "ok", True)
        assert ended.usage == Usage(7, 5, 2, 0, "reported")

    async def test_pieces_are_counted_where_the_upstream_tells_no_usage(self) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=DEFAULT)) as proxy:
            upstream.script(text_stream("one two three", usage=False))
            last = (await generate(proxy, asked(), stream=True)).events[-1]

        assert (last["tokens_generated"], "usage" in last) == (3, False)

    async def test_an_upstream_that_refuses_to_tell_usage_is_asked_without(self) -> None:
        refusal = {"error": {"message": "unknown field", "param": "stream_options"}}
        async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=DEFAULT)) as proxy:
            upstream.on(lambda seen: error(422, refusal) if seen.asked_usage else text_stream("fine", usage=False))
            assert (await generate(proxy, asked(), stream=True)).events[-1]["accumulated_text"] == "fine"

    async def test_an_answer_in_one_piece_is_a_stream_too(self) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=DEFAULT)) as proxy:
            upstream.script(whole("fine"))
            got = await generate(proxy, asked(), stream=True)

        assert got.events[-1]["accumulated_text"] == "fine"

    async def test_reasoning_is_left_out(self) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=DEFAULT)) as proxy:
            upstream.script(reasoning_stream("hm", "yes"))
            got = await generate(proxy, asked(), stream=True)

        assert got.events[-1]["accumulated_text"] == "yes"
        assert b"hm" not in got.body

    @pytest.mark.parametrize("end", [close(), cut(), stall()], ids=["close", "cut", "stall"])
    async def test_a_stream_that_breaks_ends_with_an_error_and_is_not_finished(self, end: Any) -> None:
        async with FakeUpstream() as upstream:
            upstream.script(started().then(pause(0.02), end))
            row = "timeouts: {idle: 200ms}"
            async with serving(one_upstream(upstream, row=row, more=DEFAULT)) as proxy:
                got = await generate(proxy, asked(), stream=True)
                [ended] = await proxy.all_ended(1)

        assert (got.status, got.whole) == (200, True)
        assert [found.get("text") for found in got.events] == ["a", None]
        assert set(got.events[-1]) == {"error"}
        assert set(got.events[-1]["error"]) == {"message", "type", "param", "code"}
        assert ended.outcome in ("truncated", "error")
        assert b'"finished":true' not in got.body

    async def test_silence_is_filled_with_comments(self) -> None:
        async with FakeUpstream() as upstream:
            upstream.script(Answer((pause(0.5), *text_stream("fine").steps)))
            more = "defaults: {model: m, heartbeat: 100ms}"
            async with serving(one_upstream(upstream, more=more)) as proxy:
                got = await generate(proxy, asked(), stream=True)

        assert got.body.startswith(b": ping\n\n")
        assert got.events[-1]["accumulated_text"] == "fine"

    async def test_progress_is_of_chats_only(self) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=DEFAULT)) as proxy:
            upstream.script(Answer((pause(0.6), *text_stream("fine").steps)))
            got = await generate(proxy, asked(), stream=True, **{"x-llms-stream": "progress"})

        assert b"llms" not in got.body
        assert got.events[-1]["accumulated_text"] == "fine"

    @pytest.mark.parametrize(
        "leave", [RawClient.close, RawClient.reset, RawClient.half_close], ids=lambda way: way.__name__
    )
    @pytest.mark.parametrize("path", ["/generate", "/generate/stream"])
    async def test_a_client_that_leaves_stops_the_upstream(self, path: str, leave: Callable[[RawClient], None]) -> None:
        async with FakeUpstream() as upstream:
            upstream.script(started().then(stall()) if path.endswith("stream") else answer(stall()))
            async with serving(one_upstream(upstream, more=DEFAULT)) as proxy:
                client = await RawClient.to(proxy)
                await client.send(asked(), path=path)
                seen = await upstream.arrived()
                if path.endswith("stream"):
                    await client.until(b'"a"')
                left = time.monotonic()
                leave(client)

                assert await seen.gone() - left < 1.0
                [ended] = await proxy.all_ended(1)
                assert (ended.outcome, ended.route) == ("cancelled", path)
                client.close()

    async def test_a_server_that_stops_ends_a_stream_with_an_error(self) -> None:
        async with FakeUpstream() as upstream:
            upstream.script(started().then(stall()))
            async with serving(one_upstream(upstream, more=DEFAULT)) as proxy, connected(proxy) as client:
                await client.send(asked(), path="/generate/stream")
                await client.until(b'"a"')
                proxy.engine.interrupt()
                rest = await client.until(b"0\r\n\r\n")

        assert b'"server_stopping"' in rest
        assert b'"finished":true' not in rest


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize(
    ("sent", "param"),
    [({}, "prompt"), ({"prompt": 5}, "prompt"), ({"prompt": "x", "max_tokens": 0}, "max_tokens"), ([], None)],
)
async def test_a_wrong_body_is_refused_before_anybody_is_asked(sent: Any, param: str | None, stream: bool) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=DEFAULT)) as proxy:
        got = await generate(proxy, sent, stream=stream)
        assert assert_refused(got, 400, code="invalid_request")["param"] == param
        assert not upstream.chats


async def test_a_key_is_needed_where_keys_are_required() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=f"{DEFAULT}\n{KEYS}")) as proxy:
        for stream in (True, False):
            assert_refused(await generate(proxy, asked(), stream=stream), 401)
            assert (await generate(proxy, asked(), stream=stream, Authorization=BEARER)).status == 200
        ended = await proxy.all_ended(2)

    assert all(one.key_id for one in ended)


async def test_a_target_that_fails_is_followed_by_the_next() -> None:
    text = """
providers:
  first: {{type: openai_compatible, base_url: "{0}", retries: 0}}
  second: {{type: openai_compatible, base_url: "{1}", retries: 0}}
models:
  m: {{targets: [first/one, second/two]}}
defaults: {{model: m}}
"""
    async with FakeUpstream() as first, FakeUpstream() as second:
        first.script(error(500))
        async with serving(text.format(first.url, second.url)) as proxy:
            for stream in (True, False):
                got = await generate(proxy, asked(), stream=stream)
                assert (got.status, got.headers["x-llms-provider"]) == (200, "second")
