"""Relaying an endpoint that speaks OpenAI."""

import contextlib

import pytest

from llms.config.problems import Invalid
from llms.protocol.errors import UpstreamProtocolError, UpstreamRejected
from llms.providers.base import ProviderSettings
from llms.providers.openai_compatible import OpenAICompatible, Options
from llms.testing.contract import ProviderContract
from llms.testing.contract.setup import objects_of
from llms.testing.fake_upstream import answer, body, error, head, raw, text_stream, tool_stream
from llms.testing.plain_client import calls_of, reasoning_of, text_of
from llms.testing.transcripts import TRANSCRIPTS
from tests.providers.relayed import Made, made, said


class TestContract(Made, ProviderContract):
    """All that every provider must hold."""

    makes_embeddings = True


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

    async def test_a_header_of_the_row_stands_instead_of_ours(self):
        rows = {"host": "example.org", "AUTHORIZATION": "Bearer other", "user-agent": "mine", "content-TYPE": "text/x"}
        setup = made(headers=rows)
        async with setup.ready() as (provider, upstream):
            await setup.ask(provider)

            assert {name: upstream.chats[0].headers[name.lower()] for name in rows} == rows
            head = provider._chat_head.decode().split("\r\n")
            for name, value in rows.items():
                assert [line for line in head if line.lower().startswith(f"{name.lower()}:")] == [f"{name}: {value}"]

    @pytest.mark.parametrize("name", ["Transfer-Encoding", "content-length", "Connection", "upgrade", "X-LLMS-Hops"])
    def test_a_header_that_frames_the_request_is_refused(self, name):
        with pytest.raises(Invalid, match=f"'{name}' is set for each request by itself"):
            Options(base_url="http://x", headers={name: "5"})

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
        with pytest.raises(Invalid):
            Options(base_url=url)

    @pytest.mark.parametrize("url", ["http://[bad", "http://host:99999/v1", "http://host:port"])
    def test_an_address_that_cannot_be_read_is_refused_in_our_words(self, url):
        with pytest.raises(Invalid, match="must be an http:// or https:// address"):
            Options(base_url=url)

    async def test_what_is_kept_out_of_messages(self):
        setup = made(
            headers={
                "X-Country-Code": "us",
                "x-auth-token": "header-secret",
                "Authorization": "Basic dXNlcjpwdw==",
                "x-team-key": "short",
                "x-team": "not-a-secret",
            }
        )
        told = "the us team not-a-secret may not: header-secret dXNlcjpwdw== short " + setup.key
        async with setup.ready() as (provider, upstream):
            upstream.script(error(400, message=told))
            failure, _ = await setup.fail(provider)

            assert failure.message == "up: the us team not-a-secret may not: *** *** short ***"

    async def test_a_request_id_that_is_not_fit_is_not_told(self):
        setup = made()
        async with setup.ready() as (provider, upstream):
            stream = text_stream("x", usage=False)
            headers = {"Content-Type": "text/event-stream", "x-request-id": "r" * 3000}
            upstream.script(answer(head(200, headers), *stream.steps))
            chunks = await setup.ask(provider)

            assert {chunk.upstream_request_id for chunk in chunks} == {""}

    def test_a_key_is_not_shown(self):
        assert "sk-1" not in repr(Options(base_url="http://x", api_key="sk-1", headers={"x-key": "v"}))


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
