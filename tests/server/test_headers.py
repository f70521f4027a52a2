"""Which headers pass, which are made, and which never reach the other side."""

from __future__ import annotations

import asyncio
import email.utils
import re
import time

import pytest

from llms.testing.fake_upstream import (
    FakeUpstream,
    Script,
    answer,
    body,
    cut,
    error,
    head,
    pause,
    reply,
    text_stream,
)
from tests.proxy import Reply, ask, chat, one_upstream, serving
from tests.server.wire import KEY, KEYS, PROMPT, connected, read

_ROW = "retries: 0"
_STREAMED = [True, False]
_SECRETS = {
    "Set-Cookie": "upstream_session=planted; Path=/",
    "Server": "planted-server/1.0",
    "X-Powered-By": "planted",
    "Via": "1.1 planted",
    "Alt-Svc": 'h3="planted:443"',
    "Strict-Transport-Security": "max-age=1; planted",
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Credentials": "true",
    "Content-Security-Policy": "planted",
    "Location": "http://planted.example/",
    "WWW-Authenticate": 'Basic realm="planted"',
    "Openai-Organization": "planted",
    "X-Ratelimit-Limit-Requests": "planted",
    "Cf-Ray": "planted",
    "X-Accel-Redirect": "/planted",
    "X-Sendfile": "/planted",
    "Link": "<http://planted.example/>; rel=preload",
    "Refresh": "0; url=http://planted.example/",
    "Clear-Site-Data": '"planted"',
    "Trailer": "x-planted",
    "Keep-Alive": "timeout=planted",
    "x-llms-provider": "planted",
    "x-llms-hops": "9",
    "x-should-retry": "planted",
}


def _with_headers(headers: dict[str, str], *, stream: bool) -> Script:
    if not stream:
        choice = {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
        whole = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
        return body(whole, headers=headers)
    return answer(head(200, headers), *text_stream("hi").steps)


# -- from the upstream ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 400, 403, 404, 429, 500, 503])
@pytest.mark.parametrize("stream", _STREAMED)
async def test_an_upstreams_headers_stay_with_us(stream: bool, status: int) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, row=_ROW)) as proxy:
        upstream.script(_with_headers(_SECRETS, stream=stream) if status == 200 else error(status, headers=_SECRETS))
        got = await ask(proxy, chat(stream=stream))
        assert got.status == status
        assert not [text for text in got.headers.values() if "planted" in text]
        assert "set-cookie" not in got.headers
        assert not [name for name in got.headers if name.startswith("access-control-")]
        assert got.headers["server"] == "llms"
        assert got.headers["x-llms-attempts"] == "1"


@pytest.mark.parametrize("stream", _STREAMED)
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"Retry-After": "7"}, {"retry-after": "7"}),
        ({"Retry-After": "0"}, {"retry-after": "0"}),
        ({"Retry-After": "3600"}, {"retry-after": "3600"}),
        ({"Retry-After": "2.5"}, {"retry-after": "3", "retry-after-ms": "2500"}),
        ({"retry-after-ms": "1500"}, {"retry-after": "2", "retry-after-ms": "1500"}),
        ({"retry-after-ms": "20", "Retry-After": "9"}, {"retry-after": "1", "retry-after-ms": "20"}),
        ({"Retry-After": "-5"}, {"retry-after": "0"}),
        ({"Retry-After": "soon"}, {}),
        ({"Retry-After": "nan"}, {}),
        ({"Retry-After": "inf"}, {}),
        ({"Retry-After": "1e400"}, {}),
        ({"retry-after-ms": "inf"}, {}),
        ({"Retry-After": "9" * 30}, {"retry-after": "31536000"}),
        ({"Retry-After": "Wed, 99 Foo 2099"}, {}),
        ({"Retry-After": "Sun, 06 Nov 1994 08:49:37 GMT"}, {"retry-after": "0"}),
        ({}, {}),
    ],
    ids=str,
)
async def test_the_patience_that_an_upstream_asks_for_is_passed_on(
    given: dict[str, str], expected: dict[str, str], stream: bool
) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, row=_ROW)) as proxy:
        for status in (429, 503):
            upstream.script(error(status, headers=given))
            got = await ask(proxy, chat(stream=stream))
            assert got.status == status
            assert {name: text for name, text in got.headers.items() if name.startswith("retry-after")} == expected
            assert ("retry-after" in expected) or got.headers.get("x-should-retry") in (None, "false")


async def test_patience_until_a_date_becomes_seconds() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, row=_ROW)) as proxy:
        upstream.script(error(429, headers={"Retry-After": email.utils.formatdate(time.time() + 90, usegmt=True)}))
        got = await ask(proxy, chat())
        assert 85 <= int(got.headers["retry-after"]) <= 91


