"""The other workers of this server, asked over their private sockets: each has its whole application there."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, final

import aiohttp
import structlog
from aiohttp import hdrs, web
from multidict import CIMultiDict
from yarl import URL

from llms.protocol.errors import LlmsError, UpstreamUnavailable
from llms.server.access import Access
from llms.server.errors import stopping
from llms.stores.crew import Crew
from llms.tasks import Tasks
from llms.telemetry.pages import Pages

_log = structlog.get_logger()
_CONNECT: Final = 1.0
"""Seconds until a sibling has taken a connection."""
_PATIENCE: Final = 3.0
"""Seconds for a short answer."""
_HEAD: Final = 10.0
"""Seconds until an answer of any length begins."""
_ENDING: Final = 503
"""The status of all answers of a worker that ends."""
_OF_A_CONNECTION: Final = frozenset(
    ("connection", "content-length", "expect", "keep-alive", "te", "transfer-encoding", "upgrade")
)
"""Headers that are not passed on."""
_FAILURES: Final = (aiohttp.ClientError, OSError, TimeoutError)


@final
class Siblings:
    """Ask them what was asked here. A sibling that is asked does not ask on, and checks the key like any other."""

    def __init__(self, crew: Crew, *, tasks: Tasks) -> None:
        """Take where they are."""
        self._crew = crew
        self._tasks = tasks
        self._clients: dict[int, aiohttp.ClientSession] = {}
        self.pages = Pages(crew)
        self.relaying = 0
        """Answers of siblings that are being passed on."""

    def ask_for(self, request: web.Request) -> bool:
        """Tell whether a request came from one of them, on the socket that is theirs alone."""
        found = request.get_extra_info("socket")
        return found is not None and found.family == socket.AF_UNIX

    async def gather(
        self, request: web.Request, access: Access, *, body: bytes | None = None, path: str | None = None
    ) -> dict[int, bytes]:
        """Ask all of them, at the same path unless another is given; return the bodies of the good answers by place."""
        places = self._crew.siblings
        answers = await asyncio.gather(*(self._whole(place, request, access, body, path) for place in places))
        return {place: answer for place, answer in zip(places, answers, strict=True) if answer is not None}

    async def tell(self, request: web.Request, access: Access, *, body: bytes | None = None) -> None:
        """Have all of them do what was asked for here, to its end even when the client leaves."""
        work = self._tasks.spawn(self.gather(request, access, body=body), name="tell siblings")
        await asyncio.shield(work)

    async def pass_on(self, request: web.Request, access: Access, absent: Collection[int]) -> web.StreamResponse | None:
        """Answer with the first of their answers whose status is not among `absent`; None where there is none.

        Raise an LlmsError where one that might know is about to end, or does not answer.
        """
        unknown: LlmsError | None = None
        for place in self._crew.siblings:
            async with AsyncExitStack() as stack:
                try:
                    async with asyncio.timeout(_HEAD):
                        answer = await stack.enter_async_context(self._asked(place, request, access))
                except _FAILURES as failure:
                    self._missed(place, failure)
                    if isinstance(failure, TimeoutError):
                        unknown = _silent()
                    continue
                if answer.status == _ENDING:
                    unknown = stopping()
                elif answer.status not in absent:
                    return await self._relay(request, answer)
        if unknown is not None:
            raise unknown
        return None

    async def close(self) -> None:
        """Let go of the connections."""
        for client in self._clients.values():
            await client.close()

    async def _whole(
        self, place: int, request: web.Request, access: Access, body: bytes | None, path: str | None
    ) -> bytes | None:
        try:
            async with asyncio.timeout(_PATIENCE), self._asked(place, request, access, body, path) as answer:
                return await answer.read() if answer.status < 300 else None
        except _FAILURES as failure:
            self._missed(place, failure)
            return None

    @asynccontextmanager
    async def _asked(
        self, place: int, request: web.Request, access: Access, body: bytes | None = None, path: str | None = None
    ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        headers = _passed(request.headers)
        headers["x-request-id"] = access.request_id
        url = URL(f"http://sibling{path or request.rel_url.raw_path_qs}", encoded=True)
        client = self._client(place)
        async with client.request(request.method, url, headers=headers, data=body, allow_redirects=False) as answer:
            yield answer

    async def _relay(self, request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        """Pass an answer on as it comes; where it breaks off, so does ours."""
        response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=_passed(answer.headers))
        self.relaying += 1
        try:
            await response.prepare(request)
            async for data in answer.content.iter_any():
                await response.write(data)
            await response.write_eof()
        except _FAILURES as failure:
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionResetError("the sibling's answer broke off") from failure
        finally:
            self.relaying -= 1
        return response

    def _client(self, place: int) -> aiohttp.ClientSession:
        if place not in self._clients:
            self._clients[place] = aiohttp.ClientSession(
                # A connection of its own for each: one that is kept might be that of a worker that is gone.
                connector=aiohttp.UnixConnector(str(self._crew.socket(place)), force_close=True, limit=0),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT),
                skip_auto_headers=(hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.CONTENT_TYPE, hdrs.USER_AGENT),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            )
        return self._clients[place]

    def _missed(self, place: int, failure: Exception) -> None:
        _log.warning("a worker did not answer its sibling", place=place, reason=str(failure) or type(failure).__name__)


def _silent() -> LlmsError:
    return UpstreamUnavailable("A worker of this server that may know does not answer; try again later.", retry_after=5)


def _passed(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """Return the headers that are about more than one connection."""
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in _OF_A_CONNECTION)
