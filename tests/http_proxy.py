"""A real HTTP proxy on loopback: it passes on, makes tunnels, refuses, and is cut, and knows who asked for what."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from base64 import b64encode
from typing import Self

_HEAD = re.compile(rb"([A-Z]+) (\S+) HTTP/1\.1\r\n")


class HttpProxy:
    """Send everything to one port of this machine, whatever host is asked for."""

    def __init__(self, port: int, *, user: str = "", answers: bytes = b"", tls: ssl.SSLContext | None = None) -> None:
        """Want `user` ("name:password"), or answer these bytes to whatever comes; with `tls` be asked by TLS."""
        self.asked: list[tuple[str, str]] = []
        """Method and target of each request that the proxy can read."""
        self.heads: list[bytes] = []
        self._port = port
        self._wanted = b"Basic " + b64encode(user.encode()) if user else b""
        self._answers = answers
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        self.port = int(self._server.sockets[0].getsockname()[1])
        self.url = f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Break every connection."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._serve(reader, writer)
        finally:
            writer.transport.abort()
            self._writers.discard(writer)
            self._tasks.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self._note(head)
        refusal = self._answers
        if self._wanted and b"Proxy-Authorization: " + self._wanted not in head:
            refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
        if refusal:
            writer.write(refusal)
            await writer.drain()
            writer.close()
            await writer.wait_closed()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers.add(back)
        try:
            if head.startswith(b"CONNECT "):
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                back.write(_plain(head))
            await self._pass_on(reader, writer, there, back, is_tunnel=head.startswith(b"CONNECT "))
        finally:
            back.transport.abort()
            self._writers.discard(back)

    async def _pass_on(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        there: asyncio.StreamReader,
        back: asyncio.StreamWriter,
        *,
        is_tunnel: bool,
    ) -> None:
        """Pump both ways until either side has ended; an end goes on as an end, a cut as a cut."""

        async def upwards() -> None:
            while data := await reader.read(65536):
                if not is_tunnel and _HEAD.match(data):
                    self._note(data)
                    data = _plain(data)
                back.write(data)
                await back.drain()

        async def downwards() -> None:
            while data := await there.read(65536):
                writer.write(data)
                await writer.drain()
            writer.close()
            await writer.wait_closed()

        pumps = [asyncio.create_task(upwards()), asyncio.create_task(downwards())]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    def _note(self, data: bytes) -> None:
        found = _HEAD.match(data)
        assert found is not None
        self.asked.append((found[1].decode(), found[2].decode()))
        self.heads.append(data.partition(b"\r\n\r\n")[0])


def _plain(data: bytes) -> bytes:
    """Return a request as the upstream is to see it: its path alone, and nothing that was for the proxy."""
    assert re.match(rb"[A-Z]+ http://[^/ ]+/", data), "a proxy is asked for whole addresses"
    data = re.sub(rb"http://[^/ ]+/", b"/", data, count=1)
    return re.sub(rb"Proxy-Authorization: [^\r]*\r\n", b"", data, count=1)
