"""The clients that people make embeddings with, each as it is, in front of the proxy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest
from langchain_openai import OpenAIEmbeddings

from llms.testing.fake_upstream import FakeUpstream, Script, body, error
from tests.proxy import Proxy, one_upstream, serving
from tests.vectors import embedder, vector

TEXTS = [f"text {number}" for number in range(10)]
FORMS: list[Any] = ["float", "base64", openai.omit]


@asynccontextmanager
async def before(*scripted: Script, row: str = "") -> AsyncGenerator[tuple[Proxy, FakeUpstream]]:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, row=row)) as proxy:
        upstream.script(*scripted)
        yield proxy, upstream


def client_of(proxy: Proxy, **options: Any) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=proxy.url, api_key="none", **options)


@pytest.mark.parametrize("theirs", ["float", "base64", None])
@pytest.mark.parametrize("form", FORMS, ids=["float", "base64", "as it likes"])
async def test_openai_gets_the_numbers(form: Any, theirs: str | None) -> None:
    async with before(embedder(form=theirs)) as (proxy, _), client_of(proxy) as client:
        found = await client.embeddings.create(model="m", input=TEXTS, encoding_format=form)
        raw = await client.embeddings.with_raw_response.create(model="m", input="x", encoding_format="base64")

    got: list[Any] = [item.embedding for item in found.data]
    if form == "base64":
        assert all(isinstance(one, str) for one in got)
    else:
        assert got == [vector(text) for text in TEXTS]
    assert [item.index for item in found.data] == list(range(10))
    assert (found.object, found.model, found.usage.total_tokens) == ("list", "real-model", 10)
    assert isinstance(raw.http_response.json()["data"][0]["embedding"], str)


async def test_openai_blocking_gets_the_numbers() -> None:
    async with before(embedder()) as (proxy, _):

        def work() -> Any:
            with openai.OpenAI(base_url=proxy.url, api_key="none") as client:
                return client.embeddings.create(model="m", input="text", dimensions=2)

        found = await asyncio.to_thread(work)

    assert found.data[0].embedding == vector("text", 2)


@pytest.mark.parametrize("given", [[1, 2, 3], [[1, 2], [3]]], ids=["tokens", "lists of tokens"])
async def test_openai_sends_tokens(given: Any) -> None:
    async with before(embedder()) as (proxy, upstream), client_of(proxy) as client:
        found = await client.embeddings.create(model="m", input=given, user="somebody", dimensions=3)
        (seen,) = upstream.chats

    assert seen.json == {
        "model": "real-model",
        "input": given,
        "user": "somebody",
        "dimensions": 3,
        "encoding_format": "base64",
    }
    wanted = [given] if isinstance(given[0], int) else given
    assert [item.embedding for item in found.data] == [vector(one, 3) for one in wanted]


async def test_openai_does_not_see_the_batches() -> None:
    async with before(embedder(), row="max_inputs: 4") as (proxy, upstream), client_of(proxy) as client:
        found = await client.embeddings.create(model="m", input=TEXTS)

        assert len(upstream.chats) == 3
    assert [item.embedding for item in found.data] == [vector(text) for text in TEXTS]
    assert found.usage.prompt_tokens == 10


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        (error(400), openai.BadRequestError),
        (error(401), openai.InternalServerError),
        (error(404), openai.NotFoundError),
        (error(422), openai.UnprocessableEntityError),
        (error(429, headers={"Retry-After": "30"}), openai.RateLimitError),
        (error(500), openai.InternalServerError),
        (body("<html>"), openai.InternalServerError),
        (body({"data": []}), openai.InternalServerError),
    ],
    ids=range(8),
)
async def test_openai_raises_what_it_raises_of_a_refusal(bad: Script, kind: type[openai.APIStatusError]) -> None:
    async with before(bad, row="retries: 0") as (proxy, _), client_of(proxy, max_retries=0) as client:
        with pytest.raises(kind) as caught:
            await client.embeddings.create(model="m", input="x")

    assert caught.value.code is not None
    assert "x-request-id" in caught.value.response.headers


async def test_openai_is_told_what_is_wrong_with_its_input() -> None:
    async with before(embedder()) as (proxy, _), client_of(proxy) as client:
        with pytest.raises(openai.BadRequestError) as caught:
            await client.embeddings.create(model="m", input=["a", ""])

    assert caught.value.param == "input[1]"


async def test_langchain_embeds_documents_and_queries() -> None:
    async with before(embedder()) as (proxy, _), client_of(proxy) as client:
        with openai.OpenAI(base_url=proxy.url, api_key="none") as blocking:
            made = OpenAIEmbeddings(
                model="m",
                client=blocking.embeddings,
                async_client=client.embeddings,
                check_embedding_ctx_length=False,
                chunk_size=4,
            )
            documents = await made.aembed_documents(TEXTS)
            query = await asyncio.to_thread(made.embed_query, "query")

    assert documents == [vector(text) for text in TEXTS]
    assert query == vector("query")


async def test_the_sdk_provider_serves_them_too() -> None:
    async with FakeUpstream() as upstream:
        upstream.on(embedder())
        row = f'{{type: sdk, client: "openai:AsyncOpenAI", options: {{api_key: k, base_url: "{upstream.url}"}}}}'
        async with serving(f"providers:\n  up: {row}\n") as proxy, client_of(proxy) as client:
            found = await client.embeddings.create(model="up/theirs", input=TEXTS)

    assert [item.embedding for item in found.data] == [vector(text) for text in TEXTS]
    assert found.model == "theirs"
