"""POST /v1/messages through a whole proxy, on plain sockets."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from llms.protocol.dialects.messages.details import UNSIGNED
from llms.testing import messages
from llms.testing.answers import Answer, chunk, reply, text_stream
from llms.testing.fake_upstream import FakeUpstream, answer, close, error, event, stall, wait, whole
from tests.protocol.dialects.messages.legal import events_of, message_of
from tests.providers.anthropic_scripts import text_block
from tests.proxy import Proxy, Reply, ask, one_upstream, serving
from tests.server.wire import BEARER, KEYS, answers, connected, get, read

PATH = "/v1/messages"
ASKED: dict[str, Any] = {"model": "m", "max_tokens": 64, "messages": [{"role": "user", "content": "Hi"}]}
NATIVE = "dialects: [messages]"


def claude_code() -> dict[str, Any]:
    """Return a request of the shape that Claude Code sends."""
    mark = {"type": "ephemeral"}
    tools = [
        {"name": f"Tool{at}", "description": "Does it.", "input_schema": {"type": "object", "properties": {}}}
        for at in range(20)
    ]
    return {
        "model": "m",
        "max_tokens": 32000,
        "stream": True,
        "temperature": 1,
        "metadata": {"user_id": "user_1_account__session_2"},
        "thinking": {"type": "enabled", "budget_tokens": 31999},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "system": [
            {"type": "text", "text": "You are a command line tool.", "cache_control": mark},
            {"type": "text", "text": "Be brief.", "cache_control": mark},
        ],
        "tools": tools,
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "List the files."}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "I look.", "signature": "c2ln"},
                    {"type": "text", "text": "I look."},
                    {"type": "tool_use", "id": "toolu_1", "name": "Tool1", "input": {"path": "."}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "toolu_1", "content": "a\nb", "cache_control": mark},
                ],
            },
        ],
    }


async def post(proxy: Proxy, sent: Any, *, path: str = PATH, **headers: str) -> Reply:
    return await ask(proxy, sent, path=path, headers=headers)


def failure_of(got: Reply) -> tuple[int, str, str]:
    """Return status, type and message of an error, which has Anthropic's shape."""
    found = json.loads(got.body)
    assert set(found) == {"type", "error", "request_id"}
    assert (found["type"], set(found["error"])) == ("error", {"type", "message"})
    assert found["request_id"] == got.headers["request-id"] == got.headers["x-request-id"]
    return got.status, found["error"]["type"], found["error"]["message"]


class TestAnswers:
    @pytest.mark.parametrize("path", [PATH, "/messages", f"{PATH}?beta=true"])
    async def test_what_claude_code_asks_is_answered(self, path: str) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
            upstream.script(reply("Two files."))
            got = await post(proxy, claude_code(), path=path, **{"anthropic-beta": "claude-code-20250219"})
            (seen,) = upstream.chats
            (ended,) = await proxy.all_ended(1)

        assert message_of(got.body)["content"] == [{"type": "text", "text": "Two files."}]
        assert (got.headers["content-type"], got.headers["x-llms-provider"]) == ("text/event-stream", "up")
        assert [message["role"] for message in seen.json["messages"]] == ["system", "user", "assistant", "tool"]
        assert (seen.json["reasoning_effort"], len(seen.json["tools"])) == ("high", 20)
        assert seen.json["messages"][2]["reasoning_details"][0]["signature"] == "c2ln"
        assert "context_management" not in seen.json
        assert (ended.outcome, ended.usage.completion_tokens) == ("ok", 5)

    async def test_a_whole_answer_has_the_headers(self) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
            upstream.script(whole("Hello"))
            got = await post(proxy, ASKED)

        assert json.loads(got.body)["content"] == [{"type": "text", "text": "Hello"}]
        assert got.headers["request-id"] == got.headers["x-request-id"]

    async def test_silence_is_broken_by_pings(self) -> None:
        more = "defaults: {heartbeat: 100ms}"
        go_on = asyncio.Event()
        async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=more)) as proxy:
            upstream.script(answer(wait(go_on), *text_stream("Hello").steps))
            async with connected(proxy) as client:
                await client.send({**ASKED, "stream": True}, path=PATH)
                seen = await client.until(b"ping")
                go_on.set()
                seen += await client.until(b"message_stop")

        assert b'event: ping\ndata: {"type":"ping"}\n\n' in seen
        assert b": ping\n\n" not in seen.replace(b"event: ping", b"")

    async def test_a_client_that_leaves_stops_the_upstream(self) -> None:
        begun = answer(event(chunk({"role": "assistant", "content": "Hello"})), stall())
        async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
            upstream.script(begun)
            async with connected(proxy) as client:
                await client.send({**ASKED, "stream": True}, path=PATH)
                await client.until(b"text_delta")
            seen = await upstream.arrived()
            await seen.gone()
            (ended,) = await proxy.all_ended(1)

        assert ended.outcome == "cancelled"


