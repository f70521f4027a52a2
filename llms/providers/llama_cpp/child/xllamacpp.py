"""The library xllamacpp: one loaded model. Everything here blocks and is called in worker threads."""

from __future__ import annotations

import importlib
import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from importlib import resources
from pathlib import Path
from typing import Any, Final, final

from llms.providers.llama_cpp.answers import INSTALL
from llms.providers.llama_cpp.load import EMBEDDED, Load, Unloadable

_SILENT: Final = -1
_MAGIC: Final = b"GGUF"


@final
class XllamaModel:
    """One model in memory."""

    def __init__(self, server: Any) -> None:
        """Take the library's server and wait until its own thread is at work.

        Freed before that, it waits for ever for a thread that missed the order to stop (seen in 2026.10), and it
        does so with Python's lock in hand.
        """
        self._server = server
        self._turn_around()

    def chat(self, body: bytes, on_piece: Callable[[bytes], bool]) -> None:
        """Write an answer: `on_piece` gets each chunk as JSON and returns True to stop.

        An error is a piece `{"error": …}`, or a ValueError or RuntimeError of the library.
        """
        self._server.handle_chat_completions(body, on_piece)

    def close(self) -> None:
        """Free the memory; no chat may be running.

        What was stopped a moment ago may still read its prompt; the library waits for that with Python's lock in
        hand, so we wait first, without it.
        """
        self._turn_around()
        self._server = None

    def _turn_around(self) -> None:
        """Wait until the library's thread has answered a question of no interest."""
        self._server.handle_metrics()


def load(wanted: Load) -> XllamaModel:
    """Load a model, which takes milliseconds to minutes; raise Unloadable with the reason and the fix."""
    library = _library()
    with _file(wanted.path) as path:
        _check(path)
        try:
            return XllamaModel(library.Server(_parameters(library, path, wanted)))
        except RuntimeError:
            raise Unloadable(
                f"llama.cpp cannot load {path}: the file is damaged or of an unknown kind, "
                f"or there is not enough memory for {wanted.slots} x {wanted.n_ctx} tokens of context"
            ) from None


def file_size(path: str) -> int:
    """Return the bytes of a model's file; 0 when there is none."""
    with _file(path) as found:
        return found.stat().st_size if found.is_file() else 0


def _library() -> Any:
    try:
        return importlib.import_module("xllamacpp")
    except ImportError as missing:
        raise Unloadable(f"local models need the library xllamacpp ({missing}); install it with: {INSTALL}") from None


def _file(path: str) -> AbstractContextManager[Path]:
    if path == EMBEDDED:
        return resources.as_file(resources.files("llms").joinpath("models", "demo.gguf"))
    return nullcontext(Path(path).expanduser())


def _check(path: Path) -> None:
    """Look at the file first, because the library says only that it failed."""
    try:
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC))
    except OSError as failure:
        raise Unloadable(f"cannot read the model file {path}: {failure.strerror}; mend `path` in its row") from None
    if magic != _MAGIC:
        raise Unloadable(f"{path} is no GGUF file; llama.cpp reads only those")


def _parameters(library: Any, path: Path, wanted: Load) -> Any:
    parameters = library.CommonParams()
    parameters.model.path = str(path)
    parameters.model_alias = {wanted.alias}
    parameters.n_ctx = wanted.n_ctx * wanted.slots
    parameters.n_parallel = wanted.slots
    parameters.n_batch = parameters.n_ubatch = wanted.n_batch
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = wanted.n_threads
    if wanted.n_gpu_layers is not None:
        parameters.n_gpu_layers = wanted.n_gpu_layers
    parameters.verbosity = _SILENT
    # A second copy of old prompts in memory, 8 GiB by default; the slots keep the last prompt anyway.
    parameters.cache_ram_mib = 0
    parameters.cache_idle_slots = False
    _lock_port(parameters)
    return parameters


def _lock_port(parameters: Any) -> None:
    """Close what can be closed of the HTTP port that the library always opens, on a random port of 127.0.0.1."""
    parameters.api_keys = [secrets.token_urlsafe(32)]
    parameters.ui = False
    parameters.endpoint_slots = False
    parameters.endpoint_metrics = True
    parameters.n_threads_http = 1
    parameters.cors_origins = ""
