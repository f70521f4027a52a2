"""The noun of prices: what a million tokens of one model cost, from when to when and for which requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, final

_MILLION: Final = 1_000_000
_DAY: Final = 86_400
ALWAYS: Final = 2.0**53


@final
class Tariff(NamedTuple):
    """US dollars for a million tokens. Of a model's tariffs, at most one holds for a request."""

    input: float
    cached: float | None
    """Of input that the upstream had in its cache; None: as other input."""
    output: float | None
    """None where only input is paid for, as for embeddings."""
    since: float = 0.0
    """Unix seconds, included."""
    until: float = ALWAYS
    day_from: int = 0
    """Seconds after midnight UTC, included."""
    day_until: int = _DAY
    above: int = -1
    """It holds for prompts of more tokens than this …"""
    upto: int = 2**53
    """… and of no more than this."""


FREE: Final = Tariff(0.0, 0.0, 0.0)
"""What runs on this machine is on nobody's bill."""


def tariff_at(tariffs: Sequence[Tariff], *, time: float, prompt_tokens: int = 0) -> Tariff | None:
    """Return the tariff that holds for a request that began at `time` (Unix seconds); None where none does."""
    for each in tariffs:
        hours = each.day_from <= int(time) % _DAY < each.day_until
        if hours and each.since <= time < each.until and each.above < prompt_tokens <= each.upto:
            return each
    return None


def cost(
    tariff: Tariff | None, *, prompt_tokens: int, cached_tokens: int, completion_tokens: int, known: bool = True
) -> float | None:
    """Return US dollars; None where they are unknown, as where the tokens are not `known`."""
    if tariff is not None and tariff.input == tariff.output == 0:
        return 0.0
    if tariff is None or not known or (tariff.output is None and completion_tokens):
        return None
    again = min(cached_tokens, prompt_tokens)
    read = (prompt_tokens - again) * tariff.input + again * (tariff.input if tariff.cached is None else tariff.cached)
    return (read + completion_tokens * (tariff.output or 0.0)) / _MILLION
