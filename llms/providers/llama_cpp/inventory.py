"""Which models a row has: those that it names and those in its folder, each with what its file says.

Everything here reads files and belongs into a worker thread. A file is read again only when it changed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, final

import structlog

from llms.providers.llama_cpp.cores import default_threads
from llms.providers.llama_cpp.facts import Facts, read_facts
from llms.providers.llama_cpp.files import parts_of, scan
from llms.providers.llama_cpp.gguf import BadFile
from llms.providers.llama_cpp.load import EMBEDDED, Load
from llms.providers.llama_cpp.memory import Need, need
from llms.providers.llama_cpp.model_file import model_file
from llms.providers.llama_cpp.options import ModelOptions, Options

_log = structlog.get_logger()
_WINDOW: Final = 4096
_EMBEDDING_WINDOW: Final = 2048
"""Tokens of a context window, where neither the row nor the model says less; embeddings cost memory for each."""

Stamp = tuple[tuple[int, int], ...]
"""Size and time of change of each of a model's files; (-1, -1) for one that is not there."""


@final
@dataclass(frozen=True, slots=True)
class Item:
    """One model of a row, as its files are now."""

    name: str
    wanted: Load
    unload_after: float | None
    stamp: Stamp
    facts: Facts | None
    """None where the file cannot be read."""
    need: Need | None
    problem: str = ""
    """Why it cannot be loaded."""

    @property
    def is_demo(self) -> bool:
        """Tell whether this is the model of the package."""
        return self.wanted.path == EMBEDDED


@final
class Inventory:
    """The models of one row."""

    def __init__(self, options: Options) -> None:
        """Take the row; no file is looked at yet."""
        self._options = options
        self._found: dict[str, ModelOptions] = {}
        """The models of the folder, as it was when last looked at."""
        self._read: dict[tuple[Path, ...], tuple[Stamp, Facts | BadFile]] = {}
        self.lack = ""
        """What is wrong with the folder."""

    def items(self) -> list[Item]:
        """Look at the folder and return all models: those that the row names, then those of the folder."""
        self._look()
        return [self._item(name, options) for name, options in self._all()]

    def item(self, name: str) -> Item | None:
        """Return one model, looking for new files when the name is not known; None when there is none."""
        options = self._named(name)
        if options is None:
            self._look()
            options = self._named(name)
        return self._item(name, options) if options is not None else None

    def names(self) -> list[str]:
        """Return the ids of all models known so far, without looking."""
        return [name for name, _ in self._all()]

    def slots(self, name: str) -> int | None:
        """Return how many chats a model takes at once, without looking; None for an unknown model."""
        options = self._named(name)
        return _slots(options) if options is not None else None

    def _all(self) -> Iterator[tuple[str, ModelOptions]]:
        yield from self._options.models.items()
        yield from ((name, options) for name, options in self._found.items() if name not in self._options.models)

    def _named(self, name: str) -> ModelOptions | None:
        return self._options.models.get(name) or self._found.get(name)

    def _look(self) -> None:
        """Scan the folder; files that the row names itself are not offered twice."""
        if self._options.folder is None:
            return
        lack = ""
        own = {_real(_first(options)) for options in self._options.models.values()}
        try:
            found = scan(Path(self._options.folder))
        except (OSError, RuntimeError, ValueError) as failure:
            found, lack = {}, f"the folder {self._options.folder}: {getattr(failure, 'strerror', None) or failure}"
        if lack and lack != self.lack:
            _log.info("no models from the folder", problem=lack)
        self.lack = lack
        self._found = {name: _usual(path) for name, path in found.items() if _real(path) not in own}

    def _item(self, name: str, options: ModelOptions) -> Item:
        read, stamp = self._facts(options)
        facts, problem = (None, str(read)) if isinstance(read, BadFile) else (read, "")
        if problem:
            path = options.path.encode(errors="replace").decode()
            problem = f"cannot use the model file {path}: {problem}"
        wanted = self._wanted(name, options, facts)
        needed = need(facts, wanted) if facts is not None else None
        return Item(name, wanted, options.unload_after, stamp, facts, needed, problem)

    def _wanted(self, name: str, options: ModelOptions, facts: Facts | None) -> Load:
        """Fill in what a row leaves open; the demo is so small that more than one thread only slows it down."""
        is_demo = options.path == EMBEDDED
        trained = facts.context_length if facts is not None else 0
        embedding = options.embedding if options.embedding != "auto" else facts is not None and facts.is_embedding
        usual = _EMBEDDING_WINDOW if embedding else _WINDOW
        n_ctx = options.n_ctx or min(usual, trained or usual)
        return Load(
            path=options.path if is_demo else str(_first(options)),
            alias=name,
            n_ctx=n_ctx,
            slots=_slots(options),
            n_threads=options.n_threads or (1 if is_demo else self._threads),
            # A text is made into one vector in one go, so all of it must fit.
            n_batch=max(options.n_batch, n_ctx) if embedding else options.n_batch,
            n_gpu_layers=options.n_gpu_layers,
            embedding=embedding,
            loader=self._options.chosen_library,
        )

    @cached_property
    def _threads(self) -> int:
        return default_threads()

    def _facts(self, options: ModelOptions) -> tuple[Facts | BadFile, Stamp]:
        with model_file(options.path) if options.path == EMBEDDED else nullcontext(_first(options)) as path:
            parts = parts_of(path)
            stamp = tuple(map(_stamp, parts))
            known = self._read.get(parts)
            if known is None or known[0] != stamp:
                known = self._read[parts] = stamp, _facts_or_reason(parts)
            return known[1], stamp


def _first(options: ModelOptions) -> Path:
    """Return the file by which a model is loaded."""
    return parts_of(Path(os.path.expanduser(options.path)))[0]


def _real(path: Path) -> str:
    """Return a path without links, as it is where that cannot be said."""
    try:
        return os.path.realpath(path)
    except ValueError:
        return str(path)


def _usual(path: Path) -> ModelOptions:
    return ModelOptions(path=str(path))


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return -1, -1
    return found.st_size, found.st_mtime_ns


def _facts_or_reason(parts: tuple[Path, ...]) -> Facts | BadFile:
    try:
        return read_facts(parts)
    except BadFile as reason:
        return reason


def _slots(options: ModelOptions) -> int:
    return options.slots or (4 if options.path == EMBEDDED else 1)
