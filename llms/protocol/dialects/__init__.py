"""The dialects in which clients ask for a chat and are answered; the gateway only knows chats.

A route has one dialect. It reads requests and writes whole answers; each stream gets a `Telling` of its own, which may
remember what it has said. Both are pure: bytes and chunks in, bytes out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Protocol, runtime_checkable

from llms.protocol.chat import ChatRequest, Chunk, Completion, Usage
from llms.protocol.errors import LlmsError
from llms.protocol.shape import Shape

__all__ = ["Dialect", "TellTexts", "Telling", "TellsTexts", "TellsWire", "Told"]

TellTexts = Callable[[Sequence[bytes]], bytes]
"""Returns the events that tell texts, given as they stand in JSON, and notes them as told."""


class Told(Protocol):
    """What is known of an answer at its end; looked up only by those who tell it."""

    @property
    def usage(self) -> Usage | None:
        """Return the upstream's usage, if it told any."""
        ...

    @property
    def seconds(self) -> float:
        """Return the time since the request began."""
        ...


class Telling(Protocol):
    """One stream in the words of a dialect."""

    def chunk(self, chunk: Chunk, /) -> bytes:
        """Return the whole events that tell a chunk; b"" when there is nothing to tell."""
        ...

    def end(self, chunk: Chunk, told: Told, /) -> bytes:
        """Return the events of the final chunk and whatever ends a whole stream."""
        ...

    def error(self, error: LlmsError, /) -> bytes:
        """Return what ends a stream that broke."""
        ...


@runtime_checkable
class TellsTexts(Protocol):
    """A telling that can go on with the text that it has told last without seeing the chunks."""

    def growing(self, shape: Shape, /) -> TellTexts | None:
        """Return what tells all that chunks of a shape bring, as long as nothing else is told; None where nothing can.

        It says what `chunk` would say.
        """
        ...


class Dialect(Protocol):
    """One way to ask for a chat."""

    opt_in: ClassVar[bool]
    """Its streams are chunks, and may carry what clients ask for by the header X-LLMS-Stream."""

    def parse(self, raw: bytes, /, *, request_id: str, hops: int, stream: bool | None) -> ChatRequest:
        """Read a body; `stream` is set where the route settles it. Raise InvalidRequest naming the client's field."""
        ...

    def whole(self, completion: Completion, told: Told, /) -> bytes:
        """Return the JSON text of a whole answer."""
        ...

    def telling(self, request: ChatRequest, /) -> Telling:
        """Return what tells the stream of a request."""
        ...


@runtime_checkable
class TellsWire(Protocol):
    """A dialect whose streams are the upstream's own events: what came can be told without a chunk made of it."""

    def wire(self, data: bytes, /) -> bytes:
        """Return whole events of an upstream as clients are told them."""
        ...
