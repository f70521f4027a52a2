"""Pages of other origins get nothing, unless they are listed."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from llms.testing.fake_upstream import FakeUpstream, text_stream
from tests.proxy import ask, chat, one_upstream, serving
from tests.server.wire import (
    BEARER,
    CORS,
    KEYS,
    LENGTH,
    PROMPT,
    answers,
    assert_no_cors,
    assert_refused,
    read,
)

_FOREIGN = [
    "https://evil.example",
    "null",
    "",
    "http://app.example",
    "https://app.example.evil.example",
    "https://evil-app.example",
    "https://app.example:8443",
    "https://app.example@evil.example",
    "https://app.example, https://evil.example",
    "https://app.example https://evil.example",
    "https://sub.app.example",
    "https://app.example/path",
    "http://localhost",
    "http://localhost:8001",
    "http://localhost.evil.example:8000",
    "http://localhost:8000@evil.example",
    "http://[",
    "http://[::1",
    "http://]",
    "https://[evil]",
    "file://",
    "file://localhost:8000",
    "ws://localhost:8000",
    "localhost:8000",
    "//localhost:8000",
    "*",
    "\udcff",
]


def _named(origin: str) -> str:
    return origin.encode("ascii", "backslashreplace").decode() or "empty"


@pytest.mark.parametrize("origin", _FOREIGN, ids=_named)
async def test_foreign_pages_may_only_read_what_is_public(origin: str) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=CORS)) as proxy:
        headers = {"Host": "localhost:8000", "Origin": origin}
        for method, path in (
            ("GET", "/v1/models"),
            ("GET", "/metrics"),
            ("POST", "/api/session"),
            ("DELETE", "/api/session"),
        ):
            reply = await read(proxy, path, method=method, **headers)
            assert_no_cors(reply)
            assert_refused(reply, 403, code="origin_not_allowed")
        for path in ("/health", "/"):
            reply = await read(proxy, path, **headers)
            assert reply.status == 200
            assert_no_cors(reply)
        asked = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "content-type"}
        for path in ("/v1/chat/completions", "/v1/models", "/health", "/nothing", "/api/session"):
            reply = await read(proxy, path, method="OPTIONS", **headers, **asked)
            assert_no_cors(reply)
            assert_refused(reply, 403, code="origin_not_allowed")
        assert not upstream.chats


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/json", None]
)
@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
)
async def test_a_simple_post_of_another_site_changes_nothing(kind: str | None, headers: Mapping[str, str]) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        lines = [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"Content-Type: {kind}"] if kind else []
        head = "\r\n".join(["POST /v1/chat/completions HTTP/1.1", "Host: localhost", "Connection: close", *lines])
        [reply] = await answers(proxy, f"{head}\r\n".encode() + LENGTH + b"\r\n\r\n" + PROMPT)
        if "Origin" not in headers and kind == "application/json":
            # No page can send this type to another site without a preflight, which is refused.
            assert reply.status == 200
            return
        assert_refused(reply, 403, 415)
        assert_no_cors(reply)
        assert not upstream.chats


async def test_our_own_page_may_call() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        for host, origin in (
            ("localhost:8000", "http://localhost:8000"),
            ("LOCALHOST:8000", "http://localhost:8000"),
            ("[::1]:8000", "http://[::1]:8000"),
            ("127.0.0.1", "https://127.0.0.1"),
        ):
            reply = await ask(proxy, chat(stream=False), headers={"Host": host, "Origin": origin})
            assert reply.status == 200
            assert_no_cors(reply)


@pytest.mark.parametrize("origin", ["https://app.example", "http://localhost:3000"])
async def test_listed_pages_may_call_and_are_told_so(origin: str) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=f"{CORS}\n{KEYS}")) as proxy:
        asked = {
            "Access_Control_Request_Method": "POST",
            "Access_Control_Request_Headers": "authorization, x-llms-stream",
        }
        reply = await read(proxy, "/v1/chat/completions", method="OPTIONS", Origin=origin, **asked)
        assert reply.status == 204
        assert reply.headers["access-control-allow-origin"] == origin
        assert reply.headers["access-control-allow-headers"] == "authorization, x-llms-stream"
        assert {"POST", "GET", "OPTIONS"} <= set(reply.headers["access-control-allow-methods"].split(", "))
        assert "access-control-allow-credentials" not in reply.headers
        upstream.script(text_stream("hi"))
        for headers, status in (({"Authorization": BEARER}, 200), ({}, 401)):
            reply = await ask(proxy, chat(), headers={"Origin": origin, **headers})
            assert reply.status == status
            assert reply.headers["access-control-allow-origin"] == origin
            assert reply.headers["vary"] == "Origin"
            assert "x-request-id" in reply.headers["access-control-expose-headers"]


@pytest.mark.parametrize("asked", ["x-a\x7f", "x-ä", "\udcff", "<script>", "x" * 600, ""])
async def test_odd_preflights_get_the_usual_headers(asked: str) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=CORS)) as proxy:
        reply = await read(
            proxy, "/v1/models", method="OPTIONS", Origin="https://app.example", Access_Control_Request_Headers=asked
        )
        if reply.status == 400:
            return
        assert reply.status == 204
        assert reply.headers["access-control-allow-headers"] == "authorization, content-type, x-api-key"


async def test_every_page_may_be_listed() -> None:
    async with (
        FakeUpstream() as upstream,
        serving(one_upstream(upstream, more='server: {cors_origins: ["*"]}')) as proxy,
    ):
        for origin in ("https://any.example", "null"):
            reply = await read(proxy, "/v1/models", Origin=origin)
            assert reply.headers["access-control-allow-origin"] == origin
        assert_refused(await read(proxy, "/v1/models", Origin="http://\udcff"), 400, 403)
