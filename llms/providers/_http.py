"""What every HTTP provider does alike: send, map failures to our errors, read bounded answers, let go."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final, final
from urllib.parse import urlsplit

from llms.protocol import json
from llms.protocol.errors import (
    LlmsError,
    UpstreamOutOfService,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamTruncated,
    UpstreamUnreachable,
)
from llms.protocol.frames import let_go
from llms.protocol.refusals import Refusal, error_for
from llms.providers._breaks import BrokenAnswer, NoAnswer, NotHttp, Stray
from llms.providers._connection import Connection
from llms.providers._inflate import Inflate
from llms.providers._origin import PORTS, origin_of
from llms.providers._pool import Pool
from llms.providers._tls import NoWay, handshake_failed, untrusted
from llms.providers.base import ProviderSettings, Relay, Resources

_ERROR_BODY_LIMIT = 64 * 1024
_PIECE_LIMIT = 16 * 2**20
_PROXY_REFUSES = 407
SETTLE_SECONDS: Final = 0.1
"""The end of a body may follow its last event by so much, for the connection to be used again."""
BROKEN = (BrokenAnswer, NotHttp)


@final
class Response:
    """The answer of an upstream: its head, and its body read by read. Close it in any case."""

    __slots__ = ("_connection", "_endpoint", "_inflate", "headers", "status")

    def __init__(self, connection: Connection, endpoint: Endpoint) -> None:
        """Take over a connection whose answer has begun."""
        self._connection = connection
        self._endpoint = endpoint
        self.status = connection.status
        self.headers: Mapping[str, str] = connection.headers
        """By lower-case name."""
        if self.status == _PROXY_REFUSES:
            endpoint.require_proxy()
        coding = self.headers.get("content-encoding", "identity")
        self._inflate = None if coding == "identity" or not coding else Inflate(coding)

    async def read(self) -> bytes:
        """Return the next bytes of the body as they arrived, b"" at its end; raise an LlmsError when it breaks off."""
        try:
            return await self.reader()
        except BROKEN as failure:
            raise self._endpoint.cut(failure) from None

    @property
    def reader(self) -> Callable[[], Awaitable[bytes]]:
        """Return what reads the next bytes and raises BROKEN: `read` without the price of a second coroutine."""
        return self._connection.read if self._inflate is None else self._read_inflated

    def offering(self, relay: Relay) -> Callable[[], Awaitable[bytes]]:
        """Return a `reader` that offers what it waits for to `relay` first, as it arrives."""
        return partial(self._connection.read, relay) if self._inflate is None else self._read_inflated

    def broken(self, failure: Exception) -> LlmsError:
        """Return our error for what `reader` raised."""
        return self._endpoint.cut(failure)

    async def _read_inflated(self) -> bytes:
        assert self._inflate is not None
        while data := await self._connection.read():
            if text := self._inflate.feed(data, _PIECE_LIMIT):
                return text
        return b""

    @property
    def at_end(self) -> bool:
        """Tell whether nothing of the body is left to come."""
        return self._connection.complete

    def bounded(self, limit: int) -> Callable[[], Awaitable[bytes]]:
        """Return a `reader` that raises when the body is larger than `limit` bytes."""
        read = self.reader
        left = limit

        async def read_bounded() -> bytes:
            nonlocal left
            data = await read()
            left -= len(data)
            if left < 0:
                raise UpstreamProtocolError(
                    f"{self._endpoint.name}: the upstream's answer is larger than {limit} bytes"
                )
            return data

        return read_bounded

    async def whole(self, limit: int) -> bytes:
        """Return the whole body; raise when it is larger than `limit` bytes or breaks off."""
        parts: list[bytes] = []
        read = self.bounded(limit)
        try:
            while data := await read():
                parts.append(data)
        except BROKEN as failure:
            raise self._endpoint.cut(failure) from None
        return b"".join(parts)

    def streams(self, *, asked: bool) -> bool:
        """Tell whether the body is a stream of events; where one was `asked` for, odd types count as one."""
        kind = self.headers.get("content-type", "").lower()
        if kind.startswith("text/event-stream"):
            return True
        return asked and not kind.startswith(("application/json", "text/html"))

    async def settle(self) -> None:
        """Wait a moment for the end of the body after its last event, so that the connection can be used again."""
        if self.at_end:
            return
        try:
            async with asyncio.timeout(SETTLE_SECONDS):
                while await self.read():
                    pass
        except (TimeoutError, LlmsError):
            return

    def close(self) -> None:
        """Give the connection back when the answer was read to its end; cut it otherwise."""
        self._endpoint.pool.give(self._endpoint.origin, self._connection)


@final
class Endpoint:
    """One upstream origin with its secrets: the place where the network's failures become ours."""

    __slots__ = ("_now", "authority", "name", "origin", "path", "pool", "secrets", "settings")

    def __init__(
        self, settings: ProviderSettings, resources: Resources, *, base_url: str, secrets: tuple[str, ...] = ()
    ) -> None:
        """Take the address below which everything is; `secrets` are kept out of every message."""
        self.name = settings.name
        self.settings = settings
        self.pool: Pool = resources.pool
        self.origin = origin_of(base_url, settings.options, resources.environ)
        self.secrets = secrets if self.origin.proxy is None else (*secrets, *self.origin.proxy.secrets)
        self.path = urlsplit(base_url).path.rstrip("/")
        host = f"[{self.origin.host}]" if ":" in self.origin.host else self.origin.host
        self.authority = host if self.origin.port == PORTS[self.origin.scheme] else f"{host}:{self.origin.port}"
        """What a request names as its Host."""
        self._now = resources.now

    def head(self, method: str, path: str, *headers: Mapping[str, str], query: str = "") -> bytes:
        """Return the bytes of a request's head, all but Content-Length and the empty line.

        Of headers with the same name, however it is written, the last stands, also instead of our Host.
        """
        target = f"{self.path}/{path}{'?' + query if query else ''}"
        by_name = {"host": f"Host: {self.authority}"}
        if (proxy := self.origin.proxy) is not None and self.origin.scheme == "http":
            target = f"http://{self.authority}{target}"
            if proxy.authorization:
                by_name["proxy-authorization"] = f"Proxy-Authorization: {proxy.authorization}"
        by_name |= {name.lower(): f"{name}: {value}" for given in headers for name, value in given.items()}
        lines = [f"{method} {target} HTTP/1.1", *by_name.values()]
        return "".join(f"{line}\r\n" for line in lines).encode("latin-1", "replace")

    async def send(self, head: bytes, body: bytes = b"", *, sent: Connection | None = None) -> Response:
        """Send a request and return its answer's head; `sent` is where that was done already.

        A kept connection that ends as our request goes out is replaced once, if nothing of an answer came back over it:
        then the upstream was through with it before it read us.
        """
        request = b"%bContent-Length: %d\r\n\r\n" % (head, len(body)) if body else head + b"\r\n"
        connection = sent or self.pool.take(self.origin)
        try:
            if connection is not None:
                try:
                    return await self._exchange(connection, b"" if sent else request, body)
                except (NoAnswer, Stray) as stale:
                    if not connection.is_kept:
                        raise
                    let_go(stale)
            return await self._exchange(await self.connect(), request, body)
        except (BrokenAnswer, NotHttp) as failure:
            raise self.failure(failure) from None

    @asynccontextmanager
    async def request(self, head: bytes, body: bytes = b"") -> AsyncGenerator[Response, None]:
        """Send a request and lend its answer, whatever its status."""
        response = await self.send(head, body)
        try:
            yield response
        finally:
            response.close()

    async def refuse(self, response: Response) -> LlmsError:
        """Read a refusal (bounded) and return our error for it."""
        return error_for(await self.refusal(response))

    async def refusal(self, response: Response) -> Refusal:
        """Read what an upstream said when it refused, bounded."""
        body = b""
        try:
            while len(body) < _ERROR_BODY_LIMIT and (data := await response.read()):
                body += data
        except LlmsError:
            body = body[:_ERROR_BODY_LIMIT]
        return Refusal(self.name, response.status, body, response.headers, now=self._now(), secrets=self.secrets)

    def decode(self, body: bytes) -> Any:
        """Return a JSON body; raise when it is none."""
        try:
            return json.loads(body)
        except ValueError:
            raise UpstreamProtocolError(f"{self.name}: the upstream's answer is not JSON") from None

    def require_proxy(self) -> None:
        """Raise our error for a refusal that is our proxy's and no upstream's."""
        if self.origin.proxy is not None and self.origin.scheme == "http":
            from llms.providers._tunnel import refused

            raise self.failure(refused(self.origin.proxy, _PROXY_REFUSES, self.authority))

    def failure(self, failure: Exception) -> LlmsError:
        """Return our error for a failure before the head of an answer."""
        place = f"{self.origin.host}:{self.origin.port}"
        if isinstance(failure, TimeoutError):
            way = f"{place} by {self.origin.proxy.place}" if self.origin.proxy else place
            return UpstreamTimeout(f"{self.name}: no connection to {way} within {self.settings.connect_timeout:g} s")
        if isinstance(failure, NoWay):
            return (UpstreamOutOfService if failure.lasting else UpstreamUnreachable)(f"{self.name}: {failure}")
        if isinstance(failure, ssl.SSLCertVerificationError):
            return UpstreamOutOfService(f"{self.name}: {untrusted(failure, place, self.origin.ca_file)}")
        if isinstance(failure, ssl.SSLError):
            return UpstreamUnreachable(f"{self.name}: {handshake_failed(failure, place)}")
        if isinstance(failure, NotHttp):
            return UpstreamProtocolError(f"{self.name}: {place} does not answer in HTTP/1.1")
        if isinstance(failure, BrokenAnswer):
            return UpstreamUnreachable(f"{self.name}: {place} closed the connection without an answer")
        return UpstreamUnreachable(f"{self.name}: cannot connect to {place}: {_reason(failure)}")

    def cut(self, failure: Exception) -> LlmsError:
        """Return our error for a body that broke off."""
        if isinstance(failure, BrokenAnswer):
            return UpstreamTruncated(f"{self.name}: the upstream broke the connection before its answer was complete")
        return UpstreamProtocolError(f"{self.name}: the upstream's answer is not valid HTTP: {failure}")

    async def connect(self) -> Connection:
        """Open a new connection; raise an LlmsError."""
        try:
            async with asyncio.timeout(self.settings.connect_timeout):
                return await self.pool.connect(self.origin)
        except (OSError, UnicodeError) as failure:
            raise self.failure(failure) from None

    async def dial(self, request: bytes, body: bytes) -> Connection:
        """Open a new connection and send a request on it, its head being whole; raise an LlmsError."""
        connection = await self.connect()
        try:
            connection.send(request, body)
        except NoAnswer as failure:
            raise self.failure(failure) from None
        return connection

    async def _exchange(self, connection: Connection, request: bytes, body: bytes) -> Response:
        try:
            if request:
                connection.send(request, body)
            await connection.answered()
            return Response(connection, self)
        except BaseException:
            connection.abort()
            raise


def _reason(error: Exception) -> str:
    if isinstance(error, socket.gaierror):
        return "there is no such host"
    return getattr(error, "strerror", None) or type(error).__name__
