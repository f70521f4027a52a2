"""What `chat_stream` returns: the pieces of an answer, and what is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, final

from llms.client.answers import StreamingChunk
from llms.client.connection import Connection
from llms.client.following import Following, Progress
from llms.protocol.chat import Usage


@final
class ChatStream:
    """Iterate over the pieces; leave early with `async with` or `aclose()`, and the upstream stops.

    Each event comes once, however many connections that takes. Iterating raises a ClientError where the request is
    refused, and StreamBroken with the text so far where the answer cannot be had to its end.
    """

    def __init__(
        self, connection: Connection, body: Mapping[str, Any], *, progress: Progress | None, or_whole: bool
    ) -> None:
        """Ask when the first piece is wanted; `progress` opts in to figures and is called with them."""
        self._following = Following(connection, body, progress=progress, or_whole=or_whole)
        self._pieces = self._following.run()

    @property
    def id(self) -> str:
        """Return the server's name for the stream; empty before it began, and where it cannot be resumed."""
        return self._following.id

    @property
    def request_id(self) -> str:
        """Return what the server's log calls the request."""
        return self._following.request_id

    @property
    def reconnects(self) -> int:
        """Return how many times a lost connection was replaced, or should have been."""
        return self._following.reconnects

    @property
    def text(self) -> str:
        """Return the text so far."""
        return self._following.reading.text

    @property
    def model(self) -> str:
        """Return the model that answers, in the upstream's words."""
        return self._following.reading.model

    @property
    def finish_reason(self) -> str | None:
        """Return why the answer ended; None before that."""
        return self._following.reading.finish_reason

    @property
    def usage(self) -> Usage | None:
        """Return the tokens, once the upstream told them."""
        return self._following.reading.usage

    def __aiter__(self) -> Self:
        """Return itself: a stream is read once."""
        return self

    async def __anext__(self) -> StreamingChunk:
        """Return the next piece."""
        return await anext(self._pieces)

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop what is not at its end."""
        await self.aclose()

    async def aclose(self) -> None:
        """Stop reading; an answer that is not at its end is cancelled."""
        await self._pieces.aclose()

    async def cancel(self) -> bool:
        """Cancel the answer while somebody reads it, who gets the error `cancelled`; tell whether it was under way."""
        return await self._following.cancel()
