"""Raw HTTP for tests: any bytes out, every answer back until the connection ends."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from collections.abc import AsyncGenerator, Generator, Iterable
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from llms.testing.fake_upstream import FakeUpstream
from tests.proxy import Proxy, RawClient, Reply, ask, chat

PROMPT = json.dumps(chat(stream=False)).encode()
"""A body that is answered."""
LENGTH = b"Content-Length: %d" % len(PROMPT)
KEY = "sk-llms-the-right-key-0123456789abcdef"
OTHER_KEY = "sk-llms-another-right-key-0123456789"
KEYS = f'keys: {{static: ["{KEY}", "{OTHER_KEY}"]}}'
BEARER = f"Bearer {KEY}"
CORS = "server: {cors_origins: ['https://app.example', 'http://localhost:3000/']}"
CHUNKED = b"Transfer-Encoding: chunked"


def post(
    *lines: bytes, body: bytes = b"", path: bytes = b"/v1/chat/completions", host: Iterable[bytes] = (b"localhost",)
) -> bytes:
    """Return a POST of JSON with further header lines, as they are."""
    hosts = [b"Host: " + name for name in host]
    head = [b"POST " + path + b" HTTP/1.1", *hosts, b"Content-Type: application/json", *lines]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def get(path: bytes, *lines: bytes, host: bytes = b"localhost", method: bytes = b"GET") -> bytes:
    """Return a request without a body, after which the server is to close."""
    return b"\r\n".join([method + b" " + path + b" HTTP/1.1", b"Host: " + host, b"Connection: close", *lines, b"", b""])


@asynccontextmanager
async def connected(proxy: Proxy) -> AsyncGenerator[RawClient, None]:
    """Connect, and leave at the end."""
    client = await RawClient.to(proxy)
    try:
        yield client
    finally:
        client.close()


async def answers(proxy: Proxy, sent: bytes, *, patience: float = 5.0) -> list[Reply]:
    """Send bytes and return every answer up to the end of the connection, which the server has to bring about."""
    found: list[Reply] = []
    async with connected(proxy) as client:
        client.writer.write(sent)
        try:
            async with asyncio.timeout(patience):
                while True:
                    found.append(await client.reply())
        except asyncio.IncompleteReadError as ended:
            rest = ended.partial
        except ConnectionError:
            rest = b""
    assert not rest, "the connection ended inside an answer"
    return found


async def read(proxy: Proxy, path: str, *, method: str = "GET", **headers: str) -> Reply:
    """Send a request without a body; underscores in the names of headers stand for dashes."""
    lines = {
        name.replace("_", "-").lower(): value.encode("utf-8", "surrogateescape") for name, value in headers.items()
    }
    host = lines.pop("host", b"localhost")
    rest = [name.encode() + b": " + value for name, value in lines.items()]
    [reply] = await answers(proxy, get(path.encode(), *rest, host=host, method=method.encode()))
    return reply


@contextmanager
def memory_at_most(size: int) -> Generator[None, None, None]:
    """Check that at no moment within more than `size` bytes are allocated, on both sides of the wire."""
    tracemalloc.start(1)
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= size, f"{peak} bytes"


def assert_no_cors(reply: Reply) -> None:
    """Check that no other page may read an answer."""
    assert not [name for name in reply.headers if name.startswith("access-control-")]


def assert_refused(reply: Reply, *statuses: int, code: str | None = None) -> dict[str, Any]:
    """Check that an answer is a 4xx in our envelope; return the error."""
    assert 400 <= reply.status <= 499, reply
    assert not statuses or reply.status in statuses, reply
    return assert_envelope(reply, code=code)


def assert_envelope(reply: Reply, *, code: str | None = None) -> dict[str, Any]:
    """Check the form of an error answer; return the error."""
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["server"] == "llms"
    assert reply.headers["x-request-id"]
    assert list(json.loads(reply.body)) == ["error"]
    error: dict[str, Any] = reply.error
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    assert error["type"]
    assert code is None or error["code"] == code, error
    return error


async def assert_fine(proxy: Proxy, upstream: FakeUpstream, *, before: int = 0) -> None:
    """Check that a normal request is answered, and that it is the only one beside `before` to reach the upstream."""
    async with asyncio.timeout(5):
        assert (await ask(proxy, chat(stream=False))).status == 200
    assert len(upstream.chats) == before + 1
