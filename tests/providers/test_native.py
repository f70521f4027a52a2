"""Requests in the client's own dialect, at an endpoint that speaks it."""

import asyncio
import contextlib
import json

import pytest

from llms.protocol.chat import ChatRequest
from llms.protocol.errors import (
    LlmsError,
    UpstreamOverloaded,
    UpstreamProtocolError,
    UpstreamRejected,
    UpstreamTruncated,
)
from llms.protocol.native import Original
from llms.testing import messages
from llms.testing.fake_upstream import answer, body, cut, error, raw, reply, stall, wait
from tests.providers.relayed import made

TEXT = (messages.start(), messages.block(0, {"type": "text", "text": ""}, messages.delta("text", "Hello")))
STREAM = (*TEXT, messages.PING, messages.message_event(), messages.STOP)
BODY = {"model": "alias", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}], "x_new": {"kept": True}}


def asked(*, headers=()):
    chat = {"model": "fake-model", "messages": [{"role": "user", "content": "Hi"}]}
    return ChatRequest(chat, "fake-model", original=Original("messages", BODY, headers))


@contextlib.asynccontextmanager
async def ready(**options):
    setup = made(**{"dialects": ["messages"], **options})
    async with setup.ready() as (provider, upstream):
        yield provider, upstream


async def chunks_of(provider, *, stream=True, request=None):
    async with contextlib.aclosing(provider.chat(request or asked(), stream=stream)) as chunks:
        return [chunk async for chunk in chunks]


class TestStreams:
    async def test_the_bytes_are_the_upstreams(self):
        async with ready() as (provider, upstream):
            upstream.script(messages.stream(*STREAM))
            chunks = await chunks_of(provider)

        assert b"".join(chunk.native.wire for chunk in chunks) == b"".join(STREAM)
        assert chunks[-1].final
        assert chunks[-1].native.usage.completion_tokens == 5

    async def test_the_request_is_the_clients(self):
        async with ready() as (provider, upstream):
            upstream.script(messages.stream(*STREAM))
            await chunks_of(provider, request=asked(headers=(("anthropic-beta", "one,two"),)))
            (seen,) = upstream.chats

        assert seen.path == "/v1/messages"
        assert seen.json == {**BODY, "model": "fake-model", "stream": True}
        assert seen.headers["anthropic-beta"] == "one,two"
        assert seen.headers["x-llms-hops"] == "1"

    async def test_the_connection_is_used_again(self):
        async with ready() as (provider, upstream):
            upstream.script(messages.stream(*STREAM))
            await chunks_of(provider)
            await chunks_of(provider)

            assert len({seen.connection for seen in upstream.chats}) == 1

    async def test_leaving_stops_the_upstream(self):
        async with ready() as (provider, upstream):
            upstream.script(messages.stream(*TEXT).then(stall()))
            chunks = provider.chat(asked())
            await anext(chunks)
            await chunks.aclose()

            await upstream.closed()

    async def test_a_whole_answer_to_a_stream_request_is_told_as_one(self):
        blocks = [
            {"type": "thinking", "thinking": "Hm.", "signature": "sig"},
            {"type": "text", "text": "Hello"},
            {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}},
        ]
        async with ready() as (provider, upstream):
            upstream.script(body(messages.message(blocks, stop="tool_use")))
            (chunk,) = await chunks_of(provider)

        events = [json.loads(line[6:]) for line in chunk.native.wire.split(b"\n") if line.startswith(b"data: ")]
        assert [event["type"] for event in events[:3]] == [
            "message_start",
            "content_block_start",
            "content_block_delta",
        ]
        deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
        assert deltas == [
            {"type": "thinking_delta", "thinking": "Hm."},
            {"type": "signature_delta", "signature": "sig"},
            {"type": "text_delta", "text": "Hello"},
            {"type": "input_json_delta", "partial_json": '{"a":1}'},
        ]
        assert events[-1] == {"type": "message_stop"}
        assert (chunk.native.finish, chunk.native.complete) == ("tool_calls", True)

    async def test_a_row_that_cannot_stream_is_asked_for_the_whole(self):
        async with ready(stream=False) as (provider, upstream):
            upstream.script(body(messages.message()))
            (chunk,) = await chunks_of(provider)

            assert upstream.chats[0].json.get("stream") is None
            assert chunk.native.wire.endswith(messages.STOP)


class TestWholeAnswers:
    async def test_the_bytes_are_the_upstreams(self):
        text = json.dumps(messages.message(), indent=1)
        async with ready() as (provider, upstream):
            upstream.script(body(text.encode(), headers={"Content-Type": "application/json"}))
            (chunk,) = await chunks_of(provider, stream=False)

        assert chunk.native.wire == text.encode()
        assert chunk.native.usage[:3] == (7, 5, 2)

    @pytest.mark.parametrize("answered", [{"content": "text"}, [], {"choices": []}])
    async def test_what_is_no_message_is_refused(self, answered):
        async with ready() as (provider, upstream):
            upstream.script(body(answered))
            with pytest.raises(UpstreamProtocolError):
                await chunks_of(provider, stream=False)


class TestFailures:
    async def test_a_refusal_keeps_its_status(self):
        async with ready() as (provider, upstream):
            upstream.script(messages.failure(400, "invalid_request_error", "max_tokens: too large"))
            with pytest.raises(UpstreamRejected, match="max_tokens: too large"):
                await chunks_of(provider)

    async def test_overload_can_be_told_as_the_first_event(self):
        failed = messages.event("error", error={"type": "overloaded_error", "message": "Overloaded"})
        async with ready() as (provider, upstream):
            upstream.script(messages.stream(failed))
            with pytest.raises(UpstreamOverloaded):
                await chunks_of(provider)

    async def test_a_cut_in_the_middle_is_told(self):
        async with ready() as (provider, upstream):
            upstream.script(messages.stream(*TEXT).then(cut()))
            with pytest.raises(UpstreamTruncated):
                await chunks_of(provider)

    async def test_a_cut_after_the_stop_reason_is_mended(self):
        arrived = asyncio.Event()
        async with ready() as (provider, upstream):
            steps = messages.stream(*TEXT, messages.message_event()).steps
            upstream.script(answer(*steps, raw(b"event: mess"), wait(arrived), cut()))
            wires = []
            async for chunk in provider.chat(asked()):
                wires.append(chunk.native.wire)
                if b"message_delta" in wires[-1]:
                    arrived.set()

        assert b"".join(wires) == b"".join((*TEXT, messages.message_event(), messages.STOP))


class TestMissingRoutes:
    async def test_a_chat_is_asked_instead_and_it_is_remembered(self):
        async with ready() as (provider, upstream):
            upstream.script(error(404), reply("translated"))
            for _ in range(2):
                chunks = await chunks_of(provider)
                assert all(chunk.native is None for chunk in chunks)

            paths = [seen.path for seen in upstream.chats]
            assert paths == ["/v1/messages", "/v1/chat/completions", "/v1/chat/completions"]

    async def test_a_row_without_the_dialect_is_asked_for_a_chat(self):
        async with ready(dialects=[]) as (provider, upstream):
            upstream.script(reply("translated"))
            await chunks_of(provider)

            assert upstream.chats[0].path == "/v1/chat/completions"

    async def test_no_chat_is_asked_when_that_is_missing_too(self):
        async with ready() as (provider, upstream):
            upstream.script(error(404), error(404))
            with pytest.raises(LlmsError):
                await chunks_of(provider)

            assert len(upstream.chats) == 2
