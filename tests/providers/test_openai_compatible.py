"""Relaying an endpoint that speaks OpenAI."""

import asyncio
import contextlib
import time

import pytest
from pydantic import ValidationError

from llms.protocol.errors import UpstreamError, UpstreamProtocolError, UpstreamRejected
from llms.providers.base import ProviderSettings
from llms.providers.openai_compatible import OpenAICompatible, Options
from llms.testing.answers import chunk
from llms.testing.contract import ProviderContract
from llms.testing.contract.setup import Setup, objects_of
from llms.testing.fake_upstream import (
    answer,
    body,
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
    tool_stream,
    whole,
)
from llms.testing.plain_client import calls_of, reasoning_of, text_of
from llms.testing.transcripts import TRANSCRIPTS


class Made(Setup):
    """Makes the provider for the tests below."""

    options = None
    settings = None

    async def provider(self, upstream):
        options = Options(**{"base_url": upstream.url, "api_key": self.key, **(self.options or {})})
        return OpenAICompatible(
            ProviderSettings("up", "openai_compatible", options, **(self.settings or {})), self.resources
        )


class TestContract(Made, ProviderContract):
    """All that every provider must hold."""


def made(*, settings=None, **options):
    setup = Made()
    setup.options, setup.settings = options, settings
    return setup


def said(setup, chunks):
    return text_of(setup.conformed(chunks))


class TestAskingForUsage:
    @pytest.mark.parametrize(("stream_usage", "asked"), [("ask", True), ("native", False), ("none", False)])
    async def test_the_row_says_whether_it_is_asked(self, stream_usage, asked):
        setup = made(stream_usage=stream_usage)
        async with setup.ready() as (provider, upstream):
            await setup.ask(provider)

            assert upstream.chats[0].asked_usage is asked

    @pytest.mark.parametrize("stream_usage", ["ask", "native", "none"])
    async def test_a_client_that_asks_is_passed_on(self, stream_usage):
        setup = made(stream_usage=stream_usage)
        async with setup.ready() as (provider, upstream):
            await setup.ask(provider, more={"stream_options": {"include_usage": True, "x_other": 1}})

            assert upstream.chats[0].json["stream_options"] == {"include_usage": True, "x_other": 1}

    async def test_it_is_never_asked_of_a_whole_answer(self):
        setup = made()
        async with setup.ready() as (provider, upstream):
            await setup.ask(provider, stream=False, more={"stream_options": {"include_usage": True}})

            assert "stream_options" not in upstream.chats[0].json

    @pytest.mark.parametrize(
        "refusal",
        [
            {"error": {"message": "Unrecognized request argument: stream_options", "param": None}},
            {"error": {"message": "unknown field", "param": "stream_options"}},
            {"detail": [{"loc": ["body", "stream_options"], "msg": "Extra inputs are not permitted"}]},
        ],
    )
    async def test_an_upstream_that_refuses_to_be_asked_is_asked_no_more(self, refusal):
        setup = made()
        async with setup.ready() as (provider, upstream):
            upstream.on(lambda seen: error(422, refusal) if seen.asked_usage else text_stream("fine", usage=False))
            texts = [said(setup, await setup.ask(provider)) for _ in range(2)]

            assert texts == ["fine", "fine"]
            assert [seen.asked_usage for seen in upstream.chats] == [True, False, False]

    async def test_what_the_client_asked_for_is_not_taken_back(self):
        setup = made()
        refusal = {"error": {"message": "unknown field", "param": "stream_options"}}
        async with setup.ready() as (provider, upstream):
            upstream.script(error(400, refusal))
            request = setup.request(more={"stream_options": {"include_usage": True}})
            with pytest.raises(UpstreamRejected, match="unknown field"):
                await anext(provider.chat(type(request)(request.body, request.model, include_usage=True)))

            assert len(upstream.chats) == 1


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


