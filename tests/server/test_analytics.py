"""/api/analytics over HTTP: known rows come out as known figures, and what runs and returns is counted."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from llms.stores.base import UsageRow
from llms.stores.sqlite import SqliteUsage
from llms.testing.fake_upstream import FakeUpstream, stall, text_stream
from tests.proxy import Proxy, ask, chat, one_upstream, serving
from tests.server.api import call, refused, told
from tests.server.wire import BEARER, KEYS, connected
from tests.stores.test_usage_report import START, at

HOUR = 3600.0
RESUMABLE = {"X-LLMS-Stream": "resumable"}


def ago(seconds: float, **fields: Any) -> UsageRow:
    return at(time.time() - START - seconds, **fields)


@pytest.fixture
async def proxy(tmp_path: Path) -> AsyncIterator[Proxy]:
    store = SqliteUsage(tmp_path / "usage.sqlite3")
    rows = [
        ago(60),
        ago(120, outcome="error"),
        ago(5 * HOUR),
        ago(60, stream=False),
        ago(100 * HOUR, outcome="truncated"),
    ]
    for each in sorted(rows, key=lambda row: row.started):
        store.add(each)
    await store.close()
    async with FakeUpstream() as upstream:
        upstream.script(text_stream().first(3).then(stall()), text_stream())
        text = one_upstream(upstream)
        async with serving(text, environ={"LLMS_DATA_DIR": str(tmp_path)}, usage="sqlite") as running:
            yield running


async def test_windows_are_those_of_the_rows(proxy: Proxy) -> None:
    found = await told(proxy, "GET", "/api/analytics")

    assert found["active_streams"] == 0
    hour, day, week = found["windows"]
    assert [each["window"] for each in (hour, day, week)] == ["1h", "24h", "7d"]
    assert [(each["total_streams"], each["failed_streams"]) for each in (hour, day, week)] == [(2, 1), (3, 1), (4, 2)]
    assert [each["error_rate"] for each in (hour, day, week)] == [0.5, 0.3333, 0.5]
    assert (hour["average_duration"], hour["average_tokens_per_stream"]) == (1.2, 10)
    assert hour["ttft"] == {"p50": 0.2, "p90": 0.2, "p99": 0.2}
    assert hour["tokens_per_second"] == {"p50": 10, "p90": 10, "p99": 10}
    assert (hour["reconnection_rate"], hour["recovery_rate"]) == (None, None)
    assert sum(step["total_streams"] for step in found["series"]) == 3
    assert found["step"] == HOUR


async def test_what_runs_and_what_returns_is_counted(proxy: Proxy) -> None:
    async with connected(proxy) as client:
        await client.send(chat())
        await client.until(b"data: ")
        assert (await told(proxy, "GET", "/api/analytics"))["active_streams"] == 1
    await ask(proxy, chat(), headers=RESUMABLE)
    again = (await ask(proxy, chat(), headers=RESUMABLE)).headers["x-llms-stream-id"]
    assert (await call(proxy, "GET", f"/v1/streams/{again}")).status == 200

    [hour, *_] = (await told(proxy, "GET", "/api/analytics"))["windows"]
    assert (hour["reconnection_rate"], hour["recovery_rate"]) == (0.5, 1)


async def test_without_accounts_there_is_nothing_to_ask() -> None:
    async with serving("providers: {}") as proxy:
        await refused(proxy, "GET", "/api/analytics", status=404, code="feature_absent")


async def test_it_needs_a_key() -> None:
    async with serving(f"providers: {{}}\n{KEYS}") as proxy:
        await refused(proxy, "GET", "/api/analytics", status=401)
        assert (await call(proxy, "GET", "/api/analytics", Authorization=BEARER)).status == 404
