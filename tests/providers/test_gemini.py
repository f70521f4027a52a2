"""Asking Gemini: what is sent where, what is remembered, and how it fails beyond the contract."""

from __future__ import annotations

import asyncio
import json
import math
from contextlib import aclosing
from typing import Any

import pytest

from llms.config.problems import Invalid
from llms.protocol.chat import ChatRequest, Usage
from llms.protocol.embeddings import EmbeddingRequest, parse_embeddings
from llms.protocol.errors import (
    InvalidRequest,
    LlmsError,
    NotSupported,
    UpstreamAuthenticationFailed,
    UpstreamError,
    UpstreamOverloaded,
    UpstreamProtocolError,
    UpstreamRejected,
)
from llms.providers import discover, registry
from llms.providers.base import ProviderSettings
from llms.providers.gemini import Gemini, Options
from llms.providers.gemini.signatures import Signatures
from llms.testing.answers import Answer
from llms.testing.contract.setup import objects_of
from llms.testing.fake_upstream import answer, body, event, head, stall
from llms.testing.seen import Seen
from tests.providers.gemini_answers import called, listed, made, refused, said, streamed, text, words_of

LOOK = called("look", {"at": 1}, signature="signed", call_id="c1")


class TestWhatIsSent:
    @pytest.mark.parametrize(
        ("stream", "path"),
        [
            (True, "/v1beta/models/m-1:streamGenerateContent?alt=sse"),
            (False, "/v1beta/models/m-1:generateContent"),
        ],
    )
    async def test_the_model_and_the_way_to_answer_stand_in_the_path(self, stream: bool, path: str) -> None:
        setup = made(headers={"x-team": "a"})
        async with setup.ready() as (provider, upstream):
            setup.script_text(upstream, "Hi")
            request = ChatRequest({"model": "m", "messages": [{"role": "user", "content": "q"}]}, "m-1", hops=2)
            async with aclosing(provider.chat(request, stream=stream)) as chunks:
                assert words_of(setup, [chunk async for chunk in chunks]) == "Hi"
            (seen,) = upstream.chats

        assert seen.path == path
        assert (seen.headers["x-goog-api-key"], seen.headers["x-team"]) == (setup.key, "a")
        assert seen.headers["x-llms-hops"] == "3"
        assert "authorization" not in seen.headers
        assert seen.json == {"contents": [{"role": "user", "parts": [{"text": "q"}]}]}

    async def test_parameters_of_the_address_stay_and_odd_ids_lead_nowhere_else(self) -> None:
        setup = made()
        async with setup.ready() as (_, upstream):
            address = f"{upstream.url}?a=1"
            provider = Gemini(settings_of(base_url=address, headers={"x-goog-api-key": "other-key"}), setup.resources)
            setup.script_text(upstream, "Hi")
            await collected(provider, "m?x#y")
            with pytest.raises(InvalidRequest, match="`model` must be"):
                await collected(provider, "../files")
            (seen,) = upstream.chats

        assert seen.path == "/v1/models/m%3Fx%23y:streamGenerateContent?a=1&alt=sse"
        assert seen.headers["x-goog-api-key"] == "other-key"

    async def test_an_address_of_the_compatible_endpoint_still_works(self) -> None:
        setup = made()
        async with setup.ready() as (_, upstream):
            provider = Gemini(settings_of(base_url=f"{upstream.url}/openai/"), setup.resources)
            setup.script_text(upstream, "Hi")
            await collected(provider, "m")

            assert upstream.chats[0].path.startswith("/v1/models/m:")

    async def test_what_cannot_be_translated_is_refused_before_anything_is_sent(self) -> None:
        setup = made()
        async with setup.ready() as (provider, upstream):
            with pytest.raises(InvalidRequest) as caught:
                await setup.ask(provider, more={"logit_bias": {"1": 2}})

            assert (caught.value.param, upstream.requests) == ("logit_bias", [])


