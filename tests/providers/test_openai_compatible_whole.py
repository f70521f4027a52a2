"""Upstreams that do not stream, or answer otherwise than they were asked."""

import contextlib

import pytest

from llms.protocol.errors import UpstreamError, UpstreamProtocolError
from llms.testing.contract.setup import objects_of
from llms.testing.fake_upstream import answer, body, error, head, reply, text_stream, whole
from tests.providers.relayed import made, said


class TestUpstreamsThatDoNotStream:
    @pytest.mark.parametrize(
        "refusal",
        [
            {"error": {"message": "Streaming is not supported for this model", "param": "stream"}},
            {"error": {"message": "this deployment does not support stream", "param": None}},
            {"detail": [{"loc": ["body", "stream"], "msg": "not supported"}]},
        ],
    )
    async def test_a_refusal_to_stream_is_answered_whole(self, refusal):
        setup = made()
        async with setup.ready() as (provider, upstream):
            upstream.on(lambda seen: error(400, refusal) if seen.stream else whole("Hello there"))

            assert said(setup, await setup.ask(provider)) == "Hello there"
            assert upstream.chats[-1].json.get("stream") in (None, False)

    async def test_one_model_that_cannot_stream_does_not_slow_down_the_others(self):
        setup = made()
        refusal = {"error": {"message": "Streaming is not supported for this model", "param": "stream"}}
        async with setup.ready() as (provider, upstream):
            upstream.on(
                lambda seen: error(400, refusal) if seen.stream and seen.json["model"] == "old" else reply("hi")(seen)
            )
            old = setup.request().for_model("old")
            async with contextlib.aclosing(provider.chat(old)) as chunks:
                assert said(setup, [part async for part in chunks]) == "hi"
            assert said(setup, await setup.ask(provider)) == "hi"

            assert upstream.chats[-1].stream

    async def test_other_refusals_are_not_taken_for_that(self):
        setup = made()
        async with setup.ready() as (provider, upstream):
            upstream.script(error(400, message="the upstream streams no images"), reply())
            failure, _ = await setup.fail(provider)

            assert "images" in failure.message
            assert len(upstream.chats) == 1

    async def test_a_row_may_say_so(self):
        setup = made(stream=False)
        async with setup.ready() as (provider, upstream):
            chunks = await setup.ask(provider)

            assert said(setup, chunks) == "Hello world"
            assert not upstream.chats[0].stream
            assert all(item["object"] == "chat.completion.chunk" for item in objects_of(chunks))

    @pytest.mark.parametrize("stream", [True, False])
    async def test_json_for_a_stream_and_a_stream_for_json(self, stream):
        setup = made()
        async with setup.ready() as (provider, upstream):
            upstream.script(whole("other") if stream else text_stream("other", usage=False))
            folded = setup.fold(await setup.ask(provider, stream=stream))

            assert folded["choices"][0]["message"]["content"] == "other"

    async def test_json_without_choices_for_a_stream_fails(self):
        setup = made()
        async with setup.ready() as (provider, upstream):
            upstream.script(body({"ok": True}))
            failure, _ = await setup.fail(provider)

            assert isinstance(failure, UpstreamProtocolError)

    async def test_an_error_in_a_good_answer_is_an_error(self):
        setup = made()
        async with setup.ready() as (provider, upstream):
            upstream.script(body({"error": {"message": "no credit", "code": 402}}))
            for stream in (True, False):
                failure, _ = await setup.fail(provider, stream=stream)
                assert ("no credit" in failure.message, failure.http_status) == (True, 402)

    @pytest.mark.parametrize("kind", ["text/event-stream; charset=utf-8", "text/plain", "application/octet-stream", ""])
    async def test_a_stream_of_another_type_is_read(self, kind):
        setup = made()
        async with setup.ready() as (provider, upstream):
            stream = text_stream("typed", usage=False)
            upstream.script(answer(head(200, {"Content-Type": kind}), *stream.steps))

            assert said(setup, await setup.ask(provider)) == "typed"

    @pytest.mark.parametrize("kind", ["text/html", "text/plain", "text/event-stream"])
    async def test_a_page_instead_of_a_stream_brings_no_chunk(self, kind):
        setup = made()
        async with setup.ready() as (provider, upstream):
            upstream.script(body("<html><h1>Sign in</h1></html>", headers={"Content-Type": kind}))
            chunks = []
            with contextlib.suppress(UpstreamError):
                chunks += await setup.ask(provider)

            assert objects_of(chunks) == []
