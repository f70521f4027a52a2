"""A successful answer that is whole: its head and its body go out in one write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

from aiohttp import HttpVersion11, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.helpers import rfc822_formatted_time
from multidict import CIMultiDict


@final
class WholeAnswer(web.StreamResponse):
    """A 200 with a JSON body.

    `web.Response` prepares for everything a response may be: streams, compression, cookies, ranges. That costs
    a tenth of a small request; here it is known that there is none of it.
    """

    def __init__(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Take the body and the headers that are not about it."""
        super().__init__()
        self.whole = body
        self.own = headers

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Write the head, which waits for the body."""
        if self._payload_writer is not None:
            return self._payload_writer
        writer = self._payload_writer = request.writer
        is_new = request.version == HttpVersion11
        stays = self._keep_alive = request.keep_alive if self._keep_alive is None else self._keep_alive
        head = CIMultiDict(self.own)
        head[hdrs.CONTENT_TYPE] = "application/json"
        head[hdrs.CONTENT_LENGTH] = str(len(self.whole))
        head[hdrs.DATE] = rfc822_formatted_time()
        if stays is not is_new:
            head[hdrs.CONNECTION] = "keep-alive" if stays else "close"
        await writer.write_headers("HTTP/1.1 200 OK" if is_new else "HTTP/1.0 200 OK", head)
        return writer

    async def write_eof(self, data: bytes = b"") -> None:
        """Write the body; `data` is for streams."""
        await super().write_eof(data or self.whole)
