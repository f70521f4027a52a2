"""Decide after a failure: the same target again, the next one, or the error to the client.

All of this is before the first chunk; after it there is no second attempt.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from llms.protocol.errors import (
    ContextLengthExceeded,
    LlmsError,
    NotSupported,
    QueueFull,
    UpstreamAuthenticationFailed,
    UpstreamError,
    UpstreamOutOfService,
    UpstreamRejected,
    UpstreamTimeout,
)
from llms.protocol.frames import let_go
from llms.routing.health import Health
from llms.routing.planner import Plan
from llms.routing.routes import Target

Kind = Literal["first", "retry", "fallback"]

_BASE: Final = 0.25
_LONGEST: Final = 8.0
_MOST_ATTEMPTS: Final = 6


class Step(NamedTuple):
    """The next attempt."""

    target: Target
    kind: Kind
    delay: float
    """Seconds to wait before it."""


class Attempts:
    """The attempts of one request over its plan: each target once, then again round by round."""

    __slots__ = (
        "_errors", "_health", "_max_retry_after", "_overflowed", "_plan", "_position", "_retries_of", "_rng", "_tries",
        "count", "fallbacks", "retries",
    )  # fmt: skip

    def __init__(
        self,
        plan: Plan,
        *,
        retries: Callable[[Target], int],
        max_retry_after: Callable[[Target], float],
        health: Health,
        rng: random.Random,
    ) -> None:
        """Follow `plan`; `retries` gives the further attempts at a target, `max_retry_after` is in seconds."""
        self._plan = plan
        self._retries_of = retries
        self._max_retry_after = max_retry_after
        self._health = health
        self._rng = rng
        self._position = 0
        self._overflowed = False
        self._tries: list[int] = []
        self._errors: list[LlmsError] = []
        self.count = 0
        self.retries = 0
        self.fallbacks = 0

    def first(self) -> Step:
        """Return the first attempt."""
        self.count = 1
        return Step(self._plan.targets[0], "first", 0.0)

    def after(self, error: LlmsError) -> Step | None:
        """Return the attempt that follows the failure of the last one; None gives `error` to the client.

        Tell `Health.failed` of the failure first.
        """
        if self._overflowed or self.count >= _MOST_ATTEMPTS:
            return None
        if isinstance(error, ContextLengthExceeded):
            return self._overflow()
        if not falls_back(error):
            return None
        self._note(error)
        return self._untried() or self._again()

    def _overflow(self) -> Step | None:
        target = self._plan.route.overflow
        if target is None or target in self._plan.targets[: len(self._tries) + 1]:
            return None
        self._overflowed = True
        return self._fallback(target)

    def _note(self, error: LlmsError) -> None:
        let_go(error)
        if self._position == len(self._tries):
            self._tries.append(1)
            self._errors.append(error)
        else:
            self._tries[self._position] += 1
            self._errors[self._position] = error

    def _untried(self) -> Step | None:
        if len(self._tries) == len(self._plan.targets):
            return None
        self._position = len(self._tries)
        return self._fallback(self._plan.targets[self._position])

    def _fallback(self, target: Target) -> Step:
        self.count += 1
        self.fallbacks += 1
        return Step(target, "fallback", 0.0)

    def _again(self) -> Step | None:
        """Return a retry of the target with the fewest attempts; none when all that could be retried only fail.

        So a total outage costs one attempt a request, and one good answer of late is enough to try on.
        """
        targets, errors = self._plan.targets, self._errors
        if not any(map(self._is_hopeful, targets, errors)):
            return None
        for position in sorted(range(len(targets)), key=lambda at: (self._tries[at], errors[at].retry_after or 0.0)):
            wait = self._wait_for(position)
            if wait is not None and self._health.may_retry(targets[position]):
                self._position = position
                self.count += 1
                self.retries += 1
                return Step(targets[position], "retry", wait)
        return None

    def _is_hopeful(self, target: Target, error: LlmsError) -> bool:
        return retries_same(error) and not self._health.dead(target)

    def _wait_for(self, position: int) -> float | None:
        """Return the seconds before a target may be tried again; None when it may not."""
        target, tries, error = self._plan.targets[position], self._tries[position], self._errors[position]
        if tries > self._retries_of(target) or not retries_same(error):
            return None
        return delay(tries, error, max_retry_after=self._max_retry_after(target), rng=self._rng)


def falls_back(error: LlmsError) -> bool:
    """Tell whether another target may do better."""
    if isinstance(error, UpstreamRejected):
        return error.http_status in (401, 403, 404) or error.code == "insufficient_quota" or retries_same(error)
    return isinstance(error, UpstreamError | QueueFull | NotSupported)


def retries_same(error: LlmsError) -> bool:
    """Tell whether the same target may do better soon: no connection, a cut, an error event, 408, 429, 5xx.

    A timeout of our own is no such failure: a second wait of that length helps nobody.
    """
    if error.code == "insufficient_quota" or isinstance(error, UpstreamAuthenticationFailed | UpstreamOutOfService):
        return False
    if isinstance(error, UpstreamTimeout | UpstreamRejected):
        return error.http_status in (408, 429)
    return isinstance(error, UpstreamError)


def delay(round: int, error: LlmsError, *, max_retry_after: float, rng: random.Random) -> float | None:
    """Return the seconds before retry number `round` (from 1): full jitter over a doubling time, after Retry-After.

    None: the upstream asks for more patience than `max_retry_after`, so the client shall hear of it.
    """
    patience = error.retry_after or 0.0
    if not patience <= max_retry_after:
        return None
    return patience + rng.random() * min(_LONGEST, _BASE * 2.0 ** min(round - 1, 16))
