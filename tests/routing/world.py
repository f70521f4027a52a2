"""A simulated world: requests arrive, upstreams fail by chance or by the hour, time passes without waiting."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from llms.protocol.errors import LlmsError, UpstreamUnreachable
from llms.routing.catalog import Route, Target
from llms.routing.health import Health
from llms.routing.planner import Planner
from llms.routing.retry import Attempts, Step
from llms.testing.clock import Clock

Fault = Callable[[float], bool]
"""Whether an attempt that begins at this time fails."""


@dataclass
class Tally:
    """What became of the requests of one run."""

    requests: int = 0
    succeeded: int = 0
    attempts: int = 0
    retries: int = 0
    touched: Counter[str] = field(default_factory=Counter)
    """Attempts by provider."""
    failed_after: Counter[int] = field(default_factory=Counter)
    """Failed requests by the number of their attempts."""
    most_at_once: Counter[str] = field(default_factory=Counter)
    """The most attempts under way at once, by provider."""


class World:
    """Targets with their faults, and everything of routing above them."""

    def __init__(
        self, faults: Mapping[str, float | Fault], *, seed: int = 0, strategy: str = "ordered", retries: int = 2
    ) -> None:
        self.clock = Clock()
        self.rng = random.Random(seed)
        self.health = Health(clock=self.clock, cooldown=lambda _: 30.0)
        self.planner = Planner(health=self.health, rng=self.rng)
        self.targets = tuple(Target(name, "m") for name in faults)
        self.route = Route("m", self.targets, strategy, None, "name in models")
        self._faults = {name: self._fault(fault) for name, fault in faults.items()}
        self._retries = retries

    def _fault(self, fault: float | Fault) -> Fault:
        return (lambda _: self.rng.random() < fault) if isinstance(fault, float) else fault

    def run(self, requests: int, *, rate: float, seconds: float = 0.2) -> Tally:
        """Send `requests` at `rate` a second, each attempt lasting `seconds`, and return what became of them."""
        tally = Tally()
        start = self.clock.now()
        events: list[tuple[float, int, Iterator[float]]] = [
            (start + n / rate, n, self._request(tally, seconds)) for n in range(requests)
        ]
        while events:
            moment, number, request = heapq.heappop(events)
            self.clock.set(moment)
            wait = next(request, None)
            if wait is not None:
                heapq.heappush(events, (moment + wait, number, request))
        return tally

    def _request(self, tally: Tally, seconds: float) -> Iterator[float]:
        attempts = self.attempts()
        tally.requests += 1
        step: Step | None = attempts.first()
        while step is not None:
            yield step.delay
            target = step.target
            self.health.started(target)
            tally.touched[target.provider] += 1
            busy = self.health.inflight(target)
            tally.most_at_once[target.provider] = max(busy, tally.most_at_once[target.provider])
            fails = self._faults[target.provider](self.clock.now())
            yield seconds
            step = None
            if fails:
                error: LlmsError = UpstreamUnreachable("down")
                self.health.failed(target, error)
                step = attempts.after(error)
            else:
                self.health.committed(target, seconds)
                tally.succeeded += 1
            if fails and step is None:
                tally.failed_after[attempts.count] += 1
            self.health.ended(target)
        tally.attempts += attempts.count
        tally.retries += attempts.retries

    def attempts(self) -> Attempts:
        return Attempts(
            self.planner.plan(self.route),
            retries=lambda _: self._retries,
            max_retry_after=lambda _: 10.0,
            health=self.health,
            rng=self.rng,
        )
