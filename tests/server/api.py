"""Requests of the page for tests: any method, a JSON body, the answer held against its schema."""

from __future__ import annotations

import json
from typing import Any

from tests.proxy import Proxy, Reply
from tests.server.test_openapi import DOCUMENT, problems
from tests.server.wire import answers, assert_refused


async def call(proxy: Proxy, method: str, path: str, body: Any = None, **headers: str) -> Reply:
    """Send one request; underscores in the names of headers stand for dashes."""
    data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"Host": "localhost", "Connection": "close"}
    if body is not None:
        given |= {"Content-Type": "application/json", "Content-Length": str(len(data))}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    [reply] = await answers(proxy, f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + data, patience=15)
    return reply


async def told(proxy: Proxy, method: str, path: str, body: Any = None, **headers: str) -> Any:
    """Return the decoded answer of a request that goes well and is answered as described."""
    reply = await call(proxy, method, path, body, **headers)
    assert reply.status == 200, reply
    found = json.loads(reply.body)
    route = _route(path.partition("?")[0])
    schema = DOCUMENT["paths"][route][method.lower()]["responses"]["200"]["content"]["application/json"]["schema"]
    assert not problems(schema, found)
    return found


async def refused(
    proxy: Proxy, method: str, path: str, body: Any = None, *, status: int, code: str | None = None, **headers: str
) -> dict[str, Any]:
    """Return the error of a request that is refused in a way that is described."""
    reply = await call(proxy, method, path, body, **headers)
    route = _route(path.partition("?")[0])
    assert str(status) in DOCUMENT["paths"][route][method.lower()]["responses"]
    return assert_refused(reply, status, code=code)


def _route(path: str) -> str:
    """Return how the document writes a path: the third part is a name, where there is one and no fixed one."""
    if path in DOCUMENT["paths"]:
        return path
    parts = path.split("/")
    parts[3] = "{id}" if parts[2] in ("requests", "streams") else "{name}"
    return "/".join(parts)


async def provider(proxy: Proxy, name: str) -> dict[str, Any]:
    """Return one provider of the list."""
    listed = await told(proxy, "GET", "/api/providers")
    found: dict[str, Any] = next(row for row in listed["data"] if row["name"] == name)
    return found
