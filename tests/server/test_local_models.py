"""GET /api/models, loading, unloading and deleting over HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from llms.providers import registry
from tests.proxy import Proxy, RawClient, Reply, ask, serving
from tests.server.holder import ROW, Holding
from tests.server.test_openapi import problems
from tests.server.wire import BEARER, CORS, KEYS, assert_envelope, assert_no_cors, assert_refused, read

CONFIG = """
providers:
  local: {type: holding, models: [demo, qwen, sub/deep, broken]}
  remote: {type: echo}
"""


@pytest.fixture
async def proxy(tmp_path: Path) -> AsyncIterator[Proxy]:
    with patch.dict(registry.BUILT_IN, ROW):
        async with serving(CONFIG, environ={"LLMS_DATA_DIR": str(tmp_path)}) as running:
            yield running


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Return the folder of downloaded models, with two in it."""
    folder = tmp_path / "models"
    folder.mkdir()
    for name in ("Qwen.gguf", "other.gguf", "half.gguf.part"):
        (folder / name).write_bytes(b"GGUF")
    return folder


def holding(proxy: Proxy) -> Holding:
    provider = proxy.engine.gateway.fleet.members["local"].provider
    assert isinstance(provider, Holding)
    return provider


async def rows(proxy: Proxy) -> dict[str, dict[str, Any]]:
    reply = await read(proxy, "/api/models")
    assert reply.status == 200
    found = json.loads(reply.body)
    assert not problems("LocalModelList", found)
    return {row["id"]: row for row in found["data"]}


async def load(proxy: Proxy, model: str) -> Reply:
    return await ask(proxy, b"", path=f"/api/models/{model}/load")


async def test_every_local_model_is_listed_with_its_state(proxy: Proxy, models: Path) -> None:
    await load(proxy, "local/demo")
    found = await rows(proxy)

    assert list(found) == ["local/demo", "local/qwen", "local/sub/deep", "local/broken", "other"]
    demo = found["local/demo"]
    assert {name: demo[name] for name in demo if name != "problem"} == {
        "id": "local/demo",
        "object": "model",
        "provider": "local",
        "state": "loaded",
        "pid": 4711,
        "memory_bytes": 1_500_000,
        "slots": 2,
        "busy": 0,
        "loaded_for": 60.0,
        "idle_for": 5.0,
        "facts": {"library": "none"},
        "file": None,
        "size": None,
    }
    qwen, other = found["local/qwen"], found["other"]
    assert (qwen["state"], qwen["pid"], qwen["file"], qwen["size"]) == ("unloaded", None, "Qwen", 4)
    assert (other["state"], other["provider"], other["file"]) == ("unloaded", None, "other")


async def test_a_model_is_loaded_and_unloaded(proxy: Proxy) -> None:
    for name in ("local/sub/deep", "local%2Fsub%2Fdeep"):
        reply = await load(proxy, name)
        assert reply.status == 200
        assert not problems("LocalModel", json.loads(reply.body))
        assert (json.loads(reply.body)["id"], json.loads(reply.body)["state"]) == ("local/sub/deep", "loaded")
        assert holding(proxy).memory == ["sub/deep"]
        reply = await read(proxy, f"/api/models/{name}/load", method="DELETE")
        assert (reply.status, json.loads(reply.body)["state"]) == (200, "unloaded")
        assert holding(proxy).memory == []


async def test_loading_answers_when_the_model_is_there(proxy: Proxy) -> None:
    holding(proxy).gate.clear()
    client = await RawClient.to(proxy)
    await client.send(b"", path="/api/models/local/demo/load")
    async with asyncio.timeout(5):
        while not proxy.engine.gateway.fleet.members["local"].running:
            await asyncio.sleep(0.005)
    holding(proxy).gate.set()
    assert (await client.reply()).status == 200
    client.close()


