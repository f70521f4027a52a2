"""What a library of llama.cpp must be able to do with one model in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from llms.providers.llama_cpp.load import Load


class Loaded(Protocol):
    """A model in memory. Every method but `stop` blocks and is called in a worker thread.

    There is no way to free it: its process ends, at once and without a word.
    """

    @property
    def facts(self) -> Mapping[str, Any]:
        """Return what only a loaded model knows: `library`, `version`, `n_ctx` of one slot, `gpu_layers`, …"""
        ...

    def chat(self, number: int, body: bytes, on_piece: Callable[[bytes], bool]) -> None:
        """Write an answer: `on_piece` gets each chunk as JSON and returns True to stop.

        `number` names the chat towards `stop`; at most `Load.slots` chats run at once. An error is a piece
        `{"error": …}`, or a ValueError (the request is wrong) or RuntimeError (the library failed).
        """
        ...

    def stop(self, number: int) -> None:
        """Ask a chat to stop as soon as the library can, also while it reads its prompt.

        Called from any thread, returns at once; a number that is not at work is ignored. It is called again and
        again until the chat has stopped.
        """
        ...

    def embed(self, body: bytes) -> bytes:
        """Return `{"data": [[number, …], …], "prompt_tokens": n}` for `{"input": [text or token ids, …]}`, as JSON.

        One vector of the model's size for each input, pooled as the model wants it. Raises as `chat` does.
        """
        ...


Loader = Callable[[Load], Loaded]
"""Loads a model, which takes milliseconds to minutes; raises Unloadable with the reason and the fix."""
