"""Requests become rows that account for them and hold nothing they should not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from llms.protocol.chat import Usage
from llms.protocol.events import AttemptFailed, HttpEnded, RequestEnded
from llms.stores.base import UsageRow
from llms.stores.sqlite import SqliteUsage
from llms.telemetry.usage import UsageRecorder

Make = Callable[..., RequestEnded]

KINDS = ("prompt", "completion", "cached", "reasoning")


def rows_of(*events: RequestEnded | HttpEnded | AttemptFailed) -> list[UsageRow]:
    rows: list[UsageRow] = []
    observe = UsageRecorder(rows.append)
    for event in events:
        observe(event)
    return rows


def test_every_figure_of_a_request_is_in_its_row(ended: Make) -> None:
    event = ended(retries=1, fallbacks=2, attempts=4, skipped=3, error_code="upstream_truncated", window="streaming")
    (row,) = rows_of(event)
    for name in set(UsageRow._fields) - {"usage_source", *(f"{kind}_tokens" for kind in KINDS)}:
        assert getattr(row, name) == getattr(event, name), name
    for kind in KINDS:
        assert getattr(row, f"{kind}_tokens") == getattr(event.usage, f"{kind}_tokens")
    assert row.usage_source == "reported"


@pytest.mark.parametrize("source", ["reported", "estimated", "unknown"])
def test_a_row_says_where_its_tokens_come_from(ended: Make, source: str) -> None:
    (row,) = rows_of(ended(usage=Usage(source=source)))  # type: ignore[arg-type]
    assert row.usage_source == source


def test_only_requests_are_accounted_for() -> None:
    attempt = AttemptFailed(provider="a", model="m", attempt=1, kind="first", error_code="upstream_error", seconds=0.1)
    exchange = HttpEnded(request_id="r", method="GET", path="/", status=200, error_code=None, duration=0.1)
    assert rows_of(attempt, exchange) == []


@pytest.mark.parametrize("nasty", ["\ud83d", "a\nb\x00c", "m" * 100_000, "\x1b[31mred"])
async def test_what_strangers_made_up_is_bounded_and_storable(ended: Make, tmp_path: Path, nasty: str) -> None:
    event = ended(asked_model=nasty, model=nasty, error_code=nasty, upstream_request_id=nasty)
    store = SqliteUsage(tmp_path / "usage.sqlite3")
    UsageRecorder(store.add)(event)
    await store.close()
    (row,) = await store.recent()
    for text in (row.asked_model, row.model, row.error_code, row.upstream_request_id):
        assert text is not None
        assert text
        assert len(text) <= 200
        assert text.isprintable()
