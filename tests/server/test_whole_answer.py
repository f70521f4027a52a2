"""The head of a whole answer says what a client needs to read the body and to go on."""

from __future__ import annotations

import asyncio
from email.utils import parsedate_to_datetime

import pytest

from llms.testing.fake_upstream import FakeUpstream
from tests.proxy import Proxy, one_upstream, serving

BODY = b'{"model": "m", "messages": [{"role": "user", "content": "hi"}]}'


async def ask_twice(proxy: Proxy, head: str) -> tuple[list[str], bytes, bytes]:
    """Send one request, return its head and body, and what a second one on the same connection brings."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    request = f"{head}\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n".encode() + BODY
    writer.write(request)
    answer = (await reader.readuntil(b"\r\n\r\n")).decode()
    lines = answer.splitlines()
    length = next(int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length:"))
    body = await reader.readexactly(length)
    writer.write(request)
    again = await reader.read(12)
    writer.close()
    return lines, body, again


@pytest.mark.parametrize(
    ("head", "status", "connection", "stays"),
    [
        ("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost", "HTTP/1.1 200 OK", None, True),
        (
            "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close",
            "HTTP/1.1 200 OK",
            "close",
            False,
        ),
        (
            "POST /v1/chat/completions HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive",
            "HTTP/1.0 200 OK",
            "keep-alive",
            True,
        ),
        ("POST /v1/chat/completions HTTP/1.0\r\nHost: localhost", "HTTP/1.0 200 OK", None, False),
    ],
)
async def test_whole_answers_keep_or_close_the_connection_as_the_client_asked(
    head: str, status: str, connection: str | None, stays: bool
) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        lines, body, again = await ask_twice(proxy, head)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:]) if name}
    assert lines[0] == status
    assert headers.get("connection") == connection
    assert headers["content-type"] == "application/json"
    assert parsedate_to_datetime(headers["date"]).year > 2000
    assert b'"chat.completion"' in body
    assert (again == status[:8].encode() + b" 200") is stays
