"""docs/METRICS.md: every metric with its type and labels, and the columns of the accounts that it names."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import yaml
from prometheus_client.parser import text_string_to_metric_families

from llms.protocol.chat import Usage
from llms.protocol.events import RequestEnded
from llms.stores.base import UsageRow
from llms.telemetry.metrics import Metrics
from tests.docs.markdown import ROOT, blocks, codes, rows

PAGE = "docs/METRICS.md"
ENDED = RequestEnded(
    request_id="r", route="/", key_id="", asked_model="m", provider="p", model="m", stream=True, status=200,
    outcome="truncated", error_code="upstream_truncated", window="streaming", attempts=1, retries=1, fallbacks=1,
    finish_reason=None, usage=Usage(1, 2, source="reported"), chunks=1, skipped=0, started=0.0, queued=0.0, ttft=0.1,
    duration=1.0, upstream_request_id="",
)  # fmt: skip


def _page() -> str:
    """Return an exposition in which every family has a sample."""
    metrics = Metrics(known_model=lambda _: True)
    metrics.watch(
        active_requests=lambda: 1,
        active_streams=lambda: 1,
        queued=lambda: 1,
        tasks=lambda: 1,
        providers_up=lambda: {"p": True},
    )
    metrics(ENDED)
    metrics.count_resumed()
    return metrics.exposition()[0].decode()


def test_every_metric_is_documented_with_its_type() -> None:
    declared = [line.split()[2:] for line in _page().splitlines() if line.startswith("# TYPE")]

    assert {row.key: row.cells[1] for row in rows(PAGE, first="metric")} == dict(declared)


def test_every_label_is_documented() -> None:
    documented = {row.key.removesuffix("_total"): set(codes(row.cells[2])) for row in rows(PAGE, first="metric")}

    for family in text_string_to_metric_families(_page()):
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        assert labels == documented[family.name], family.name


def test_the_rule_of_the_alert_names_what_there_is() -> None:
    rule = next(block.text for block in blocks(PAGE) if "alert:" in block.text)
    expression = yaml.safe_load(rule)["groups"][0]["rules"][0]["expr"]
    samples = {(sample.name, sample.labels.get("outcome")) for family in
               text_string_to_metric_families(_page()) for sample in family.samples}  # fmt: skip
    named = re.findall(r"(llms_\w+)(?:\{outcome=~\"([^\"]+)\"\})?", expression)
    assert len(named) == 3
    for name, outcomes in named:
        for outcome in outcomes.split("|") if outcomes else ["ok"]:
            assert (name, outcome) in samples


def test_the_query_of_the_accounts_works() -> None:
    query = next(block.text for block in blocks(PAGE) if "SELECT" in block.text).partition('"')[2].rpartition('"')[0]
    columns = ", ".join(UsageRow._fields)
    with sqlite3.connect(":memory:") as database:
        database.execute(f"CREATE TABLE requests ({columns})")
        assert database.execute(query).fetchall() == []
    database.close()


def test_words_about_the_accounts_are_columns() -> None:
    text = Path(ROOT / PAGE).read_text().partition("## Accounts")[2].partition("## Log")[0]

    for word in ("key_id", "usage_source"):
        assert f"`{word}`" in text
        assert word in UsageRow._fields
