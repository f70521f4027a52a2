"""What a row of local models may say."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from llms.config.units import Duration, Size
from llms.providers.llama_cpp.load import EMBEDDED


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
    embedding: Literal["auto"] | bool = Field(
        "auto", description="The model makes embeddings and does not chat; auto asks its file."
    )
    unload_after: Annotated[float, Duration()] | None = Field(
        None, description="Free the memory after so long without a request, for example 10m."
    )


class Options(BaseModel):
    """A row's own keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    chosen_library: Literal["auto", "llama-cpp-python", "xllamacpp"] = Field(
        "auto", alias="library", description="Which llama.cpp to use."
    )
    memory: Annotated[int, Size()] | None = Field(
        None, description="Bytes that loaded models may take together, for example 16GiB; the unused make room."
    )
    folder: str | None = Field(
        None, min_length=1, description="Every GGUF file in and below it is a model, named like its file."
    )
    models: dict[str, ModelOptions] = Field(
        default_factory=dict, description="Model ids and their files; without a folder, by default the demo."
    )

    @model_validator(mode="before")
    @classmethod
    def _offer_the_demo(cls, raw: Any) -> Any:
        if isinstance(raw, dict) and raw.get("folder") is None and "models" not in raw:
            return {**raw, "models": {"demo": {"path": EMBEDDED}}}
        return raw

    @model_validator(mode="after")
    def _need_some(self) -> Options:
        if self.folder is None and not self.models:
            raise ValueError("at least 1 model is needed under `models`, or a `folder` of them")
        return self
