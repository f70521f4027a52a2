"""Models that run in this process through llama.cpp, and the demo model that needs nothing at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import Annotated, Any, Literal, final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from llms.config.units import parse_duration, parse_size
from llms.protocol.chat import ChatRequest, Chunk, ModelInfo
from llms.protocol.errors import ModelNotFound
from llms.protocol.fold import Fold
from llms.providers import _xllamacpp
from llms.providers._llama_answers import LlamaFailures, PieceReader, Unloadable
from llms.providers._llama_cores import default_threads
from llms.providers._llama_model import LocalModel
from llms.providers._llama_request import library_body
from llms.providers._xllamacpp import EMBEDDED, Load
from llms.providers.base import ProviderFactory, ProviderSettings, Resources


class ModelOptions(BaseModel):
    """One model of a row."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field(min_length=1, description=f"A GGUF file, or {EMBEDDED} for the demo model of the package.")
    n_ctx: int | None = Field(None, ge=64, le=2**22, description="Context window of each slot, in tokens.")
    slots: int | None = Field(None, ge=1, le=64, description="Chats at the same time; the others wait in line.")
    n_threads: int | None = Field(None, ge=1, le=512, description="Threads; by default most of the free cores.")
    n_batch: int = Field(
        64, ge=32, le=8192, description="Prompt tokens read between two looks whether the client is still there."
    )
    n_gpu_layers: int | None = Field(None, ge=-1, le=10_000, description="Layers on the GPU; -1 is all of them.")
    unload_after: Annotated[float, BeforeValidator(parse_duration)] | None = Field(
        None, description="Free the memory after so long without a chat, for example 10m."
    )


def _demo() -> dict[str, ModelOptions]:
    return {"demo": ModelOptions.model_validate({"path": EMBEDDED})}


class Options(BaseModel):
    """A row's own keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    library: Literal["auto", "xllamacpp", "llama-cpp-python"] = Field("auto", description="Which llama.cpp to use.")
    memory: Annotated[int, BeforeValidator(parse_size)] | None = Field(
        None, description="Bytes of model files to keep loaded; models not in use make room, for example 16GiB."
    )
    models: dict[str, ModelOptions] = Field(
        default_factory=_demo, min_length=1, description="Model ids and their files; by default the demo."
    )

    @field_validator("library")
    @classmethod
    def _built(cls, value: str) -> str:
        if value == "llama-cpp-python":
            raise ValueError("llama-cpp-python is not built yet; say auto or xllamacpp")
        return value


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
            partial(_xllamacpp.load, wanted),
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
        return _xllamacpp.file_size(self._options[name].path)


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
