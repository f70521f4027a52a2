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
from llms.protocol.shape import Passable, Shape
from llms.providers import base
from llms.streaming.lane import Lane, Unframed

Sink = Callable[[Passable], Callable[[bytes], int] | None]
"""Returns what passes on the reads of a shape; None where somebody has to see them.

That tells how many events a read was: 0 for one that is anything else, or that the client would have to wait for.
"""
SILENT: Final = "the upstream sent nothing for {:g} s"


@final
class ShortCut:
    """Pass on what the provider offers, once there is a `sink`."""

    __slots__ = ("_deadline", "_exchange", "_idle", "_lane", "_pass", "conform", "sink")

    def __init__(self, lease: Lease, conform: Conform, exchange: Exchange) -> None:
        """Take what the generators of the answer note a chunk in."""
        self._deadline = lease.deadline
        self._idle = lease.member.row.timeouts.idle
        self.conform: Conform | Passing = conform
        self._exchange = exchange
        self._pass: Callable[[bytes], int] | None = None
        self.sink: Sink | None = None
        """Where it leads to."""
        self._lane: Lane | None = None

    @property
    def lane(self) -> base.Lane | None:
        """Return the way for reads that need no parser in the wait that begins; None where nothing may pass."""
        if self._pass is None:
            return None
        return self._lane if self._lane is not None and self._lane.shape is not None else Unframed(self.take)

    def open_lane(self, lane: Lane | None) -> None:
        """Let what is passed on as it came go this way."""
        self._lane = lane
        self._deadline.follow(lane)

    def expect(self, shape: Passable | None) -> None:
        """Let events of a shape pass during the wait that begins, if nothing has to be looked at in them."""
        sink = self.sink
        if shape is None or sink is None or not self.conform.lets_pass(shape):
            self._pass = None
        else:
            self._pass = sink(shape)
        if self._lane is not None:
            translated = isinstance(shape, Shape) and shape.chat is not None
            self._lane.shape = None if translated or self._pass is None else shape

    def take(self, data: bytes) -> bool:
        """Pass on what one read brought; tell whether it is gone."""
        pass_on = self._pass
        count = pass_on(data) if pass_on is not None else 0
        if not count:
            return False
        self._exchange.chunks += count
        self._deadline.arm(self._idle, SILENT)
        return True


_: type[base.Relay] = ShortCut
