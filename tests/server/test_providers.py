"""/api/providers: listing, switching, entering keys; a planted key is looked for in everything that is written."""

from __future__ import annotations

import asyncio
import io
import json
import os
import stat
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog

from llms.config.load import loads
from llms.providers import discover, registry
from llms.providers.known import KNOWN
from llms.telemetry.log import configure
from llms.telemetry.redact import Redactor
from llms.testing.fake_upstream import FakeUpstream, error, text_stream, wait
from tests.proxy import Proxy, RawClient, ask, chat, serving
from tests.server.api import call, provider, refused, told
from tests.server.wire import assert_refused

KEY = "planted.entered.0123456789.Qx7z"
"""Of a shape by which nobody could tell it for a key."""
OTHER = "sk-other-9876543210-Wv5u"
GROQ = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def _no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is installed for local models shall not matter here."""
    monkeypatch.setattr(discover, "libraries", list)


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream() as running:
        yield running


def text(upstream: FakeUpstream) -> str:
    own = f'type: openai_compatible, base_url: "{upstream.url}"'
    return f"""
providers:
  plain: {{{own}, retries: 0}}
  keyed: {{{own}, api_key: sk-planted-upstream-key}}
  waiting: {{{own}, api_key: "${{MISSING_KEY}}"}}
  idle: {{type: echo, enabled: false}}
models:
  m: {{targets: [plain/fake-model]}}
