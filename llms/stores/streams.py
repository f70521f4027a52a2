"""Where streams are kept that other processes may go on with: the seam."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import NamedTuple, Protocol


class StoreLost(Exception):
    """The store cannot be reached, or does not answer as it should."""


class Taken(Exception):
    """Another process has ended the stream, because it took its owner for dead."""


class Facts(NamedTuple):
    """What is known of one stream beside its events."""

    owner: str
    """The short name of the key that started it."""
    node: str
    """The process that makes it."""
    status: str = "in_progress"
    last: int = 0
    """The id of the last event; 0 until it is over."""
    first: int = 1
    """The id of the oldest event whose text is not in `gone`."""
    gone: str = ""
    """The text of events that are no longer kept."""
    gone_is_whole: bool = True
    error: str = ""
    """As JSON, why it failed."""
    usage: str = ""
    """As JSON, what it took."""
    finish_reason: str = ""
    """Why the answer ended."""


class Read(NamedTuple):
    """What one look at a stream brought."""

    events: Sequence[tuple[int, bytes]]
    """Id and bytes of each, in order."""
    is_over: bool
    """Nothing follows."""


class StreamStore(Protocol):
    """Keep events and facts of streams; every method raises StoreLost."""

    async def top(self, stream_id: str) -> int:
        """Return the id of the last event that is kept; 0 when there is none. Raise Taken when it is over."""
        ...

    async def first(self, stream_id: str) -> int:
        """Return the id of the oldest event that is kept; 1 when there is none."""
        ...

    async def write(self, stream_id: str, events: Sequence[tuple[int, bytes]], *, ttl: float | None = None) -> None:
        """Add events; with `ttl`, begin the stream if need be, and keep it for so many seconds from now.

        Raise StoreLost also when the store has forgotten the stream, or does not take what follows.
        """
        ...

    async def forget(self, stream_id: str) -> None:
        """Drop a stream."""
        ...

    async def note(self, stream_id: str, facts: Facts, *, ttl: float) -> None:
        """Set the facts of a stream, and drop its events before the first."""
        ...

    async def end(self, stream_id: str, facts: Facts, *, ttl: float, event: tuple[int, bytes] | None = None) -> bool:
        """Close a stream, with one more event if given; return False when it was closed by another."""
        ...

    async def facts(self, stream_id: str) -> Facts | None:
        """Return what is known of a stream; None when it is not kept."""
        ...

    async def read(self, stream_id: str, *, after: int, wait: float) -> Read:
        """Return the events after one, as far as they are there; wait up to `wait` seconds for the first."""
        ...

    async def beat(self, node: str, *, seconds: float) -> None:
        """Let a process count as alive for some seconds."""
        ...

    async def is_alive(self, node: str) -> bool:
        """Tell whether a process counts as alive."""
        ...

    async def send(self, node: str, message: str) -> bool:
        """Send a process a message; return False when it does not listen."""
        ...

    def messages(self, node: str) -> AsyncGenerator[str, None]:
        """Yield the messages to a process, until the store is lost."""
        ...

    async def close(self) -> None:
        """Leave."""
        ...