class TestNative:
    async def test_a_stream_passes_byte_for_byte(self) -> None:
        told = (
            messages.start(),
            messages.PING,
            text_block(0, ["Grüße\u2028"]),
            messages.message_event(),
            messages.STOP,
        )
        async with FakeUpstream() as upstream, serving(one_upstream(upstream, row=NATIVE)) as proxy:
            upstream.script(messages.stream(*told).bytewise())
            got = await post(proxy, {**ASKED, "stream": True})
            (ended,) = await proxy.all_ended(1)

        assert got.body == b"".join(told)
        assert (ended.outcome, ended.chunks, ended.usage.prompt_tokens) == ("ok", 7, 7)

    @pytest.mark.parametrize("signature", ["", UNSIGNED])
    async def test_only_what_is_not_ours_is_sent_to_anthropic(self, signature: str) -> None:
        foreign = [{"type": "thinking", "thinking": "Hm.", "signature": signature}, {"type": "text", "text": "Hi"}]
        turns = [*ASKED["messages"], {"role": "assistant", "content": foreign}, *ASKED["messages"]]
        async with FakeUpstream() as upstream, serving(one_upstream(upstream, row=NATIVE)) as proxy:
            upstream.script(messages.stream(*_whole_stream()))
            await post(proxy, {**ASKED, "messages": turns, "stream": True})
            (seen,) = upstream.chats

        assert seen.json["messages"][1]["content"] == [{"type": "text", "text": "Hi"}]

    async def test_what_needs_anthropic_passes_there(self) -> None:
        tools = [{"type": "web_search_20250305", "name": "web_search"}]
        async with FakeUpstream() as upstream, serving(one_upstream(upstream, row=NATIVE)) as proxy:
            upstream.script(messages.stream(*_whole_stream()))
            got = await post(proxy, {**ASKED, "tools": tools, "stream": True})

        assert (got.status, upstream.chats[0].json["tools"]) == (200, tools)

    async def test_a_cut_is_told_as_an_error_of_theirs(self) -> None:
        begun = messages.stream(messages.start(), text_block(0, ["Hello"])).then(close())
        async with FakeUpstream() as upstream, serving(one_upstream(upstream, row=NATIVE)) as proxy:
            upstream.script(begun)
            got = await post(proxy, {**ASKED, "stream": True})
            (ended,) = await proxy.all_ended(1)

        last = events_of(got.body)[-1]
        assert (last["type"], last["error"]["type"]) == ("error", "api_error")
        assert ended.outcome == "truncated"

    async def test_a_client_that_leaves_stops_the_upstream(self) -> None:
        begun = messages.stream(messages.start(), text_block(0, ["Hello"])).then(stall())
        async with FakeUpstream() as upstream, serving(one_upstream(upstream, row=NATIVE)) as proxy:
            upstream.script(begun)
            async with connected(proxy) as client:
                await client.send({**ASKED, "stream": True}, path=PATH)
                await client.until(b"text_delta")
            seen = await upstream.arrived()

            await seen.gone()

    @pytest.mark.parametrize("stream", [True, False])
    async def test_a_stalled_upstream_is_given_up(self, stream: bool) -> None:
        row = f"{NATIVE}, retries: 0, timeouts: {{first_chunk: 100ms, answer: 100ms}}"
        async with FakeUpstream() as upstream, serving(one_upstream(upstream, row=row)) as proxy:
            upstream.script(answer(stall()))
            got = await post(proxy, {**ASKED, "stream": stream})

        assert failure_of(got)[:2] == (504, "timeout_error")


