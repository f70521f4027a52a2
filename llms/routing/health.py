"""What is known of every target from the requests it had: breaker, requests in flight, latency, retries."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from math import exp, inf
from typing import Final

from llms.protocol.errors import LlmsError, UpstreamError, UpstreamRejected
from llms.routing.breaker import Breaker, State
from llms.routing.rolling import Rolling
from llms.routing.routes import Target

_BUDGET_SECONDS: Final = 60.0
_BUDGET_SHARE: Final = 0.2
_BUDGET_FLOOR: Final = 10
_SMOOTHING: Final = 15.0
"""Seconds after which an old latency weighs a third of a new one."""
_FADING: Final = 300.0
"""Seconds after which a latency nobody measured again counts a third, so that a slow target is tried again."""
_UNTRUSTED: Final = 30.0
"""Seconds for which a target that failed before its first success is not explored again."""
_MOST_TARGETS: Final = 4096
"""Targets that are remembered: clients may name any model of a provider."""


class Health:
    """The state of all targets, by id; it survives new configurations."""

    __slots__ = ("_clock", "_cooldown", "_records")

    def __init__(self, *, clock: Callable[[], float], cooldown: Callable[[str], float]) -> None:
        """Read seconds from a monotonic `clock`; `cooldown` gives the seconds for a provider's name."""
        self._clock = clock
        self._cooldown = cooldown
        self._records: dict[str, _Record] = {}

    def started(self, target: Target) -> None:
        """Note that an attempt begins; call it as soon as the target is chosen, before any waiting."""
        record = self._records.get(target.id)
        if record is None:
            record = self._remember(target)
        now = self._clock()
        record.inflight += 1
        record.breaker.started(now)
        record.requests.add(now, marked=False)

    def _remember(self, target: Target) -> _Record:
        if len(self._records) >= _MOST_TARGETS:
            self._forget_idle()
        record = self._records[target.id] = _Record(self._cooldown(target.provider))
        return record

    def _forget_idle(self) -> None:
        """Drop up to half of the targets, none in use: first those that never answered, then the oldest."""
        now = self._clock()
        idle = [(key, one) for key, one in self._records.items() if not one.inflight]
        strange = [key for key, one in idle if one.latency is None and one.breaker.state(now) == "closed"]
        order = dict.fromkeys([*strange, *(key for key, _ in idle)])
        for key in islice(order, _MOST_TARGETS // 2):
            del self._records[key]

    def committed(self, target: Target, seconds: float) -> None:
        """Note that the first chunk arrived after `seconds`."""
        record = self._records.get(target.id)
        if record is not None:
            now = self._clock()
            record.breaker.succeeded(now)
            record.measure(now, seconds)

    def failed(self, target: Target, error: LlmsError) -> None:
        """Note how an attempt failed, before or after its first chunk; count only what the target is to blame for."""
        record = self._records.get(target.id)
        if record is None:
            return
        now = record.failed_at = self._clock()
        if blames(error):
            record.breaker.cooldown = self._cooldown(target.provider)
            record.breaker.failed(now, retry_after=error.retry_after)
        else:
            record.breaker.released()

    def ended(self, target: Target) -> None:
        """Note that an attempt is over, however it ended: once for each `started`."""
        record = self._records.get(target.id)
        if record is not None:
            record.inflight = max(0, record.inflight - 1)
            if not record.inflight:
                record.breaker.released()

    def allows(self, target: Target) -> bool:
        """Tell whether the target's breaker lets a request through."""
        record = self._records.get(target.id)
        return record is None or record.breaker.allows(self._clock())

    def state(self, target: Target) -> State:
        """Return the state of the target's breaker."""
        record = self._records.get(target.id)
        return "closed" if record is None else record.breaker.state(self._clock())

    def dead(self, target: Target) -> bool:
        """Tell whether the target has been failing in a row for long enough to open its breaker."""
        record = self._records.get(target.id)
        return record is not None and record.breaker.dead

    def badness(self, target: Target) -> float:
        """Return how little to expect of a target whose breaker is open."""
        record = self._records.get(target.id)
        return 0.0 if record is None else record.breaker.badness(self._clock())

    def inflight(self, target: Target) -> int:
        """Return the number of attempts under way."""
        record = self._records.get(target.id)
        return 0 if record is None else record.inflight

    def latency(self, target: Target) -> float | None:
        """Return the expected seconds to the first chunk; None before the first success."""
        record = self._records.get(target.id)
        return None if record is None else record.expected(self._clock())

    def cost(self, target: Target) -> float:
        """Return what choosing the target costs in seconds (PeakEWMA): latency x requests there with this one.

        0 invites to explore a target that was never measured; infinity is for one that is just being explored, or
        failed when it was.
        """
        record = self._records.get(target.id)
        if record is None:
            return 0.0
        now = self._clock()
        latency = record.expected(now)
        if latency is None:
            return inf if record.inflight or now - record.failed_at < _UNTRUSTED else 0.0
        return latency * (record.inflight + 1)

    def may_retry(self, target: Target) -> bool:
        """Tell whether the target's retry budget allows one more retry, and count it.

        Retries are at most 20 % of all attempts at the target in the last 60 s, with a floor of 10.
        """
        record = self._records.get(target.id)
        if record is None:
            return True
        now = self._clock()
        record.requests.forget(now)
        if record.requests.marked >= max(_BUDGET_FLOOR, _BUDGET_SHARE * record.requests.plain):
            return False
        record.requests.add(now, marked=True)
        return True

    def describe(self, target: Target) -> str:
        """Say in a line how the target is."""
        record = self._records.get(target.id)
        return "not tried yet" if record is None else record.describe(self._clock())


class _Record:
    """What is known of one target."""

    __slots__ = ("breaker", "failed_at", "inflight", "latency", "measured_at", "requests")

    def __init__(self, cooldown: float) -> None:
        self.breaker = Breaker(cooldown=cooldown)
        self.requests = Rolling(_BUDGET_SECONDS)
        """All attempts plain, retries marked as well."""
        self.inflight = 0
        self.latency: float | None = None
        self.measured_at = 0.0
        self.failed_at = -inf

    def measure(self, now: float, seconds: float) -> None:
        """Take a latency: a worse one at once, a better one little by little."""
        if self.latency is None or seconds >= self.latency:
            self.latency = seconds
        else:
            share = exp((self.measured_at - now) / _SMOOTHING)
            self.latency = self.latency * share + seconds * (1.0 - share)
        self.measured_at = now

    def expected(self, now: float) -> float | None:
        """Return the latency, fading while nobody measures it."""
        return None if self.latency is None else self.latency * exp((self.measured_at - now) / _FADING)

    def describe(self, now: float) -> str:
        """Say in a line how the target is."""
        parts = [self._standing(now), f"{self.inflight} in flight"]
        if self.latency is not None:
            parts.append(f"first chunk after {self.latency:.2f} s")
        return ", ".join(parts)

    def _standing(self, now: float) -> str:
        state = self.breaker.state(now)
        if state == "open":
            return f"breaker open for {self.breaker.open_for(now):.0f} s (failures in a row: {self.breaker.in_a_row})"
        if state == "half_open":
            return "breaker half-open: the next request is a probe"
        if self.breaker.in_a_row:
            return f"failures in a row: {self.breaker.in_a_row}"
        return "healthy" if self.latency is not None else "no answer yet"


def blames(error: LlmsError) -> bool:
    """Tell whether an error counts against its target: not when the client, a queue or ourselves are at fault."""
    return isinstance(error, UpstreamError) and not isinstance(error, UpstreamRejected)