async def test_a_server_that_stops_ends_a_load(proxy: Proxy) -> None:
    holding(proxy).gate.clear()
    client = await RawClient.to(proxy)
    await client.send(b"", path="/api/models/local/demo/load")
    async with asyncio.timeout(5):
        while not proxy.engine.gateway.fleet.members["local"].running:
            await asyncio.sleep(0.005)
    proxy.engine.interrupt()
    reply = await client.reply()
    client.close()

    assert (reply.status, reply.error["code"]) == (503, "server_stopping")
    assert not proxy.engine.gateway.fleet.members["local"].running


async def test_what_cannot_be_loaded_is_said(proxy: Proxy) -> None:
    reply = await load(proxy, "local/broken")
    assert reply.status == 503
    assert "no memory" in assert_envelope(reply)["message"]
    for name in ("local/none", "remote/echo", "nothing", "local", "local/"):
        reply = await load(proxy, name)
        assert_refused(reply, 404, code="model_not_found" if name != "local/" else None)
    reply = await read(proxy, "/api/models/remote/echo/load", method="DELETE")
    assert_refused(reply, 404, code="model_not_found")


async def test_a_busy_model_stays(proxy: Proxy, models: Path) -> None:
    await load(proxy, "local/qwen")
    holding(proxy).busy.add("qwen")
    for path in ("/api/models/local/qwen/load", "/api/models/local/qwen"):
        assert_refused(await read(proxy, path, method="DELETE"), 409, code="conflict")

    assert holding(proxy).memory == ["qwen"]
    assert (models / "Qwen.gguf").is_file()


async def test_a_downloaded_model_is_unloaded_and_deleted(proxy: Proxy, models: Path) -> None:
    await load(proxy, "local/qwen")
    await load(proxy, "local/demo")
    reply = await read(proxy, "/api/models/local/qwen", method="DELETE")

    assert reply.status == 200
    assert json.loads(reply.body) == {"id": "local/qwen", "object": "model", "deleted": True}
    assert holding(proxy).memory == ["demo"]
    for name in ("other", "half"):
        assert (await read(proxy, f"/api/models/{name}", method="DELETE")).status == 200
    assert not list(models.iterdir())


@pytest.mark.parametrize(
    "name", ["none", "local/demo", "remote/other", "..%2F..%2Fsecret", "local/..%2Fsecret", "local/a%00b", "local/con"]
)
async def test_only_downloaded_models_are_deleted(proxy: Proxy, models: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.gguf").write_bytes(b"GGUF")
    reply = await read(proxy, f"/api/models/{name}", method="DELETE")

    assert_refused(reply, 400, 404)
    assert len(list(models.iterdir())) == 3
    assert (tmp_path / "secret.gguf").is_file()


ROUTES = [
    ("GET", "/api/models"),
    ("POST", "/api/models/local/demo/load"),
    ("DELETE", "/api/models/local/demo/load"),
    ("DELETE", "/api/models/local/qwen"),
    ("POST", "/api/pull"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_keys_and_origins_are_checked(models: Path, tmp_path: Path, method: str, path: str) -> None:
    environ = {"LLMS_DATA_DIR": str(tmp_path)}
    with patch.dict(registry.BUILT_IN, ROW):
        async with serving(f"{CONFIG}{KEYS}\n{CORS}", environ=environ) as closed:
            assert_refused(await read(closed, path, method=method), 401)
            assert_refused(await read(closed, path, method=method, Authorization="Bearer wrong"), 401)
            foreign = await read(closed, path, method=method, Authorization=BEARER, Origin="https://evil.example")
            assert_refused(foreign, 403, code="origin_not_allowed")
            assert_no_cors(foreign)
            rebound = await read(closed, path, method=method, Authorization=BEARER, Host="evil.example")
            assert_refused(rebound, 403, code="host_not_allowed")
        assert (models / "Qwen.gguf").is_file()
        async with serving(CONFIG, environ=environ) as open_:
            foreign = await read(open_, path, method=method, Host="localhost:8000", Origin="http://localhost:3000")
            assert_refused(foreign, 403, code="origin_not_allowed")
            assert holding(open_).memory == []
    assert (models / "Qwen.gguf").is_file()