class TestWhatIsSent:
    async def test_the_key_and_the_headers_of_the_row(self):
        setup = made(headers={"x-team": "a", "Authorization": "Basic z"})
        async with setup.ready() as (provider, upstream):
            await setup.ask(provider)
            await provider.models()

            for seen in upstream.requests:
                assert (seen.headers["x-team"], seen.headers["authorization"]) == ("a", "Basic z")
            assert upstream.chats[0].headers["content-type"] == "application/json"
            assert upstream.chats[0].headers["accept-encoding"] == "identity"

    async def test_no_key_sends_no_authorization(self):
        setup = made(api_key=None)
        async with setup.ready() as (provider, upstream):
            await setup.ask(provider)

            assert "authorization" not in upstream.chats[0].headers

    @pytest.mark.parametrize("hops", [0, 2])
    async def test_hops_are_counted(self, hops):
        setup = made()
        async with setup.ready() as (provider, upstream):
            request = setup.request()
            async with contextlib.aclosing(
                provider.chat(type(request)(request.body, request.model, hops=hops))
            ) as chunks:
                assert [part async for part in chunks]

            assert upstream.chats[0].headers["x-llms-hops"] == str(hops + 1)

    @pytest.mark.parametrize(
        ("suffix", "path"),
        [
            ("/v1/", "/v1/chat/completions"),
            ("", "/chat/completions"),
            ("/openai/v1?api-version=3", "/openai/v1/chat/completions?api-version=3"),
            ("/a%2Fb", "/a%2Fb/chat/completions"),
        ],
    )
    async def test_the_address_is_kept_as_the_row_says(self, suffix, path):
        setup = Made()
        async with setup.ready() as (_, upstream):
            options = Options(base_url=upstream.url.removesuffix("/v1") + suffix)
            provider = OpenAICompatible(ProviderSettings("up", "openai_compatible", options), setup.resources)
            await setup.ask(provider)

            assert upstream.chats[0].path == path

    @pytest.mark.parametrize("url", ["ftp://x/v1", "localhost:8000", "http://", "http://me:pw@x/v1", ""])
    def test_an_address_that_cannot_be_is_refused(self, url):
        with pytest.raises(ValidationError):
            Options(base_url=url)

    def test_a_key_is_not_shown(self):
        assert "sk-1" not in repr(Options(base_url="http://x", api_key="sk-1", headers={"x-key": "v"}))


class TestLimits:
    async def test_an_event_over_the_limit_fails_the_stream(self):
        setup = made(settings={"max_event": 1000})
        async with setup.ready() as (provider, upstream):
            upstream.script(
                answer(event(chunk({"content": "ok"})), raw(b"data: "), pause(0.02), raw(b"x" * 2000), stall())
            )
            failure, before = await setup.fail(provider)

            assert isinstance(failure, UpstreamProtocolError)
            assert text_of(objects_of(before)) == "ok"

    async def test_a_long_event_within_the_limit_is_exact(self):
        setup = made()
        text = "long äöü " * 250_000
        async with setup.ready() as (provider, upstream):
            upstream.script(text_stream(text, chunks=1))

            assert said(setup, await setup.ask(provider)) == text

    async def test_ten_thousand_events_in_one_write_stay_in_order(self):
        setup = made()
        words = [f"{number} " for number in range(10_000)]
        async with setup.ready() as (provider, upstream):
            upstream.script(text_stream("".join(words)).joined())
            chunks = await setup.ask(provider)

            assert said(setup, chunks) == "".join(words)
            assert len(chunks) < 1000, "one read should be one chunk"

    @pytest.mark.parametrize("status", [200, 500])
    async def test_a_whole_answer_over_the_limit_fails(self, status):
        setup = made(settings={"max_answer": 100_000})
        async with setup.ready() as (provider, upstream):
            upstream.script(body({"choices": [], "padding": "x" * 200_000}, status=status))
            failure, _ = await setup.fail(provider, stream=False)

            assert isinstance(failure, UpstreamError)

    async def test_a_slow_reader_holds_back_a_fast_upstream(self):
        setup = made()
        async with setup.ready() as (provider, upstream):
            upstream.script(flood(64 * 2**20))
            async with contextlib.aclosing(provider.chat(setup.request())) as chunks:
                await anext(chunks)
                await asyncio.sleep(0.1)

                assert not upstream.chats[0].finished

    async def test_nobody_who_answers_a_connection_is_waited_for_as_long_as_the_row_says(self):
        setup = made(settings={"connect_timeout": 0.05}, base_url="http://127.0.0.1:9/v1")
        async with setup.ready() as (provider, _):
            failure, _ = await setup.fail(provider)

            assert isinstance(failure, UpstreamError)


