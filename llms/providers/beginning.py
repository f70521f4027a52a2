"""What a provider may do beyond the seam: send a chat at once, so that nobody has to wait for its answer in a task."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Literal, Protocol, runtime_checkable

from llms.protocol.chat import ChatRequest, Chunk
from llms.protocol.stream import ChunkReader
from llms.providers.base import Lane, Relay

Standing = Literal["waiting", "plain", "odd"]
"""How an answer stands that nobody waits for: its head is not there yet; it is what was asked for; or anything else,
no connection, a refusal or a failure, for which somebody has to wait after all."""


class Begun(Protocol):
    """A chat that was sent, or is once its connection is there; its answer is read in the calls that bring it."""

    def listen(self, listener: Callable[[], None]) -> None:
        """Have `listener` called, synchronously, whenever something has changed."""
        ...

    @property
    def standing(self) -> Standing:
        """Tell how the answer stands."""
        ...

    @property
    def is_whole(self) -> bool:
        """Tell whether the answer is here to its end."""
        ...

    @property
    def upstream_id(self) -> str:
        """Return the upstream's own id of the request, once there is a head."""
        ...

    @property
    def reader(self) -> ChunkReader | None:
        """Return what reads the stream; None before its head has come."""
        ...

    def answer(self) -> Chunk | None:
        """Return a whole answer; None where it is none, and has to be looked at closely. It stays where it is."""
        ...

    def arrived(self) -> bytes:
        """Return what has arrived of a stream since the last call."""
        ...

    def lend(self, lane: Lane) -> None:
        """Let reads of the stream go past everybody, as far as `lane` takes them."""
        ...

    def settle(self, then: Callable[[], None]) -> None:
        """Let go of an answer that was read to its end, and call `then` once that is done: at once, or in a moment."""
        ...

    def abort(self) -> None:
        """Stop the upstream's work, unless `resume` has taken it over."""
        ...


@runtime_checkable
class SupportsBegin(Protocol):
    """A provider that can send a plain chat without anybody who waits for it."""

    def begin(self, request: ChatRequest, *, stream: bool) -> Begun | None:
        """Send a request, now or once there is a connection; None, and nothing done, where more has to be done."""
        ...

    def resume(
        self, request: ChatRequest, begun: Begun, *, stream: bool, relay: Relay | None = None
    ) -> AsyncGenerator[Chunk, None]:
        """Do as `chat` and `relay` do from where a request stands that was begun."""
        ...
