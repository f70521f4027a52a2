"""Requests that an HTTP upstream gets as they are, and answers that are handed on as they come."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Final, final

from llms.protocol.passthrough import AREAS, Area, Passed, PassRequest, Upload
from llms.providers._breaks import BrokenAnswer, NotHttp
from llms.providers._http import Endpoint, Response

PASSES: Final = (
    "What the endpoint has besides chats and embeddings, below base_url: audio, images, moderations, rerank, files. "
    "Null: all of it, for all that is known."
)
"""The row's key `passes`."""
_LAST_CHUNK: Final = b"0\r\n\r\n"
_EMPTY: Final = b"Content-Length: 0\r\n"


@final
class Passing:
    """Send requests on, whatever they hold."""

    def __init__(
        self, endpoint: Endpoint, areas: tuple[Area, ...] | None, *, headers: Sequence[Mapping[str, str]], query: str
    ) -> None:
        """Take what the row says that there is (None for all), and what is sent with every request."""
        self._endpoint = endpoint
        self._areas = AREAS if areas is None else areas
        self._headers = headers
        self._query = query

    def passes(self, request: PassRequest) -> bool:
        """Tell whether the row lets such requests through."""
        return request.area in self._areas

    async def pass_on(self, request: PassRequest) -> Passed:
        """Return the answer, once its head is there and no refusal."""
        response = await self._send(request)
        if 200 <= response.status < 300:
            return response
        try:
            raise await self._endpoint.refuse(response)
        finally:
            response.close()

    async def _send(self, request: PassRequest) -> Response:
        kind = {"Content-Type": request.content_type} if request.content_type else {}
        query = "&".join(filter(None, (self._query, request.query)))
        head = self._endpoint.head(request.method, request.path, *self._headers, kind, query=query)
        head = b"%bx-llms-hops: %d\r\n" % (head, request.hops + 1)
        if request.upload is None:
            body = request.encode()
            return await self._endpoint.send(head if body or request.method != "POST" else head + _EMPTY, body)
        return await self._upload(head, request.upload, request.model)

    async def _upload(self, head: bytes, upload: Upload, model: str) -> Response:
        """Send a body as it comes, on a new connection: a kept one may turn out to be closed, and take pieces along."""
        connection = await self._endpoint.connect()
        length = upload.length(model)
        framing = b"Transfer-Encoding: chunked" if length is None else b"Content-Length: %d" % length
        try:
            async with aclosing(upload.pieces(model)) as pieces, aclosing(_framed(pieces, length)) as framed:
                await connection.upload(b"%b%b\r\n\r\n" % (head, framing), framed)
            return Response(connection, self._endpoint)
        except (BrokenAnswer, NotHttp) as failure:
            connection.abort()
            raise self._endpoint.failure(failure) from None
        except BaseException:
            connection.abort()
            raise


async def _framed(pieces: AsyncGenerator[bytes, None], length: int | None) -> AsyncGenerator[bytes, None]:
    """Yield a body of known length as it is, and any other in the chunks of HTTP."""
    async for piece in pieces:
        if length is not None:
            yield piece
        elif piece:
            yield b"%x\r\n%b\r\n" % (len(piece), piece)
    if length is None:
        yield _LAST_CHUNK
