"""/api/usage over HTTP: known rows come out as known figures, and what makes no sense is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from llms.stores.base import UsageRow
from llms.stores.sqlite import SqliteUsage
from llms.testing.fake_upstream import FakeUpstream, error
from tests.proxy import Proxy, ask, chat, one_upstream, serving
from tests.server.api import call, refused, told
from tests.server.wire import BEARER, KEYS
from tests.stores.test_usage_report import START, at

ROWS = [
    at(10, request_id="a", key_id="key-1"),
    at(20, request_id="b", key_id="key-1", ttft=0.4, duration=2.4, completion_tokens=40),
    at(3700, request_id="c", key_id="key-2", model="n", outcome="error", status=502, ttft=None, completion_tokens=0),
    at(7300, request_id="d", key_id="", provider="q", stream=False, outcome="cancelled", status=499, ttft=None),
]


@pytest.fixture
async def proxy(tmp_path: Path) -> AsyncIterator[Proxy]:
    """Serve with four rows in the file."""
    store = SqliteUsage(tmp_path / "usage.sqlite3")
    for each in ROWS:
        store.add(each)
    await store.close()
    async with serving("providers: {}", environ={"LLMS_DATA_DIR": str(tmp_path)}, usage="sqlite") as running:
        yield running


def address(**query: object) -> str:
    given = {"from": START, "to": START + 10_800, "step": 3600, **query}
    return "/api/usage?" + "&".join(f"{name}={value}" for name, value in given.items())


async def test_totals_and_steps_are_those_of_the_rows(proxy: Proxy) -> None:
    found = await told(proxy, "GET", address())

    assert (found["from"], found["to"], found["step"]) == (START, START + 10_800, 3600)
    assert found["totals"] == {
        "requests": 4,
        "errors": 1,
        "cancelled": 1,
        "prompt_tokens": 20,
        "completion_tokens": 60,
        "cached_tokens": 12,
        "reasoning_tokens": 16,
        "unpriced": 4,
        "cost": None,
        "ttft_p50": 0.2,
        "ttft_p95": 0.4,
        "duration_p50": 1.2,
        "duration_p95": 2.4,
        "tokens_per_second": 16.6667,
    }
    assert [(step["time"] - START, step["requests"], step["errors"]) for step in found["series"]] == [
        (0, 2, 0),
        (3600, 1, 1),
        (7200, 1, 0),
    ]
    assert found["series"][1]["ttft_p50"] is None
    assert (found["groups"], found["rest"]) == ([], None)


@pytest.mark.parametrize(
    ("group", "requests"),
    [
        ("model", {"p/m": 2, "p/n": 1, "q/m": 1}),
        ("provider", {"p": 3, "q": 1}),
        ("key", {"key-1": 2, "": 1, "key-2": 1}),
    ],
)
async def test_groups_are_told_apart(proxy: Proxy, group: str, requests: dict[str, int]) -> None:
    found = await told(proxy, "GET", address(group=group))
    assert {each["name"]: each["totals"]["requests"] for each in found["groups"]} == requests
    assert sum(step["requests"] for each in found["groups"] for step in each["series"]) == 4
    for name, count in requests.items():
        alone = await told(proxy, "GET", address(group=group, only=name.replace("/", "%2F")))
        assert (alone["totals"]["requests"], alone["only"]) == (count, name)


async def test_without_a_time_it_is_the_last_day(proxy: Proxy) -> None:
    now = proxy.engine.services.now()
    found = await told(proxy, "GET", "/api/usage")

    assert (found["totals"]["requests"], found["series"], found["step"]) == (0, [], 900)
    assert abs(found["to"] - now) < 60
    assert 86_400 <= found["to"] - found["from"] < 86_400 + 900
    assert found["from"] % 900 == 0


async def test_rows_come_in_pages(proxy: Proxy) -> None:
    first = await told(proxy, "GET", "/api/usage/requests?limit=3")
    second = await told(proxy, "GET", f"/api/usage/requests?limit=3&before={first['before']}")

    assert [row["request_id"] for row in first["data"]] == ["d", "c", "b"]
    assert [row["request_id"] for row in second["data"]] == ["a"]
    assert second["before"] is None
    [row] = second["data"]
    assert {name: row[name] for name in UsageRow._fields} == ROWS[0]._asdict()
    assert (await told(proxy, "GET", "/api/usage/requests?before=0"))["data"] == []


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("from=x", "from"),
        ("from=-1", "from"),
        ("from=nan", "from"),
        ("to=inf", "to"),
        ("to=1e99", "to"),
        ("to=1_000", "to"),
        ("to=" + "9" * 400, "to"),
        ("from=", "from"),
        ("from=10&to=10", "from"),
        ("from=20&to=10", "from"),
        ("from=0&to=1000&step=0", "step"),
        ("from=0&to=1000&step=1", "step"),
        ("from=0&to=999999999999&step=60", "step"),
        ("step=0.000000001", "step"),
        ("group=prompt", "group"),
        ("group=model%27--", "group"),
        ("only=x", "only"),
    ],
)
async def test_what_makes_no_sense_is_refused(proxy: Proxy, query: str, param: str) -> None:
    assert (await refused(proxy, "GET", f"/api/usage?{query}", status=400))["param"] == param


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=501", "limit=-1", "limit=x", "limit=1.5", "before=x", "before=-1", "before=" + "9" * 99]
)
async def test_pages_have_bounds(proxy: Proxy, query: str) -> None:
    await refused(proxy, "GET", f"/api/usage/requests?{query}", status=400)


@pytest.mark.parametrize("path", ["/api/usage?form=1", "/api/usage/requests?offset=1"])
async def test_unknown_parameters_are_named(proxy: Proxy, path: str) -> None:
    assert "known are" in (await refused(proxy, "GET", path, status=400))["message"]


async def test_a_hostile_name_of_a_group_is_a_name(proxy: Proxy) -> None:
    for name in ("%27%20OR%201=1--", "%00", "%F0%9F%98%80", "x" * 2000):
        assert (await told(proxy, "GET", address(group="key", only=name)))["totals"]["requests"] == 0


async def test_the_largest_number_of_steps_is_taken(proxy: Proxy) -> None:
    found = await told(proxy, "GET", address(to=START + 8000, step=20))
    assert [step["time"] - START for step in found["series"]] == [0, 20, 3700, 7300]


@pytest.mark.parametrize("path", ["/api/usage", "/api/usage/requests"])
async def test_without_usage_there_is_nothing_to_ask(path: str) -> None:
    async with serving("providers: {}") as proxy:
        await refused(proxy, "GET", path, status=404, code="feature_absent")
        assert (await told(proxy, "GET", "/api/settings"))["features"]["usage"] is False


@pytest.mark.parametrize("path", ["/api/usage", "/api/usage/requests"])
async def test_a_file_that_cannot_be_read_is_said(proxy: Proxy, tmp_path: Path, path: str) -> None:
    await told(proxy, "GET", path)
    for file in tmp_path.glob("usage.sqlite3*"):
        file.unlink()
    reply = await call(proxy, "GET", path)
    assert (reply.status, reply.error["code"]) == (503, "usage_unreadable")
    assert str(tmp_path) not in reply.body.decode()


async def test_requests_count_a_moment_after_their_end(tmp_path: Path) -> None:
    environ = {"LLMS_DATA_DIR": str(tmp_path)}
    async with (
        FakeUpstream() as upstream,
        serving(one_upstream(upstream, more=KEYS), environ=environ, usage="sqlite") as proxy,
    ):
        for stream in (True, False):
            await ask(proxy, chat(stream=stream), headers={"Authorization": BEARER})
        upstream.script(error(400))
        await ask(proxy, chat(), headers={"Authorization": BEARER})
        found: Any = {"totals": {"requests": 0}}
        async with asyncio.timeout(10):
            while found["totals"]["requests"] < 3:
                found = await told(proxy, "GET", "/api/usage?group=key", Authorization=BEARER)
        settings = await told(proxy, "GET", "/api/settings", Authorization=BEARER)
    totals = found["totals"]
    assert (totals["errors"], totals["prompt_tokens"], totals["completion_tokens"]) == (1, 14, 10)
    assert [each["name"] for each in found["groups"]] == [settings["key_id"]]


async def test_requests_are_priced_by_the_providers_that_are_there(tmp_path: Path) -> None:
    store = SqliteUsage(tmp_path / "usage.sqlite3")
    for each in (at(10, provider="here", model="parrot"), at(20, provider="gone", model="x")):
        store.add(each)
    await store.close()
    environ = {"LLMS_DATA_DIR": str(tmp_path)}
    async with serving("providers: {here: {type: echo}}", environ=environ, usage="sqlite") as proxy:
        report = await told(proxy, "GET", address(group="provider"))
        rows = (await told(proxy, "GET", "/api/usage/requests"))["data"]

    assert (report["totals"]["cost"], report["totals"]["unpriced"]) == (0, 1)
    costs = {group["name"]: (group["totals"]["cost"], group["totals"]["unpriced"]) for group in report["groups"]}
    assert costs == {"here": (0, 0), "gone": (None, 1)}
    assert {row["provider"]: row["cost"] for row in rows} == {"here": 0, "gone": None}
