"""Turn a route into a plan: which targets are tried, in which order, and which are not."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

from llms.routing.health import Health
from llms.routing.routes import Route, Target
from llms.routing.strategies import order

_REMEMBERED: Final = 1024
"""Routes that are remembered, with their turns or plans: names under a wildcard are the clients' own."""


@final
@dataclass(frozen=True, slots=True)
class Plan:
    """The targets for one request, at least one, each once, in the order of trying."""

    route: Route
    targets: tuple[Target, ...]
    skipped: tuple[tuple[Target, str], ...]
    """Targets of the row that are not tried, each with the reason."""


class Planner:
    """Plans requests by what is known of the targets."""

    __slots__ = ("_health", "_only", "_rng", "_turns")

    def __init__(self, *, health: Health, rng: random.Random) -> None:
        """Choose by `health`; `rng` is for the strategies that draw lots."""
        self._health = health
        self._rng = rng
        self._only: dict[str, Plan] = {}
        self._turns: dict[str, int] = {}

    def plan(self, route: Route) -> Plan:
        """Return the plan for the next request of a route."""
        known = self._only.get(route.name)
        if known is not None and known.route is route:
            return known
        if len(route.targets) > 1:
            return self._arrange(route, self._next_turn(route))
        if len(self._only) >= _REMEMBERED:
            self._only.clear()
        plan = self._only[route.name] = Plan(route, route.targets, route.left_out)
        return plan

    def _next_turn(self, route: Route) -> int:
        if route.strategy != "round_robin":
            return 0
        turn = self._turns.get(route.name, 0)
        if not turn and len(self._turns) >= _REMEMBERED:
            self._turns.clear()
        self._turns[route.name] = turn + 1
        return turn

    def give_back(self, route: Route) -> None:
        """Undo the turn that the last plan of a route has taken: its request is planned again."""
        turn = self._turns.get(route.name, 0)
        if turn:
            self._turns[route.name] = turn - 1

    def _arrange(self, route: Route, turn: int) -> Plan:
        """Put targets with an open breaker last, and keep few of them where no other is left.

        So a request never finds an empty plan, and an outage of everything costs one attempt a request, or two
        when a probe is due.
        """
        health = self._health
        ordered = order(route.targets, route.strategy, health=health, rng=self._rng, turn=turn)
        allowed = [target for target in ordered if health.allows(target)]
        if len(allowed) == len(ordered) and self._any_closed(ordered):
            return Plan(route, tuple(ordered), route.left_out)
        resort = sorted((target for target in ordered if target not in allowed), key=health.badness)
        targets = allowed + resort
        kept = len(targets) if self._any_closed(allowed) else 2 if allowed else 1
        left = tuple((target, health.describe(target)) for target in targets[kept:])
        return Plan(route, tuple(targets[:kept]), (*route.left_out, *left))

    def _any_closed(self, targets: Sequence[Target]) -> bool:
        return any(self._health.state(target) == "closed" for target in targets)

    def explain(self, route: Route) -> list[str]:
        """Return in lines what `plan` would do now, and why; it takes nobody's turn."""
        plan = self._arrange(route, self._turns.get(route.name, 0))
        weighty = route.strategy != "ordered" and len({target.weight for target in route.targets}) > 1
        lines = [f"{route.name}: {route.why}, strategy {route.strategy}"]
        for place, target in enumerate(plan.targets, start=1):
            weight = f", weight {target.weight}" if weighty else ""
            lines.append(f"{place}. {target.id}{weight}: {self._health.describe(target)}")
        if route.overflow is not None:
            lines.append(f"too long for these: {route.overflow.id}: {self._health.describe(route.overflow)}")
        return [*lines, *(f"skipped {target.id}: {why}" for target, why in plan.skipped)]
