"""The Host header is ours or the request is refused: DNS rebinding gets nowhere."""

from __future__ import annotations

import pytest

from llms.server.hosts import Hosts
from llms.testing.fake_upstream import FakeUpstream
from tests.proxy import one_upstream, serving
from tests.server.wire import (
    KEY,
    KEYS,
    LENGTH,
    PROMPT,
    answers,
    assert_fine,
    assert_refused,
    post,
    read,
)

_LOCAL = [
    "localhost",
    "LOCALHOST",
    "app.localhost",
    "a.b.localhost",
    "127.0.0.1",
    "127.1.2.3",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
]
_TRICKS = [
    "evil.example",
    "evil.example:8000",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "127.0.0.1.nip.io",
    "evil-localhost",
    "evillocalhost",
    "localhost:8000@evil.example",
    "evil.example@localhost",
    "localhost#evil.example",
    "localhost?evil.example",
    "localhost/evil.example",
    "localhost\\evil.example",
    "localhost evil.example",
    "localhost,evil.example",
    "localhost\tevil.example",
    "localhost%00.evil.example",
    "localhost:",
    "localhost:evil",
    "localhost:80:80",
    "localhost:-1",
    "localhost:999999",
    "localhost:\u0668\u0660",
    ":8000",
    "::1",
    "[::1",
    "::1]",
    "[::1]evil.example",
    "[::1]:evil",
    "[::2]",
    "[evil.example]",
    "[]",
    "0.0.0.0",
    "0",
    "127.1",
    "127.0.0.1.",
    "0127.0.0.1",
    "2130706433",
    "0x7f000001",
    "10.0.0.1",
    "192.168.1.5:8000",
    "169.254.169.254",
    "http://localhost",
    "*",
    "lоcalhost",
    "\udcff\udcfe",
    "x" * 5000,
]


@pytest.mark.parametrize("port", ["", ":80", ":8000", ":65535"])
async def test_the_names_of_this_machine_are_ours_on_any_port(port: str) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        for name in _LOCAL:
            assert (await read(proxy, "/v1/models", Host=name + port)).status == 200, name


@pytest.mark.parametrize("host", _TRICKS, ids=lambda host: host[:30].encode("ascii", "backslashreplace").decode())
async def test_every_other_host_is_refused(host: str) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        for path in ("/v1/models", "/health", "/", "/metrics"):
            reply = await read(proxy, path, Host=host, X_Forwarded_Host="localhost", Forwarded="host=localhost")
            assert_refused(reply, 403, code="host_not_allowed")
            assert "access-control-allow-origin" not in reply.headers
        sent = post(LENGTH, b"Connection: close", body=PROMPT, host=[host.encode("utf-8", "surrogateescape")])
        [reply] = await answers(proxy, sent)
        assert_refused(reply, 403)
        await assert_fine(proxy, upstream)


async def test_more_names_may_be_allowed() -> None:
    more = "server: {allowed_hosts: [llm.example.com, Box.Local, 192.168.1.5, 'exact.example:8443']}"
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=more)) as proxy:
        for host in (
            "llm.example.com",
            "LLM.EXAMPLE.COM:443",
            "box.local:8000",
            "192.168.1.5",
            "exact.example:8443",
            "localhost",
        ):
            assert (await read(proxy, "/v1/models", Host=host)).status == 200, host
        for host in ("example.com", "x.llm.example.com", "llm.example.com.evil", "exact.example", "exact.example:80"):
            assert_refused(await read(proxy, "/v1/models", Host=host), 403, code="host_not_allowed")


async def test_beyond_this_machine_a_health_check_may_use_the_bare_address() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=KEYS)) as proxy:
        proxy.engine.services.hosts = Hosts(bound="0.0.0.0", allowed=["llm.example.com"], origins=())
        for path in ("/health", "/ready"):
            for host in ("127.0.0.1:8000", "10.1.2.3", "[fd00::1]:8000", "llm.example.com"):
                assert (await read(proxy, path, Host=host)).status == 200, host
            assert_refused(await read(proxy, path, Host="evil.example"), 403, code="host_not_allowed")
        assert_refused(await read(proxy, "/v1/models", Host="10.1.2.3", x_api_key=KEY), 403, code="host_not_allowed")


@pytest.mark.parametrize("bound", ["0.0.0.0", "::", "192.168.1.5"])
async def test_beyond_this_machine_the_list_counts_or_every_name(bound: str) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=KEYS)) as proxy:
        proxy.engine.services.hosts = Hosts(bound=bound, allowed=(), origins=())
        assert (await read(proxy, "/v1/models", Host="anything.example", x_api_key=KEY)).status == 200
        assert_refused(await read(proxy, "/v1/models", Host="anything.example"), 401)
        assert_refused(await read(proxy, "/v1/models", Host="a/b", x_api_key=KEY), 403)
        proxy.engine.services.hosts = Hosts(bound=bound, allowed=("llm.example.com",), origins=())
        assert (await read(proxy, "/v1/models", Host="llm.example.com:8000", x_api_key=KEY)).status == 200
        for host in ("anything.example", "localhost", "127.0.0.1"):
            assert_refused(await read(proxy, "/v1/models", Host=host, x_api_key=KEY), 403)
