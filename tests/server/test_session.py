"""Browsers sign in by key or by link, and their cookie counts on our own page only."""

from __future__ import annotations

from http.cookies import Morsel, SimpleCookie
from typing import Any

import pytest

from llms.policies.keys import ANYBODY
from llms.policies.sessions import BY_LINK, COOKIE, open_sessions
from llms.testing.clock import Clock
from llms.testing.fake_upstream import FakeUpstream
from tests.proxy import Reply, ask, chat, one_upstream, serving
from tests.server.wire import (
    CORS,
    KEY,
    KEYS,
    OTHER_KEY,
    assert_refused,
    read,
)

_OWN = {"Host": "localhost:8000", "Origin": "http://localhost:8000"}


def _cookie(reply: Reply) -> Morsel[str]:
    jar: SimpleCookie = SimpleCookie(reply.headers["set-cookie"])
    return jar[COOKIE]


def _sent(cookie: Morsel[str]) -> str:
    return f"{COOKIE}={cookie.value}"


async def test_a_key_signs_a_browser_in() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=KEYS)) as proxy:
        reply = await ask(proxy, {"key": KEY}, path="/api/session", headers=_OWN)
        assert (reply.status, reply.body) == (204, b"")
        cookie = _cookie(reply)
        assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["domain"]) == (True, "Strict", "/", "")
        assert int(cookie["max-age"]) > 3600
        assert len(cookie.value) >= 40
        assert KEY not in str(reply)
        signed = await ask(proxy, chat(stream=False), headers={**_OWN, "Cookie": f"a=b; {_sent(cookie)}; c=d"})
        assert signed.status == 200
        by_key = await ask(proxy, chat(stream=False), headers={"x-api-key": KEY})
        assert by_key.status == 200
        first, second = await proxy.all_ended(2)
        assert first.key_id == second.key_id


async def test_a_cookie_counts_on_our_own_page_only() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=f"{KEYS}\n{CORS}")) as proxy:
        cookie = {
            "Host": "localhost:8000",
            "Cookie": _sent(_cookie(await ask(proxy, {"key": KEY}, path="/api/session"))),
        }
        for headers, status in (
            (_OWN, 200),
            ({"Sec-Fetch-Site": "same-origin"}, 200),
            ({"Origin": "https://app.example"}, 401),
            ({"Origin": "http://localhost:3000"}, 401),
            ({"Origin": "https://evil.example"}, 403),
            ({"Origin": "null"}, 403),
            ({"Sec-Fetch-Site": "cross-site"}, 401),
            ({"Sec-Fetch-Site": "same-site"}, 401),
            ({"Sec-Fetch-Site": "none"}, 401),
            ({}, 401),
        ):
            reply = await ask(proxy, chat(stream=False), headers={**cookie, **headers})
            assert reply.status == status, headers
        assert len(upstream.chats) == 2


async def test_a_page_may_read_with_its_cookie_where_browsers_tell_nothing_of_it() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=KEYS)) as proxy:
        cookie = _sent(_cookie(await ask(proxy, {"key": KEY}, path="/api/session")))
        assert (await read(proxy, "/v1/models", Cookie=cookie)).status == 200
        for site in ("cross-site", "same-site", "none", ""):
            assert (await read(proxy, "/v1/models", Cookie=cookie, Sec_Fetch_Site=site)).status == 401


async def test_a_cookie_does_not_mend_a_wrong_key() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=KEYS)) as proxy:
        cookie = _sent(_cookie(await ask(proxy, {"key": KEY}, path="/api/session")))
        reply = await ask(proxy, chat(), headers={**_OWN, "Cookie": cookie, "x-api-key": "wrong"})
        assert_refused(reply, 401)


