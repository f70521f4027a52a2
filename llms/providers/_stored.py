"""Responses that an upstream keeps: asked for later, by the client that they were made for."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import final

from llms.protocol.errors import UpstreamProtocolError
from llms.protocol.sse import Decoder, EventTooLong
from llms.providers._http import Endpoint, Response
from llms.providers.base import ProviderSettings


@final
class StoredResponses:
    """Ask an upstream for what it keeps."""

    def __init__(self, endpoint: Endpoint, settings: ProviderSettings, head: Callable[[str, str, str], bytes]) -> None:
        """Take what makes the head of a request from its method, path and query."""
        self._endpoint = endpoint
        self._settings = settings
        self._head = head

    async def ask(self, method: str, path: str, query: str, *, hops: int) -> AsyncGenerator[bytes, None]:
        """Yield a body as one piece, or the whole events of a stream as they come; raise an LlmsError."""
        head = b"%bx-llms-hops: %d\r\n" % (self._head(method, path, query), hops + 1)
        async with self._endpoint.request(head) as response:
            if response.status != 200:
                raise await self._endpoint.refuse(response)
            if not response.streams(asked=False):
                yield await response.whole(self._settings.max_answer)
                return
            async for events in self._events(response):
                yield events

    async def _events(self, response: Response) -> AsyncGenerator[bytes, None]:
        decoder = Decoder(max_event=self._settings.max_event)
        while data := await response.read():
            try:
                events = decoder.frames(data)
            except EventTooLong as problem:
                raise UpstreamProtocolError(f"{self._settings.name}: {problem}") from None
            if events:
                yield events
