"""A model's weights in native memory, shared by all of its context windows."""

from __future__ import annotations

import ctypes
import importlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, final

from llms.providers.llama_cpp.child.llama_python.native_log import complaints, silence
from llms.providers.llama_cpp.load import Load, Unloadable

_INSTALL: Final = "pip install 'llms[llama-cpp]'"
_BATCH_ON_GPU: Final = 128
"""Tokens at most: there an evaluation cannot be broken off, so it has to be short."""


@final
class Weights:
    """One loaded model."""

    def __init__(self, native: Any, pointer: Any, wanted: Load) -> None:
        """Take the bindings and a model of theirs, which is freed with this one."""
        self.native = native
        self.pointer = pointer
        self._wanted = wanted
        self.metadata: Mapping[str, str] = _metadata(native, pointer)
        trained: int = native.llama_model_n_ctx_train(pointer)
        self.n_ctx = min(wanted.n_ctx, trained) if trained > 0 else wanted.n_ctx
        self.n_batch = min(wanted.n_batch, _BATCH_ON_GPU) if self.gpu_layers else wanted.n_batch

    @classmethod
    def load(cls, path: Path, wanted: Load) -> Weights:
        """Load a file; raise Unloadable with the reason and the fix."""
        native = _bindings()
        native.llama_backend_init()
        parameters = native.llama_model_default_params()
        if wanted.n_gpu_layers is not None:
            parameters.n_gpu_layers = wanted.n_gpu_layers
        with complaints(native) as lines:
            pointer = native.llama_model_load_from_file(os.fsencode(path), parameters)
        if not pointer:
            reason = next((line.rpartition("error loading model: ")[2] for line in lines), "it does not say why")
            raise Unloadable(
                f"llama.cpp cannot load {path}: {reason}; the file is damaged, of a kind that is newer than "
                "llama-cpp-python, or too large for this machine's memory"
            )
        return cls(native, pointer, wanted)

    @property
    def gpu_layers(self) -> int:
        """Return how many layers are on the GPU."""
        if not self.native.llama_supports_gpu_offload():
            return 0
        most: int = self.native.llama_model_n_layer(self.pointer) + 1
        asked = self._wanted.n_gpu_layers
        return most if asked is None or asked < 0 else min(asked, most)

    def contexts(self, shape: Callable[[Any], None] | None = None) -> list[Any]:
        """Return a context for each slot, after `shape` of its parameters; raise Unloadable without memory for them."""
        parameters = self.native.llama_context_default_params()
        parameters.n_ctx = self.n_ctx
        parameters.n_batch = parameters.n_ubatch = self.n_batch
        parameters.n_threads = parameters.n_threads_batch = self._wanted.n_threads
        parameters.no_perf = True
        if shape is not None:
            shape(parameters)
        with complaints(self.native):
            pointers = [self.native.llama_init_from_model(self.pointer, parameters) for _ in range(self._wanted.slots)]
        if all(pointers):
            return pointers
        for pointer in filter(None, pointers):
            self.native.llama_free(pointer)
        raise Unloadable(
            f"there is not enough memory for {self._wanted.slots} x {self.n_ctx} tokens of context; "
            "lower `n_ctx` or `slots` in the model's row"
        )

    def fact(self, name: str) -> str | None:
        """Return what the file says under a name of its architecture."""
        return self.metadata.get(f"{self.metadata.get('general.architecture', '')}.{name}")

    def facts(self) -> dict[str, Any]:
        """Return what is worth telling of the model."""
        told = {
            "name": self.metadata.get("general.name"),
            "architecture": self.metadata.get("general.architecture"),
            "license": self.metadata.get("general.license"),
            "n_ctx": self.n_ctx,
            "n_ctx_train": self.native.llama_model_n_ctx_train(self.pointer),
            "n_params": self.native.llama_model_n_params(self.pointer),
            "bytes": self.native.llama_model_size(self.pointer),
            "gpu_layers": self.gpu_layers,
        }
        return {"library": "llama-cpp-python", "version": self.native.__version__, **told}

    def close(self) -> None:
        """Free the memory; all contexts must be gone."""
        self.native.llama_model_free(self.pointer)


def _bindings() -> Any:
    try:
        native = importlib.import_module("llama_cpp")
    except (ImportError, OSError, RuntimeError) as missing:
        raise Unloadable(f"llama-cpp-python cannot be imported ({missing}); install it with: {_INSTALL}") from None
    silence()
    return native


def _metadata(native: Any, model: Any) -> dict[str, str]:
    """Return what the file tells of the model, lists left out."""
    found = {}
    for place in range(native.llama_model_meta_count(model)):
        key = _read(native.llama_model_meta_key_by_index, model, place)
        found[key] = _read(native.llama_model_meta_val_str_by_index, model, place)
    return found


def _read(ask: Callable[[Any, int, Any, int], int], model: Any, place: int) -> str:
    room = ask(model, place, None, 0) + 1
    buffer = ctypes.create_string_buffer(max(room, 1))
    ask(model, place, buffer, len(buffer))
    return buffer.value.decode("utf-8", "replace")
