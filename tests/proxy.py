"""A real proxy on loopback for tests: configuration text in, base URL out."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from aiohttp import web

from llms.app import Engine
from llms.config.load import loads
from llms.protocol.events import Event, Observer, RequestEnded
from llms.providers import registry
from llms.server.runner import Runner
from tests.fast_path import FAST_PATH


@dataclass
class Proxy:
    """One running proxy and what its observers heard."""

    engine: Engine
    port: int
    events: list[Event] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def ended(self) -> list[RequestEnded]:
        return [event for event in self.events if isinstance(event, RequestEnded)]

    async def all_ended(self, count: int, *, patience: float = 5.0) -> list[RequestEnded]:
        """Wait until `count` requests were accounted for."""
        async with asyncio.timeout(patience):
            while len(self.ended) < count:
                await asyncio.sleep(0.005)
        return self.ended


@asynccontextmanager
async def serving(
    text: str,
    *,
    environ: Mapping[str, str] | None = None,
    usage: str = "none",
    port: int = 0,
    learn: Callable[[Collection[str]], None] = lambda secrets: None,
    observers: Sequence[Observer] = (),
) -> AsyncGenerator[Proxy, None]:
    """Serve a providers.yaml given as text, by default without usage file, on a free port if none is named."""
    config = loads(text, filename="test.yaml", environ=environ or {}, validate_options=registry.validate)
    config = config.changed(stores=config.stores.changed(usage=usage))
    if "fast_path" not in text:
        config = config.changed(server=config.server.changed(fast_path=FAST_PATH))
    events: list[Event] = []
    engine = Engine(config, environ=environ or {}, observers=[events.append, *observers], learn=learn)
    runner = Runner(engine.application())
    await runner.setup()
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((config.server.host, port))
    try:
        await web.SockSite(runner, sock, backlog=4096).start()
        yield Proxy(engine, sock.getsockname()[1], events)
    finally:
        await runner.cleanup()
        await asyncio.sleep(0)  # closed transports say goodbye in the next turn of the loop


class Listening(Protocol):
    """Any upstream."""

    @property
    def url(self) -> str:
        """Return its base address."""
        ...


def one_upstream(upstream: Listening, *, row: str = "", more: str = "") -> str:
    """Return a configuration with one provider `up` behind the name `m`."""
    extra = f", {row}" if row else ""
    return (
        f'providers:\n  up: {{type: openai_compatible, base_url: "{upstream.url}", '
        f"api_key: sk-planted-upstream-key{extra}}}\n"
        f"models:\n  m: {{targets: [up/real-model]}}\n{more}"
    )


def chat(*, stream: bool = True, **fields: Any) -> dict[str, Any]:
    """Return a request body."""
    return {"model": "m", "messages": [{"role": "user", "content": "hello"}], "stream": stream, **fields}


@dataclass
class Reply:
    """What a raw client got: everything up to the end of the connection or of the answer."""

    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool
    """The HTTP message was complete."""

    @property
    def events(self) -> list[Any]:
        """Return the data of all events, decoded, `[DONE]` as text."""
        frames = [frame for frame in self.body.decode().split("\n\n") if frame.startswith("data: ")]
        return [f[6:] if f[6:] == "[DONE]" else json.loads(f[6:]) for f in frames]

    @property
    def text(self) -> str:
        """Return the concatenated content deltas of choice 0."""
        return "".join(
            choice["delta"].get("content") or ""
            for event in self.events
            if isinstance(event, dict)
            for choice in event.get("choices", ())
            if choice["index"] == 0
        )

    @property
    def error(self) -> Any:
        """Return the error of the body or of the last event."""
        if self.body.startswith(b"{"):
            return json.loads(self.body)["error"]
        return self.events[-1]["error"]

    @property
    def done(self) -> bool:
        """Tell whether `[DONE]` came, once and last."""
        return self.events.count("[DONE]") == 1 and self.events[-1] == "[DONE]"


class RawClient:
    """A client of plain sockets, which can leave in any way at any time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def to(cls, proxy: Proxy) -> RawClient:
        return cls(*await asyncio.open_connection("127.0.0.1", proxy.port))

    async def send(
        self, body: Any, *, path: str = "/v1/chat/completions", headers: Mapping[str, str] | None = None
    ) -> None:
        """Send one POST."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {
            "Host": "localhost",
            "Content-Type": "application/json",
            "Content-Length": str(len(data)),
            **(headers or {}),
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
        self.writer.write(f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + data)
        await self.writer.drain()

    async def reply(self, *, patience: float = 10.0) -> Reply:
        """Read one answer to its end."""
        async with asyncio.timeout(patience):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            lines = head.split("\r\n")
            headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines[1:] if line)}
            if headers.get("transfer-encoding") == "chunked":
                body, whole = await self._chunks()
            else:
                body = await self.reader.readexactly(int(headers.get("content-length", 0)))
                whole = True
        return Reply(int(lines[0].split()[1]), headers, body, whole)

    async def until(self, text: bytes, *, patience: float = 5.0) -> bytes:
        """Read until some bytes came."""
        seen = b""
        async with asyncio.timeout(patience):
            while text not in seen:
                data = await self.reader.read(65536)
                assert data, f"the connection ended after {seen!r}"
                seen += data
        return seen

    def close(self) -> None:
        """Leave in order (FIN)."""
        self.writer.close()

    def reset(self) -> None:
        """Leave at once (RST)."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.writer.transport.abort()

    def half_close(self) -> None:
        """Send FIN and go on reading."""
        self.writer.write_eof()

    async def _chunks(self) -> tuple[bytes, bool]:
        body = bytearray()
        try:
            while size := int(await self.reader.readuntil(b"\r\n"), 16):
                body += await self.reader.readexactly(size)
                await self.reader.readexactly(2)
            await self.reader.readuntil(b"\r\n")
        except (asyncio.IncompleteReadError, ValueError):
            return bytes(body), False
        return bytes(body), True


async def ask(
    proxy: Proxy,
    body: Any,
    *,
    headers: Mapping[str, str] | None = None,
    path: str = "/v1/chat/completions",
    patience: float = 10.0,
) -> Reply:
    """Send one POST on a connection of its own and return the answer."""
    client = await RawClient.to(proxy)
    try:
        await client.send(body, headers=headers, path=path)
        return await client.reply(patience=patience)
    finally:
        client.close()
