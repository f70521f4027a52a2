"""Read a JSON request body within its bounds: type, size, time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from aiohttp import HttpVersion11, web

from llms.protocol.errors import InvalidRequest, RequestTooLarge, UnsupportedMediaType, excerpt
from llms.server.errors import INVALID_HTTP
from llms.server.plain_exchange import Asked, PlainExchange
from llms.server.services import Services

PATIENCE: Final = 25.0
"""Seconds that a body may take, and one more for each `BYTES_PER_SECOND` that came."""
BYTES_PER_SECOND: Final = 256 * 1024


async def read_json(request: Asked, services: Services, *, limit: int | None = None) -> bytes:
    """Return the body of a request that must be JSON, at most `limit` bytes (server.max_body); raise an LlmsError."""
    if isinstance(request, PlainExchange):
        return plain_json(request, services)
    check_type(request.headers)
    limit = services.config.server.max_body if limit is None else limit
    check_framing(request)
    length = request.content_length
    if length is not None and length > limit:
        raise too_large(limit)
    try:
        if "Expect" in request.headers:
            await let_come(request)
        if request.content.is_eof():
            return _checked(request.content.read_nowait(), limit)
        return await _gather(request, limit)
    except web.RequestPayloadError:
        raise broken_off() from None
    except TimeoutError:
        raise too_late() from None


def plain_json(request: PlainExchange, services: Services) -> bytes:
    """Return the body of a plain request, which is here; raise as `read_json` does."""
    check_type(request.headers)
    return _checked(request.read(), services.config.server.max_body)


def too_large(limit: int) -> RequestTooLarge:
    """Return the error for a body over the limit."""
    return RequestTooLarge(f"The body is larger than {limit} bytes; server.max_body bounds those of chats.")


def broken_off() -> InvalidRequest:
    """Return the error for a body that is shorter than announced."""
    return InvalidRequest("The body breaks off before its announced end.", code=INVALID_HTTP)


def too_late() -> InvalidRequest:
    """Return the error for a body that takes too long."""
    return InvalidRequest("The body did not arrive in time.", code="request_timeout", status=408)


def _checked(body: bytes, limit: int) -> bytes:
    if len(body) > limit:
        raise too_large(limit)
    return body


async def let_come(request: web.Request) -> None:
    """Tell a client that asked before sending its body to go on: nothing speaks against the request so far."""
    if request.headers["Expect"].strip().lower() != "100-continue":
        raise InvalidRequest("The only expectation that is met here is 100-continue.", code=INVALID_HTTP, status=417)
    if request.version >= HttpVersion11 and not request.content.is_eof():
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # The answer itself has not begun yet.
        request.writer.output_size = 0


async def _gather(request: web.Request, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    start = asyncio.get_running_loop().time()
    async with asyncio.timeout_at(start + PATIENCE) as deadline:
        while data := await request.content.readany():
            size += len(data)
            if size > limit:
                raise too_large(limit)
            parts.append(data)
            deadline.reschedule(start + PATIENCE + size / BYTES_PER_SECOND)
    return b"".join(parts)


def check_framing(request: web.Request) -> None:
    """Refuse a body whose end is told in a way that is not read here."""
    coding = request.headers.get("Transfer-Encoding")
    if coding is not None and coding.strip().lower() != "chunked":
        raise InvalidRequest("The only Transfer-Encoding that is read here is chunked.", code=INVALID_HTTP)


def check_type(headers: Mapping[str, str]) -> None:
    """Refuse a body that is no plain JSON, by what its head says of it."""
    coding = headers.get("content-encoding")
    if coding is not None and coding.strip().lower() != "identity":
        raise UnsupportedMediaType(f"Content-Encoding {excerpt(coding)!r} is not accepted; send the body uncompressed.")
    kind = headers.get("content-type")
    if kind is None:
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            raise UnsupportedMediaType("Content-Type must be application/json.")
        return
    if kind != "application/json" and kind.partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedMediaType(
            f"Content-Type must be application/json, not {excerpt(kind)!r}; curl sends it with "
            "-H 'Content-Type: application/json'."
        )
