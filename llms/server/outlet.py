"""Where an answer that is a stream goes: the response of aiohttp, or the connection of a plain request itself."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol, final

from aiohttp import HttpVersion11, web


class Outlet(Protocol):
    """One stream's way out: its head first, then its body piece by piece, then its end."""

    @property
    def response(self) -> web.StreamResponse:
        """Return what the handler returns."""
        ...

    @property
    def chunked(self) -> bool:
        """Tell whether the body has a framing of its own; without it, only the end of the connection ends it."""
        ...

    @property
    def transport(self) -> asyncio.Transport | None:
        """Return where the bytes go; None when the client is gone."""
        ...

    @property
    def writing_paused(self) -> bool:
        """Tell whether the client is slow."""
        ...

    @property
    def begun(self) -> bool:
        """Tell whether the head is settled."""
        ...

    async def begin(self, headers: Mapping[str, str]) -> None:
        """Settle the head of a 200; it goes out with what is written next."""
        ...

    def flush(self) -> None:
        """Send the head at once."""
        ...

    async def write(self, data: bytes) -> None:
        """Send a piece of the body; wait while the client is slow. Raise ConnectionError when it is gone."""
        ...

    async def end(self, data: bytes) -> None:
        """Send the last piece."""
        ...


class _Response(web.StreamResponse):
    """A response whose head waits for the first events, so that one write carries both."""

    _send_headers_immediately = False


@final
class ResponseOutlet:
    """The outlet of a request that came through aiohttp."""

    __slots__ = ("_request", "chunked", "response")

    def __init__(self, request: web.Request) -> None:
        """Take the request that is answered."""
        self._request = request
        self.response: web.StreamResponse = _Response()
        self.chunked = request.version >= HttpVersion11

    @property
    def transport(self) -> asyncio.Transport | None:
        """Return where the bytes go."""
        return self._request.transport

    @property
    def writing_paused(self) -> bool:
        """Tell whether the client is slow."""
        return self._request.protocol.writing_paused

    @property
    def begun(self) -> bool:
        """Tell whether the head is settled."""
        return self.response.prepared

    async def begin(self, headers: Mapping[str, str]) -> None:
        """Settle the head."""
        self.response.headers.update(headers)
        if not self.chunked:
            self.response.headers["Connection"] = "close"
            self.response.force_close()
        await self.response.prepare(self._request)

    def flush(self) -> None:
        """Send the head at once."""
        self._request.writer.send_headers()

    async def write(self, data: bytes) -> None:
        """Send a piece of the body."""
        await self.response.write(data)

    async def end(self, data: bytes) -> None:
        """Send the last piece."""
        await self.response.write_eof(data)
