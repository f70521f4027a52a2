"""What to load and how: what crosses to the child process, and why it may fail there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

EMBEDDED: Final = "embedded"
"""The path of the demo model that is part of the package."""


INSTALL: Final = "pip install 'llms[local]'"
"""Brings a library that needs no compiler."""


class Unloadable(Exception):
    """A model that cannot be loaded; the text says why and what to do."""


@final
@dataclass(frozen=True, slots=True)
class Load:
    """What to load and how; all counts are at least 1."""

    path: str
    """A GGUF file, or `EMBEDDED`."""
    alias: str
    """The model's name in answers."""
    n_ctx: int
    """Tokens of one slot's context window."""
    slots: int
    """Chats at the same time."""
    n_threads: int
    n_batch: int
    """Prompt tokens read between two chances to stop."""
    n_gpu_layers: int | None = None
    """None leaves the choice to the library."""
    embedding: bool = False
    """The model is for embeddings, not for chats."""
    loader: str = "auto"
    """The library that loads it: auto, llama-cpp-python, xllamacpp, or "module:attribute" of a loader."""
