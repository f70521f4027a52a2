"""Put the targets of a row in the order in which they are tried."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from llms.routing.health import Health
from llms.routing.routes import Target


def order(targets: Sequence[Target], strategy: str, *, health: Health, rng: random.Random, turn: int) -> list[Target]:
    """Return all of `targets`, the first choice first; `turn` counts the requests of the row from 0.

    A weight of 0 makes a target a fallback of the others in every strategy but `ordered`. Raise ValueError for a
    strategy that does not exist.
    """
    if strategy == "ordered":
        return list(targets)
    arrange = _STRATEGIES.get(strategy)
    if arrange is None:
        raise ValueError(f"there is no strategy {strategy!r}; use ordered, {', '.join(_STRATEGIES)}")
    chosen = [target for target in targets if target.weight > 0]
    return [*arrange(chosen, health, rng, turn), *(target for target in targets if target.weight <= 0)]


def _weighted(targets: list[Target], _health: Health, rng: random.Random, _turn: int) -> list[Target]:
    """Draw without replacement by weight: waiting times of rate w arrive in exactly this order."""
    arrival = {target: rng.expovariate(target.weight) for target in targets}
    return sorted(targets, key=arrival.__getitem__)


def _round_robin(targets: list[Target], _health: Health, _rng: random.Random, turn: int) -> list[Target]:
    """Give each target as many turns in a row as it weighs, then the next; the others follow in order."""
    left = turn % (sum(target.weight for target in targets) or 1)
    for position, target in enumerate(targets):
        if left < target.weight:
            return targets[position:] + targets[:position]
        left -= target.weight
    return targets


def _least_busy(targets: list[Target], health: Health, rng: random.Random, turn: int) -> list[Target]:
    """Choose by requests in flight per weight, and among equals by chance and weight."""
    shuffled = _weighted(targets, health, rng, turn)
    return sorted(shuffled, key=lambda target: health.inflight(target) / target.weight)


def _fastest(targets: list[Target], health: Health, _rng: random.Random, _turn: int) -> list[Target]:
    return sorted(targets, key=lambda target: (health.cost(target), health.inflight(target)))


_STRATEGIES: Final[Mapping[str, Callable[[list[Target], Health, random.Random, int], list[Target]]]] = MappingProxyType(
    {"weighted": _weighted, "round_robin": _round_robin, "least_busy": _least_busy, "fastest": _fastest}
)
