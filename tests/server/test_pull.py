"""POST /api/pull: events, errors, clients that leave, and where it may not reach."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from llms.providers import registry
from tests.downloads.fake_hub import TOKEN, FakeHub, fake_hub, model, sha256
from tests.proxy import Proxy, RawClient, ask, serving
from tests.server.holder import ROW
from tests.server.test_openapi import problems
from tests.server.wire import assert_envelope, assert_refused

DATA = model(400_000)
CUT = 150_000
CONFIG = "providers:\n  local: {type: holding, models: [demo, m-q4_k_m]}\ndefaults: {heartbeat: 0s}\n"
NAME = "m-Q4_K_M"


@pytest.fixture
async def hub() -> AsyncIterator[FakeHub]:
    async with fake_hub() as running:
        running.repos["o/r"] = {f"{NAME}.gguf": DATA}
        yield running


@pytest.fixture
async def proxy(hub: FakeHub, tmp_path: Path) -> AsyncIterator[Proxy]:
    environ = {"LLMS_DATA_DIR": str(tmp_path), **hub.environ(token=TOKEN)}
    with patch.dict(registry.BUILT_IN, ROW):
        async with serving(CONFIG, environ=environ) as running:
            yield running


def kept(folder: Path) -> Callable[[], int]:
    path = folder / "models" / f"{NAME}.gguf.part"
    return lambda: path.stat().st_size if path.is_file() else 0


async def pull(proxy: Proxy, source: str = "hf:o/r", **fields: Any) -> Any:
    return await ask(proxy, {"source": source, **fields}, path="/api/pull")


async def test_a_pull_is_told_in_events_to_its_end(hub: FakeHub, proxy: Proxy, tmp_path: Path) -> None:
    hub.kept = kept(tmp_path)
    hub.cuts = [CUT]
    reply = await pull(proxy)

    assert reply.status == 200
    assert reply.headers["content-type"] == "text/event-stream"
    assert reply.headers["cache-control"] == "no-cache"
    assert not [fault for event in reply.events for fault in problems("PullEvent", event)]
    *steps, done = reply.events
    assert done == {"status": "done", "model": NAME, "id": "local/m-q4_k_m", "size": len(DATA)}
    for step in steps:
        assert step["status"] in ("downloading", "verifying")
        assert (step["total"], step["completed"] <= len(DATA)) == (len(DATA), True)
    assert (tmp_path / "models" / f"{NAME}.gguf").read_bytes() == DATA
    again = await pull(proxy)
    assert again.events[-1] == done


async def test_a_client_that_leaves_stops_it_and_the_next_goes_on(hub: FakeHub, proxy: Proxy, tmp_path: Path) -> None:
    hub.kept = kept(tmp_path)
    hub.stalls = [CUT]
    client = await RawClient.to(proxy)
    await client.send({"source": "hf:o/r"}, path="/api/pull")
    told = await client.until(b"data: ")
    assert b"200 OK" in told
    async with asyncio.timeout(10):
        await hub.stalled.wait()
    assert_refused(await pull(proxy), 409, code="conflict")
    client.reset()
    async with asyncio.timeout(10):
        while (reply := await pull(proxy)).status == 409:
            await asyncio.sleep(0.01)

    assert reply.events[-1]["status"] == "done"
    assert hub.seen[-1].headers["Range"] == f"bytes={CUT}-"
    assert hub.seen[-1].sent == len(DATA) - CUT
    assert (tmp_path / "models" / f"{NAME}.gguf").read_bytes() == DATA


async def test_a_server_that_stops_says_so_and_keeps_the_part(hub: FakeHub, proxy: Proxy, tmp_path: Path) -> None:
    hub.kept = kept(tmp_path)
    hub.stalls = [CUT]
    client = await RawClient.to(proxy)
    await client.send({"source": "hf:o/r"}, path="/api/pull")
    await client.until(b"data: ")
    proxy.engine.interrupt()
    ending = await client.until(b"server_stopping")
    client.close()

    assert b'data: {"error":' in ending
    assert kept(tmp_path)() == CUT


async def test_a_failure_before_any_event_has_its_status(hub: FakeHub, proxy: Proxy) -> None:
    assert_refused(await pull(proxy, "hf:o/none"), 404, code="not_found")
    assert_refused(await pull(proxy, "hf:o/r:Q8_0"), 404, code="not_found")
    hub.status = 500
    reply = await pull(proxy)
    assert reply.status == 502
    assert TOKEN not in assert_envelope(reply, code="upstream_error")["message"]


async def test_a_failure_later_is_the_last_event(hub: FakeHub, proxy: Proxy, tmp_path: Path) -> None:
    hub.kept = kept(tmp_path)
    hub.spoiled = True
    hub.cuts = [CUT]
    with patch("llms.server.pull._PERIOD", 0.0):
        reply = await pull(proxy)

    assert reply.status == 200
    assert reply.events[0]["status"] == "downloading"
    assert reply.error["code"] == "upstream_protocol_error"
    assert "[DONE]" not in reply.events
    assert not problems("PullEvent", reply.events[-1])
    assert not list((tmp_path / "models").iterdir())


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "source"),
        ({"source": 3}, "source"),
        ({"source": ""}, "source"),
        ({"source": None}, "source"),
        ({"source": "nothing"}, "source"),
        ({"source": "file:///etc/passwd"}, "source"),
        ({"source": "hf:o/r", "name": 1}, "name"),
        ({"source": "hf:o/r", "name": "../x"}, "name"),
        ({"source": "hf:o/r", "sha256": "short"}, "sha256"),
        ({"source": "hf:o/r", "sha256": []}, "sha256"),
        ([], None),
        (b"{", None),
    ],
)
async def test_wrong_bodies_name_the_field(hub: FakeHub, proxy: Proxy, body: Any, param: str | None) -> None:
    reply = await ask(proxy, body, path="/api/pull")

    assert assert_refused(reply, 400)["param"] == param
    assert not hub.seen


async def test_only_json_of_a_modest_size_is_read(proxy: Proxy) -> None:
    assert_refused(await ask(proxy, {"source": "x" * 20_000}, path="/api/pull"), 413)
    assert_refused(await ask(proxy, {}, path="/api/pull", headers={"Content-Type": "text/plain"}), 415)


async def test_addresses_of_this_machine_are_refused_but_the_hubs(hub: FakeHub, proxy: Proxy, tmp_path: Path) -> None:
    async with fake_hub() as inside:
        inside.files["m.gguf"] = DATA
        for host in ("127.0.0.1", "localhost", "[::1]", "0.0.0.0"):
            place = f"http://{host}:{inside.url.rpartition(':')[2]}/files/m.gguf"
            reply = await pull(proxy, place)
            assert "public addresses" in assert_refused(reply, 403, code="permission_denied")["message"]
        hub.cdn = inside.url
        assert_refused(await pull(proxy), 403, code="permission_denied")
        assert not inside.seen
    hub.cdn = ""
    hub.files["own.gguf"] = DATA
    reply = await pull(proxy, f"{hub.url}/files/own.gguf", name="own", sha256=sha256(DATA))

    assert reply.events[-1] == {"status": "done", "model": "own", "id": None, "size": len(DATA)}
    assert json.loads((await _models(proxy)).body)["data"][-1]["file"] == "own"


async def _models(proxy: Proxy) -> Any:
    client = await RawClient.to(proxy)
    client.writer.write(b"GET /api/models HTTP/1.1\r\nHost: localhost\r\n\r\n")
    try:
        return await client.reply()
    finally:
        client.close()