class TestFailures:
    async def test_without_a_key(self) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=KEYS)) as proxy:
            refused = await post(proxy, ASKED)
            models = await read(proxy, "/v1/models", anthropic_version="2023-06-01")
            admitted = await post(proxy, ASKED, **{"x-api-key": BEARER.removeprefix("Bearer ")})

        assert failure_of(refused)[:2] == (401, "authentication_error")
        assert failure_of(models)[:2] == (401, "authentication_error")
        assert admitted.status == 200

    async def test_of_the_request(self) -> None:
        more = "server: {max_body: 1KiB}"
        async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=more)) as proxy:
            large = await post(proxy, {**ASKED, "system": "x" * 2000})
            unknown = await post(proxy, {**ASKED, "model": "nobody"})
            broken = await post(proxy, b"{")
            empty = await post(proxy, {**ASKED, "messages": []})
            nowhere = await read(proxy, "/v1/nowhere", anthropic_version="2023-06-01")
            plain = await read(proxy, "/v1/nowhere")

        assert failure_of(large)[:2] == (413, "request_too_large")
        assert failure_of(unknown)[:2] == (404, "not_found_error")
        assert failure_of(broken)[:2] == (400, "invalid_request_error")
        assert "messages" in failure_of(empty)[2]
        assert failure_of(nowhere)[:2] == (404, "not_found_error")
        assert json.loads(plain.body)["error"]["code"] == "not_found"
        assert upstream.chats == []

    @pytest.mark.parametrize(
        ("status", "told"),
        [
            (400, (400, "invalid_request_error")),
            (403, (403, "permission_error")),
            (429, (429, "rate_limit_error")),
            (500, (500, "api_error")),
            (503, (529, "overloaded_error")),
            (529, (529, "overloaded_error")),
        ],
    )
    @pytest.mark.parametrize("stream", [True, False])
    async def test_of_the_upstream(self, stream: bool, status: int, told: tuple[int, str]) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream, row="retries: 0")) as proxy:
            upstream.script(error(status))
            got = await post(proxy, {**ASKED, "stream": stream})

        assert failure_of(got)[:2] == told

    async def test_a_prompt_that_is_too_long_says_so_in_their_words(self) -> None:
        told = {"message": "This model's maximum context length is 8 tokens", "code": "context_length_exceeded"}
        async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
            upstream.script(error(400, {"error": told}))
            got = await post(proxy, ASKED)

        assert failure_of(got)[:2] == (400, "invalid_request_error")
        assert failure_of(got)[2].startswith("prompt is too long")

    async def test_after_the_first_event(self) -> None:
        broken = answer(event(chunk({"role": "assistant", "content": "Hello"})), event({"error": {"message": "gone"}}))
        async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
            upstream.script(broken)
            got = await post(proxy, {**ASKED, "stream": True})

        *before, last = events_of(got.body)
        assert before[-1]["delta"]["text"] == "Hello"
        assert (last["type"], last["error"]["type"], "gone" in last["error"]["message"]) == ("error", "api_error", True)


