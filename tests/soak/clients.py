"""The clients of a soak: each asks one case, reads or leaves in its own way, and tells what it got."""

from __future__ import annotations

import asyncio
import re
import socket
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Final, final

from tests.proxy import RawClient, Reply
from tests.soak.case import Case
from tests.soak.speech import PATHS, request

PATIENCE: Final = 120.0
"""Seconds until an answer counts as lost."""
SIP: Final = 1024
"""Bytes a second of a slow reader."""
SLOW_SECONDS: Final = 8
SMALL_BUFFER: Final = 4096
BREAKS: Final = 3
"""How often a client that comes back loses its connection."""
KEPT_SECONDS: Final = 5.0
KEPT: Final = 50
"""Connections that wait for a next request, at most."""
_END: Final = b"\r\n0\r\n\r\n"
_IDS: Final = re.compile(rb"^id: (\d+)$", re.MULTILINE)
_WAYS: Final[tuple[Callable[[RawClient], None], ...]] = (RawClient.close, RawClient.reset, RawClient.half_close)


@final
class Clients:
    """Connect to one server, and keep some connections for the next request."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._kept: deque[tuple[float, RawClient]] = deque()
        self.open = 0
        """Connections that stand."""

    async def ask(self, case: Case) -> Reply | None:
        """Ask as the case wants it; return the answer, None where nobody stayed for it."""
        if case.kind.client in ("leave", "abandon"):
            await (self._leave(case) if case.kind.client == "leave" else self._abandon(case))
            return None
        if case.kind.client == "resume":
            return await self._resume(case)
        return await (self._read(case) if case.kind.client == "read" else self._sip(case))

    def forget(self) -> None:
        """Close what was kept."""
        while self._kept:
            self._close(self._kept.pop()[1])

    async def _read(self, case: Case) -> Reply:
        """Read an answer as it comes; two of three cases keep their connection for the next one, if that is whole."""
        keeps = case.number % 3 > 0
        client = (self._take() if keeps else None) or await self._connect()
        reusable = False
        try:
            await client.send(request(case), path=PATHS[case.kind.dialect])
            reply = await client.reply(patience=PATIENCE)
            keeps = keeps and len(self._kept) < KEPT
            reusable = keeps and reply.whole and reply.headers.get("connection", "") != "close"
        finally:
            if not reusable:
                self._close(client)
        if reusable:
            self._kept.append((asyncio.get_running_loop().time(), client))
        return reply

    async def _sip(self, case: Case) -> Reply:
        """Read a sip a second: to the end, or for some seconds and then the rest at once."""
        seconds = int(PATIENCE) if case.kind.client == "slow" else SLOW_SECONDS
        async with self._connected(small=True) as client:
            await client.send(request(case), path=PATHS[case.kind.dialect])
            wire = await _sips(client, seconds)
            async with asyncio.timeout(PATIENCE):
                while not wire.endswith(_END) and (data := await client.reader.read(65536)):
                    wire += data
        reader = asyncio.StreamReader()
        reader.feed_data(bytes(wire))
        reader.feed_eof()
        return await RawClient(reader, client.writer).reply()

    async def _leave(self, case: Case) -> None:
        """Leave where the case wants it: before the head, after it, in the stream, with the socket full."""
        async with self._connected(small=case.kind.bulky) as client:
            await client.send(request(case), path=PATHS[case.kind.dialect])
            async with asyncio.timeout(PATIENCE):
                await case.reached.wait()
            if case.kind.bulky:
                await _sips(client, SLOW_SECONDS)
            elif case.kind.told.text != "nothing":
                await client.until(case.piece(case.kind.chunks - 1).encode(), patience=PATIENCE)
            _WAYS[case.number % len(_WAYS)](client)
            for seen in case.seen:
                await seen.gone(PATIENCE)

    async def _abandon(self, case: Case) -> None:
        """Begin a stream that can be resumed, and never come back for it."""
        async with self._connected() as client:
            await client.send(request(case), headers={"X-LLMS-Stream": "resumable"})
            await _some(client, case.kind.chunks)
            client.reset()
        for seen in case.seen:
            await seen.gone(PATIENCE)

    async def _resume(self, case: Case) -> Reply:
        """Lose the connection in the stream and come back for the rest, several times."""
        body, stream_id, reply = b"", "", Reply(0, {}, b"", False)
        for turn in range(BREAKS + 1):
            async with self._connected() as client:
                if stream_id:
                    _get(client, f"/v1/streams/{stream_id}", after=_numbered(body))
                else:
                    await client.send(request(case), headers={"X-LLMS-Stream": "resumable"})
                reply = await _some(client, case.kind.chunks // (BREAKS + 2) if turn < BREAKS else None)
                if reply.status == 204:
                    break
                assert reply.status == 200, f"{reply.status} {reply.body!r}"
                stream_id, body = stream_id or reply.headers["x-llms-stream-id"], body + reply.body
                client.reset()
        _numbered(body)
        return Reply(200, {"content-type": "text/event-stream"}, body, reply.whole)

    @asynccontextmanager
    async def _connected(self, *, small: bool = False) -> AsyncGenerator[RawClient, None]:
        client = await self._connect(small=small)
        try:
            yield client
        finally:
            self._close(client)

    async def _connect(self, *, small: bool = False) -> RawClient:
        sock = socket.socket()
        if small:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self._port))
        self.open += 1
        return RawClient(*await asyncio.open_connection(sock=sock, limit=SIP if small else 2**20))

    def _close(self, client: RawClient) -> None:
        self.open -= 1
        client.writer.transport.abort()

    def _take(self) -> RawClient | None:
        """Return the connection that was kept first, unless it has been idle for long."""
        now = asyncio.get_running_loop().time()
        while self._kept:
            since, client = self._kept.popleft()
            if now - since < KEPT_SECONDS and not client.reader.at_eof():
                return client
            self._close(client)
        return None


async def _sips(client: RawClient, seconds: int) -> bytearray:
    """Read a sip a second until the time is over or the answer ends."""
    taken = bytearray()
    for _ in range(seconds):
        data = await client.reader.read(SIP)
        taken += data
        if not data or taken.endswith(_END):
            break
        await asyncio.sleep(1)
    return taken


async def _some(client: RawClient, events: int | None) -> Reply:
    """Read about so many events of a stream, or to its end; what is told of the last one is whole."""
    async with asyncio.timeout(PATIENCE):
        lines = (await client.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)}
        status, body, whole = int(lines[0].split()[1]), b"", False
        if headers.get("transfer-encoding") != "chunked":
            body = await client.reader.readexactly(int(headers.get("content-length", 0)))
            return Reply(status, headers, body, True)
        while not whole and (events is None or body.count(b"\n\n") < events):
            size = int(await client.reader.readuntil(b"\r\n"), 16)
            body += await client.reader.readexactly(size)
            await client.reader.readexactly(2)
            whole = size == 0
    return Reply(status, headers, body[: body.rfind(b"\n\n") + 2], whole)


def _get(client: RawClient, path: str, *, after: int) -> None:
    head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: {after}\r\n\r\n"
    client.writer.write(head.encode())


def _numbered(body: bytes) -> int:
    """Return the number of the last event; AssertionError where one is missing or came twice."""
    numbers = [int(found) for found in _IDS.findall(body)]
    assert numbers == list(range(1, len(numbers) + 1)), f"events lost or doubled: {numbers}"
    return len(numbers)
