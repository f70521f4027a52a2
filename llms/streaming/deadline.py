"""The waits of one request for its upstream: armed before each, disarmed after it, at the price of an assignment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, final

from llms.protocol.errors import LlmsError, UpstreamError, UpstreamTimeout
from llms.streaming.lane import Lane
from llms.streaming.ticker import PERIOD, SOON, Ticker

_NEVER: Final = float("inf")
_AT_ONCE: Final = 0.001
_OVERALL: Final = "the request took longer than its total of {:g} s"


@final
class Deadline:
    """Cancel the task that waits for an upstream when the wait is due, and tell that from any other cancellation."""

    __slots__ = (
        "_armed",
        "_call",
        "_due",
        "_expired",
        "_lane",
        "_limit",
        "_seconds",
        "_task",
        "_ticker",
        "_total",
        "_what",
    )

    def __init__(self, ticker: Ticker, *, total: float) -> None:
        """Bound the sum of all waits by `total` seconds from now; 0 means no bound."""
        ticker.add(self)
        self._ticker = ticker
        self._limit = ticker.now + total + PERIOD if total else _NEVER
        self._total = total
        self._due = _NEVER
        self._armed = ticker.now
        """When a wait began that is longer than what is left of the total."""
        self._what = ""
        self._seconds = 0.0
        self._expired: str | None = None
        """What did not come in time, which nothing that comes later changes."""
        self._task: asyncio.Task[Any] | None = None
        self._call: Callable[[], None] | None = None
        self._lane: Lane | None = None

    def arm(self, seconds: float, what: str, *, of: float = 0.0) -> None:
        """Start a wait of at most `seconds` (0: only the total counts) in the current task.

        `what` says what did not come, `{:g}` in it being the seconds: those given, or `of` when these are the rest.
        """
        due = self._ticker.now + seconds + PERIOD if seconds else self._limit
        if due <= self._limit:
            self._due = due
            self._what = what
            self._seconds = of or seconds
        else:
            self._due = self._limit
            self._armed = self._ticker.now
            self._what = _OVERALL
            self._seconds = self._total
        if self._due - self._ticker.now < SOON:
            self._ticker.add(self)
        if self._task is None and self._call is None:
            self._task = asyncio.current_task(self._ticker.loop)

    def go_on(self, seconds: float, what: str, *, waited: float) -> None:
        """Do as `arm` for a wait of which so much is over; it may be due at once."""
        self.arm(max(-PERIOD, seconds - waited) or -PERIOD if seconds else 0.0, what, of=seconds)
        self.tick(self._ticker.now)

    def disarm(self) -> None:
        """End the wait in time."""
        self._due = _NEVER

    def close(self) -> None:
        """Watch no more."""
        self._due = _NEVER
        self._lane = None
        self._task = None
        self._call = None
        self._ticker.discard(self)

    def watch(self, due: Callable[[], None]) -> None:
        """Call this when a wait is due, instead of cancelling a task."""
        self._call = due

    def follow(self, lane: Lane | None) -> None:
        """Have waits begin anew with whatever passes there."""
        self._lane = lane

    def waited(self, seconds: float) -> float:
        """Return how much is over of the `seconds` that the wait under way has."""
        began = self._armed if self._due == self._limit else self._due - seconds - PERIOD
        if self._lane is not None:
            began = max(began, self._lane.at)
        return max(0.0, self._ticker.now - began)

    def moved(self) -> None:
        """Forget who waits: the next wait may be in another task."""
        self._due = _NEVER
        self._task = None
        self._call = None

    def caught(self, provider: str) -> LlmsError | None:
        """Return the error that a CancelledError just caught stands for; None when the client left.

        It is ours when the wait was due, and the provider's own when nobody cancelled the task.
        """
        task = self._task
        if task is None:
            return None
        if (what := self._expired) is not None:
            self._expired = None
            return None if task.uncancel() > 0 else UpstreamTimeout(f"{provider}: {what}")
        return None if task.cancelling() else UpstreamError(f"{provider}: the provider cancelled its own work")

    @property
    def remaining(self) -> float:
        """Return the seconds left of the total."""
        return max(0.0, self._limit - self._ticker.now)

    def tick(self, now: float) -> bool:
        """Cancel the wait when it is due."""
        if now >= self._due and not self._is_put_off(now):
            self._expire()
        return self._due - now < SOON

    def _expire(self) -> None:
        if self._call is not None:
            self._call()
        elif self._task is not None:
            self._due = _NEVER
            self._expired = self._what.format(self._seconds)
            self._task.cancel()

    def _is_put_off(self, now: float) -> bool:
        """Go on with the wait where something has passed since it began."""
        if self._lane is None or self._due >= self._limit:
            return False
        left = self._lane.at + self._seconds + PERIOD - now
        if left > 0:
            self.arm(max(_AT_ONCE, left - PERIOD), self._what, of=self._seconds)
        return left > 0


def until_needed(patience: float, heartbeat: float) -> float:
    """Return the seconds of silence after which somebody has to be there, to end it or to send a heartbeat; 0: never.

    For a heartbeat that is a tick before it is due: what comes then takes one more.
    """
    beat = max(_AT_ONCE, heartbeat - PERIOD) if heartbeat else patience
    return min(patience or beat, beat)
