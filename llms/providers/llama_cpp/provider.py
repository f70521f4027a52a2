"""Models that run in this process through llama.cpp, and the demo model that needs nothing at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, final

from llms.protocol.chat import ChatRequest, Chunk, ModelInfo
from llms.protocol.errors import ModelNotFound
from llms.protocol.fold import Fold
from llms.providers.base import ProviderFactory, ProviderSettings, Resources
from llms.providers.llama_cpp.answers import LlamaFailures, PieceReader
from llms.providers.llama_cpp.child import xllamacpp
from llms.providers.llama_cpp.cores import default_threads
from llms.providers.llama_cpp.load import EMBEDDED, Load, Unloadable
from llms.providers.llama_cpp.model import LocalModel
from llms.providers.llama_cpp.options import ModelOptions, Options
from llms.providers.llama_cpp.request import library_body


@final
class LlamaCpp:
    """Load models on first use and chat with them in worker threads."""

    def __init__(self, settings: ProviderSettings, resources: Resources) -> None:
        """Keep the row; no library is imported and no file is read before the first chat."""
        options: Options = settings.options
        self._name = settings.name
        self._memory = options.memory
        self._options = options.models
        self._failures = {name: LlamaFailures(settings.name, name) for name in options.models}
        self._models: dict[str, LocalModel] = {}
        """Those that were ever used, the latest last."""
        self._rested = asyncio.Event()
        self._closed = False

    async def chat(self, request: ChatRequest, *, stream: bool = True) -> AsyncGenerator[Chunk, None]:
        """Yield the model's chunks, or its whole answer as one."""
        body = library_body(request.body)
        model = await self._model(request.model)
        whole = Fold()
        reader = PieceReader(self._failures[request.model])
        async with aclosing(model.chat(body)) as arrivals:
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

    async def models(self) -> Sequence[ModelInfo]:
        """List the row's models."""
        return [
            ModelInfo(name, owned_by=self._name, extra=_facts(name, options)) for name, options in self._options.items()
        ]

    async def close(self) -> None:
        """Stop every chat and unload every model."""
        self._closed = True
        self._rested.set()
        await asyncio.gather(*(model.close() for model in self._models.values()))

    async def _model(self, name: str) -> LocalModel:
        """Return a model, noted as the latest used, with room made for it."""
        options = self._options.get(name)
        if options is None:
            known = ", ".join(self._options)
            raise ModelNotFound(f"{self._name} has no model {name!r}; its row names: {known}", param="model")
        model = self._models.pop(name, None) or self._new(name, options)
        self._models[name] = model
        while not self._closed and not model.is_loaded and not self._make_room(name):
            self._rested.clear()
            await self._rested.wait()
        if self._closed:
            raise self._failures[name].closed()
        return model

    def _new(self, name: str, options: ModelOptions) -> LocalModel:
        wanted = _wanted(name, options)
        return LocalModel(
            partial(xllamacpp.load, wanted),
            slots=wanted.slots,
            unload_after=options.unload_after,
            on_rest=self._rested.set,
            failures=self._failures[name],
        )

    def _make_room(self, name: str) -> bool:
        """Unload models that nobody uses, the longest unused first, until one more fits; tell whether it does."""
        if self._memory is None:
            return True
        room = self._memory - self._size(name)
        if room < 0:
            raise self._failures[name].unloadable(Unloadable("its file is larger than the row's `memory` allows"))
        held = {other: model for other, model in self._models.items() if other != name and model.is_loaded}
        taken = sum(map(self._size, held))
        for other, model in held.items():
            if taken > room and not model.is_busy:
                model.unload()
                taken -= self._size(other)
        return taken <= room

    def _size(self, name: str) -> int:
        return xllamacpp.file_size(self._options[name].path)


def _wanted(name: str, options: ModelOptions) -> Load:
    """Fill in what a row leaves open; the demo is so small that more than one thread only slows it down."""
    context, slots, threads = (1024, 4, 1) if options.path == EMBEDDED else (4096, 1, default_threads())
    return Load(
        path=options.path,
        alias=name,
        n_ctx=options.n_ctx or context,
        slots=options.slots or slots,
        n_threads=options.n_threads or threads,
        n_batch=options.n_batch,
        n_gpu_layers=options.n_gpu_layers,
    )


def _facts(name: str, options: ModelOptions) -> Mapping[str, Any]:
    label = {"label": "demo"} if options.path == EMBEDDED else {}
    return {**label, "context_window": _wanted(name, options).n_ctx}


_: ProviderFactory = LlamaCpp
