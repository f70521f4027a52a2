"""How much memory a model will need, and how much there is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from llms.providers.llama_cpp.control_groups import groups, read
from llms.providers.llama_cpp.facts import Facts
from llms.providers.llama_cpp.load import Load

_ROOT: Final = Path("/")
_SHARE: Final = 0.8
"""Of what there is; the rest is for everything else."""

_PROCESS: Final = 52 * 2**20
"""A child process before any model: 36 MiB were measured with xllamacpp, 40 to 52 with llama-cpp-python."""
_TOKEN: Final = 300
"""For each token of the vocabulary, its text in both directions and its merges."""
_CELL: Final = 2
"""The context is kept in 16 bits."""
_ACTIVATION: Final = 4
_SCORED: Final = 64
"""Tokens of a batch whose scores are computed at once, at most."""
_PADDING: Final = 256


@final
@dataclass(frozen=True, slots=True)
class Need:
    """Bytes that a model will take, by what for."""

    files: int
    context: int
    """Keys and values of all slots."""
    work: int
    """The process and what computing takes."""

    @property
    def total(self) -> int:
        """Return all of it."""
        return self.files + self.context + self.work


def need(facts: Facts, wanted: Load) -> Need:
    """Return what a model will need at most, loaded in this way; within 10 % for models of 100 MB and more."""
    return Need(files=facts.size, context=_context(facts, wanted), work=_work(facts, wanted))


def _context(facts: Facts, wanted: Load) -> int:
    if facts.is_encoder:
        return 0
    whole = _padded(wanted.n_ctx)
    part = min(whole, _padded(facts.window + wanted.n_batch))
    per_slot = sum(
        numbers * (part if windowed else whole) for numbers, windowed in zip(facts.cells, facts.windowed, strict=True)
    )
    return per_slot * wanted.slots * _CELL


def _work(facts: Facts, wanted: Load) -> int:
    passed = wanted.n_batch * (2 * facts.width + facts.inner_width)
    scores = _scored(facts, wanted) * facts.vocabulary
    return _PROCESS + facts.vocabulary * _TOKEN + (passed + scores) * _ACTIVATION


def _scored(facts: Facts, wanted: Load) -> int:
    """Return of how many tokens the library computes scores at once: for embeddings of all, though nobody asks."""
    if facts.is_encoder:
        return 0
    return wanted.n_batch if wanted.embedding else min(wanted.n_batch, _SCORED)


def _padded(tokens: int) -> int:
    return -(-tokens // _PADDING) * _PADDING


def refusal(needed: Need, budget: int, wanted: Load) -> str:
    """Return why a model can never be loaded, and what to do."""
    return (
        f"it needs about {_shown(needed.total)} of memory ({_shown(needed.files)} for its file, "
        f"{_shown(needed.context)} for {wanted.slots} x {wanted.n_ctx} tokens of context), but local models may take "
        f"{_shown(budget)}: lower its n_ctx or slots, take a smaller quantization, or raise `memory` in the row"
    )


def _shown(size: int) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"


def default_budget(*, root: Path = _ROOT) -> int | None:
    """Return the bytes that all models together may take: 80 % of what the container or the machine has.

    None where neither tells. What others use at the moment does not count: it changes.
    """
    there_is = [*_limits(root), *_physical(root)]
    return int(min(there_is) * _SHARE) if there_is else None


def _limits(root: Path) -> Iterator[int]:
    """Yield the limits of the control groups; without one they say "max" or a number beyond any machine."""
    for group in groups(root, "memory"):
        for name in ("memory.max", "memory.high", "memory.limit_in_bytes"):
            limit = read(group / name)
            if limit.isdigit() and int(limit):
                yield int(limit)


def _physical(root: Path) -> Iterator[int]:
    for line in read(root / "proc/meminfo").splitlines():
        words = line.split()
        if words[:1] == ["MemTotal:"] and len(words) > 1 and words[1].isdigit():
            yield int(words[1]) * 1024
            return
    if root == _ROOT and hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
