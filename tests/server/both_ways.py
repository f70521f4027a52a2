"""Two servers before one upstream, with the fast path and without it: raw bytes must not tell them apart."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest

from llms.server import body
from llms.testing.fake_upstream import FakeUpstream, Seen, echo
from tests.proxy import Proxy, RawClient, Reply, Runner, one_upstream, serving
from tests.server.odd_requests import ALIVE
from tests.server.wire import assert_envelope, connected, get

PROBE = get(b"/health")
"""What is asked to find out whether a connection takes another request; it ends it."""
TURNS = 6
"""Of the event loop, until bytes were read, parsed and, where they are no HTTP, refused."""


class Outcome(NamedTuple):
    """What became of bytes on one connection."""

    answers: tuple[str, ...]
    """Status and code of error, `ALIVE` for that of the probe."""
    reached: list[tuple[str, str, dict[str, str], bytes]]
    """What the upstream got: method, path, headers, body."""


@dataclass
class Ways:
    """Both ways into the server."""

    runner: asyncio.Runner
    upstream: FakeUpstream
    fast: Proxy
    slow: Proxy

    def same(self, *pieces: bytes, ask: bytes = PROBE) -> Outcome:
        """Send bytes both ways; the outcomes must be the same, and one is returned."""
        fast, slow = [self.runner.run(self.outcome(proxy, *pieces, ask=ask)) for proxy in (self.fast, self.slow)]
        assert fast == slow
        return fast

    def each(self, trial: Callable[[Proxy], Coroutine[Any, Any, None]]) -> None:
        """Try something one way and then the other."""
        for proxy in (self.fast, self.slow):
            self.runner.run(trial(proxy))

    async def outcome(self, proxy: Proxy, *pieces: bytes, ask: bytes = b"") -> Outcome:
        """Return what became of bytes, sent piece by piece; once there is an answer, `ask` something more."""
        before = len(self.upstream.chats)
        found: list[str] = []
        async with asyncio.timeout(10), connected(proxy) as client:
            await in_pieces(client, *pieces)
            async for reply in replies(client):
                found.append(told(reply))
                if ask and reply.status >= 200:
                    client.writer.write(ask)
                    ask = b""
        return Outcome(tuple(found), [_seen(seen) for seen in self.upstream.chats[before:]])


async def in_pieces(client: RawClient, *pieces: bytes) -> None:
    """Send pieces that are read one by one."""
    for piece in pieces:
        client.writer.write(piece)
        for _turn in range(TURNS):
            await asyncio.sleep(0)


async def replies(client: RawClient) -> AsyncGenerator[Reply, None]:
    """Yield every answer up to the end of the connection, which must not come within one."""
    while True:
        try:
            yield await client.reply()
        except asyncio.IncompleteReadError as ended:
            rest = ended.partial
        except ConnectionError:
            rest = b""
        else:
            continue
        assert not rest, "the connection ended inside an answer"
        return


def told(reply: Reply) -> str:
    """Return an answer in short; a refusal must be in our envelope."""
    if reply.body == b'{"status":"ok"}':
        return ALIVE
    if reply.status < 400:
        return str(reply.status)
    return f"{reply.status} {assert_envelope(reply)['code']}"


def _seen(seen: Seen) -> tuple[str, str, dict[str, str], bytes]:
    return seen.method, seen.path, dict(seen.headers), seen.body


@contextmanager
def both_ways() -> Generator[Ways, None, None]:
    """Serve both ways in an event loop of their own; nobody is waited for long."""
    with pytest.MonkeyPatch.context() as patched, asyncio.Runner() as runner:
        patched.setattr(sys.modules[Runner.__module__], "_LINGER_SECONDS", 0.1)
        patched.setattr(body, "PATIENCE", 1.0)
        stack = AsyncExitStack()

        async def start() -> Ways:
            upstream = await stack.enter_async_context(FakeUpstream())
            upstream.on(echo)
            fast, slow = [
                await stack.enter_async_context(
                    serving(one_upstream(upstream, row="retries: 0", more=f"server: {{fast_path: {way}}}\n"))
                )
                for way in ("true", "false")
            ]
            return Ways(runner, upstream, fast, slow)

        try:
            yield runner.run(start())
        finally:
            runner.run(stack.aclose())
