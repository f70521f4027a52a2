"""However a client asks, both paths understand the same, send the same upstream and answer the same."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pytest

from tests.server.differential.asking import (
    CHAT,
    CLOSE,
    HOST,
    JSON,
    KEY,
    NAMED,
    PROBE,
    asking,
    body,
    in_chunks,
    message,
    one,
    post,
    response,
)
from tests.server.differential.conftest import Play
from tests.server.differential.pair import Case, Outcome
from tests.server.differential.steps import Answered, cut
from tests.server.differential.telling import STREAM, answer, whole
from tests.server.odd_requests import LEGAL, MALFORMED, TOO_LARGE
from tests.server.test_bodies import BROKEN

GOOD = answer(*STREAM)
ASKED = body()
LENGTH = b"Content-Length: %d" % len(ASKED)
BEARER = b"Authorization: Bearer " + KEY.encode()


def plain(*lines: bytes, data: bytes = ASKED, path: bytes = CHAT) -> bytes:
    """Return a request with a host, a length and further header lines."""
    return asking(data, [HOST, b"Content-Length: %d" % len(data), *lines], path=path)


def chunked(*pieces: bytes, extension: bytes = b"", trailers: bytes = b"", lines: Sequence[bytes] = ()) -> bytes:
    """Return a request in HTTP chunks."""
    head = [HOST, JSON, NAMED, b"Transfer-Encoding: chunked", *lines]
    return asking(in_chunks(*pieces, extension=extension, trailers=trailers), head)


LARGE = body(messages=[{"role": "user", "content": "é" * 100_000}])
HEADS: Mapping[str, bytes] = {
    "names in lower case": plain(b"content-type: application/json", b"x-request-id: a").replace(b"Host", b"host"),
    "names in capitals": plain(b"CONTENT-TYPE: application/json", b"X-REQUEST-ID: a").replace(b"Host", b"HOST"),
    "another order": asking(ASKED, [JSON, NAMED, LENGTH, HOST]),
    "no blanks": asking(ASKED, [HOST, b"Content-Type:application/json", b"Content-Length:%d" % len(ASKED)]),
    "many blanks": asking(
        ASKED, [HOST, b"Content-Type: \t application/json \t", b"Content-Length:   %d " % len(ASKED)]
    ),
    "an empty value": post(ASKED, b"X-Empty:"),
    "a long value": post(ASKED, b"X-Long: " + b"a" * 8000),
    "many headers": post(ASKED, *(b"X-%d: a" % n for n in range(90))),
    "bytes in a value": post(ASKED, b"X-A: \xff\xfe"),
    "two of one": post(ASKED, b"X-A: 1", b"X-A: 2"),
    "two types": post(ASKED, b"Content-Type: text/plain"),
    "two ids": post(ASKED, b"X-Request-Id: other"),
    "several Accepts": post(ASKED, b"Accept: application/json", b"Accept: text/event-stream, */*;q=0.1"),
    "a strange Accept": post(ASKED, b"Accept: image/png"),
    "an Accept-Encoding": post(ASKED, b"Accept-Encoding: gzip, br, zstd"),
    "a range": post(ASKED, b"Range: bytes=0-9"),
    "a condition": post(ASKED, b"If-None-Match: *"),
    "a User-Agent": post(ASKED, b"User-Agent: OpenAI/Python 2.0", b"X-Stainless-Retry-Count: 0"),
    "cookies": post(ASKED, b"Cookie: llms_session=abc; other=1"),
    "a proxy's words": post(ASKED, b"X-Forwarded-For: 1.2.3.4", b"X-Forwarded-Host: evil", b"Forwarded: for=1.2.3.4"),
    "betas of Anthropic's API": post(ASKED, b"anthropic-version: 2023-06-01", b"anthropic-beta: a-1,b-2"),
    "betas of nothing": post(ASKED, b"anthropic-beta: "),
    "betas twice": post(ASKED, b"anthropic-beta: a-1", b"anthropic-beta: b-2"),
    "the version of Anthropic's API, and no host": asking(
        ASKED, [b"Host: evil.example", JSON, NAMED, LENGTH, b"anthropic-version: 2023-06-01"]
    ),
    "the version of Anthropic's API": post(ASKED, b"anthropic-version: 2023-06-01"),
    "no cache": post(ASKED, b"Cache-Control: no-cache"),
    "an id of one sign": plain(JSON, b"X-Request-Id: a"),
    "an id of all signs": plain(JSON, b"X-Request-Id: aZ0_.-"),
    "an id of 128 signs": plain(JSON, b"X-Request-Id: " + b"a" * 128),
    "an id too long": plain(JSON, b"X-Request-Id: " + b"a" * 129),
    "an id of nothing": plain(JSON, b"X-Request-Id: "),
    "an id with a blank": plain(JSON, b"X-Request-Id: a b"),
    "an id of other letters": plain(JSON, "X-Request-Id: é".encode()),
    "no id": plain(JSON),
    "no type": plain(NAMED),
    "no type from a page": plain(NAMED, b"Sec-Fetch-Site: cross-site"),
    "a type with a charset": plain(NAMED, b"Content-Type: application/json; charset=utf-8"),
    "a type in capitals": plain(NAMED, b"Content-Type: Application/JSON"),
    "another type": plain(NAMED, b"Content-Type: text/plain"),
    "a form": plain(NAMED, b"Content-Type: multipart/form-data; boundary=x"),
    "an empty type": plain(NAMED, b"Content-Type:"),
    "compressed": post(ASKED, b"Content-Encoding: gzip"),
    "identity": post(ASKED, b"Content-Encoding: identity"),
    "a hop": post(ASKED, b"x-llms-hops: 1"),
    "too many hops": post(ASKED, b"x-llms-hops: 4"),
    "hops of no number": post(ASKED, b"x-llms-hops: -1"),
    "closing": post(ASKED, CLOSE),
    "staying": post(ASKED, b"Connection: keep-alive", b"Keep-Alive: timeout=5"),
    "closing and staying": post(ASKED, b"Connection: keep-alive, close"),
    "closing in capitals": post(ASKED, b"CONNECTION: CLOSE"),
    "HTTP/1.0": post(ASKED).replace(b"HTTP/1.1", b"HTTP/1.0"),
    "HTTP/1.0 that stays": post(ASKED, b"Connection: keep-alive").replace(b"HTTP/1.1", b"HTTP/1.0"),
    "a query": post(ASKED, path=CHAT + b"?api-version=2024-01-01&stream=false"),
    "a fragment": post(ASKED, path=CHAT + b"#here"),
    "without v1": post(ASKED, path=b"/chat/completions"),
    "as a stream in any case": post(body(stream=False), path=CHAT + b"/stream"),
    "a slash behind": post(ASKED, path=CHAT + b"/"),
    "two slashes": post(ASKED, path=b"//v1/chat/completions"),
    "an escaped sign": post(ASKED, path=b"/v1/chat/complet%69ons"),
    "an escaped slash": post(ASKED, path=b"/v1/chat%2Fcompletions"),
    "dots": post(ASKED, path=b"/v1/../v1/chat/completions"),
    "capitals": post(ASKED, path=b"/V1/Chat/Completions"),
    "another path": post(ASKED, path=b"/v1/chat/completion"),
    "our own address": post(ASKED, path=b"http://localhost/v1/chat/completions"),
    "a foreign address": post(ASKED, path=b"http://evil.example/v1/chat/completions"),
    "an empty line before": b"\r\n" + post(ASKED),
    "GET": asking(b"", [HOST], method=b"GET"),
    "PUT": asking(ASKED, [HOST, JSON, LENGTH], method=b"PUT"),
    "OPTIONS": asking(b"", [HOST, b"Origin: https://app.example"], method=b"OPTIONS"),
    "HEAD": asking(b"", [HOST, CLOSE], method=b"HEAD"),
    "a small post": asking(ASKED, [HOST, JSON, LENGTH, CLOSE], method=b"post"),
    "batches": post(ASKED, b"X-LLMS-Stream: batch"),
    "resumable": post(ASKED, b"X-LLMS-Stream: resumable"),
    "opting in to nothing known": post(ASKED, b"X-LLMS-Stream: nothing, at all"),
    "opting in twice": post(ASKED, b"X-LLMS-Stream: nothing", b"x-llms-stream: batch"),
    **{
        f"host {name.decode()}": post(ASKED, head=[b"Host: " + name, JSON, NAMED])
        for name in (
            b"LOCALHOST:8000",
            b"127.0.0.1",
            b"[::1]:80",
            b"a.localhost",
            b"evil.example",
            b"localhost.",
            b"a b",
        )
    },
    **{
        f"origin {name.decode()}": post(ASKED, b"Origin: " + name)
        for name in (
            b"https://app.example",
            b"http://localhost",
            b"https://evil.example",
            b"null",
            b"HTTPS://APP.EXAMPLE",
        )
    },
}
BODIES: Mapping[str, bytes] = {
    "in chunks": chunked(ASKED),
    "in small chunks": chunked(*cut(ASKED, *range(0, len(ASKED), 7))),
    "in chunks with extensions": chunked(ASKED[:9], ASKED[9:], extension=b";a=b"),
    "in chunks with trailers": chunked(ASKED, trailers=b"Authorization: Bearer x\r\nHost: evil\r\n"),
    "in chunks of nothing": chunked(),
    "nothing": post(b""),
    "no length": asking(b"", [HOST, JSON]),
    "large": post(LARGE),
    "large, in chunks": chunked(*cut(LARGE, *range(0, len(LARGE), 9999))),
    "too large": post(body(user="x" * 310_000)),
    "too large, in chunks": chunked(*cut(body(user="x" * 310_000), 100_000, 200_000)),
    "a key twice": post(b'{"model":"two",' + ASKED[1:]),
    "a model at the end": post(b'{"messages":[{"role":"user","content":"hi"}],"stream":true,"model":"m"}'),
    "stream twice": post(b'{"stream":false,' + ASKED[1:]),
    "an escaped key": post(ASKED.replace(b'"model"', b'"mod\\u0065l"')),
    "an escaped name": post(ASKED.replace(b'"m"', b'"\\u006d"')),
    "escapes": post(ASKED.replace(b'"hi"', b'"\\u00e9\\ud83d\\ude00\\n\\/"')),
    "half a character": post(ASKED.replace(b'"hi"', b'"\\ud83d"')),
    "characters": post(ASKED.replace(b'"hi"', '"é😀\u2028"'.encode())),
    "NaN": post(ASKED[:-1] + b',"temperature":NaN}'),
    "a long number": post(ASKED[:-1] + b',"seed":123456789012345678901234567890}'),
    "a fraction": post(ASKED[:-1] + b',"temperature":0.10000000000000000555,"top_p":1e-7}'),
    "nested to 100": post(body(metadata=json.loads("[" * 50 + "]" * 50))),
    "nested too deep": post(ASKED[:-1] + b',"x":' + b"[" * 101 + b"]" * 101 + b"}"),
    "blanks around": post(b" \r\n\t" + ASKED + b"\n\n"),
    "a model in the text": post(body(messages=[{"role": "user", "content": '"model":"two","stream":false'}])),
    "a model inside": post(body(metadata={"model": "two", "stream": "x"})),
    "stream null": post(body(stream=None)),
    "no stream": post(b'{"model":"m","messages":[{"role":"user","content":"hi"}]}'),
    "usage asked": post(body(stream_options={"include_usage": True})),
    "usage not asked": post(body(stream_options={"include_usage": False})),
    "other options": post(body(stream_options={"include_obfuscation": False})),
    "options null": post(body(stream_options=None)),
    "n of 2": post(body(n=2)),
    "tools": post(body(tools=[{"type": "function", "function": {"name": "f", "parameters": {}}}], tool_choice="auto")),
    "an image": post(body(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x:"}}]}])),
    "unknown fields": post(body(vllm_xargs={"a": [1, 2.5, None]}, top_k=3)),
}
MODELS = (
    "m",
    "plain",
    "m1",
    "real-model",
    "a/real-model",
    "a/anything",
    "b/x/y",
    "s",
    "unknown",
    "nobody/x",
    "A/m",
    "é",
    " m",
)
REQUESTS = {**HEADS, **BODIES, **{f"model {name}": post(body(name)) for name in MODELS}}


def assert_same(fast: Outcome, slow: Outcome) -> None:
    """Check that both paths did the same, and that nobody complained."""
    assert fast == slow
    assert not fast.complaints


@pytest.mark.parametrize("name", REQUESTS)
def test_what_a_client_may_send(name: str, play: Play) -> None:
    for script in (GOOD, whole()):
        assert_same(*play(one(REQUESTS[name], script)))
    sent = REQUESTS[name]
    head = sent.index(b"\r\n\r\n")
    for places in ((9, 40, head, head + 2, head + 4, len(sent) - 1), range(min(len(sent), 300))):
        assert_same(*play(one(cut(sent, *places), GOOD)))


@pytest.mark.parametrize("name", HEADS)
def test_heads_in_other_dialects(name: str, play: Play) -> None:
    asked = ((b"/v1/messages", message()), (b"/v1/messages", message("plain")), (b"/v1/responses", response()))
    for path, data in asked:
        sent = HEADS[name].replace(CHAT, path).replace(ASKED, data).replace(b"%d" % len(ASKED), b"%d" % len(data))
        assert_same(*play(one(sent, GOOD)))


@pytest.mark.parametrize("name", MODELS)
def test_models_in_other_dialects(name: str, play: Play) -> None:
    for stream in (True, False):
        assert_same(*play(one(post(message(name, stream=stream), path=b"/v1/messages"), GOOD)))
        assert_same(*play(one(post(response(name, stream=stream), path=b"/v1/responses"), GOOD)))


@pytest.mark.parametrize("name", [*MALFORMED, *TOO_LARGE, *LEGAL])
def test_malformed_and_unusual_http(name: str, play: Play) -> None:
    sent = {**MALFORMED, **TOO_LARGE, **LEGAL}[name]
    assert_same(*play(Case(((sent, PROBE),), (whole(),))))
    assert_same(*play(Case(((post(body()), Answered(1), sent, PROBE),), (GOOD,))))
    if len(sent) < 3000:
        assert_same(*play(Case(((*cut(sent, *range(0, 3000, 11)), PROBE),), (whole(),))))


@pytest.mark.parametrize("name", BROKEN)
def test_broken_bodies(name: str, play: Play) -> None:
    sent = BROKEN[name][0]
    data = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
    assert_same(*play(one(post(data), GOOD)))
    assert_same(*play(one(post(data, path=b"/v1/messages"), GOOD)))


TRANSLATED: Mapping[str, bytes] = {
    "only Anthropic's own servers": message("plain", mcp_servers=[{"url": "x"}]),
    "a tool of Anthropic's": message("plain", tools=[{"type": "web_search_20250305", "name": "w"}]),
    "a tool without a schema": message("plain", tools=[{"name": "f"}]),
    "a tool": message("plain", tools=[{"name": "f", "input_schema": {}}], tool_choice={"type": "any"}),
    "an odd role": message("plain", messages=[{"role": "nobody", "content": "hi"}]),
    "content of no kind": message("plain", messages=[{"role": "user", "content": 7}]),
    "no tokens": message("plain", max_tokens=0),
    "tokens in words": message("plain", max_tokens="many"),
    "a system": message("plain", system=[{"type": "text", "text": "Be brief", "cache_control": {"type": "ephemeral"}}]),
    "stops": message("plain", stop_sequences=["w1"]),
}


@pytest.mark.parametrize("name", TRANSLATED)
def test_what_has_to_be_translated(name: str, play: Play) -> None:
    asked = TRANSLATED[name]
    for script in (GOOD, whole()):
        assert_same(*play(one(post(asked, path=b"/v1/messages"), script)))
        assert_same(*play(one(cut(post(asked, path=b"/v1/messages"), 200), script)))


AUTHORIZED: Mapping[str, Sequence[bytes]] = {
    "right": [BEARER],
    "right, in another case": [BEARER.replace(b"Authorization: Bearer", b"AUTHORIZATION: bEARER")],
    "right, as x-api-key": [b"x-api-key: " + KEY.encode()],
    "right and wrong": [BEARER, b"x-api-key: wrong"],
    "wrong and right": [b"Authorization: Bearer wrong", b"x-api-key: " + KEY.encode()],
    "twice": [BEARER, BEARER],
    "none": [],
    "empty": [b"Authorization: "],
    "empty key": [b"Authorization: Bearer "],
    "Basic": [b"Authorization: Basic eDp5"],
    "wrong": [b"Authorization: Bearer wrong"],
    "too long by one": [BEARER + b"x"],
    "too short by one": [BEARER[:-1]],
    "two blanks": [BEARER.replace(b"Bearer ", b"Bearer  ")],
    "long": [b"Authorization: Bearer " + b"x" * 8000],
    "of other letters": ["Authorization: Bearer é".encode()],
    "a cookie": [b"Cookie: llms_session=x", b"Sec-Fetch-Site: same-origin"],
    "a foreign page": [BEARER, b"Origin: https://evil.example"],
    "a listed page": [BEARER, b"Origin: https://app.example"],
    "a listed page without a key": [b"Origin: https://app.example"],
}


@pytest.mark.parametrize("name", AUTHORIZED)
def test_keys(name: str, play_keyed: Play) -> None:
    told = post(message("plain"), *AUTHORIZED[name], path=b"/v1/messages")
    for sent in (post(ASKED, *AUTHORIZED[name]), post(message(), *AUTHORIZED[name], path=b"/v1/messages"), told):
        fast, slow = play_keyed(one(sent, GOOD))
        assert_same(fast, slow)
        assert (fast.clients[0].answers[0].first == b"HTTP/1.1 200 OK") is bool(fast.upstream)
