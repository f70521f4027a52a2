"""The library xllamacpp: one loaded model, with llama.cpp's own server in this process."""

from __future__ import annotations

import importlib
import json
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, final

from llms.providers.llama_cpp.gguf import BadFile, read_header
from llms.providers.llama_cpp.load import INSTALL, Load, Unloadable
from llms.providers.llama_cpp.model_file import check_file, model_file

_SILENT: Final = -1


@final
class XllamaModel:
    """One model in memory."""

    def __init__(self, server: Any, facts: Mapping[str, Any]) -> None:
        """Take the library's server."""
        self._server = server
        self.facts = facts

    def chat(self, number: int, body: bytes, on_piece: Callable[[bytes], bool]) -> None:
        """Write an answer: `on_piece` gets each chunk as JSON and returns True to stop.

        While it reads the prompt it reports after each batch, so it can be stopped there too.
        """
        self._server.handle_chat_completions(body, on_piece)

    def stop(self, number: int) -> None:
        """Do nothing: the library listens to what `on_piece` returns, and to nothing else."""

    def embed(self, body: bytes) -> bytes:
        """Return one vector for each input; raise ValueError for inputs that it refuses."""
        answer = json.loads(self._server.handle_embeddings(body))
        if "error" in answer:
            raise _refusal(answer["error"])
        found = sorted(answer["data"], key=lambda item: item["index"])
        vectors = [item["embedding"] for item in found]
        return json.dumps({"data": vectors, "prompt_tokens": answer["usage"]["prompt_tokens"]}).encode()


def load(wanted: Load) -> XllamaModel:
    """Load a model, which takes milliseconds to minutes; raise Unloadable with the reason and the fix."""
    library = _library()
    with model_file(wanted.path) as path:
        check_file(path)
        try:
            server = library.Server(_parameters(library, path, wanted))
        except RuntimeError:
            raise Unloadable(
                f"llama.cpp cannot load {path}: the file is damaged or of an unknown kind, "
                f"or there is not enough memory for {wanted.slots} x {wanted.n_ctx} tokens of context"
            ) from None
    return XllamaModel(server, {"library": "xllamacpp", "version": library.__version__, "n_ctx": wanted.n_ctx})


def _library() -> Any:
    try:
        return importlib.import_module("xllamacpp")
    except ImportError as missing:
        raise Unloadable(f"local models need the library xllamacpp ({missing}); install it with: {INSTALL}") from None


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
    if wanted.embedding:
        _prepare_embeddings(library, parameters, path, wanted)
    _lock_port(parameters)
    return parameters


def _prepare_embeddings(library: Any, parameters: Any, path: Path, wanted: Load) -> None:
    """Have one vector made of each text, which must fit into one batch; the mean where the model has no wish."""
    parameters.embedding = True
    parameters.n_batch = parameters.n_ubatch = wanted.n_ctx
    # Else texts of different lengths at the same time are cut, and their vectors are wrong (seen in 2026.10).
    parameters.kv_unified = True
    if not _pools(path):
        parameters.pooling_type = library.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN


def _pools(path: Path) -> bool:
    """Tell whether a model says how the vectors of its tokens become one."""
    try:
        values = read_header(path).values
    except BadFile as reason:
        raise Unloadable(f"{path}: {reason}") from None
    return bool(values.get(f"{values.get('general.architecture')}.pooling_type"))


def _lock_port(parameters: Any) -> None:
    """Close what can be closed of the HTTP port that the library always opens, on a random port of 127.0.0.1."""
    parameters.api_keys = [secrets.token_urlsafe(32)]
    parameters.ui = False
    parameters.endpoint_slots = False
    parameters.n_threads_http = 1
    parameters.cors_origins = ""


def _refusal(error: Mapping[str, Any]) -> Exception:
    """Return the library's own `{code, message, type}` as an exception; what is too large is the client's to mend."""
    message = str(error.get("message", "no reason given"))
    is_clients = error.get("code") == 400 or "too large" in message
    return ValueError(message) if is_clients else RuntimeError(message)