async def test_signing_out_ends_the_session() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=KEYS)) as proxy:
        cookie = _sent(_cookie(await ask(proxy, {"key": KEY}, path="/api/session")))
        other = _sent(_cookie(await ask(proxy, {"key": KEY}, path="/api/session")))
        assert_refused(
            await read(proxy, "/api/session", method="DELETE", Cookie=cookie, Origin="https://evil.example"), 403
        )
        assert (await read(proxy, "/v1/models", Cookie=cookie)).status == 200
        reply = await read(proxy, "/api/session", method="DELETE", Cookie=cookie, **_OWN)
        assert reply.status == 204
        gone = _cookie(reply)
        assert (gone.value, gone["max-age"], gone["path"]) == ("", "0", "/")
        assert (await read(proxy, "/v1/models", Cookie=cookie)).status == 401
        assert (await read(proxy, "/v1/models", Cookie=other)).status == 200
        assert (await read(proxy, "/api/session", method="DELETE")).status == 204


async def test_a_key_that_is_taken_away_opens_no_more() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=KEYS)) as proxy:
        cookie = _cookie(await ask(proxy, {"key": KEY}, path="/api/session"))
        kept = _cookie(await ask(proxy, {"key": OTHER_KEY}, path="/api/session"))
        config = proxy.engine.services.config
        keys = config.keys.changed(static=config.keys.static[1:])
        await proxy.engine.reload(config.changed(keys=keys))
        assert (await read(proxy, "/v1/models", x_api_key=KEY)).status == 401
        assert (await read(proxy, "/v1/models", x_api_key=OTHER_KEY)).status == 200
        assert (await read(proxy, "/v1/models", Cookie=_sent(cookie))).status == 401
        assert (await read(proxy, "/v1/models", Cookie=_sent(kept))).status == 200


async def test_a_link_signs_in_once() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=KEYS)) as proxy:
        link = proxy.engine.services.sessions.link(BY_LINK)
        assert (await read(proxy, "/v1/models", Cookie=f"{COOKIE}={link}")).status == 401
        assert (await read(proxy, "/v1/models", x_api_key=link)).status == 401
        cookie = _sent(_cookie(await ask(proxy, {"link": link}, path="/api/session", headers=_OWN)))
        assert (await read(proxy, "/v1/models", Cookie=cookie)).status == 200
        assert_refused(await ask(proxy, {"link": link}, path="/api/session"), 401, code="invalid_api_key")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"key": "wrong"}, 401),
        ({"key": ""}, 401),
        ({"link": "wrong"}, 401),
        ({"link": ""}, 401),
        ({"key": "\ud800"}, 401),
        ({"link": "\udfff"}, 401),
        ({"key": None}, 400),
        ({"key": [KEY]}, 400),
        ({}, 400),
        ([KEY], 400),
        (b"", 400),
        (b"{", 400),
        (b"\xff", 400),
        (b"[" * 1_000, 400),
        ({"key": "x" * 20_000}, 413),
    ],
    ids=repr,
)
async def test_nobody_signs_in_with_anything_else(body: Any, status: int) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=KEYS)) as proxy:
        reply = await ask(proxy, body, path="/api/session", headers=_OWN)
        assert_refused(reply, status)
        assert "set-cookie" not in reply.headers


@pytest.mark.parametrize(
    "cookie",
    ["", "=", ";;;", f"{COOKIE}", f"{COOKIE}=", f'{COOKIE}="', f"{COOKIE}=\udcff", f"{COOKIE}=a b\\;c", "x" * 7000],
)
async def test_odd_cookies_open_nothing(cookie: str) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=KEYS)) as proxy:
        assert_refused(await read(proxy, "/v1/models", Cookie=cookie, **_OWN), 401)


def test_sessions_and_links_end_by_themselves_and_are_bounded() -> None:
    clock = Clock()
    sessions = open_sessions(clock=clock)
    token, link = sessions.open(ANYBODY), sessions.link(BY_LINK)
    clock.advance(601)
    assert sessions.redeem(link) is None
    assert sessions.caller_of(token) == ANYBODY
    clock.advance(31 * 24 * 3600)
    assert sessions.caller_of(token) is None
    first = sessions.open(ANYBODY)
    for _ in range(10_000):
        sessions.open(ANYBODY)
    assert sessions.caller_of(first) is None