class TestSignatures:
    async def test_of_calls_are_remembered_for_clients_that_lose_them(self) -> None:
        setup = made()
        async with setup.ready() as (provider, upstream):
            upstream.script(streamed(said(LOOK, finish="STOP")))
            (held,) = setup.fold(await setup.ask(provider))["choices"][0]["message"]["tool_calls"]
            assert held["extra_content"] == {"google": {"thought_signature": "signed"}}
            del held["extra_content"]
            history = [
                {"role": "user", "content": "q"},
                {"role": "assistant", "content": None, "tool_calls": [held]},
                {"role": "tool", "tool_call_id": "c1", "content": "seen"},
            ]
            setup.script_text(upstream, "done")
            await setup.ask(provider, more={"messages": history})

            assert upstream.chats[1].json["contents"][1:] == [
                {"role": "model", "parts": [{**LOOK}]},
                {
                    "role": "user",
                    "parts": [
                        {"functionResponse": {"id": "c1", "name": "look", "response": {"output": "seen"}}},
                    ],
                },
            ]

    def test_are_bounded_and_the_unused_go_first(self) -> None:
        known = Signatures()
        for number in range(4096):
            known.keep(f"c{number}", "s")
        assert known.of("c0") == "s"
        known.keep("one more", "s")
        known.keep("too long", "s" * 100_000)

        assert (known.of("c0"), known.of("c1"), known.of("one more"), known.of("too long")) == ("s", None, "s", None)

    def test_are_bounded_together(self) -> None:
        known = Signatures()
        for number in range(300):
            known.keep(f"c{number}", "s" * 64_000)
            known.keep("again", "s" * 64_000)

        found = [number for number in range(300) if known.of(f"c{number}")]
        assert found == list(range(170, 300))
        assert known.of("again") is not None


class TestFailures:
    @pytest.mark.parametrize("stream", [True, False])
    async def test_a_blocked_prompt_is_refused_with_its_reason(self, stream: bool) -> None:
        setup = made()
        blocked = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 3}}
        async with setup.ready() as (provider, upstream):
            upstream.script(streamed(blocked) if stream else body(blocked))
            error, before = await setup.fail(provider, stream=stream)

        assert before == []
        assert isinstance(error, UpstreamRejected)
        assert (error.http_status, error.code) == (400, "content_filter")
        assert "PROHIBITED_CONTENT" in error.message

    @pytest.mark.parametrize("stream", [True, False])
    async def test_a_call_that_the_model_got_wrong_is_worth_another_attempt(self, stream: bool) -> None:
        setup = made()
        broken = said(finish="MALFORMED_FUNCTION_CALL", finishMessage="Malformed function call: look(")
        async with setup.ready() as (provider, upstream):
            upstream.script(streamed(broken) if stream else body(broken))
            error, before = await setup.fail(provider, stream=stream)

        assert before == []
        assert isinstance(error, UpstreamError)
        assert error.retryable
        assert "look(" in error.message

    @pytest.mark.parametrize(
        ("status", "details", "kind", "patience"),
        [
            (429, [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "12s"}], UpstreamOverloaded, 12),
            (400, [{"reason": "API_KEY_INVALID"}], UpstreamAuthenticationFailed, None),
            (403, [{"reason": "API_KEY_SERVICE_BLOCKED"}], UpstreamAuthenticationFailed, None),
            (404, [], UpstreamRejected, None),
        ],
    )
    async def test_google_s_details_are_understood_everywhere(
        self, status: int, details: Any, kind: type[LlmsError], patience: float | None
    ) -> None:
        setup = made()
        async with setup.ready() as (provider, upstream):
            upstream.script(refused(status, "no", *details))
            upstream.models(refused(status, "no", *details))
            assert isinstance(provider, Gemini)
            for asking in (setup.ask(provider), provider.embed(asked("a")), provider.models()):
                with pytest.raises(kind) as caught:
                    await asking
                assert caught.value.retry_after == patience

    async def test_a_stream_that_comes_as_one_answer_is_read(self) -> None:
        setup = made()
        async with setup.ready() as (provider, upstream):
            upstream.script(body([said(text("A")), said(text("B"), finish="STOP")]))
            assert words_of(setup, await setup.ask(provider)) == "AB"
            upstream.script(streamed(said(text("A")), said(text("B"), finish="STOP")))
            assert words_of(setup, await setup.ask(provider, stream=False)) == "AB"

    async def test_a_flood_is_bounded(self) -> None:
        setup = made()
        async with setup.ready() as (_, upstream):
            provider = Gemini(settings_of(max_answer=2000, base_url=upstream.url), setup.resources)
            many = [event(said(text("x" * 100))) for _ in range(50)]
            for scripted in (answer(*many), body(said(text("x" * 3000), finish="STOP"))):
                upstream.script(scripted)
                with pytest.raises(UpstreamProtocolError, match="larger than 2000 bytes"):
                    await collected(provider, "m", stream=False)

    async def test_connections_are_used_again(self) -> None:
        setup = made()
        async with setup.ready() as (provider, upstream):
            setup.script_text(upstream, "Hi")
            for stream in (True, False, True):
                await setup.ask(provider, stream=stream)

            assert {seen.connection for seen in upstream.chats} == {1}