class TestConnections:
    async def test_a_finished_stream_leaves_its_connection_for_the_next(self):
        setup = made()
        async with setup.ready() as (provider, upstream):
            for _ in range(3):
                await setup.ask(provider)
            await setup.ask(provider, stream=False)

            assert {seen.connection for seen in upstream.chats} == {1}

    async def test_an_upstream_that_never_ends_its_body_is_not_waited_for(self):
        setup = made()
        async with setup.ready() as (provider, upstream):
            upstream.script(text_stream("done", usage=False).then(stall()))
            started = time.monotonic()
            assert said(setup, await setup.ask(provider)) == "done"

            assert await upstream.chats[0].gone() - started < 2

    async def test_the_upstreams_request_id_is_told(self):
        setup = made()
        async with setup.ready() as (provider, upstream):
            headers = {"Content-Type": "text/event-stream", "x-request-id": "req-77"}
            upstream.script(answer(head(200, headers), *text_stream().steps))
            chunks = await setup.ask(provider)

            assert chunks[0].upstream_request_id == "req-77"

    @pytest.mark.parametrize("steps", [(comment(), pause(0.02), comment()), (raw(b"\n\n\r\n"),)])
    async def test_signs_of_life_are_no_chunks(self, steps):
        setup = made()
        async with setup.ready() as (provider, upstream):
            upstream.script(answer(*steps, *text_stream("hi", usage=False).steps))
            chunks = await setup.ask(provider)

            assert all(part.objects for part in chunks)
            assert said(setup, chunks) == "hi"


class TestTranscripts:
    @pytest.mark.parametrize("framing", ["chunked", "close", "length"])
    @pytest.mark.parametrize("name", TRANSCRIPTS)
    async def test_every_known_shape_is_read(self, name, framing):
        transcript = TRANSCRIPTS[name]
        setup = made()
        async with setup.ready() as (provider, upstream):
            upstream.script(answer(raw(transcript.raw), framing=framing))
            if transcript.finish is None:
                failure, before = await setup.fail(provider)
                assert "went away" in failure.message
                assert text_of(objects_of(before)) == transcript.text
                return
            seen = setup.conformed(await setup.ask(provider))

        assert (text_of(seen), reasoning_of(seen)) == (transcript.text, transcript.reasoning)
        assert [(held["name"], held["arguments"]) for held in calls_of(seen)] == list(transcript.tool_calls)

    async def test_tool_calls_bytewise(self):
        setup = made()
        async with setup.ready() as (provider, upstream):
            upstream.script(tool_stream().bytewise())
            (held,) = calls_of(setup.conformed(await setup.ask(provider)))

            assert held["arguments"] == '{"city": "Zürich", "days": 3}'


class TestModels:
    @pytest.mark.parametrize(
        ("listed", "ids"),
        [
            ({"object": "list", "data": [{"id": "a"}, {"id": "b"}]}, ["a", "b"]),
            ([{"id": "a"}, {"name": "b"}], ["a", "b"]),
            ({"models": [{"model": "a"}, {"name": "b"}]}, ["a", "b"]),
            ({"data": ["a", "b"]}, ["a", "b"]),
            ({"data": [{"id": "a"}, {"id": "a"}, {"id": ""}, {"id": 7}, None, {}]}, ["a"]),
            ({"data": []}, []),
        ],
    )
    async def test_lists_of_many_shapes_are_understood(self, listed, ids):
        setup = made()
        async with setup.ready() as (provider, upstream):
            upstream.models(body(listed))

            assert [model.id for model in await provider.models()] == ids

    async def test_what_is_known_of_a_model_is_told(self):
        setup = made()
        async with setup.ready() as (provider, upstream):
            upstream.models([{"id": "a", "created": 5, "owned_by": "me", "max_model_len": 8}, {"id": "b"}])
            first, second = await provider.models()

            assert (first.created, first.owned_by, dict(first.extra)) == (5, "me", {"max_model_len": 8})
            assert (second.created, second.owned_by) == (0, "up")

    @pytest.mark.parametrize("listed", [{"data": None}, {"nothing": 1}, "words", "<html>", 7, None, {"data": {"a": 1}}])
    async def test_what_is_no_list_fails(self, listed):
        setup = made()
        async with setup.ready() as (provider, upstream):
            upstream.models(body(listed))
            with pytest.raises(UpstreamProtocolError):
                await provider.models()

    async def test_a_row_may_name_them(self):
        setup = made(models=("x", "y"))
        async with setup.ready() as (provider, upstream):
            assert [model.id for model in await provider.models()] == ["x", "y"]
            assert upstream.requests == []
