"""GET /api/settings: what the page learns, and what it learns on the same machine only."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import pytest

import llms
from llms.providers import registry
from llms.testing.fake_upstream import FakeUpstream
from tests.proxy import Proxy, one_upstream, serving
from tests.server.api import call, told
from tests.server.holder import ROW
from tests.server.wire import BEARER, CORS, KEYS, assert_refused

ECHO = "providers:\n  echo: {type: echo}\n"


async def test_settings_tell_what_the_server_offers(tmp_path: Path) -> None:
    text = f"{ECHO}defaults: {{model: echo/echo}}\nui: {{streaming: plain}}\n"
    async with serving(text, environ={"LLMS_DATA_DIR": str(tmp_path)}) as proxy:
        found = await told(proxy, "GET", "/api/settings")

    places = found.pop("server")
    assert (places["data_dir"], places["config"]) == (str(tmp_path), "test.yaml")
    assert found == {
        "object": "settings",
        "version": llms.__version__,
        "keys_required": False,
        "key_id": "",
        "features": {
            "pull": True,
            "local_models": False,
            "providers": True,
            "keep_keys": False,
            "usage": False,
            "requests": True,
            "embeddings": True,
            "resume": True,
            "prices": True,
        },
        "default_model": "echo/echo",
        "ui": {"enabled": True, "streaming": "plain"},
        "workers": 1,
    }


async def test_features_follow_what_is_there(tmp_path: Path) -> None:
    text = "providers:\n  local: {type: holding, models: [demo]}\n"
    environ = {"LLMS_DATA_DIR": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    with patch.dict(registry.BUILT_IN, ROW):
        async with serving(text, environ=environ, usage="sqlite") as proxy:
            features = (await told(proxy, "GET", "/api/settings"))["features"]

    assert {name for name, is_there in features.items() if is_there} == {
        *("pull", "local_models", "providers", "keep_keys", "usage", "requests", "prices", "resume")
    }


async def test_the_caller_learns_its_own_key_id() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=KEYS)) as proxy:
        assert_refused(await call(proxy, "GET", "/api/settings"), 401)
        found = await told(proxy, "GET", "/api/settings", Authorization=BEARER)

    assert found["keys_required"] is True
    assert found["key_id"].startswith("key-")
    assert found["key_id"] not in BEARER


@pytest.mark.parametrize(
    "headers",
    [
        {"X_Forwarded_For": "203.0.113.9"},
        {"X_Real_IP": "203.0.113.9"},
        {"Forwarded": "for=203.0.113.9"},
        {"Via": "1.1 proxy"},
        {"Host": "llms.example"},
        {"Host": "llms.example:99999"},
        {"Host": "10.0.0.7:8000"},
    ],
    ids=str,
)
async def test_places_are_told_on_the_same_machine_only(headers: dict[str, str], tmp_path: Path) -> None:
    text = f"{ECHO}server: {{host: 127.0.0.1, allowed_hosts: [llms.example, 10.0.0.7]}}\n"
    async with serving(text, environ={"LLMS_DATA_DIR": str(tmp_path)}) as proxy:
        reply = await call(proxy, "GET", "/api/settings", **headers)
        assert reply.status == 200
        assert b'"server":null' in reply.body
        assert str(tmp_path).encode() not in reply.body
        assert (await told(proxy, "GET", "/api/settings", Host="127.0.0.1:8000"))["server"] is not None


READS = ["/api/settings", "/api/providers", "/api/usage", "/api/usage/requests", "/api/requests"]
CHANGES = [
    ("PATCH", "/api/providers/echo"),
    ("PUT", "/api/providers/openai/key"),
    ("DELETE", "/api/providers/openai/key"),
    ("POST", "/api/providers/echo/test"),
    ("DELETE", "/api/requests/x"),
]


@pytest.mark.parametrize(("method", "path"), [*(("GET", path) for path in READS), *CHANGES])
async def test_keys_hosts_and_origins_are_checked(method: str, path: str) -> None:
    async with serving(f"{ECHO}{KEYS}\n{CORS}") as closed:
        await _refuses(closed, method, path, 401)
        await _refuses(closed, method, path, 401, Authorization="Bearer wrong")
        await _refuses(closed, method, path, 401, Cookie="llms_session=x")
        await _refuses(closed, method, path, 403, Authorization=BEARER, Origin="https://evil.example")
        await _refuses(closed, method, path, 403, Authorization=BEARER, Host="evil.example")
        assert "openai" not in closed.engine.gateway.fleet.members
    async with serving(ECHO) as open_:
        await _refuses(open_, method, path, 403, Host="localhost:8000", Origin="http://localhost:3000")
        await _refuses(open_, method, path, 403, Origin="null")
        await _refuses(open_, method, path, 403, Host="evil.example")
        assert "echo" in open_.engine.gateway.fleet.members


async def _refuses(proxy: Proxy, method: str, path: str, status: int, **headers: str) -> None:
    body = {"key": "sk-entered-0123456789", "enabled": False} if method in ("PUT", "PATCH") else None
    reply = await call(proxy, method, path, body, **headers)
    assert_refused(reply, status)
    assert not [name for name in reply.headers if name.startswith("access-control-")]


async def test_a_page_cannot_post_as_a_form() -> None:
    async with serving(ECHO) as proxy:
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
            reply = await call(proxy, "PATCH", "/api/providers/echo", {"enabled": False}, Content_Type=kind)
            assert_refused(reply, 415)
        assert "echo" in proxy.engine.gateway.fleet.members
