"""Who may call: keys, hops and request ids from outside, and what is safe to send back."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest

from llms.config.load import loads
from llms.policies.sessions import COOKIE
from llms.protocol.errors import LoopDetected
from llms.providers import registry
from llms.server.admission import keys_required
from llms.testing.fake_upstream import FakeUpstream, answer, stall
from tests.proxy import RawClient, ask, chat, one_upstream, serving
from tests.server.wire import (
    BEARER,
    KEY,
    KEYS,
    LENGTH,
    OTHER_KEY,
    PROMPT,
    answers,
    assert_envelope,
    assert_fine,
    assert_refused,
    get,
    post,
    read,
)

_WITHOUT_KEY: dict[str, dict[str, str]] = {
    "nothing": {},
    "an empty header": {"Authorization": ""},
    "the scheme alone": {"Authorization": "Bearer"},
    "the scheme and blanks": {"Authorization": "Bearer   "},
    "no scheme": {"Authorization": KEY},
    "Basic": {"Authorization": f"Basic {KEY}"},
    "another scheme": {"Authorization": f"Token {KEY}"},
    "a scheme glued to the key": {"Authorization": f"Bearer{KEY}"},
    "an empty x-api-key": {"x-api-key": ""},
    "blanks as x-api-key": {"x-api-key": "   "},
    "the key as a parameter": {"X-Original-URL": f"/v1/models?api_key={KEY}"},
    "the key as a cookie": {"Cookie": f"{COOKIE}={KEY}; api_key={KEY}"},
    "the key in another header": {"X-Auth-Token": KEY, "Proxy-Authorization": BEARER, "X-Goog-Api-Key": KEY},
    "a local address in front": {
        "X-Forwarded-For": "127.0.0.1",
        "X-Real-IP": "127.0.0.1",
        "Forwarded": "for=127.0.0.1",
    },
    "a public path in front": {
        "X-Original-URL": "/health",
        "X-Rewrite-URL": "/health",
        "X-HTTP-Method-Override": "GET",
    },
}
_WRONG_KEYS: dict[str, str] = {
    "another": "sk-wrong",
    "one character less": KEY[:-1],
    "one character more": KEY + "0",
    "one character else": KEY[:-1] + "g",
    "without its beginning": KEY[1:],
    "its beginning": KEY[:7],
    "capitals": KEY.upper(),
    "two keys": f"{KEY} {OTHER_KEY}",
    "two keys with a comma": f"{KEY},{OTHER_KEY}",
    "quoted": f'"{KEY}"',
    "null": "null",
    "none": "none",
    "a star": "*",
    "SQL": "' OR '1'='1' --",
    "a pattern": "sk-llms-.*",
    "a path": "../../etc/passwd",
    "letters of another alphabet": KEY.replace("k", "к"),
    "bytes": "\udcff\udcfe",
    "long": "x" * 8000,
    "its digest": "key-00000000",
}


@pytest.mark.parametrize("headers", _WITHOUT_KEY.values(), ids=_WITHOUT_KEY)
async def test_no_key_no_answer(headers: dict[str, str]) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=KEYS)) as proxy:
        reply = await ask(proxy, chat(), headers=headers)
        error = assert_refused(reply, 401, code="invalid_api_key")
        assert error["type"] == "authentication_error"
        assert KEY not in str(reply)
        assert not upstream.chats


@pytest.mark.parametrize("form", ["Authorization", "x-api-key", "both"])
@pytest.mark.parametrize("key", _WRONG_KEYS.values(), ids=_WRONG_KEYS)
async def test_a_wrong_key_no_answer(key: str, form: str) -> None:
    sent = {"Authorization": f"Bearer {key}", "x-api-key": key}
    headers = sent if form == "both" else {form: sent[form]}
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=KEYS)) as proxy:
        reply = await read(proxy, "/v1/models", **headers)
        assert_refused(reply, 401, code="invalid_api_key")
        assert key not in reply.error["message"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": BEARER},
        {"Authorization": f"bearer {KEY}"},
        {"Authorization": f"BEARER   {KEY}  "},
        {"x-api-key": KEY},
        {"X-API-KEY": OTHER_KEY},
        {"Authorization": BEARER, "x-api-key": KEY},
    ],
    ids=["Bearer", "bearer", "blanks", "x-api-key", "the other key", "both alike"],
)
async def test_a_right_key_is_let_in(headers: dict[str, str]) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=KEYS)) as proxy:
        assert (await ask(proxy, chat(stream=False), headers=headers)).status == 200
        [ended] = await proxy.all_ended(1)
        assert re.fullmatch("key-[0-9a-f]{8}", ended.key_id)
        assert KEY not in str(ended)


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": BEARER, "x-api-key": OTHER_KEY},
        {"Authorization": BEARER, "x-api-key": "wrong"},
        {"Authorization": "Bearer wrong", "x-api-key": KEY},
        {"Authorization": f"Basic {KEY}", "x-api-key": KEY},
        {"Authorization": "", "x-api-key": KEY},
    ],
    ids=["two right ones", "x-api-key wrong", "Bearer wrong", "Basic", "Bearer empty"],
)
async def test_two_different_keys_are_refused(headers: dict[str, str]) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=KEYS)) as proxy:
        assert_refused(await ask(proxy, chat(), headers=headers), 401, code="invalid_api_key")


async def test_a_header_sent_twice_opens_nothing() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=KEYS)) as proxy:
        for name in (b"Authorization: Bearer ", b"x-api-key: "):
            [reply] = await answers(proxy, get(b"/v1/models", name + b"wrong", name + KEY.encode()))
            assert_refused(reply, 400, 401)


async def test_guessing_goes_on_without_an_end_and_the_owner_is_served() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=KEYS)) as proxy:
        client = await RawClient.to(proxy)
        for guess in range(150):
            await client.send(PROMPT, headers={"x-api-key": f"{KEY[:-3]}{guess:03}"})
            assert (await client.reply()).status == 401
        await client.send(PROMPT, headers={"x-api-key": KEY})
        assert (await client.reply()).status == 200
        client.close()
        assert len(upstream.chats) == 1


@pytest.mark.parametrize(
    ("keys", "host", "required"),
    [
        ("required: auto", "127.0.0.1", False),
        ("required: auto", "localhost", False),
        ("required: auto", '"::1"', False),
        ("required: auto", "0.0.0.0", True),
        ("required: auto", '"::"', True),
        ("required: auto", "192.168.1.5", True),
        (f"required: auto, static: [{KEY}]", "127.0.0.1", True),
        ('required: auto, static: [""]', "127.0.0.1", False),
        ("required: true", "127.0.0.1", True),
        (f"required: false, static: [{KEY}]", "127.0.0.1", False),
        ("required: false", "0.0.0.0", False),
    ],
)
def test_when_a_key_is_needed(keys: str, host: str, required: bool) -> None:
    text = f"server: {{host: {host}}}\nkeys: {{{keys}}}\n"
    config = loads(text, filename="x.yaml", environ={}, validate_options=registry.validate)
    assert keys_required(config) is required


async def test_required_without_any_key_lets_nobody_in() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more="keys: {required: true}")) as proxy:
        for headers in ({}, {"Authorization": "Bearer x"}, {"x-api-key": ""}, {"Authorization": "Bearer "}):
            assert_refused(await ask(proxy, chat(), headers=headers), 401)
        for body in ({"key": ""}, {"key": "x"}, {"link": ""}):
            assert_refused(await ask(proxy, body, path="/api/session"), 401)


async def test_an_empty_key_of_the_configuration_matches_nothing() -> None:
    more = 'keys: {required: true, static: ["", "${NO_SUCH_KEY:-}"]}'
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=more)) as proxy:
        for headers in ({}, {"Authorization": "Bearer "}, {"x-api-key": ""}):
            assert_refused(await ask(proxy, chat(), headers=headers), 401)


async def test_where_no_key_is_needed_a_right_one_is_still_known() -> None:
    more = f"keys: {{required: false, static: [{KEY}]}}"
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=more)) as proxy:
        for headers in ({}, {"x-api-key": "wrong"}, {"x-api-key": KEY}):
            assert (await ask(proxy, chat(stream=False), headers=headers)).status == 200
        assert [ended.key_id for ended in await proxy.all_ended(3)][:2] == ["", ""]
        assert proxy.ended[2].key_id.startswith("key-")


PUBLIC = ["/", "/ui/index.html", "/health", "/ready"]
CLOSED = [
    ("POST", "/v1/chat/completions"),
    ("POST", "/chat/completions"),
    ("POST", "/v1/chat/completions/stream"),
    ("POST", "/chat/completions/stream"),
    ("GET", "/v1/models"),
    ("GET", "/models"),
    ("GET", "/v1/models/m"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
    ("GET", "/api/providers"),
    ("POST", "/v1/embeddings"),
    ("GET", "/v1/streams/0"),
    ("DELETE", "/v1/chat/completions"),
    ("GET", "/nothing"),
    ("GET", "//health"),
    ("GET", "/health/../v1/models"),
    ("GET", "/HEALTH"),
]


async def test_what_is_public_and_what_is_not() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=KEYS)) as proxy:
        for path in PUBLIC:
            assert (await read(proxy, path)).status == 200, path
        for method, path in CLOSED:
            assert_refused(await read(proxy, path, method=method), 401, code="invalid_api_key")
            reply = await read(proxy, path, method=method, x_api_key=KEY)
            assert reply.status != 401, path
        assert (await read(proxy, "/v1/models", method="OPTIONS")).status == 204


async def test_a_reload_never_opens_the_door_to_where_the_server_listens() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        started = proxy.engine.services.config
        wide = started.changed(server=started.server.changed(host="0.0.0.0"))
        proxy.engine.services.roster.config = wide
        await proxy.engine.reload(started)
        assert proxy.engine.services.config.server.host == "0.0.0.0"
        assert_refused(await ask(proxy, chat()), 401)


@pytest.mark.parametrize(("hops", "sent"), [(None, "1"), ("0", "1"), ("1", "2"), ("3", "4")])
async def test_hops_are_counted(hops: str | None, sent: str) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        headers = {} if hops is None else {"X-LLMS-Hops": hops}
        assert (await ask(proxy, chat(stream=False), headers=headers)).status == 200
        assert upstream.chats[0].headers["x-llms-hops"] == sent


@pytest.mark.parametrize("hops", ["4", "5", "999"])
async def test_a_request_that_goes_in_circles_is_refused(hops: str) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        reply = await ask(proxy, chat(), headers={"x-llms-hops": hops})
        assert reply.status == LoopDetected.status == 508
        assert_envelope(reply, code="loop_detected")
        assert not upstream.chats


@pytest.mark.parametrize("hops", ["", "-1", "+1", "1.0", "0x1", "1e1", "one", "٣", "1, 2", "99999999999999999999"])
async def test_hops_that_are_no_number_are_refused(hops: str) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        reply = await ask(proxy, chat(), headers={"x-llms-hops": hops})
        assert assert_refused(reply, 400)["param"] == "x-llms-hops"


@pytest.mark.parametrize("given", ["a", "abc-1.2_3", "0" * 128, "018f3b0e-7c1d-7000-8000-000000000000", "___"])
async def test_a_fit_request_id_is_kept(given: str) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        for reply in (
            await ask(proxy, chat(), headers={"X-Request-Id": given}),
            await ask(proxy, chat(stream=False), headers={"X-Request-Id": given}),
            await ask(proxy, b"{", headers={"X-Request-Id": given}),
            await read(proxy, "/health", X_Request_Id=given),
            await read(proxy, "/nothing", X_Request_Id=given),
        ):
            assert reply.headers["x-request-id"] == given
        assert {ended.request_id for ended in proxy.ended} == {given}


@pytest.mark.parametrize(
    "given", ["", " ", "0" * 129, "a b", "a/b", "<script>", "é", "\udcff", "a\x7f", "a,b", "a;b=c", "%0d%0a"]
)
async def test_an_unfit_request_id_is_replaced(given: str) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        seen = {(await read(proxy, "/health", X_Request_Id=given)).headers["x-request-id"] for _ in range(3)}
        assert len(seen) == 3
        assert all(re.fullmatch(r"req_[0-9a-f]{16,}", found) for found in seen)


async def test_what_is_no_http_has_a_request_id_too() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        [reply] = await answers(proxy, b"GARBAGE\r\n\r\n")
        assert re.fullmatch(r"req_[0-9a-f]{16,}", reply.headers["x-request-id"])


@pytest.mark.parametrize(
    "model",
    ["m\r\nX-Evil: 1", "m\nX-Evil: 1", "m\rX-Evil: 1", "m\0", "m\x1b[31m", "up/x\u2028y", "up/\x85", "up/\ud800"],
)
async def test_line_breaks_and_control_characters_make_no_header(model: str) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        for stream in (True, False):
            reply = await ask(proxy, {**chat(stream=stream), "model": model})
            assert_refused(reply, 400, 404)
            assert "x-evil" not in reply.headers
        path = "/v1/models/" + quote(model, safe="", errors="surrogatepass")
        reply = await read(proxy, path)
        assert_refused(reply, 404)
        assert "x-evil" not in reply.headers
        await assert_fine(proxy, upstream)


@pytest.mark.parametrize("model", ["up/naïve-模型", "up/" + "x" * 500, 'up/a"b', "up/a:b@c", "up/<b>"])
async def test_unusual_names_of_models_pass(model: str) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        for stream in (True, False):
            assert (await ask(proxy, {**chat(stream=stream), "model": model})).status == 200
            assert upstream.chats[-1].json["model"] == model.removeprefix("up/")


_MARKUP = "<script>alert(1)</script>"
_BROKEN = b'{"model": "m", "messages": "%b"}' % _MARKUP.encode()


@pytest.mark.parametrize(
    "sent",
    [
        get(f"/{_MARKUP}".encode()),
        get(b"/v1/models/" + _MARKUP.encode()),
        get(b"/health", host=_MARKUP.encode()),
        get(b"/v1/models", b"Origin: http://" + _MARKUP.encode()),
        get(b"/v1/models", b"x-llms-hops: " + _MARKUP.encode()),
        post(LENGTH, b"Connection: close", body=PROMPT, path=b"/" + _MARKUP.encode()),
        post(LENGTH, b"Connection: close", b"Content-Encoding: " + _MARKUP.encode(), body=PROMPT),
        post(b"Content-Length: %d" % len(_BROKEN), b"Connection: close", body=_BROKEN),
    ],
    ids=["path", "model", "host", "origin", "hops", "path of a POST", "coding", "body"],
)
async def test_markup_in_errors_is_inert(sent: bytes) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        replies = await answers(proxy, sent)
        assert len(replies) == 1
        assert_refused(replies[0])
        assert replies[0].headers["x-content-type-options"] == "nosniff"


async def test_an_open_stream_does_not_hinder_a_refusal() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=KEYS)) as proxy:
        upstream.script(answer(stall()))
        client = await RawClient.to(proxy)
        await client.send(chat(), headers={"x-api-key": KEY})
        await upstream.arrived()
        assert_refused(await ask(proxy, chat()), 401)
        client.close()
        await proxy.all_ended(1)
