"""Servers on two loopback addresses: one counts as the internet here, the other is what must not be reached."""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

OUTSIDE, INSIDE = "127.0.0.2", "127.0.0.1"
PNG = b"\x89PNG\r\n\x1a\n" + b"pixels" * 10
Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Site:
    """One server: what it answers by path, and what it was asked."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.port = 0
        self.seen: list[web.BaseRequest] = []
        self.answers: dict[str, Answering] = {}

    def url(self, path: str, host: str = "") -> str:
        return f"http://{host or self.address}:{self.port}{path}"

    def body(self, path: str, data: bytes, **headers: str) -> str:
        async def answer(request: web.Request) -> web.Response:
            return web.Response(body=data, headers={"Content-Type": "text/plain", **headers})

        self.answers[path] = answer
        return self.url(path)

    def redirect(self, path: str, to: str, status: int = 302) -> str:
        async def answer(request: web.Request) -> web.Response:
            return web.Response(status=status, headers={"Location": to, "Set-Cookie": "a=b"})

        self.answers[path] = answer
        return self.url(path)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.seen.append(request)
        answer = self.answers.get(request.path)
        return web.Response(status=404) if answer is None else await answer(request)  # type: ignore[arg-type]


@asynccontextmanager
async def site(address: str, port: int = 0) -> AsyncGenerator[Site, None]:
    found = Site(address)
    runner = web.ServerRunner(web.Server(found.handle, handler_cancellation=True), shutdown_timeout=0.1)
    await runner.setup()
    try:
        place = web.TCPSite(runner, address, port)
        await place.start()
        found.port = runner.addresses[0][1]
        yield found
    finally:
        await runner.cleanup()


@asynccontextmanager
async def both_sites() -> AsyncGenerator[tuple[Site, Site], None]:
    """Serve outside and inside on one port; another is taken where somebody has it already."""
    async with AsyncExitStack() as stack:
        while True:
            outside = await stack.enter_async_context(site(OUTSIDE))
            try:
                inside = await stack.enter_async_context(site(INSIDE, outside.port))
            except OSError:
                continue
            yield outside, inside
            return


class Names(AbstractResolver):
    """Answer with the next list of addresses for a name, the last again and again."""

    def __init__(self, **names: list[list[str]]) -> None:
        self.names = {name.replace("_", "."): list(answers) for name, answers in names.items()}
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        answers = self.names.get(host)
        if not answers:
            raise OSError(None, "no such host")
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        return [self._result(host, port, address) for address in found]

    @staticmethod
    def _result(host: str, port: int, address: str) -> Any:
        kind = socket.AF_INET6 if ":" in address else socket.AF_INET
        flags = socket.AI_NUMERICHOST
        return {"hostname": host, "host": address, "port": port, "family": kind, "proto": 0, "flags": flags}

    async def close(self) -> None:
        """Have nothing to close."""
