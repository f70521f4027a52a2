"""Facts of models as clients get them: the upstream's word before the table's, and unknown stays unknown."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llms.config.load import loads
from llms.gateway.described import Described, described, place_of
from llms.model_facts.table import Found, Table
from llms.protocol.tariff import FREE, Tariff
from llms.providers import registry
from llms.testing.fake_upstream import FakeUpstream
from tests.proxy import serving
from tests.server.api import call, told

NOW = 1_795_176_000.0
TABLE = Found(200_000, (Tariff(3.0, 0.3, 15.0, upto=1000), Tariff(6.0, 0.6, 22.5, above=1000)), "a table 1")


def test_the_word_of_the_upstream_wins() -> None:
    extra = {"context_length": 8192, "pricing": {"input": 1, "output": 2}}

    assert described(extra, TABLE, now=NOW) == {
        "context_window": 8192,
        "price": {"input": 1, "output": 2},
        "facts_from": {"context_window": "upstream", "price": "upstream"},
    }


def test_the_table_fills_what_is_missing_and_is_named() -> None:
    assert described({"tools": True}, TABLE, now=NOW) == {
        "tools": True,
        "context_window": 200_000,
        "price": {
            "input": 3.0,
            "output": 15.0,
            "cached_input": 0.3,
            "tiers": [{"above": 1000, "input": 6.0, "output": 22.5, "cached_input": 0.6}],
        },
        "facts_from": {"tools": "upstream", "context_window": "a table 1", "price": "a table 1"},
    }


def test_a_price_says_since_when_and_an_old_one_is_none() -> None:
    changed = Found(None, (Tariff(1.0, None, None, until=NOW), Tariff(2.0, None, None, since=1_788_220_800.0)), "t")
    gone = Found(None, (Tariff(1.0, None, 2.0, until=NOW),), "t")

    assert described({}, changed, now=NOW)["price"] == {"input": 2.0, "output": None, "since": "2026-09-01"}
    assert described({}, gone, now=NOW) == described({}, Found(), now=NOW) == {}


@pytest.mark.parametrize(
    ("row", "place"),
    [
        ("{type: openai, api_key: k}", "https://api.openai.com/v1"),
        ("{type: gemini, api_key: k}", "https://generativelanguage.googleapis.com/v1beta"),
        ("{type: azure, api_key: k, base_url: 'https://a.openai.azure.com'}", "https://a.openai.azure.com"),
        ("{type: bedrock, api_key: k, region: us-east-1}", "aws"),
        ("{type: openai, api_key: k, base_url: 'http://127.0.0.1:9/v1'}", ""),
        ("{type: openai_compatible, base_url: 'https://eu.example.com:444/v1'}", "https://eu.example.com/v1"),
        ("{type: openai_compatible, base_url: 'http://[::1]:9/v1'}", ""),
        ("{type: ollama}", ""),
        ("{type: sdk, client: 'openai:AsyncOpenAI', options: {base_url: 'https://x.example.com'}}",
         "https://x.example.com"),
        ("{type: sdk, client: 'openai:AsyncOpenAI'}", ""),
        ("{type: echo}", ""),
    ],
)  # fmt: skip
def test_where_the_models_of_a_row_are(row: str, place: str) -> None:
    config = loads(f"providers:\n  p: {row}\n", filename="t", environ={}, validate_options=registry.validate)

    assert place_of(config.providers["p"]) == place


def table(asked_for: list[Any]) -> Table:
    def look_up(question: str) -> str:
        asked_for.extend(json.loads(question))
        tariff = [2.5, 1.25, 10.0]
        found = [{"context_window": 128_000, "tariffs": [tariff]} for _ in json.loads(question)]
        return json.dumps({"source": "a table 1", "found": found})

    return Table(look_up)


ROWS = """
providers:
  away: {type: openai, api_key: k, models: [gpt-4o]}
  here: {type: echo, models: [parrot]}
  near: {type: openai_compatible, base_url: "%s", models: [own]}
models:
  smart: {targets: [away/gpt-4o]}
"""


async def test_the_list_of_models_shows_facts_and_names_have_those_of_their_target() -> None:
    asked_for: list[Any] = []
    async with FakeUpstream() as upstream, serving(ROWS % upstream.url) as proxy:
        services = proxy.engine.services
        services.described = Described(table(asked_for), fleet=lambda: services.gateway.fleet, now=lambda: NOW)
        listed = {each["id"]: each for each in json.loads((await call(proxy, "GET", "/v1/models")).body)["data"]}
        one = json.loads((await call(proxy, "GET", "/v1/models/away/gpt-4o")).body)
        tariffs = await services.described.tariffs(
            [("away", "gpt-4o"), ("here", "parrot"), ("near", "own"), ("gone", "x")]
        )

    price = {"input": 2.5, "output": 10.0, "cached_input": 1.25}
    assert listed["smart"]["price"] == listed["away/gpt-4o"]["price"] == one["price"] == price
    assert one["context_window"] == 128_000
    assert one["facts_from"] == {"context_window": "a table 1", "price": "a table 1"}
    assert "price" not in listed["here/parrot"]
    assert "price" not in listed["near/own"]
    assert asked_for == [["https://api.openai.com/v1", "gpt-4o"]]
    assert tariffs == {("away", "gpt-4o"): [Tariff(2.5, 1.25, 10.0)], ("here", "parrot"): (FREE,)}


async def test_a_price_that_the_upstream_tells_is_what_counts() -> None:
    asked_for: list[Any] = []
    row = {"id": "dear", "pricing": {"input": 7, "output": 9}}
    async with FakeUpstream() as upstream:
        upstream.models([row, "plain"])
        text = f'providers:\n  near: {{type: openai_compatible, base_url: "{upstream.url}"}}\n'
        async with serving(text) as proxy:
            services = proxy.engine.services
            await services.refresh()
            services.described = Described(table(asked_for), fleet=lambda: services.gateway.fleet, now=lambda: NOW)
            tariffs = await services.described.tariffs([("near", "dear"), ("near", "plain")])

    assert tariffs == {("near", "dear"): (Tariff(7, None, 9),)}
    assert asked_for == []


async def test_another_node_is_answered_with_what_is_at_hand() -> None:
    asked_for: list[Any] = []
    async with FakeUpstream() as upstream, serving(ROWS % upstream.url) as proxy:
        services = proxy.engine.services
        await services.refresh()
        services.described = Described(table(asked_for), fleet=lambda: services.gateway.fleet, now=lambda: NOW)
        listed = json.loads((await call(proxy, "GET", "/v1/models", x_llms_hops="1")).body)

    assert [each["id"] for each in listed["data"]] == ["smart", "away/gpt-4o", "here/parrot", "near/own"]
    assert asked_for == []


async def test_starting_and_serving_ask_for_nothing() -> None:
    asked_for: list[Any] = []
    async with FakeUpstream() as upstream, serving(ROWS % upstream.url) as proxy:
        services = proxy.engine.services
        services.described = Described(table(asked_for), fleet=lambda: services.gateway.fleet, now=lambda: NOW)
        await services.refresh()
        await told(proxy, "GET", "/api/settings")

    assert asked_for == []
