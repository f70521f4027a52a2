"""Answers in a dialect that is not OpenAI's: read as they come, translated, and let go whatever happens."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Protocol

from llms.protocol.chat import Chunk
from llms.protocol.errors import LlmsError
from llms.protocol.refusals import request_id_of
from llms.protocol.shape import Shape
from llms.providers._http import BROKEN, Endpoint, Response
from llms.providers.base import Relay


class Reader(Protocol):
    """What turns the bytes of one answer into chunks; pure, so it tells errors instead of raising them."""

    error: LlmsError | None
    """Why the answer ended early; the chunk that was returned last came before it."""

    @property
    def done(self) -> bool:
        """Tell whether the answer is at its end, whatever follows it; False where only the body's end tells."""
        ...

    @property
    def steady(self) -> Shape | None:
        """Return the shape that the next read may be whole events of, without a change to anything here; or None."""
        ...

    def feed(self, data: bytes) -> Chunk | None:
        """Return what one read completed; None when it completed nothing."""
        ...

    def close(self) -> Chunk | None:
        """Return what the end of the body completed."""
        ...

    def whole(self, body: bytes) -> Chunk | None:
        """Return a body that is the whole answer."""
        ...


async def translated(
    endpoint: Endpoint,
    send: Callable[[], Awaitable[Response]],
    reader_of: Callable[[str], Reader],
    *,
    stream: bool,
    streams_as: str = "",
    id_header: str = "x-request-id",
    relay: Relay | None = None,
) -> AsyncGenerator[Chunk, None]:
    """Ask, and yield the answer as it comes or as one chunk, whichever came.

    `reader_of` takes the upstream's id of the request, which `id_header` tells; `streams_as` is the media type of a
    stream that is none of server-sent events. With `stream=False` an answer is bounded even where it comes as a stream.
    What only repeats may go on through `relay`.
    """
    response = await send()
    limit = endpoint.settings.max_answer
    try:
        upstream_id = request_id_of({"x-request-id": response.headers.get(id_header, "")}, endpoint.secrets)
        reader = reader_of(upstream_id)
        kind = response.headers.get("content-type", "").lower()
        is_stream = kind.startswith(streams_as) if streams_as else response.streams(asked=stream)
        read = response.reader if stream else response.bounded(limit)
        if relay is not None:
            read = response.offering(relay)
        data = b"-"
        while data and not reader.done:
            if is_stream:
                if relay is not None:
                    relay.expect(reader.steady)
                data = await read()
                chunk = reader.feed(data) if data else reader.close()
            else:
                chunk = reader.whole(await response.whole(limit))
                data = b""
            if chunk is not None:
                chunk.upstream_request_id = upstream_id
                yield chunk
            if reader.error is not None:
                raise reader.error
        await response.settle()
    except BROKEN as failure:
        raise response.broken(failure) from None
    finally:
        response.close()