class TestModels:
    async def test_all_pages_are_read(self) -> None:
        setup = made()
        async with setup.ready() as (provider, upstream):
            upstream.models(listed(["a", "b"]))
            only = await provider.models()
            (asked_for,) = [seen.path for seen in upstream.requests]

        assert asked_for == "/v1beta/models?pageSize=1000"
        assert [model.id for model in only] == ["a", "b"]
        assert only[0].owned_by == "up"
        assert only[0].extra == {
            "context_window": 1_048_576,
            "max_output_tokens": 65_536,
            "display_name": "A",
            "thinking": True,
            "supported_generation_methods": ["generateContent", "countTokens"],
        }

    async def test_further_pages_are_asked_for_by_their_token(self, monkeypatch: pytest.MonkeyPatch) -> None:
        setup = made()
        async with setup.ready() as (provider, upstream):

            def page(seen: Seen) -> Answer:
                first = "pageToken" not in seen.path
                return listed(["a"], nextPageToken="p/2") if first else listed(["b"], nextPageToken="")

            monkeypatch.setattr(upstream, "answer_to", page)
            models = await provider.models()
            paths = [seen.path for seen in upstream.requests]

        assert [model.id for model in models] == ["a", "b"]
        assert paths[1] == "/v1beta/models?pageSize=1000&pageToken=p%2F2"

    async def test_a_list_without_end_ends(self, monkeypatch: pytest.MonkeyPatch) -> None:
        setup = made()
        async with setup.ready() as (provider, upstream):
            monkeypatch.setattr(upstream, "answer_to", lambda _: listed(["a"], nextPageToken="again"))

            assert [model.id for model in await provider.models()] == ["a"]
            assert len(upstream.requests) < 100

    async def test_what_neither_chats_nor_makes_vectors_is_left_out(self) -> None:
        setup = made()
        rows = [
            {"name": "models/chat"},
            {"name": "models/vectors", "supportedGenerationMethods": ["embedContent"]},
            {"name": "models/pictures", "supportedGenerationMethods": ["predict"]},
            {"supportedGenerationMethods": ["generateContent"]},
            "odd",
        ]
        async with setup.ready() as (provider, upstream):
            upstream.models(body({"models": rows}))
            assert [model.id for model in await provider.models()] == ["chat", "vectors"]
            upstream.models(body({"models": {}}))
            with pytest.raises(UpstreamProtocolError, match="not a list"):
                await provider.models()

    async def test_configured_ones_are_not_asked_for(self) -> None:
        setup = made(models=("x", "y"))
        async with setup.ready() as (provider, upstream):
            assert [model.id for model in await provider.models()] == ["x", "y"]
            assert upstream.requests == []


def asked(given: Any, **fields: Any) -> EmbeddingRequest:
    return parse_embeddings(json.dumps({"model": "e", "input": given, **fields}).encode())


def vectors(seen: Seen) -> Answer:
    sizes = [each.get("outputDimensionality", 3) for each in seen.json["requests"]]
    texts = [each["content"]["parts"][0]["text"] for each in seen.json["requests"]]
    rows = [{"values": [float(len(words))] * size} for words, size in zip(texts, sizes, strict=True)]
    return body({"embeddings": rows, "usageMetadata": {"promptTokenCount": len(rows)}})


