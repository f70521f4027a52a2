"""What a row of local models may say."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from llms.config.section import Section, field
from llms.config.units import Duration, Size
from llms.config.values import Flag, Refusal, Text, Whole
from llms.providers.llama_cpp.load import EMBEDDED


class ModelOptions(Section):
    """One model of a row."""

    path: Annotated[str, Text()] = field(description=f"A GGUF file, or {EMBEDDED} for the demo model of the package.")
    n_ctx: Annotated[int, Whole(64, 2**22)] | None = field(
        default=None, description="Context window of each slot, in tokens."
    )
    slots: Annotated[int, Whole(1, 64)] | None = field(
        default=None, description="Chats at the same time; the others wait in line."
    )
    n_threads: Annotated[int, Whole(1, 512)] | None = field(
        default=None, description="Threads; by default most of the free cores."
    )
    n_batch: Annotated[int, Whole(32, 8192)] = field(
        default=64, description="Prompt tokens read between two looks whether the client is still there."
    )
    n_gpu_layers: Annotated[int, Whole(-1, 10_000)] | None = field(
        default=None, description="Layers on the GPU; -1 is all of them."
    )
    embedding: Annotated[Literal["auto"] | bool, Flag(word="auto")] = field(
        default="auto", description="The model makes embeddings and does not chat; auto asks its file."
    )
    unload_after: Annotated[float, Duration()] | None = field(
        default=None, description="Free the memory after so long without a request, for example 10m."
    )


class Options(Section):
    """A row's own keys."""

    chosen_library: Literal["auto", "llama-cpp-python", "xllamacpp"] = field(
        default="auto", alias="library", description="Which llama.cpp to use."
    )
    memory: Annotated[int, Size()] | None = field(
        default=None, description="Bytes that loaded models may take together, for example 16GiB; the unused make room."
    )
    folder: Annotated[str, Text()] | None = field(
        default=None, description="Every GGUF file in and below it is a model, named like its file."
    )
    models: dict[str, ModelOptions] = field(
        default_factory=dict, description="Model ids and their files; without a folder, by default the demo."
    )

    @classmethod
    def prepared(cls, raw: Any) -> Any:
        if isinstance(raw, dict) and raw.get("folder") is None and "models" not in raw:
            return {**raw, "models": {"demo": {"path": EMBEDDED}}}
        return raw

    def check(self) -> None:
        if self.folder is None and not self.models:
            raise Refusal("at least 1 model is needed under `models`, or a `folder` of them")