@pytest.mark.parametrize("stream", _STREAMED)
@pytest.mark.parametrize(
    ("script", "retries", "attempts", "told"),
    [
        (error(401), 2, 1, "false"),
        (error(500), 0, 1, None),
        (error(500), 1, 2, "false"),
        (error(503), 1, 2, "false"),
        (error(503, headers={"Retry-After": "30"}), 1, 1, None),
        (error(429, headers={"Retry-After": "30"}), 0, 1, None),
        (error(400), 2, 1, None),
        (answer(cut()), 1, 2, "false"),
    ],
    ids=["refused key", "500 once", "500 twice", "503 twice", "503 later", "429 later", "400", "cut twice"],
)
async def test_clients_are_told_not_to_repeat_what_was_repeated(
    script: Script, retries: int, attempts: int, told: str | None, stream: bool
) -> None:
    row = f"retries: {retries}, max_retry_after: 1s"
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, row=row)) as proxy:
        upstream.script(script)
        got = await ask(proxy, chat(stream=stream))
        assert got.status >= 400
        assert got.headers.get("x-should-retry") == told
        assert got.headers["x-llms-attempts"] == str(attempts)


@pytest.mark.parametrize("stream", _STREAMED)
async def test_answers_name_where_they_came_from(stream: bool) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        upstream.script(_with_headers({"x-request-id": "up-42"}, stream=stream))
        got = await ask(proxy, chat(stream=stream), headers={"x-request-id": "mine"})
        assert _routing(got) == {
            "x-llms-provider": "up",
            "x-llms-model": "real-model",
            "x-llms-attempts": "1",
            "x-llms-upstream-request-id": "up-42",
        }
        assert got.headers["x-request-id"] == "mine"
        upstream.script(error(404, headers={"x-request-id": "up-43"}))
        got = await ask(proxy, chat(stream=stream))
        assert got.headers["x-llms-upstream-request-id"] == "up-43"
        assert re.fullmatch("req_[0-9a-f]+", got.headers["x-request-id"])


def _routing(got: Reply) -> dict[str, str]:
    return {name: text for name, text in got.headers.items() if name.startswith("x-llms-")}


@pytest.mark.parametrize("stream", _STREAMED)
async def test_attempts_are_counted_over_the_plan(stream: bool) -> None:
    async with FakeUpstream() as bad, FakeUpstream() as good:
        bad.script(error(503))
        text = (
            f'providers:\n  a: {{type: openai_compatible, base_url: "{bad.url}", retries: 0}}\n'
            f'  b: {{type: openai_compatible, base_url: "{good.url}"}}\nmodels:\n  m: {{targets: [a/x, b/y]}}\n'
        )
        async with serving(text) as proxy:
            got = await ask(proxy, chat(stream=stream))
            assert _routing(got) == {"x-llms-provider": "b", "x-llms-model": "y", "x-llms-attempts": "2"}


@pytest.mark.parametrize("stream", _STREAMED)
@pytest.mark.parametrize("given", ["é", "x" * 4000, "a b", "<script>", "\x7f", "a\tb", "%0d%0aX-Evil: 1"])
async def test_odd_ids_of_an_upstream_do_no_harm(given: str, stream: bool) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, row=_ROW)) as proxy:
        for script in (
            _with_headers({"x-request-id": given}, stream=stream),
            error(400, headers={"x-request-id": given}),
        ):
            upstream.script(script, reply())
            got = await ask(proxy, chat(stream=stream))
            assert got.status in (200, 400, 502)
            assert "x-evil" not in got.headers
            assert (await ask(proxy, chat(stream=False))).status == 200


# -- to the upstream -----------------------------------------------------------------------------------------------

_NEVER = {
    "Authorization": f"Bearer {KEY}",
    "x-api-key": KEY,
    "Cookie": f"llms_session=planted; other={KEY}",
    "Proxy-Authorization": f"Basic {KEY}",
    "X-Forwarded-For": "10.0.0.1, planted",
    "X-Forwarded-Host": "planted.example",
    "Forwarded": "for=planted",
    "X-Real-IP": "planted",
    "Referer": "http://localhost/planted",
    "User-Agent": "planted/1.0",
    "Accept-Language": "planted",
    "Accept-Encoding": "gzip, planted",
    "OpenAI-Organization": "planted",
    "OpenAI-Project": "planted",
    "X-Stainless-Lang": "planted",
    "X-Api-Version": "planted",
    "api-key": "planted",
    "X-Goog-Api-Key": "planted",
    "anthropic-version": "planted",
    "X-Request-Id": "planted-id",
    "X-Base-Url": "http://planted.example",
    "Traceparent": "00-planted",
    "Idempotency-Key": "planted",
    "Connection": "keep-alive, planted",
    "TE": "trailers",
    "Keep-Alive": "planted",
    "Upgrade-Insecure-Requests": "1",
    "x-llms-hops": "2",
    "x-llms-provider": "planted",
}


