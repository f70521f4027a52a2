"""`llms ps`, and what `llms rm` does about a server that runs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from unittest.mock import patch

import pytest

from llms.providers import registry
from tests.cli.conftest import Home, Run
from tests.proxy import Proxy, ask, serving
from tests.server.holder import ROW, Holding
from tests.server.wire import KEY, KEYS

CONFIG = "providers:\n  local: {type: holding, models: [demo, qwen]}\n"


@pytest.fixture
def file(home: Home) -> Path:
    folder = home.path / "data" / "models"
    folder.mkdir(parents=True)
    (folder / "Qwen.gguf").write_bytes(b"GGUF")
    return folder / "Qwen.gguf"


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    with patch.dict(registry.BUILT_IN, ROW):
        async with serving(CONFIG) as running:
            yield running


def holding(proxy: Proxy) -> Holding:
    provider = proxy.engine.gateway.fleet.members["local"].provider
    assert isinstance(provider, Holding)
    return provider


async def test_it_shows_what_is_in_memory(proxy: Proxy, llms: Run) -> None:
    empty = await llms("ps", LLMS_URL=proxy.url)
    assert (empty.code, empty.out) == (0, "")
    assert "no local model in memory" in empty.err

    await ask(proxy, b"", path="/api/models/local/demo/load")
    table = await llms("ps", OPENAI_BASE_URL=proxy.url)
    as_json = await llms("ps", "--json", "--url", f"http://127.0.0.1:{proxy.port}")
    header, row = table.out.splitlines()
    assert header.split() == ["model", "state", "memory", "slots", "loaded", "idle", "pid", "problem"]
    assert row.split() == ["local/demo", "loaded", "1.5", "MB", "0", "of", "2", "busy", "60", "s", "5", "s", "4711"]
    [shown] = json.loads(as_json.out)
    assert (shown["id"], shown["pid"], shown["memory_bytes"]) == ("local/demo", 4711, 1_500_000)


async def test_it_says_that_no_server_runs(llms: Run) -> None:
    with patch("llms.cli.own_server._USUAL", "http://127.0.0.1:9/v1"):
        ran = await llms("ps")

    assert (ran.code, ran.out) == (1, "")
    assert "No llms server runs on this machine" in ran.err


async def test_what_is_wrong_with_the_server_is_one_line(llms: Run) -> None:
    with patch.dict(registry.BUILT_IN, ROW):
        async with serving(CONFIG + KEYS) as closed:
            refused = await llms("ps", LLMS_URL=closed.url)
            allowed = await llms("ps", LLMS_URL=closed.url, LLMS_API_KEY=KEY)
    gone = await llms("ps", "--url", "http://127.0.0.1:9")
    wrong = await llms("ps", "--url", "ftp://x")

    assert (refused.code, "LLMS_API_KEY" in refused.err) == (1, True)
    assert allowed.code == 0
    assert (gone.code, "llms serve" in gone.err) == (1, True)
    assert (wrong.code, "is no address" in wrong.err) == (2, True)
    assert all(len(ran.err.splitlines()) == 1 for ran in (refused, gone, wrong))


async def test_rm_has_the_server_unload_first(proxy: Proxy, llms: Run, file: Path) -> None:
    for name in ("demo", "qwen"):
        await ask(proxy, b"", path=f"/api/models/local/{name}/load")
    ran = await llms("rm", "qwen", "--yes", LLMS_URL=proxy.url)

    assert ran.code == 0
    assert holding(proxy).memory == ["demo"]
    assert not file.exists()


async def test_rm_leaves_a_model_that_answers(proxy: Proxy, llms: Run, file: Path) -> None:
    await ask(proxy, b"", path="/api/models/local/qwen/load")
    holding(proxy).busy.add("qwen")
    ran = await llms("rm", "local/qwen", "--yes", LLMS_URL=proxy.url)

    assert ran.code == 1
    assert "in use" in ran.err
    assert file.is_file()


async def test_rm_does_not_guess_what_a_server_has_that_does_not_tell(llms: Run, file: Path) -> None:
    ran = await llms("rm", "qwen", "--yes", LLMS_URL="http://127.0.0.1:9")

    assert ran.code == 1
    assert "cannot be reached" in ran.err
    assert file.is_file()
