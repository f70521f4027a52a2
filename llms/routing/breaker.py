"""Keep requests away from a target that fails, and find out cheaply when it works again.

closed --(5 failures in a row, or half of at least 10 requests in 10 s)--> open
open --(cooldown over)--> half_open --(the one probe fails)--> open, for longer
any state --(any success)--> closed
"""

from __future__ import annotations

from typing import Final, Literal

from llms.routing.rolling import Rolling

State = Literal["closed", "open", "half_open"]

_SECONDS: Final = 10.0
_ENOUGH: Final = 10
_SHARE: Final = 0.5
_IN_A_ROW: Final = 5
_MOST_GROWTH: Final = 8


class Breaker:
    """The breaker of one target. Times are seconds of one monotonic clock."""

    __slots__ = ("_growth", "_open_until", "_probe_until", "_requests", "_rested_since", "cooldown", "in_a_row")

    def __init__(self, *, cooldown: float) -> None:
        """Start closed; `cooldown` is how long the first opening lasts."""
        self.cooldown = cooldown
        self.in_a_row = 0
        """Failures since the last success."""
        self._requests = Rolling(_SECONDS)
        self._open_until: float | None = None
        self._probe_until = 0.0
        self._growth = 1
        self._rested_since = 0.0

    @property
    def dead(self) -> bool:
        """Tell whether it only fails: five times in a row, or more."""
        return self.in_a_row >= _IN_A_ROW

    def allows(self, now: float) -> bool:
        """Tell whether a request may go there: closed, or half-open without a probe under way."""
        return self._open_until is None or (now >= self._open_until and now >= self._probe_until)

    def state(self, now: float) -> State:
        """Return where the breaker stands."""
        if self._open_until is None:
            return "closed"
        return "half_open" if now >= self._open_until else "open"

    def open_for(self, now: float) -> float:
        """Return the seconds until the next probe; 0 when it is not open."""
        return 0.0 if self._open_until is None else max(0.0, self._open_until - now)

    def badness(self, now: float) -> float:
        """Return how little to expect of the target: failures in a row, then the time still to wait."""
        wait = self.open_for(now)
        return self.in_a_row + wait / (wait + 1.0)

    def started(self, now: float) -> None:
        """Note an attempt; in the half-open state it is the probe.

        A probe that never reports (its client left while other attempts were under way) blocks the next one for
        a cooldown only.
        """
        if self._open_until is not None and now >= self._open_until:
            self._probe_until = now + self.cooldown

    def succeeded(self, now: float) -> None:
        """Note a success, whoever had it: it closes the breaker."""
        self.in_a_row = 0
        if self._open_until is not None:
            self._rested_since = min(now, self._open_until)
            self._open_until = None
            self._probe_until = 0.0
            self._requests.clear()
        self._requests.add(now, marked=False)

    def failed(self, now: float, *, retry_after: float | None = None) -> None:
        """Note a failure; `retry_after` lengthens an opening, it never causes one."""
        self.in_a_row += 1
        if self._open_until is None:
            self._requests.add(now, marked=True)
            if self._trips(now):
                self._open(now, retry_after)
        elif now >= self._open_until:
            self._open(now, retry_after)

    def _trips(self, now: float) -> bool:
        if self.dead:
            return True
        self._requests.forget(now)
        failures = self._requests.marked
        total = failures + self._requests.plain
        return total >= _ENOUGH and failures >= _SHARE * total

    def _open(self, now: float, retry_after: float | None) -> None:
        if self._open_until is not None:
            self._rested_since = self._open_until
        longest = self.cooldown * _MOST_GROWTH
        if now - self._rested_since >= longest:
            self._growth = 1
        wait = self.cooldown * self._growth
        self._growth = min(_MOST_GROWTH, self._growth * 2)
        self._open_until = now + max(wait, min(retry_after or 0.0, longest))
        self._probe_until = 0.0

    def released(self) -> None:
        """Let the next request be the probe: the last one ended without saying anything about the target."""
        self._probe_until = 0.0
