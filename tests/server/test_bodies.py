"""Broken bodies are refused with the name of the field that is wrong; size, type and coding have bounds."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

import pytest

from llms.testing.fake_upstream import FakeUpstream
from tests.proxy import RawClient, Reply, ask, chat, one_upstream, serving
from tests.server.wire import LENGTH, PROMPT, assert_fine, assert_refused, connected, memory_at_most, post, read

_HI = {"role": "user", "content": "hello"}


def _with(**fields: Any) -> dict[str, Any]:
    return {**chat(stream=False), **fields}


def _said(*messages: Any) -> dict[str, Any]:
    return _with(messages=list(messages))


_DEEP = b"[" * 100_000 + b"]" * 100_000

BROKEN: dict[str, tuple[Any, str | None]] = {
    "nothing": (b"", None),
    "blanks": (b" \n ", None),
    "no JSON": (b"hello", None),
    "an open brace": (b"{", None),
    "no end": (PROMPT[:-1], None),
    "more behind": (PROMPT + b"}", None),
    "two objects": (PROMPT + PROMPT, None),
    "single quotes": (PROMPT.replace(b'"', b"'"), None),
    "a comma too many": (PROMPT[:-1] + b",}", None),
    "a comment": (b"// hi\n" + PROMPT, None),
    "a form": (b"model=m&messages=hi", None),
    "NaN": (PROMPT[:-1] + b', "temperature": NaN}', None),
    "Infinity": (PROMPT[:-1] + b', "temperature": Infinity}', None),
    "a number beyond all": (PROMPT[:-1] + b', "temperature": 1e999}', None),
    "bad UTF-8": (PROMPT.replace(b"hello", b"\xff\xfe"), None),
    "half a character": (PROMPT.replace(b"hello", "é".encode()[:1]), None),
    "UTF-16": (PROMPT.decode().encode("utf-16"), None),
    "UTF-32": (PROMPT.decode().encode("utf-32"), None),
    "a byte order mark": (b"\xef\xbb\xbf" + PROMPT, None),
    "a raw line break in a text": (PROMPT.replace(b"hello", b"a\nb"), None),
    "a raw NUL in a text": (PROMPT.replace(b"hello", b"a\0b"), None),
    "nested deep": (_DEEP, None),
    "nested deep in a field": (PROMPT[:-1] + b', "x": ' + _DEEP + b"}", None),
    "nested deeper than 100": (_with(x=json.loads("[" * 101 + "]" * 101)), None),
    "null": (b"null", None),
    "a list": ([], None),
    "a list of requests": ([chat()], None),
    "a text": (b'"hello"', None),
    "a number": (b"1", None),
    "true": (b"true", None),
    "an empty object": ({}, "model"),
    "no model": ({"messages": [_HI]}, "model"),
    "model null": (_with(model=None), "model"),
    "model empty": (_with(model=""), "model"),
    "model a number": (_with(model=4), "model"),
    "model a list": (_with(model=["m"]), "model"),
    "model endless": (_with(model="m" * 10_000), "model"),
    "model of two lines": (_with(model="m\r\nx-evil: 1"), "model"),
    "model with NUL": (_with(model="m\0"), "model"),
    "no messages": ({"model": "m"}, "messages"),
    "messages null": (_with(messages=None), "messages"),
    "messages empty": (_with(messages=[]), "messages"),
    "messages a text": (_with(messages="hello"), "messages"),
    "messages an object": (_with(messages=_HI), "messages"),
    "message null": (_said(None), "messages[0]"),
    "message a text": (_said(_HI, "hello"), "messages[1]"),
    "message a list": (_said([_HI]), "messages[0]"),
    "message without role": (_said({"content": "x"}), "messages[0].role"),
    "role null": (_said({"role": None, "content": "x"}), "messages[0].role"),
    "role a number": (_said({"role": 1, "content": "x"}), "messages[0].role"),
    "content a number": (_said({"role": "user", "content": 1}), "messages[0].content"),
    "content an object": (_said({"role": "user", "content": {"text": "x"}}), "messages[0].content"),
    "part a text": (_said({"role": "user", "content": ["x"]}), "messages[0].content[0]"),
    "part without type": (_said({"role": "user", "content": [{"text": "x"}]}), "messages[0].content[0].type"),
    "part without text": (_said({"role": "user", "content": [{"type": "text"}]}), "messages[0].content[0].text"),
    "image without address": (
        _said({"role": "user", "content": [{"type": "image_url", "image_url": {}}]}),
        "messages[0].content[0].image_url.url",
    ),
    "call without name": (
        _said({"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": {}}]}),
        "messages[0].tool_calls[0].function.name",
    ),
    "stream a text": (_with(stream="true"), "stream"),
    "stream a number": (_with(stream=1), "stream"),
    "stream_options a text": (_with(stream=True, stream_options="yes"), "stream_options"),
    "include_usage a text": (_with(stream=True, stream_options={"include_usage": "1"}), "stream_options.include_usage"),
    "temperature a text": (_with(temperature="hot"), "temperature"),
    "top_p a list": (_with(top_p=[1]), "top_p"),
    "n zero": (_with(n=0), "n"),
    "n negative": (_with(n=-1), "n"),
    "n a fraction": (_with(n=1.5), "n"),
    "n a truth": (_with(n=True), "n"),
    "max_tokens a text": (_with(max_tokens="5"), "max_tokens"),
    "max_tokens negative": (_with(max_tokens=-5), "max_tokens"),
    "max_tokens endlessly negative": (PROMPT[:-1] + b', "max_tokens": -' + b"9" * 4000 + b"}", None),
    "max_completion_tokens zero": (_with(max_completion_tokens=0), "max_completion_tokens"),
    "seed a text": (_with(seed="1"), "seed"),
    "stop a number": (_with(stop=1), "stop"),
    "stop a list of numbers": (_with(stop=["a", 1]), "stop[1]"),
    "tools an object": (_with(tools={}), "tools"),
    "tool null": (_with(tools=[None]), "tools[0]"),
    "tool without function": (_with(tools=[{"type": "function"}]), "tools[0].function"),
    "tool without name": (_with(tools=[{"type": "function", "function": {}}]), "tools[0].function.name"),
    "tool_choice a number": (_with(tool_choice=1), "tool_choice"),
    "logit_bias a list": (_with(logit_bias=[]), "logit_bias"),
    "response_format a text": (_with(response_format="json"), "response_format"),
    "metadata a text": (_with(metadata="x"), "metadata"),
    "user a number": (_with(user=1), "user"),
}


@pytest.mark.parametrize(("sent", "param"), BROKEN.values(), ids=BROKEN)
async def test_broken_bodies_are_refused_with_the_field(sent: Any, param: str | None) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        async with connected(proxy) as client:
            for path in ("/v1/chat/completions", "/chat/completions/stream"):
                await client.send(sent, path=path)
                error = assert_refused(await client.reply(), 400, code="invalid_request")
                assert error["param"] == param
                assert len(error["message"]) < 600
                assert param is None or f"`{param}`" in error["message"]
        await assert_fine(proxy, upstream)


UNUSUAL: dict[str, bytes | dict[str, Any]] = {
    "a number beyond 64 bits": PROMPT[:-1] + b', "seed": 123456789012345678901234567890}',
    "half a surrogate": PROMPT.replace(b"hello", b"\\ud800"),
    "unknown fields": _with(top_k=3, vendor={"deep": [1, {"a": None}]}),
    "nested 50 deep": _with(x=json.loads("[" * 50 + "]" * 50)),
    "nulls": _with(temperature=None, tools=None, stop=None, max_tokens=None),
    "a large body": _with(messages=[{"role": "user", "content": "x" * 3_000_000}]),
    "a part of another kind": _said({"role": "user", "content": [{"type": "hologram", "hologram": {}}]}),
    "blanks around": b"  \r\n" + PROMPT + b"\n\n",
}


@pytest.mark.parametrize("sent", UNUSUAL.values(), ids=UNUSUAL)
async def test_unusual_bodies_are_answered(sent: bytes | dict[str, Any]) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        assert (await ask(proxy, sent)).status == 200
        seen = json.loads(upstream.chats[0].body)
        meant = json.loads(sent) if isinstance(sent, bytes) else sent
        assert seen == {**meant, "model": "real-model"}


# -- size ----------------------------------------------------------------------------------------------------------

_SMALL = "server: {max_body: 64KiB}"


async def test_an_announced_length_over_the_limit_is_refused_before_the_body() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=_SMALL)) as proxy:
        async with connected(proxy) as client:
            client.writer.write(post(b"Content-Length: 65537"))
            reply = await client.reply(patience=2)
            assert "65536" in assert_refused(reply, 413, code="request_too_large")["message"]
        assert (await ask(proxy, _padded(65536))).status == 200
        await assert_fine(proxy, upstream, before=1)


@pytest.mark.parametrize("size", [65_537, 300_000], ids=["at once", "in parts"])
async def test_chunks_over_the_limit_are_refused(size: int) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=_SMALL)) as proxy:
        for path in (b"/v1/chat/completions", b"/chat/completions"):
            async with connected(proxy) as client:
                client.writer.write(_chunked(_padded(size), path=path))
                assert_refused(await client.reply(), 413, code="request_too_large")
        async with connected(proxy) as client:
            client.writer.write(_chunked(_padded(65_536)))
            assert (await client.reply()).status == 200
        await assert_fine(proxy, upstream, before=1)


async def test_an_endless_body_costs_no_more_memory_than_the_limit() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more="server: {max_body: 1MiB}")) as proxy:
        await assert_fine(proxy, upstream)
        with memory_at_most(16 * 2**20):
            clients = [await RawClient.to(proxy) for _ in range(4)]
            statuses = await asyncio.gather(*(_pour(client, 30 * 2**20) for client in clients))
        assert statuses == [413] * 4
        await assert_fine(proxy, upstream, before=1)


async def test_the_limit_follows_the_configuration() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more="server: {max_body: 1KiB}")) as proxy:
        for bound, size, status in ((1024, 4000, 413), (8192, 4000, 200), (1024, 4000, 413)):
            config = proxy.engine.services.config
            server = config.server.changed(max_body=bound)
            await proxy.engine.reload(config.changed(server=server))
            async with connected(proxy) as client:
                client.writer.write(_chunked(_padded(size)))
                assert (await client.reply()).status == status


def _padded(size: int) -> bytes:
    return PROMPT + b" " * (size - len(PROMPT))


def _chunked(body: bytes, *, path: bytes = b"/v1/chat/completions") -> bytes:
    return post(b"Transfer-Encoding: chunked", body=b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body), path=path)


async def _pour(client: RawClient, size: int) -> int:
    """Send `size` bytes in chunks for as long as the server takes them; return the status of its answer."""
    piece = b"%x\r\n%b\r\n" % (65_536, b" " * 65_536)
    client.writer.write(post(b"Transfer-Encoding: chunked"))
    reply = asyncio.create_task(client.reply())
    try:
        for _ in range(size // 65_536):
            client.writer.write(piece)
            await client.writer.drain()
    except ConnectionError:
        pass
    try:
        return (await reply).status
    finally:
        client.close()


# -- type and coding -----------------------------------------------------------------------------------------------

TYPES: dict[str, tuple[tuple[bytes, ...], int]] = {
    "JSON": ((b"Content-Type: application/json",), 200),
    "JSON with its character set": ((b"Content-Type: application/json; charset=utf-8",), 200),
    "JSON in capitals": ((b"content-type: Application/JSON;charset=UTF-8",), 200),
    "none": ((), 200),
    "none from our page": ((b"Sec-Fetch-Site: same-origin",), 200),
    "none, typed in": ((b"Sec-Fetch-Site: none",), 200),
    "none from another site": ((b"Sec-Fetch-Site: cross-site",), 415),
    "none from another port": ((b"Sec-Fetch-Site: same-site",), 415),
    "empty": ((b"Content-Type:",), 415),
    "plain text": ((b"Content-Type: text/plain",), 415),
    "plain text that names JSON": ((b"Content-Type: text/plain; application/json",), 415),
    "a form": ((b"Content-Type: application/x-www-form-urlencoded",), 415),
    "a form of parts": ((b"Content-Type: multipart/form-data; boundary=x",), 415),
    "text that is JSON": ((b"Content-Type: text/json",), 415),
    "JSON of another kind": ((b"Content-Type: application/jsonp",), 415),
    "two types in a line": ((b"Content-Type: application/json, text/plain",), 415),
    "two types": ((b"Content-Type: text/plain", b"Content-Type: application/json"), 400),
    "bytes": ((b"Content-Type: \xff\xfe",), 415),
    "uncompressed": ((b"Content-Type: application/json", b"Content-Encoding: identity"), 200),
    "compressed": ((b"Content-Type: application/json", b"Content-Encoding: gzip"), 415),
    "deflated": ((b"Content-Type: application/json", b"Content-Encoding: deflate"), 415),
    "of brotli": ((b"Content-Type: application/json", b"Content-Encoding: br"), 415),
    "of zstandard": ((b"Content-Type: application/json", b"Content-Encoding: zstd"), 415),
    "compressed twice": ((b"Content-Type: application/json", b"Content-Encoding: gzip, gzip"), 415),
}


@pytest.mark.parametrize(("lines", "status"), TYPES.values(), ids=TYPES)
async def test_only_plain_json_is_read(lines: tuple[bytes, ...], status: int) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy, connected(proxy) as client:
        head = [b"POST /v1/chat/completions HTTP/1.1", b"Host: localhost", LENGTH, *lines, b"", b""]
        client.writer.write(b"\r\n".join(head) + PROMPT)
        reply = await client.reply()
        assert reply.status == status
        if status != 200:
            assert_refused(reply, code="unsupported_media_type" if status == 415 else "invalid_http")
            assert not upstream.chats


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
async def test_a_compressed_body_is_refused_and_never_inflated(chunked: bool) -> None:
    bomb = gzip.compress(bytes(64 * 2**20), compresslevel=1)
    framed = b"%x\r\n%b\r\n0\r\n\r\n" % (len(bomb), bomb) if chunked else bomb
    length = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(bomb)
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy, connected(proxy) as client:
        await assert_fine(proxy, upstream)
        with memory_at_most(8 * 2**20):
            client.writer.write(post(b"Content-Encoding: gzip", length, body=framed))
            assert_refused(await client.reply(), 415, code="unsupported_media_type")
            if not chunked:
                await client.send(PROMPT)
                assert (await client.reply()).status == 200


# -- methods and paths ---------------------------------------------------------------------------------------------

ALLOWED = {
    "/v1/chat/completions": "POST",
    "/chat/completions": "POST",
    "/v1/chat/completions/stream": "POST",
    "/v1/models": "GET",
    "/models": "GET",
    "/v1/models/up/fake-model": "GET",
    "/health": "GET, HEAD",
    "/ready": "GET, HEAD",
    "/metrics": "GET",
    "/openapi.json": "GET",
    "/": "GET, HEAD",
    "/ui/index.html": "GET, HEAD",
    "/api/session": "DELETE, POST",
}


@pytest.mark.parametrize("path", ALLOWED)
async def test_a_wrong_method_is_told_the_right_one(path: str) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        async with connected(proxy) as client:
            for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"):
                if method in ALLOWED[path].split(", "):
                    continue
                reply = await _request(client, method, path)
                assert_refused(reply, 405, code="method_not_allowed")
                assert reply.headers["allow"] == ALLOWED[path]
        await assert_fine(proxy, upstream)


@pytest.mark.parametrize("path", ALLOWED)
async def test_whoever_asks_for_the_options_is_told_the_methods(path: str) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy, connected(proxy) as client:
        reply = await _request(client, "OPTIONS", path)
        assert reply.status == 204
        assert set(reply.headers["allow"].split(", ")) >= {*ALLOWED[path].split(", "), "OPTIONS"}


@pytest.mark.parametrize(
    "path",
    [
        "/v1",
        "/v1/",
        "/v2/models",
        "/v1/chat",
        "/v1/chat/completions/",
        "/v1//chat/completions",
        "//v1/chat/completions",
        "/v1/chat/completions/x",
        "/V1/Models",
        "/admin",
        "/v1/%0a%0d",
        "/%00",
        "/%ff%fe",
        "/?",
        "/" + "a/" * 500,
        "/v1/<script>alert(1)</script>",
    ],
)
async def test_unknown_paths_are_not_found(path: str) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        async with connected(proxy) as client:
            for method in ("GET", "POST", "DELETE"):
                if path == "/?" and method == "GET":
                    continue
                assert_refused(await _request(client, method, path), 404, 405)
        await assert_fine(proxy, upstream)


async def _request(client: RawClient, method: str, path: str) -> Reply:
    client.writer.write(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n".encode())
    return await client.reply()


async def test_no_page_answers_where_it_is_switched_off() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more="ui: {enabled: false}")) as proxy:
        for path in ("/", "/ui/index.html"):
            assert_refused(await read(proxy, path), 404, code="not_found")
