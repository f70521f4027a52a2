"""How far a pull is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, final


@final
@dataclass(frozen=True, slots=True)
class Progress:
    """Bytes of all files; `total` is None as long as nobody knows."""

    status: Literal["listing", "downloading", "verifying"]
    completed: int = 0
    total: int | None = None


Report = Callable[[Progress], None]
"""Hears of it often: whoever tells people picks from it."""
