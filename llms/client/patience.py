"""How long the client waits for what, and how often it tries."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import final

from llms.client.errors import Refused

_RETRYABLE = frozenset({408, 429})


@final
@dataclass(frozen=True, slots=True)
class Patience:
    """Bounds in seconds and in tries; tests bring their own clock and randomness."""

    retries: int = 2
    """Further tries of a request of which nothing was received."""
    reconnects: int = 5
    """Tries in a row to take up a lost stream; each event that arrives begins a new row."""
    connect: float = 10.0
    answer: float = 600.0
    """Silence that is allowed to an answer, and to a stream of a server that sends no heartbeats."""
    silence: float = 45.0
    """Silence after which the connection of a resumable stream counts as lost; heartbeats come every 15 s."""
    poll: float = 2.0
    """Between two questions how far a stream is, where it cannot be read."""
    longest: float = 60.0
    """A server that asks for more patience than this is not waited for."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    random: Callable[[], float] = random.random
    now: Callable[[], float] = time.time
    """Unix seconds, for a Retry-After that is a date."""

    async def pause(self, failures: int, retry_after: float | None = None) -> None:
        """Wait before another try: as long as the server asks, else 1, 2, 4, then 8 s, each with full jitter."""
        if retry_after is not None:
            await self.sleep(min(retry_after, self.longest))
        elif failures:
            await self.sleep(min(2.0 ** (failures - 1), 8.0) * self.random())

    def allows(self, refusal: Refused) -> bool:
        """Tell whether trying again after a refusal can help, and does not take too long."""
        if refusal.should_retry is False or (refusal.retry_after or 0.0) > self.longest:
            return False
        status = refusal.status or 0
        return refusal.should_retry is True or status in _RETRYABLE or (status >= 500 and status != 501)
