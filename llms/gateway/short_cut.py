"""The short cut of a committed stream: what only repeats goes from the upstream's read into the client's transport.

Nobody wakes for it: the generators all wait where they are, for the first read that is anything else. It may go that
way because each of them would let it pass and be as before; what it leaves behind, its count and the time, is noted
here. Caches are cold between two chunks, so every object touched here counts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, final

from llms.gateway.exchange import Exchange
from llms.gateway.lease import Lease
from llms.protocol.conform import Conform
from llms.protocol.passing import Passing
from llms.protocol.shape import Passable
from llms.providers.base import Relay
from llms.streaming.lane import Lane

SILENT: Final = "the upstream sent nothing for {:g} s"


@final
class ShortCut:
    """Pass on what the provider offers, once there is a `sink`."""

    __slots__ = ("_deadline", "_exchange", "_idle", "_lane", "_shape", "conform", "sink")

    def __init__(self, lease: Lease, conform: Conform, exchange: Exchange) -> None:
        """Take what the generators of the answer note a chunk in."""
        self._deadline = lease.deadline
        self._idle = lease.member.row.timeouts.idle
        self.conform: Conform | Passing = conform
        self._exchange = exchange
        self._shape: Passable | None = None
        self.sink: Callable[[bytes], bool] | None = None
        """Writes to the client at once; False when it would have to wait."""
        self._lane: Lane | None = None

    @property
    def lane(self) -> Lane | None:
        """Return the way to the client for reads that need no parser; None where there is none."""
        return self._lane

    @lane.setter
    def lane(self, lane: Lane | None) -> None:
        self._lane = lane
        self._deadline.follow(lane)

    def expect(self, shape: Passable | None) -> None:
        """Let events of a shape pass during the wait that begins, if nothing has to be looked at in them."""
        passes = shape is not None and self.sink is not None and self.conform.lets_pass(shape)
        self._shape = shape if passes else None
        if self._lane is not None:
            self._lane.shape = self._shape

    def take(self, data: bytes) -> bool:
        """Pass on what one read brought; tell whether it is gone."""
        shape, sink = self._shape, self.sink
        if shape is None or sink is None:
            return False
        count = shape.count(data)
        if not count or not sink(data):
            return False
        self._exchange.chunks += count
        self._deadline.arm(self._idle, SILENT)
        return True


_: type[Relay] = ShortCut
