"""An attempt that was begun at once: what it stands on, and whom its answer is told."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, Protocol

from llms.gateway.answer import Answer, Whole
from llms.gateway.exchange import Exchange
from llms.gateway.fleet import Fleet
from llms.gateway.lease import Lease
from llms.protocol.chat import Chunk
from llms.protocol.shape import Shape
from llms.routing.planner import Plan
from llms.streaming.lane import Lane

Opening = Answer | Whole
"""What an attempt comes to: a committed stream, or a whole answer."""


class Client(Protocol):
    """Who is told the answer, at once."""

    def answer(self, whole: Whole) -> None:
        """Send a whole answer. ConnectionError is raised here and below where the client is gone."""
        ...

    def tell(self, chunk: Chunk) -> bool:
        """Send a chunk of a stream; tell whether the client keeps up."""
        ...

    def pass_by(self, shape: Shape, data: bytes) -> int:
        """Send events of a shape without a chunk made of them, and return how many they are.

        0, and nothing sent, where they are anything else, or would have to wait.
        """
        ...

    def lane(self, exchange: Exchange) -> Lane | None:
        """Return a way for reads that go on as they are, counted in the exchange; None where there is none."""
        ...

    def end(self, chunk: Chunk) -> None:
        """Send the final chunk, and whatever ends a whole stream."""
        ...

    def over(self) -> None:
        """Hear that the request is over."""
        ...

    def leave(self) -> None:
        """Have the request left: the client turned out to be gone."""
        ...

    def go_on(self, opening: Callable[[], Coroutine[Any, Any, Opening]], *, quiet: float) -> None:
        """Have a task wait for the rest of the answer, nothing of which came for `quiet` seconds."""
        ...


class Started(NamedTuple):
    """What an attempt that was begun stands on; the providers of its plan are held until it is committed, or over."""

    plan: Plan
    fleet: Fleet
    lease: Lease

    def hold(self) -> None:
        """Keep the providers that the request may come to from being closed."""
        for member in self.fleet.users(self.plan):
            member.enter()

    def let_go(self) -> None:
        """Undo `hold`: there will be no other attempt."""
        for member in self.fleet.users(self.plan):
            member.leave()
