"""The noun of models that run on this machine: what one of them is doing, and what it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, final

Phase = Literal["unloaded", "loading", "loaded", "failed"]


@final
@dataclass(frozen=True, slots=True)
class ModelState:
    """One local model at this moment."""

    id: str
    state: Phase
    pid: int | None
    """The process that it runs in."""
    memory_bytes: int | None
    """What that process takes; before it is known, what it is expected to take."""
    slots: int
    """Requests that it can answer at once."""
    busy: int
    """Requests that use it or wait for it."""
    loaded_for: float | None
    """Seconds since it was asked into memory; None while it is not there."""
    idle_for: float | None
    """Seconds since its last request ended; None while it is busy."""
    problem: str = ""
    """Why the state is `failed`."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What only a loaded model knows: library, version, layers on the GPU."""
