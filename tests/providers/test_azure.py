"""Azure OpenAI at its addresses.

Paths and headers: "Azure OpenAI REST API reference" and "Azure OpenAI v1 API". Empty first chunk, annotations and the
error of a filtered prompt: "Content filtering" (`prompt_filter_results`, `content_filter_results`, `innererror`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from llms.config.problems import Invalid
from llms.protocol.chat import ChatRequest
from llms.protocol.embeddings import parse_embeddings
from llms.protocol.errors import UpstreamOverloaded, UpstreamRejected
from llms.providers import registry
from llms.providers.azure import Azure, Options
from llms.providers.base import Provider, ProviderSettings
from llms.testing.contract import ProviderContract
from llms.testing.contract.setup import Setup, objects_of
from llms.testing.fake_upstream import FakeUpstream, answer, error, raw
from llms.testing.plain_client import text_of
from llms.testing.transcripts import TRANSCRIPTS
from tests.vectors import embedder

VERSION = "2024-10-21"


class Made(Setup):
    row: Mapping[str, Any] = {"api_version": VERSION}

    async def provider(self, upstream: FakeUpstream) -> Provider:
        row = {"base_url": upstream.url.removesuffix("/v1"), "api_key": self.key, **self.row}
        return Azure(ProviderSettings("up", "azure", registry.parse("azure", row)), self.resources)


class TestDeployments(Made, ProviderContract):
    lists_upstream_models = False


class TestV1(Made, ProviderContract):
    row: Mapping[str, Any] = {}


def made(**row: Any) -> Made:
    setup = Made()
    setup.row = row
    return setup


@pytest.mark.parametrize(
    ("row", "prefix", "query"),
    [
        ({"api_version": VERSION}, "/openai/deployments/fake-model", f"?api-version={VERSION}"),
        ({}, "/openai/v1", ""),
    ],
)
async def test_every_request_goes_to_its_address_with_the_key_in_its_header(
    row: dict[str, Any], prefix: str, query: str
) -> None:
    setup = made(**row, headers={"x-team": "a"})
    async with setup.ready() as (provider, upstream):
        await setup.ask(provider)
        await setup.ask(provider, stream=False)
        assert isinstance(provider, Azure)
        upstream.on(embedder())
        request = parse_embeddings(json.dumps({"model": "fake-model", "input": "a"}).encode())
        assert len((await provider.embed(request)).answers) == 1

        assert [seen.path for seen in upstream.chats] == [
            f"{prefix}/chat/completions{query}",
            f"{prefix}/chat/completions{query}",
            f"{prefix}/embeddings{query}",
        ]
        for seen in upstream.chats:
            assert (seen.headers["api-key"], seen.headers["x-team"]) == (setup.key, "a")
            assert "authorization" not in seen.headers


async def test_a_token_of_entra_is_a_bearer_token() -> None:
    setup = made(api_key=None, token="entra-token-1")
    async with setup.ready() as (provider, upstream):
        await setup.ask(provider)

        assert upstream.chats[0].headers["authorization"] == "Bearer entra-token-1"
        assert "api-key" not in upstream.chats[0].headers


async def test_names_of_deployments_are_kept_apart_and_lead_nowhere_else() -> None:
    setup = made(api_version=VERSION)
    async with setup.ready() as (provider, upstream):
        for name in ("a", "b", "a", "../c?d"):
            request = ChatRequest({"model": name, "messages": []}, name)
            assert [chunk async for chunk in provider.chat(request)]

        assert [seen.path.split("/")[3] for seen in upstream.chats] == ["a", "b", "a", "..%2Fc%3Fd"]
        assert {seen.connection for seen in upstream.chats} == {1}


async def test_many_names_are_not_all_remembered() -> None:
    setup = made(api_version=VERSION)
    async with setup.ready() as (provider, _):
        assert isinstance(provider, Azure)
        for number in range(300):
            provider.chat(ChatRequest({"messages": []}, f"m{number}"))

        assert len(provider._deployments) == 256
        assert "m0" not in provider._deployments


async def test_the_empty_first_chunk_becomes_part_of_the_next() -> None:
    transcript = TRANSCRIPTS["azure"]
    setup = made(api_version=VERSION)
    async with setup.ready() as (provider, upstream):
        upstream.script(answer(raw(transcript.raw)))
        chunks = await setup.ask(provider)

    seen = setup.conformed(chunks)
    assert "prompt_filter_results" in objects_of(chunks)[0]
    assert objects_of(chunks)[0]["choices"] == []
    assert "prompt_filter_results" in seen[0]
    assert text_of(seen) == transcript.text


@pytest.mark.parametrize("stream", [True, False])
async def test_a_filtered_prompt_is_refused_with_azure_s_own_code(stream: bool) -> None:
    told = {
        "message": "The response was filtered due to the prompt triggering the content management policy.",
        "type": None,
        "param": "prompt",
        "code": "content_filter",
        "status": 400,
        "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {"hate": {"filtered": True}}},
    }
    setup = made(api_version=VERSION)
    async with setup.ready() as (provider, upstream):
        upstream.script(error(400, {"error": told}))
        failure, _ = await setup.fail(provider, stream=stream)

    assert isinstance(failure, UpstreamRejected)
    assert (failure.http_status, failure.code, failure.param) == (400, "content_filter", "prompt")


async def test_a_full_quota_is_told_with_its_patience() -> None:
    told = {"error": {"code": "429", "message": "Requests have exceeded the token rate limit. Retry after 6 seconds."}}
    setup = made(api_version=VERSION)
    async with setup.ready() as (provider, upstream):
        upstream.script(error(429, told, {"Retry-After": "6"}))
        failure, _ = await setup.fail(provider)

    assert isinstance(failure, UpstreamOverloaded)
    assert (failure.code, failure.retry_after) == ("rate_limit_exceeded", 6)


@pytest.mark.parametrize(("row", "ids"), [({}, []), ({"models": ["a", "b"]}, ["a", "b"])])
async def test_deployments_are_listed_as_the_row_names_them(row: dict[str, Any], ids: list[str]) -> None:
    setup = made(api_version=VERSION, **row)
    async with setup.ready() as (provider, upstream):
        assert [model.id for model in await provider.models()] == ids
        assert upstream.requests == []


class TestTheRow:
    @pytest.mark.parametrize(
        "given", ["https://x.openai.azure.com", "https://x.openai.azure.com/", "https://x.openai.azure.com/openai/v1/"]
    )
    def test_the_address_may_have_the_path_that_clients_want(self, given: str) -> None:
        assert Options(base_url=given).base_url == "https://x.openai.azure.com"

    @pytest.mark.parametrize(
        ("row", "words"),
        [
            ({"base_url": "https://x?api-version=1"}, "goes into api_version"),
            ({"base_url": "https://x", "api_version": "a&b=c"}, "api_version"),
            ({"base_url": "https://x", "api_key": "a", "token": "b"}, "leave one of them out"),
            ({"base_url": "https://x", "token": "a\nb"}, "no key may hold"),
            ({"base_url": "x.openai.azure.com"}, "must be an http:// or https:// address"),
            ({}, "base_url"),
        ],
    )  # fmt: skip
    def test_mistakes_are_told(self, row: dict[str, Any], words: str) -> None:
        with pytest.raises(Invalid, match=words):
            Options(**row)
