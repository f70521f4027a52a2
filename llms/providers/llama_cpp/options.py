"""What a row of local models may say."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from llms.config.units import parse_duration, parse_size
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
