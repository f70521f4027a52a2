"""Models that run on this machine through llama.cpp, and the demo model that needs nothing at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import final

from llms.protocol.chat import ChatRequest, Chunk, ModelInfo
from llms.protocol.embeddings import EmbeddingRequest, Embeddings
from llms.protocol.errors import ModelNotFound, NotSupported, UpstreamOutOfService
from llms.protocol.fold import Fold
from llms.protocol.local import ModelState
from llms.protocol.progress import Progress
from llms.providers.base import (
    ProviderFactory,
    ProviderSettings,
    Resources,
    SupportsClose,
    SupportsEmbeddings,
    SupportsLoading,
    SupportsSlots,
)
from llms.providers.llama_cpp.answers import LlamaFailures, PieceReader
from llms.providers.llama_cpp.embedding import embedding_body, embeddings
from llms.providers.llama_cpp.inventory import Inventory, Item
from llms.providers.llama_cpp.listing import listed
from llms.providers.llama_cpp.memory import default_budget
from llms.providers.llama_cpp.model import LocalModel
from llms.providers.llama_cpp.options import Options
from llms.providers.llama_cpp.pool import Pool
from llms.providers.llama_cpp.request import library_body


@final
class LlamaCpp:
    """Chat with local models; each is loaded into a process of its own when it is first used."""

    def __init__(self, settings: ProviderSettings, resources: Resources) -> None:
        """Keep the row; no library is imported and no file is read before somebody asks."""
        options: Options = settings.options
        self._name = settings.name
        self._inventory = Inventory(options)
        budget = options.memory if options.memory is not None else default_budget()
        self._pool = Pool[LocalModel](self._build, budget=budget, clock=resources.clock, provider=settings.name)

    async def chat(self, request: ChatRequest, *, stream: bool = True) -> AsyncGenerator[Chunk, None]:
        """Yield the model's chunks, or its whole answer as one."""
        item = await self._item(request.model)
        if item.wanted.embedding:
            raise NotSupported(f"{self._name}/{item.name} makes embeddings and does not chat.", param="model")
        body = library_body(request.body)
        whole = Fold()
        reader = PieceReader(self._failures(item))
        async with (
            self._pool.lease(item, request.progress) as model,
            aclosing(model.chat(body, request.progress)) as arrivals,
        ):
            async for pieces in arrivals:
                chunk = reader.read(pieces)
                if chunk is not None and stream:
                    yield chunk
                elif chunk is not None:
                    whole.add(chunk.objects)
                if reader.error is not None:
                    raise reader.error
        if not stream:
            yield Chunk.of(whole.completion())

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        """Return the model's vectors."""
        item = await self._item(request.model)
        if not item.wanted.embedding:
            raise NotSupported(
                f"{self._name}/{item.name} is no model for embeddings; `embedding: true` in its row makes it one.",
                param="model",
            )
        body = embedding_body(request, vocabulary=item.facts.vocabulary if item.facts is not None else 0)
        async with self._pool.lease(item) as model:
            return embeddings(await model.embed(body))

    async def models(self) -> Sequence[ModelInfo]:
        """Look at the files again and list all models, those that cannot be loaded with their problem."""
        items = await asyncio.to_thread(self._inventory.items)
        if not items and self._inventory.lack:
            raise UpstreamOutOfService(f"{self._name}: {self._inventory.lack}")
        running = {state.id: state.facts for state in self._pool.states()}
        return [
            listed(
                item,
                owner=self._name,
                state=self._pool.state(item.name),
                problem=self._pool.problem(item),
                running=running.get(item.name, {}),
            )
            for item in items
        ]

    def slots(self, model: str) -> int | None:
        """Return how many requests a model takes at once."""
        return self._inventory.slots(model)

    async def load(self, model: str, progress: Progress | None = None) -> None:
        """Bring a model into memory."""
        async with self._pool.lease(await self._item(model), progress) as found:
            await found.load(progress)

    async def unload(self, model: str) -> None:
        """Free a model's memory, unless it is in use; its file may be gone meanwhile."""
        if self._pool.state(model) == "unloaded":
            await self._item(model)
        await self._pool.unload(model)

    def loaded(self) -> Sequence[ModelState]:
        """Return the models that are in memory or on their way there."""
        return self._pool.states()

    async def close(self) -> None:
        """Stop every request and unload every model."""
        await self._pool.close()

    async def _item(self, name: str) -> Item:
        item = await asyncio.to_thread(self._inventory.item, name)
        if item is None:
            known = ", ".join(self._inventory.names()) or "none"
            raise ModelNotFound(f"{self._name} has no model {name!r}; it has: {known}", param="model")
        return item

    def _build(self, item: Item, rest: Callable[[], None]) -> LocalModel:
        return LocalModel(item.wanted, unload_after=item.unload_after, on_rest=rest, failures=self._failures(item))

    def _failures(self, item: Item) -> LlamaFailures:
        return LlamaFailures(self._name, item.name)


_: ProviderFactory = LlamaCpp
_abilities: tuple[type[SupportsClose], type[SupportsEmbeddings], type[SupportsLoading], type[SupportsSlots]] = (
    LlamaCpp,
    LlamaCpp,
    LlamaCpp,
    LlamaCpp,
)
