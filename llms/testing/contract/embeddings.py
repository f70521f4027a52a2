"""Vectors: one for each input, in order, and failures as a chat's."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence

import pytest

from llms.protocol.embeddings import EmbeddingRequest
from llms.protocol.errors import LlmsError, UpstreamAuthenticationFailed
from llms.protocol.vectors import write
from llms.providers.base import Provider, SupportsEmbeddings
from llms.testing.answers import answer
from llms.testing.contract.setup import Setup, needs
from llms.testing.steps import head, stall

TEXTS = ("one", "three", "fifteen", "one")


class Embedding(Setup):
    """What is asked of a provider that `makes_embeddings`; `script_vectors` says how its upstream tells them."""

    @needs("makes_embeddings")
    @pytest.mark.parametrize("texts", [TEXTS, TEXTS[:1], [f"text {number}" for number in range(300)]])
    async def test_each_input_has_its_vector(self, texts: Sequence[str]) -> None:
        async with self.ready() as (provider, upstream):
            self.script_vectors(upstream)
            whole = await self.vectors(provider, texts)
            single = await self.vectors(provider, [texts[-1]])

        assert len(whole) == len(texts)
        assert all(len(vector) == len(whole[0]) > 0 for vector in whole), "vectors differ in length"
        assert whole[-1] == single[0], "a text has another vector among others than alone"
        assert len({tuple(vector) for vector in whole}) == len(set(texts)), "different texts have the same vector"

    @needs("makes_embeddings", "speaks_http")
    @pytest.mark.parametrize("status", [400, 401, 429, 500])
    async def test_a_refusal_of_vectors_is_an_error_of_ours(self, status: int) -> None:
        async with self.ready() as (provider, upstream):
            self.script_error(upstream, status, message=f"no luck {self.key}")
            with pytest.raises(LlmsError) as caught:
                await self.vectors(provider, TEXTS)
            self.script_vectors(upstream)
            assert len(await self.vectors(provider, TEXTS)) == len(TEXTS), "after a failure it makes no vectors"

        assert isinstance(caught.value, UpstreamAuthenticationFailed) == (status == 401), repr(caught.value)
        assert self.key not in f"{caught.value} {vars(caught.value)}", "the key is in the error"

    @needs("makes_embeddings", "speaks_http")
    async def test_leaving_before_the_vectors_stops_the_upstream(self) -> None:
        async with self.ready() as (provider, upstream):
            upstream.script(answer(head(), stall()))
            waiting = asyncio.ensure_future(self.vectors(provider, TEXTS))
            seen = await upstream.arrived()
            await seen.silent()
            left = time.monotonic()
            waiting.cancel()
            await asyncio.wait([waiting])
            assert await seen.gone() - left < self.patience
            await upstream.closed()

        assert waiting.cancelled(), f"the cancellation became {waiting.exception()!r}"

    async def vectors(self, provider: Provider, texts: Sequence[str]) -> list[list[float]]:
        """Return the vectors of some texts, as a client gets them that asked for numbers."""
        assert isinstance(provider, SupportsEmbeddings)
        body = {"model": self.model, "input": list(texts)}
        request = EmbeddingRequest(body, self.model, tuple(texts))
        work = write(await provider.embed(request), request, provider="contract")
        while True:
            try:
                next(work)
            except StopIteration as done:
                return [item["embedding"] for item in json.loads(done.value.payload)["data"]]