"""


def environ_of(place: Path, **more: str) -> dict[str, str]:
    return {"XDG_CONFIG_HOME": str(place), "LLMS_DATA_DIR": str(place), **more}


@pytest.fixture
async def proxy(upstream: FakeUpstream, tmp_path: Path) -> AsyncIterator[Proxy]:
    async with serving(text(upstream), environ=environ_of(tmp_path, GROQ_BASE_URL=upstream.url)) as running:
        yield running


async def enter(proxy: Proxy, name: str, key: str = KEY, **fields: Any) -> dict[str, Any]:
    found: dict[str, Any] = await told(proxy, "PUT", f"/api/providers/{name}/key", {"key": key, **fields})
    return found


def keys_sent(upstream: FakeUpstream) -> list[str]:
    return [seen.headers.get("authorization", "").removeprefix("Bearer ") for seen in upstream.chats]


async def say(proxy: Proxy, model: str) -> int:
    return (await ask(proxy, chat(model=model, stream=False))).status


async def test_every_provider_is_listed_with_its_source_and_key(proxy: Proxy, upstream: FakeUpstream) -> None:
    await proxy.engine.services.refresh()
    listed = await told(proxy, "GET", "/api/providers")
    rows = {row["name"]: row for row in listed["data"]}

    assert list(rows) == ["plain", "keyed", "waiting", "idle"]
    assert rows["plain"] == {
        "object": "provider",
        "name": "plain",
        "type": "openai_compatible",
        "source": "row",
        "found": "providers.yaml",
        "enabled": True,
        "up": True,
        "problem": "",
        "models": 1,
        "key": {"state": "none", "takes": True, "ending": None, "kept": None, "outranked": None},
        "host": f"127.0.0.1:{upstream.port}",
        "running": 0,
        "waiting": 0,
        "health": [],
    }
    assert rows["keyed"]["key"]["state"] == "file"
    assert [name for name, row in rows.items() if row["key"]["takes"]] == ["plain", "waiting"]
    assert (rows["waiting"]["up"], rows["waiting"]["problem"]) == (False, "needs MISSING_KEY")
    assert (rows["idle"]["enabled"], rows["idle"]["problem"]) == (False, "disabled")


async def test_what_could_be_added_is_listed(proxy: Proxy) -> None:
    await enter(proxy, "groq")
    addable = {row["type"]: row for row in (await told(proxy, "GET", "/api/providers"))["addable"]}

    assert addable.keys() == {*KNOWN, "llama_cpp"} - {"groq"}
    assert addable["openai"] == {
        "type": "openai",
        "name": "openai",
        "needs_key": True,
        "variables": ["OPENAI_API_KEY"],
        "hint": "export OPENAI_API_KEY=…",
        "host": "api.openai.com",
    }
    assert (addable["vllm"]["needs_key"], addable["vllm"]["host"]) == (False, "127.0.0.1:8000")


async def test_discovered_providers_tell_how_they_were_found(upstream: FakeUpstream, tmp_path: Path) -> None:
    environ = environ_of(tmp_path, XAI_API_KEY=OTHER, XAI_BASE_URL=upstream.url)
    async with serving("discover: true", environ=environ) as proxy:
        found = await provider(proxy, "xai")
        assert (found["source"], found["found"], found["key"]["state"]) == ("environment", "XAI_API_KEY", "environment")
        kept = await enter(proxy, "xai", keep="file")
        assert kept["key"]["outranked"] == "the key of the environment counts"
        assert await say(proxy, "xai/fake-model") == 200
    assert keys_sent(upstream) == [OTHER]


async def test_health_tells_of_targets_that_had_requests(proxy: Proxy, upstream: FakeUpstream) -> None:
    assert await say(proxy, "m") == 200
    [line] = (await provider(proxy, "plain"))["health"]
    assert (line["model"], line["breaker"]) == ("fake-model", "closed")
    assert line["line"].startswith("healthy, 0 in flight, first chunk after")
    upstream.script(error(500))
    for _ in range(5):
        assert await say(proxy, "m") == 500
    [line] = (await provider(proxy, "plain"))["health"]
    assert line["breaker"] == "open"
    assert "failures in a row: 5" in line["line"]


async def test_an_entered_key_makes_a_provider_at_once(proxy: Proxy, upstream: FakeUpstream) -> None:
    assert await say(proxy, "groq/fake-model") == 404
    made = await enter(proxy, "groq", f"  {KEY}\n")
    assert (made["source"], made["type"], made["enabled"]) == ("entered", "groq", True)
    assert made["key"] == {"state": "entered", "takes": True, "ending": "Qx7z", "kept": "memory", "outranked": None}
    assert await say(proxy, "groq/fake-model") == 200
    await enter(proxy, "groq", OTHER)
    assert await say(proxy, "groq/fake-model") == 200
    assert keys_sent(upstream) == [KEY, OTHER]
    assert (await told(proxy, "DELETE", "/api/providers/groq/key"))["deleted"] is True
    assert await say(proxy, "groq/fake-model") == 404
    await refused(proxy, "DELETE", "/api/providers/groq/key", status=404, code="not_found")


@pytest.mark.parametrize("name", ["plain", "waiting"])
async def test_an_entered_key_fills_a_row(proxy: Proxy, upstream: FakeUpstream, name: str) -> None:
    assert (await enter(proxy, name))["problem"] == ""
    assert await say(proxy, f"{name}/fake-model") == 200
    assert keys_sent(upstream) == [KEY]
    await told(proxy, "DELETE", f"/api/providers/{name}/key")
    assert await say(proxy, f"{name}/fake-model") == (200 if name == "plain" else 404)


async def test_the_file_wins_and_the_answer_says_so(proxy: Proxy, upstream: FakeUpstream) -> None:
    found = await enter(proxy, "keyed")
    assert found["key"] == {
        "state": "file",
        "takes": False,
        "ending": "Qx7z",
        "kept": "memory",
        "outranked": "the key of providers.yaml counts",
    }
    assert await say(proxy, "keyed/fake-model") == 200
    assert keys_sent(upstream) == ["sk-planted-upstream-key"]


async def test_entered_keys_and_switches_survive_a_reload(proxy: Proxy, upstream: FakeUpstream, tmp_path: Path) -> None:
    await enter(proxy, "groq")
    await enter(proxy, "plain", OTHER, keep="file")
    await told(proxy, "PATCH", "/api/providers/keyed", {"enabled": False})
    changed = text(upstream).replace("  idle:", "  fresh: {type: echo}\n  idle:")
    config = loads(changed, filename="test.yaml", environ={}, validate_options=registry.validate)
    await proxy.engine.reload(config)

    assert await say(proxy, "fresh/echo") == 200
    assert await say(proxy, "groq/fake-model") == 200
    assert await say(proxy, "plain/fake-model") == 200
    assert await say(proxy, "keyed/fake-model") == 404
    assert keys_sent(upstream) == [KEY, OTHER]
    (tmp_path / "llms" / "keys.yaml").write_text(f'"plain": "{KEY}"\n')
    await proxy.engine.reload(config)
    assert await say(proxy, "plain/fake-model") == 200
    assert keys_sent(upstream)[-1] == KEY


async def test_a_kept_key_is_there_after_a_restart(upstream: FakeUpstream, tmp_path: Path) -> None:
    environ = environ_of(tmp_path, GROQ_BASE_URL=upstream.url)
    async with serving(text(upstream), environ=environ) as proxy:
        await enter(proxy, "groq", keep="file")
        await enter(proxy, "plain", OTHER)
    async with serving(text(upstream), environ=environ) as proxy:
        assert (await provider(proxy, "groq"))["key"]["kept"] == "file"
        assert (await provider(proxy, "plain"))["key"]["state"] == "none"
        assert await say(proxy, "groq/fake-model") == 200
    assert keys_sent(upstream) == [KEY]


async def test_a_request_that_runs_keeps_its_provider(proxy: Proxy, upstream: FakeUpstream) -> None:
    gate = asyncio.Event()
    words = text_stream("Hello world")
    upstream.script(replace(words, steps=(*words.steps[:2], wait(gate), *words.steps[2:])))
    client = await RawClient.to(proxy)
    await client.send(chat(model="plain/fake-model"))
    await client.until(b"Hello")
    assert (await provider(proxy, "plain"))["running"] == 1
    await enter(proxy, "plain")
    await told(proxy, "PATCH", "/api/providers/plain", {"enabled": False})
    assert await say(proxy, "plain/fake-model") == 404
    gate.set()
    rest = await client.until(b"[DONE]")
    client.close()
    assert b"world" in rest
    assert [event.outcome for event in await proxy.all_ended(2)] == ["error", "ok"]


async def test_a_provider_is_switched_off_and_on(proxy: Proxy) -> None:
    for _ in range(2):
        off = await told(proxy, "PATCH", "/api/providers/plain", {"enabled": False})
        assert (off["enabled"], off["up"], off["problem"]) == (False, False, "switched off while the server ran")
    reply = await ask(proxy, chat())
    assert (reply.status, reply.error["code"]) == (404, "model_not_found")
    assert "switched off" in reply.error["message"]
    on = await told(proxy, "PATCH", "/api/providers/plain", {"enabled": True})
    assert on["enabled"] is True
    assert await say(proxy, "m") == 200


async def test_changes_at_once_are_made_one_after_the_other(proxy: Proxy, tmp_path: Path) -> None:
    hosted = [name for name, row in KNOWN.items() if row.key_variables][:8]
    await asyncio.gather(*(enter(proxy, name, f"{KEY}-{name}", keep="file") for name in hosted))
    lines = (tmp_path / "llms" / "keys.yaml").read_text().splitlines()[1:]
    assert {json.loads(f"{{{line}}}").popitem() for line in lines} == {(name, f"{KEY}-{name}") for name in hosted}


BODIES: list[tuple[str, str, Any, int]] = [
    *(("PUT", "groq/key", {"key": key}, 400) for key in ("", "short", "x" * 513, "two words", "a\nb-0123456", None, 1)),
    ("PUT", "groq/key", {"key": "schlüssel-0123456789"}, 400),
    ("PUT", "groq/key", {}, 400),
    ("PUT", "groq/key", [KEY], 400),
    ("PUT", "groq/key", KEY, 400),
    ("PUT", "groq/key", b"", 400),
    ("PUT", "groq/key", b"{", 400),
    ("PUT", "groq/key", b"\xff", 400),
    ("PUT", "groq/key", {"key": KEY, "keep": "disk"}, 400),
    ("PUT", "groq/key", {"key": KEY, "keep": ["file"]}, 400),
    ("PUT", "groq/key", {"key": KEY, "base_url": "http://evil.example"}, 400),
    ("PUT", "groq/key", {"key": "x" * 20_000}, 413),
    ("PUT", "idle2/key", {"key": KEY}, 404),
    ("PUT", "vllm/key", {"key": KEY}, 400),
    ("PUT", "..%2Fgroq/key", {"key": KEY}, 404),
    ("PATCH", "plain", {}, 400),
    ("PATCH", "plain", {"enabled": None}, 400),
    ("PATCH", "plain", {"enabled": "false"}, 400),
    ("PATCH", "plain", {"enabled": 0}, 400),
    ("PATCH", "plain", {"enabled": False, "key": KEY}, 400),
    ("PATCH", "idle", {"enabled": True}, 409),
    ("PATCH", "nobody", {"enabled": True}, 404),
    ("POST", "nobody/test", {}, 404),
    ("POST", "plain/test", {"chat": 1}, 400),
    ("POST", "plain/test", {"model": ""}, 400),
    ("POST", "plain/test", {"seconds": 0}, 400),
    ("POST", "plain/test", {"seconds": True}, 400),
    ("POST", "plain/test", {"seconds": 61}, 400),
    ("POST", "plain/test", b"[]", 400),
]


@pytest.mark.parametrize(("method", "path", "body", "status"), BODIES, ids=lambda value: repr(value)[:40])
async def test_bad_requests_change_nothing_and_are_not_quoted(
    proxy: Proxy, tmp_path: Path, method: str, path: str, body: Any, status: int
) -> None:
    answer = await call(proxy, method, f"/api/providers/{path}", body)
    assert_refused(answer, status)
    assert KEY.encode() not in answer.body
    assert b"schl" not in answer.body
    assert set(proxy.engine.gateway.fleet.members) == {"plain", "keyed"}
    assert not list(tmp_path.iterdir())


async def test_a_key_cannot_be_kept_where_there_is_no_place(upstream: FakeUpstream) -> None:
    async with serving(text(upstream)) as proxy:
        await refused(
            proxy, "PUT", "/api/providers/groq/key", {"key": KEY, "keep": "file"}, status=409, code="conflict"
        )
        assert "groq" not in proxy.engine.gateway.fleet.members


async def test_a_broken_file_is_not_overwritten(proxy: Proxy, tmp_path: Path) -> None:
    file = tmp_path / "llms" / "keys.yaml"
    file.parent.mkdir()
    file.write_text(f"groq: [{OTHER}]")
    body = {"key": KEY, "keep": "file"}
    problem = await refused(proxy, "PUT", "/api/providers/groq/key", body, status=409, code="conflict")
    assert "line 1 of keys.yaml" in problem["message"]
    assert OTHER not in problem["message"]
    assert file.read_text() == f"groq: [{OTHER}]"
    assert (await enter(proxy, "groq"))["key"]["kept"] == "memory"


# -- a planted key --------------------------------------------------------------------------------------------


@pytest.fixture
def log() -> Iterator[tuple[io.StringIO, Redactor]]:
    """Log everything that the process says, as `llms serve --log-level debug` would."""
    stream, redactor = io.StringIO(), Redactor(["configured-secret-0123456789"])
    configure(level="debug", pretty=False, stream=stream, redactor=redactor)
    try:
        yield stream, redactor
    finally:
        structlog.reset_defaults()


async def test_a_planted_key_is_in_its_file_and_nowhere_else(
    upstream: FakeUpstream, tmp_path: Path, log: tuple[io.StringIO, Redactor]
) -> None:
    stream, redactor = log
    upstream.on(lambda seen: error(401, f"Incorrect key {seen.headers.get('authorization')}"))
    upstream.models(error(401, f"Incorrect key {KEY}"))
    environ = environ_of(tmp_path, GROQ_BASE_URL=upstream.url)
    seen = b""
    async with serving(text(upstream), environ=environ, usage="sqlite", learn=redactor.learn) as proxy:
        for method, path, body in (
            ("PUT", "/api/providers/groq/key", {"key": KEY, "keep": "file"}),
            ("PUT", "/api/providers/groq/key", {"key": KEY, "keep": "nowhere"}),
            ("PUT", f"/api/providers/{KEY}/key", {"key": KEY}),
            ("POST", "/api/providers/groq/test", {"chat": True, "model": "x"}),
            ("POST", "/v1/chat/completions", chat(model="groq/x")),
            ("POST", "/v1/chat/completions", chat(model="groq/x", stream=False)),
            ("GET", "/api/providers", None),
            ("GET", "/api/settings", None),
            ("GET", "/v1/models", None),
            ("GET", "/metrics", None),
            ("GET", "/api/usage?group=model", None),
            ("GET", "/api/usage/requests", None),
            ("PATCH", "/api/providers/groq", {"enabled": False}),
        ):
            answer = await call(proxy, method, path, body)
            seen += answer.body.replace(b"'" + KEY.encode() + b"'", b"")  # the unknown name that we asked for
        structlog.get_logger().error("a line with the key", note=KEY, exc_info=ValueError(KEY))
        config = loads(text(upstream), filename="t.yaml", environ={}, validate_options=registry.validate)
        redactor.update(["another-configured-secret"])
        await proxy.engine.reload(config)
        structlog.get_logger().error("after a reload", note=f"Bearer-like {KEY}")
    assert KEY.encode() not in seen
    assert b"Qx7z" in seen
    assert "a line with the key" in stream.getvalue()
    assert "after a reload" in stream.getvalue()
    assert KEY not in stream.getvalue()
    holders = [path for path in tmp_path.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]
    assert holders == [tmp_path / "llms" / "keys.yaml"]
    assert os.name != "posix" or stat.S_IMODE(holders[0].stat().st_mode) == 0o600


async def test_kept_keys_are_known_to_the_log_from_the_start(upstream: FakeUpstream, tmp_path: Path) -> None:
    environ = environ_of(tmp_path, GROQ_BASE_URL=upstream.url)
    async with serving(text(upstream), environ=environ) as proxy:
        await enter(proxy, "groq", keep="file")
    redactor = Redactor()
    async with serving(text(upstream), environ=environ, learn=redactor.learn):
        assert redactor.text(f"the key {KEY}") == "the key ***"