class TestEmbeddings:
    async def test_of_all_inputs_are_asked_for_at_once(self) -> None:
        setup = made()
        own = {"google": {"task_type": "RETRIEVAL_QUERY"}}
        async with setup.ready() as (provider, upstream):
            assert isinstance(provider, Gemini)
            upstream.on(vectors)
            found = await provider.embed(asked(["a", "bb"], extra_body=own))
            (seen,) = upstream.chats

        assert seen.path == "/v1beta/models/e:batchEmbedContents"
        assert seen.json["requests"] == [
            {"model": "models/e", "task_type": "RETRIEVAL_QUERY", "content": {"parts": [{"text": words}]}}
            for words in ("a", "bb")
        ]
        assert found.vectors == [[1.0] * 3, [2.0] * 3]
        assert (found.model, found.usage) == ("e", Usage(prompt_tokens=2, source="reported"))

    async def test_of_fewer_dimensions_have_length_one(self) -> None:
        setup = made()
        async with setup.ready() as (provider, upstream):
            assert isinstance(provider, Gemini)
            upstream.on(vectors)
            (vector,) = (await provider.embed(asked("abc", dimensions=4))).vectors

        assert len(vector) == 4
        assert math.isclose(math.hypot(*vector), 1)

    async def test_of_many_inputs_go_in_batches_and_stay_in_order(self) -> None:
        setup = made(max_inputs=2)
        texts = ["x" * number for number in range(1, 6)]
        async with setup.ready() as (provider, upstream):
            assert isinstance(provider, Gemini)
            upstream.on(vectors)
            found = await provider.embed(asked(texts))

            assert sorted(len(seen.json["requests"]) for seen in upstream.chats) == [1, 2, 2]
        assert [vector[0] for vector in found.vectors] == [1, 2, 3, 4, 5]
        assert found.usage == Usage(prompt_tokens=5, source="reported")

    async def test_of_token_ids_there_are_none(self) -> None:
        setup = made()
        async with setup.ready() as (provider, upstream):
            assert isinstance(provider, Gemini)
            with pytest.raises(NotSupported) as caught:
                await provider.embed(asked([[1, 2]]))

            assert (caught.value.param, upstream.requests) == ("input", [])

    @pytest.mark.parametrize("answered", [{}, {"embeddings": {}}, {"embeddings": [{}]}, {"embeddings": [1]}, []])
    async def test_that_are_none_are_an_error(self, answered: Any) -> None:
        setup = made()
        async with setup.ready() as (provider, upstream):
            assert isinstance(provider, Gemini)
            upstream.script(body(answered))
            with pytest.raises(UpstreamProtocolError):
                await provider.embed(asked("a"))

    async def test_are_given_up_with_their_client(self) -> None:
        setup = made()
        async with setup.ready() as (provider, upstream):
            assert isinstance(provider, Gemini)
            upstream.script(answer(head(), stall()))
            asking = asyncio.ensure_future(provider.embed(asked("a")))
            seen = await upstream.arrived()
            await seen.silent()
            asking.cancel()
            await seen.gone()


class TestTheRow:
    @pytest.mark.parametrize("variable", ["GEMINI_API_KEY", "GOOGLE_API_KEY"])
    def test_a_key_in_the_environment_is_enough(self, variable: str) -> None:
        (found,) = discover.from_environment({variable: "k-1"})

        assert (found.name, found.type) == ("gemini", "gemini")
        assert list(registry.validate(found.type, found.options)) == []
        options = registry.parse(found.type, found.options)
        assert isinstance(options, Options)
        assert options.base_url == "https://generativelanguage.googleapis.com/v1beta"
        assert options.api_key is not None
        assert options.api_key.get_secret_value() == "k-1"
        assert registry.location("gemini") == "llms.providers.gemini:Gemini"

    def test_an_address_in_the_environment_gets_the_usual_path(self) -> None:
        (found,) = discover.from_environment({"GEMINI_API_KEY": "k", "GEMINI_BASE_URL": "http://host:1"})

        assert found.options["base_url"] == "http://host:1/v1beta"

    def test_keys_of_other_types_are_told(self) -> None:
        with pytest.raises(Invalid, match="stream_usage"):
            Options(stream_usage="ask")  # type: ignore[call-arg]


def settings_of(*, max_answer: int = 2**20, **row: Any) -> ProviderSettings:
    return ProviderSettings("up", "gemini", registry.parse("gemini", row), max_answer=max_answer)


async def collected(provider: Gemini, model: str, *, stream: bool = True) -> list[Any]:
    request = ChatRequest({"model": model, "messages": [{"role": "user", "content": "q"}]}, model)
    async with aclosing(provider.chat(request, stream=stream)) as chunks:
        return objects_of([chunk async for chunk in chunks])