class TestCounting:
    async def test_an_estimate_says_that_it_is_one(self) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
            got = await post(proxy, {"model": "m", "messages": ASKED["messages"]}, path=f"{PATH}/count_tokens")
            unknown = await post(proxy, {**ASKED, "model": "nobody"}, path="/messages/count_tokens")

        assert json.loads(got.body)["input_tokens"] > 0
        assert got.headers["x-llms-estimated"] == "true"
        assert failure_of(unknown)[:2] == (404, "not_found_error")

    async def test_the_upstream_counts_where_it_can(self) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream, row=NATIVE)) as proxy:
            upstream.script(_counted(12), error(400), error(404))
            asked = {"model": "m", "messages": ASKED["messages"]}
            found = [await post(proxy, asked, path=f"{PATH}/count_tokens") for _ in range(4)]
            paths = [seen.path for seen in upstream.chats]

        assert json.loads(found[0].body) == {"input_tokens": 12}
        assert failure_of(found[1])[:2] == (400, "invalid_request_error")
        assert [reply.headers.get("x-llms-estimated") for reply in found] == [None, None, "true", "true"]
        assert paths == ["/v1/messages/count_tokens"] * 3


class TestProbes:
    async def test_models_are_listed_in_either_form(self) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
            theirs = json.loads((await read(proxy, "/v1/models?limit=1000", anthropic_version="2023-06-01")).body)
            one = json.loads((await read(proxy, "/v1/models/m", anthropic_version="2023-06-01")).body)
            ours = json.loads((await read(proxy, "/v1/models")).body)

        assert (theirs["has_more"], theirs["first_id"]) == (False, theirs["data"][0]["id"])
        assert one == next(model for model in theirs["data"] if model["id"] == "m")
        assert one["type"] == "model"
        assert {"display_name", "created_at"} <= set(one)
        assert (ours["object"], {model["object"] for model in ours["data"]}) == ("list", {"model"})

    async def test_other_methods_are_refused_in_their_form(self) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
            (got,) = await answers(proxy, get(PATH.encode(), b"anthropic-version: 2023-06-01"))

        assert failure_of(got)[:2] == (405, "invalid_request_error")


class TestStrictUpstreams:
    async def test_what_an_upstream_refuses_is_left_out_and_remembered(self) -> None:
        def refused(message: str, param: str | None = None) -> Answer:
            return error(400, {"error": {"message": message, "type": "invalid_request_error", "param": param}})

        async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
            upstream.script(
                refused("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", "max_tokens"),
                refused(
                    "Unknown parameter: 'messages[0].content[0].cache_control'.", "messages[0].content[0].cache_control"
                ),
                refused("property 'reasoning_details' is unsupported"),
                refused("temperature does not support this value", "temperature"),
                text_stream("Hello"),
            )
            for _ in range(2):
                got = await post(proxy, claude_code())
                assert message_of(got.body)["content"] == [{"type": "text", "text": "Hello"}]
            first, *_, last = [seen.json for seen in upstream.chats]

        assert len(upstream.chats) == 6
        assert first["max_tokens"] == last["max_completion_tokens"] == 32000
        assert "cache_control" in json.dumps(first)
        assert not {"max_tokens", "temperature"} & set(last)
        assert not any(name in json.dumps(last) for name in ("cache_control", "reasoning_details"))
        assert last["messages"][3]["content"] == "a\nb"

    async def test_what_a_chat_client_wrote_is_never_changed(self) -> None:
        told = {"message": "Use 'max_completion_tokens' instead.", "param": "max_tokens"}
        async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
            upstream.script(error(400, {"error": told}))
            got = await ask(proxy, {**ASKED, "stream": False})

        assert (got.status, len(upstream.chats)) == (400, 1)


def _whole_stream() -> tuple[bytes, ...]:
    return messages.start(), text_block(0, ["Hi"]), messages.message_event(), messages.STOP


def _counted(tokens: int) -> Answer:
    from llms.testing.answers import body

    return body({"input_tokens": tokens})
