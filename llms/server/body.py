"""Read a JSON request body within its bounds: type, size, time."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web

from llms.protocol.errors import InvalidRequest, RequestTooLarge, UnsupportedMediaType, excerpt
from llms.server.services import Services

_PATIENCE: Final = 30.0
_BYTES_PER_SECOND: Final = 256 * 1024


async def read_json(request: web.Request, services: Services) -> bytes:
    """Return the body of a request that must be JSON; raise an LlmsError.

    A body may take 30 s and one second more per 256 KiB announced.
    """
    _check_type(request)
    limit = services.config.server.max_body
    length = request.content_length
    if length is not None and length > limit:
        raise too_large(limit)
    if request.content.is_eof():
        return await request.read()
    try:
        async with asyncio.timeout(_PATIENCE + (length or limit) / _BYTES_PER_SECOND):
            return await _gather(request, limit)
    except TimeoutError:
        raise InvalidRequest("The body did not arrive in time.", code="request_timeout", status=408) from None


def too_large(limit: int) -> RequestTooLarge:
    """Return the error for a body over the limit."""
    return RequestTooLarge(f"The body is larger than server.max_body ({limit} bytes).")


async def _gather(request: web.Request, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    try:
        while data := await request.content.readany():
            size += len(data)
            if size > limit:
                raise too_large(limit)
            parts.append(data)
    except web.RequestPayloadError:
        raise InvalidRequest("The body breaks off before its announced end.") from None
    return b"".join(parts)


def _check_type(request: web.Request) -> None:
    headers = request.headers
    coding = headers.get("Content-Encoding")
    if coding is not None and coding.strip().lower() != "identity":
        raise UnsupportedMediaType(f"Content-Encoding {excerpt(coding)!r} is not accepted; send the body uncompressed.")
    kind = headers.get("Content-Type")
    if kind is None:
        if headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            raise UnsupportedMediaType("Content-Type must be application/json.")
        return
    if kind != "application/json" and kind.partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedMediaType(f"Content-Type must be application/json, not {excerpt(kind)!r}.")
