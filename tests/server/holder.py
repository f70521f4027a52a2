"""A provider that pretends to hold models in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

from pydantic import BaseModel

from llms.protocol.errors import Conflict, ModelNotFound, UpstreamUnavailable
from llms.protocol.progress import Progress
from llms.providers.base import ChatRequest, Chunk, ModelInfo, ModelState, ProviderFactory, ProviderSettings, Resources

ROW = {"holding": "tests.server.holder:Holding"}
"""For the table of provider types."""


class Options(BaseModel):
    models: list[str]


class Holding:
    """Loads at once; `broken` cannot be loaded, and what is `busy` cannot be unloaded."""

    def __init__(self, settings: ProviderSettings, resources: Resources) -> None:
        self.names: list[str] = settings.options.models
        self.memory: list[str] = []
        self.busy: set[str] = set()
        self.gate = asyncio.Event()
        self.gate.set()

    async def chat(self, request: ChatRequest, *, stream: bool = True) -> AsyncGenerator[Chunk, None]:
        raise NotImplementedError
        yield

    async def models(self) -> Sequence[ModelInfo]:
        return [ModelInfo(name) for name in self.names]

    async def load(self, model: str, progress: Progress | None = None) -> None:
        self._require(model)
        await self.gate.wait()
        if model == "broken":
            raise UpstreamUnavailable("local: cannot load broken: no memory")
        self.memory.append(model)

    async def unload(self, model: str) -> None:
        self._require(model)
        if model in self.busy:
            raise Conflict(f"{model} is in use.")
        if model in self.memory:
            self.memory.remove(model)

    def loaded(self) -> Sequence[ModelState]:
        return [
            ModelState(
                id=name,
                state="loaded",
                pid=4711,
                memory_bytes=1_500_000,
                slots=2,
                busy=int(name in self.busy),
                loaded_for=60.0,
                idle_for=5.0,
                facts={"library": "none"},
            )
            for name in self.memory
        ]

    def _require(self, model: str) -> None:
        if model not in self.names:
            raise ModelNotFound(f"local has no model {model}")


_: ProviderFactory = Holding