@pytest.mark.parametrize("stream", _STREAMED)
async def test_a_clients_headers_stay_with_us(stream: bool) -> None:
    row = "headers: {x-team: research}"
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, row=row, more=KEYS)) as proxy:
        upstream.script(reply())
        assert (await ask(proxy, chat(stream=stream), headers=_NEVER)).status == 200
        seen = upstream.chats[0]
        assert seen.headers == {
            "host": f"127.0.0.1:{upstream.port}",
            "content-type": "application/json",
            "accept-encoding": "identity",
            "user-agent": "llms",
            "authorization": "Bearer sk-planted-upstream-key",
            "x-team": "research",
            "x-llms-hops": "3",
            "content-length": str(len(seen.body)),
        }
        for request in upstream.requests:
            text = f"{request.path}{request.headers}{request.body!r}".replace("sk-planted-upstream-key", "")
            assert KEY not in text
            assert "planted" not in text


async def test_the_path_and_query_of_a_client_stay_with_us() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        path = "/v1/chat/completions?api-version=planted&base_url=http://planted.example"
        assert (await ask(proxy, chat(stream=False), path=path)).status == 200
        assert upstream.chats[0].path == "/v1/chat/completions"


# -- event streams -------------------------------------------------------------------------------------------------


async def test_a_stream_has_exactly_these_headers() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        upstream.script(text_stream("hi"))
        got = await ask(proxy, chat(), headers={"x-request-id": "mine", "Accept-Encoding": "gzip, br"})
        assert got.done
        assert got.headers.pop("date")
        assert got.headers == {
            "content-type": "text/event-stream",
            "cache-control": "no-cache",
            "connection": "keep-alive",
            "x-accel-buffering": "no",
            "transfer-encoding": "chunked",
            "server": "llms",
            "x-request-id": "mine",
            "x-llms-provider": "up",
            "x-llms-model": "real-model",
            "x-llms-attempts": "1",
        }


async def test_an_http_1_0_client_reads_a_stream_to_the_end_of_the_connection() -> None:
    streamed = PROMPT.replace(b"false", b"true")
    head = b"POST /v1/chat/completions HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    async with (
        FakeUpstream() as upstream,
        serving(one_upstream(upstream)) as proxy,
        connected(proxy) as client,
    ):
        client.writer.write(head + b"Content-Length: %d\r\n\r\n" % len(streamed) + streamed)
        async with asyncio.timeout(5):
            got = await client.reader.read()
        assert b"transfer-encoding" not in got.lower()
        assert got.endswith(b"\n\ndata: [DONE]\n\n")


async def test_a_stream_that_began_with_a_heartbeat_has_them_too() -> None:
    more = "defaults: {heartbeat: 100ms}"
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=more)) as proxy:
        upstream.script(answer(pause(0.5), *text_stream("hi").steps))
        got = await ask(proxy, chat())
        assert got.body.startswith(b": ping\n\n")
        assert (got.headers["content-type"], got.headers["x-accel-buffering"]) == ("text/event-stream", "no")
        assert got.headers["x-request-id"]
        assert got.text == "hi"


async def test_a_stream_of_another_origin_names_it() -> None:
    more = "server: {cors_origins: ['https://app.example']}"
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=more)) as proxy:
        upstream.script(text_stream("hi"))
        got = await ask(proxy, chat(), headers={"Origin": "https://app.example"})
        assert got.headers["access-control-allow-origin"] == "https://app.example"
        assert got.done


async def test_a_whole_answer_has_exactly_these_headers() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        got = await ask(proxy, chat(stream=False), headers={"x-request-id": "mine"})
        assert got.headers.pop("date")
        assert got.headers == {
            "content-type": "application/json",
            "content-length": str(len(got.body)),
            "server": "llms",
            "x-request-id": "mine",
            "x-llms-provider": "up",
            "x-llms-model": "real-model",
            "x-llms-attempts": "1",
        }


async def test_every_route_has_an_id_and_our_name() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        for path in ("/", "/ui/theme.js", "/health", "/ready", "/metrics", "/openapi.json", "/v1/models", "/nothing"):
            got = await read(proxy, path)
            assert got.headers["x-request-id"]
            assert got.headers["server"] == "llms"
