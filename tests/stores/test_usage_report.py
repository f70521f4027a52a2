"""What usage rows come to: every figure against a count by hand, and the index that finds a time against no index."""

from __future__ import annotations

import asyncio
import math
import sqlite3
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.protocol.tariff import FREE, Tariff, cost, tariff_at
from llms.stores import sqlite as store_file
from llms.stores import usage_report
from llms.stores.base import NoUsage, UsageRow, UsageTooMuch, UsageUnreadable
from llms.stores.usage_report import Figures, Part, Query, Report, report
from tests.stores.test_sqlite import opened, row, until_stored

START = 1_700_000_000.0
FIRST = row(1)


def made(rows: Iterable[UsageRow]) -> sqlite3.Connection:
    database = sqlite3.connect(":memory:", isolation_level=None)
    store_file._migrate(database)
    store_file._insert(database, list(rows))
    return database


def at(seconds: float, **fields: Any) -> UsageRow:
    """Return a row that began so long after START: a stream of ten tokens in a second, the first after 0.2 s."""
    usual = {"provider": "p", "model": "m", "stream": True, "ttft": 0.2, "duration": 1.2}
    tokens = {"prompt_tokens": 5, "completion_tokens": 10}
    return FIRST._replace(started=START + seconds, **{**usual, **tokens, **fields})


def asked(rows: Iterable[UsageRow], **fields: Any) -> Report:
    query = {"start": START, "end": START + 100, "step": 10.0, **fields}
    with closing(made(rows)) as database:
        return report(database, Query(**query))


def test_one_request_is_told_exactly() -> None:
    found = asked([at(25)])
    figures = Figures(1, 0, 0, 5, 10, 3, 4, 1, None, 0.2, 0.2, 1.2, 1.2, 10.0)

    assert found == Report(Part(figures, {START + 20: figures}))


def test_no_request_is_told_as_nothing() -> None:
    assert asked([]) == Report()
    assert asked([at(-1), at(100), at(500)], group="model") == Report()


def test_a_time_includes_its_start_and_not_its_end() -> None:
    found = asked([at(-0.001), at(0), at(9.999), at(10), at(99.999), at(100)]).whole

    assert found.totals.requests == 4
    assert {moment - START: each.requests for moment, each in found.series.items()} == {0: 2, 10: 1, 90: 1}


def test_failed_and_left_requests_count_apart_and_not_in_durations() -> None:
    rows = [
        at(1, duration=1.0),
        at(2, outcome="error", status=502, duration=60.0, ttft=None, completion_tokens=0),
        at(3, outcome="truncated", duration=30.0, ttft=0.5),
        at(4, outcome="cancelled", duration=20.0, ttft=0.4),
    ]
    totals = asked(rows).whole.totals

    assert (totals.requests, totals.errors, totals.cancelled) == (4, 2, 1)
    assert (totals.duration_p50, totals.duration_p95) == (1.0, 1.0)
    assert (totals.ttft_p50, totals.ttft_p95) == (0.4, 0.5)


def test_what_upstreams_make_up_does_not_overflow() -> None:
    most = 2**53 - 1
    totals = asked([at(1, prompt_tokens=most, completion_tokens=most) for _ in range(1100)]).whole.totals

    assert totals.prompt_tokens == pytest.approx(1100 * most)


def test_whole_answers_have_no_first_token_and_no_speed() -> None:
    totals = asked([at(1, stream=False, ttft=3.0, duration=3.0)]).whole.totals

    assert (totals.ttft_p50, totals.tokens_per_second, totals.duration_p50) == (None, None, 3.0)


def test_speed_is_that_of_writing_and_bursts_are_left_out() -> None:
    rows = [at(1), at(2, ttft=1.0, duration=2.0, completion_tokens=30), at(3, ttft=1.0, duration=1.05)]

    assert asked(rows).whole.totals.tokens_per_second == pytest.approx(40 / 2.0)


def test_groups_come_by_their_requests_and_the_others_are_taken_together() -> None:
    rows = [at(n, provider=f"p{group}", key_id="") for group in range(5) for n in range(group + 1)]
    rows.append(at(50, provider="p9", model="", key_id=""))
    found = asked(rows, group="provider", most_groups=3)

    assert [(name, part.totals.requests) for name, part in found.groups.items()] == [("p4", 5), ("p3", 4), ("p2", 3)]
    assert found.rest is not None
    assert found.rest.totals.requests == 4
    assert found.whole.totals.requests == 16
    assert sum(part.totals.prompt_tokens for part in (*found.groups.values(), found.rest)) == 16 * 5
    by_model = asked(rows, group="model")
    assert list(by_model.groups) == ["p4/m", "p3/m", "p2/m", "p1/m", "", "p0/m"]
    assert by_model.rest is None
    assert list(asked(rows, group="key").groups) == [""]


def test_one_group_can_be_asked_for_alone() -> None:
    rows = [at(1, key_id="a"), at(2, key_id="a"), at(3, key_id="b"), at(4, key_id="b' OR 1 --")]

    assert asked(rows, group="key", only="a").whole.totals.requests == 2
    assert list(asked(rows, group="key", only="b").groups) == ["b"]
    assert asked(rows, group="key", only="b' OR 1 --").whole.totals.requests == 1
    assert asked(rows, group="key", only="c") == Report()


times = st.floats(0.0005, 900, allow_nan=False)
requests = st.builds(
    lambda begin, ttft, more, **fields: at(begin, ttft=ttft, duration=(ttft or 0) + more, **fields),
    st.floats(-20, 120),
    st.none() | times,
    times,
    provider=st.sampled_from("abc"),
    stream=st.booleans(),
    outcome=st.sampled_from(["ok", "error", "cancelled", "truncated"]),
    completion_tokens=st.integers(0, 50),
)


@given(st.lists(requests, max_size=60))
def test_every_figure_is_the_one_counted_by_hand(rows: list[UsageRow]) -> None:
    found = asked(rows, group="provider")
    inside = [each for each in rows if START <= each.started < START + 100]

    _check(found.whole, inside)
    assert found.groups.keys() == {each.provider for each in inside}
    for name, part in found.groups.items():
        _check(part, [each for each in inside if each.provider == name])


def _check(part: Part, rows: list[UsageRow]) -> None:
    _check_figures(part.totals, rows)
    for moment, figures in part.series.items():
        _check_figures(figures, [each for each in rows if int((each.started - START) / 10) == (moment - START) / 10])
    assert sum(each.requests for each in part.series.values()) == len(rows)


def _check_figures(figures: Figures, rows: list[UsageRow]) -> None:
    assert figures.requests == len(rows)
    assert figures.errors == sum(each.outcome in ("error", "truncated") for each in rows)
    assert figures.completion_tokens == sum(each.completion_tokens for each in rows)
    ttfts = [each.ttft for each in rows if each.stream and each.ttft is not None]
    durations = [each.duration for each in rows if each.outcome == "ok"]
    for values, found in (
        (ttfts, (figures.ttft_p50, figures.ttft_p95)),
        (durations, (figures.duration_p50, figures.duration_p95)),
    ):
        for share, value in zip((0.5, 0.95), found, strict=True):
            assert _is_near(value, values, share)
    writing = [
        (each.completion_tokens, each.duration - each.ttft)
        for each in rows
        if each.outcome == "ok" and each.stream and each.ttft is not None and each.duration - each.ttft >= 0.1
    ]
    tokens, seconds = sum(t for t, _ in writing), sum(s for _, s in writing)
    assert figures.tokens_per_second == (pytest.approx(tokens / seconds) if tokens else None)


def _is_near(value: float | None, values: list[float], share: float) -> bool:
    """Tell whether a percentile is right, but for the width of a cell of the histogram."""
    if not values or value is None:
        return value is None and not values
    right = sorted(values)[math.ceil(share * len(values)) - 1]
    beyond = right >= 600
    return min(values) - 1e-9 <= value <= max(values) + 1e-9 and (beyond or abs(value - right) <= 0.25 * right + 0.001)


def test_percentiles_of_many_are_right_to_a_few_percent() -> None:
    values = [0.05 * 1.001**number for number in range(5000)]
    totals = asked([at(1, ttft=value, duration=value + 1) for value in values]).whole.totals

    assert totals.ttft_p50 == pytest.approx(values[2499], rel=0.02)
    assert totals.ttft_p95 == pytest.approx(values[4749], rel=0.02)


@given(
    st.lists(st.tuples(st.floats(0, 50_000), st.floats(0, 4000)), max_size=400),
    st.floats(-1000, 51_000),
    st.floats(1, 20_000),
)
def test_the_index_of_times_leaves_no_row_out(rows: list[tuple[float, float]], start: float, length: float) -> None:
    """Rows stand in the order in which their requests ended, one second more or less."""
    ends = sorted(rows, key=lambda each: each[0] + each[1] + (int(each[0] * 7) % 3))
    inside = sum(start <= begin < start + length for begin, _ in rows)
    found = asked(
        [at(begin, duration=duration) for begin, duration in ends],
        start=START + start,
        end=START + start + length,
        step=length,
    )

    assert abs(found.whole.totals.requests - inside) <= sum(
        math.isclose(begin, edge, abs_tol=1e-6) for begin, _ in rows for edge in (start, start + length)
    )


def test_rows_of_a_wrong_clock_hide_no_other() -> None:
    rows = [at(number / 10) for number in range(900)]
    strange = [at(-1e9), at(1e9), at(-1e9)] * 20
    for place in (0, 5, 63, 64, 127, 500, 900):
        mixed = [*rows[:place], *strange, *rows[place:]]
        assert asked(mixed).whole.totals.requests == 900, place


def test_a_time_is_found_by_the_index_and_not_by_reading_everything() -> None:
    with closing(made([at(number) for number in range(300)])) as database:
        plan = " ".join(
            str(step) for step in database.execute(f"EXPLAIN QUERY PLAN {usage_report._ENDED} >= ?", (START,))
        )
    assert "USING INDEX requests_ended" in plan


async def test_a_file_of_the_first_version_gets_its_index_and_keeps_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "usage.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute(store_file._MIGRATIONS[0])
        store_file._insert(database, [at(number) for number in range(80)])
        database.execute("PRAGMA user_version = 1")
    async with opened(path) as store:
        store.add(at(90, request_id="new"))
        await until_stored(path, 81)
        found = await store.report(Query(START, START + 100, 100))
    assert found.whole.totals.requests == 81


async def test_pages_of_rows_follow_each_other(tmp_path: Path) -> None:
    async with opened(tmp_path / "usage.sqlite3") as store:
        for number in range(1, 8):
            store.add(row(number))
        await until_stored(tmp_path / "usage.sqlite3", 7)
        first = await store.page(limit=3)
        second = await store.page(limit=3, before=first[-1][0])
        last = await store.page(limit=3, before=second[-1][0])
        assert await store.page(limit=3, before=1) == []
    assert [number for number, _ in (*first, *second, *last)] == [7, 6, 5, 4, 3, 2, 1]
    assert [each for _, each in first] == [row(7), row(6), row(5)]
    assert isinstance(first[0][1].stream, bool)


async def test_reading_takes_a_bounded_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_file, "_READ_SECONDS", 0.2)
    monkeypatch.setattr(store_file, "_READ_STEPS", 100)
    monkeypatch.setattr(usage_report, "report", _endless)
    async with opened(tmp_path / "usage.sqlite3") as store:
        store.add(row(1))
        await until_stored(tmp_path / "usage.sqlite3", 1)
        with pytest.raises(UsageTooMuch):
            await store.report(Query(0, 1, 1))


async def test_who_leaves_ends_the_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[float] = []

    def endless(database: sqlite3.Connection, query: Query) -> Report:
        try:
            return _endless(database, query)
        finally:
            ended.append(time.monotonic())

    monkeypatch.setattr(store_file, "_READ_STEPS", 100)
    monkeypatch.setattr(usage_report, "report", endless)
    async with opened(tmp_path / "usage.sqlite3") as store:
        store.add(row(1))
        await until_stored(tmp_path / "usage.sqlite3", 1)
        reading = asyncio.get_running_loop().create_task(store.report(Query(0, 1, 1)))
        await asyncio.sleep(0.1)
        assert not ended
        reading.cancel()
        async with asyncio.timeout(5):
            while not ended:
                await asyncio.sleep(0.01)


def _endless(database: sqlite3.Connection, query: Query) -> Report:
    """Count for longer than anybody waits, as a very large file would have it."""
    database.execute("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n").fetchone()
    return Report()


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(b"no database" * 500)])
async def test_a_file_that_cannot_be_read_is_said(tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    path = tmp_path / "usage.sqlite3"
    async with opened(path) as store:
        store.add(row(1))
        await until_stored(path, 1)
    for each in tmp_path.glob("usage.sqlite3*"):
        spoil(each)
    with pytest.raises(UsageUnreadable):
        await store.report(Query(0, 1, 1))
    with pytest.raises(UsageUnreadable):
        await store.page(limit=1)


async def test_a_new_file_is_waited_for(tmp_path: Path) -> None:
    for number in range(20):
        async with opened(tmp_path / str(number) / "usage.sqlite3") as store:
            assert await store.page(limit=1) == []


async def test_a_place_that_cannot_be_used_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "usage.sqlite3").mkdir()
    async with opened(tmp_path / "usage.sqlite3") as store:
        with pytest.raises(UsageUnreadable):
            await store.page(limit=1)


async def test_where_nothing_is_kept_there_is_nothing() -> None:
    assert await NoUsage().report(Query(0, 1, 1)) == Report()
    assert await NoUsage().page(limit=5) == []


LIST = {
    ("p", "m"): (
        Tariff(2.0, 0.5, 8.0, until=START + 50, upto=1000),
        Tariff(4.0, None, 16.0, until=START + 50, above=1000),
        Tariff(1.0, None, 3.0, since=START + 50),
    ),
    ("p", "vectors"): (Tariff(0.1, None, None),),
    ("here", "demo"): (FREE,),
}


def test_a_cost_is_that_of_the_time_and_the_length_of_each_request() -> None:
    tokens = {"prompt_tokens": 1_000, "cached_tokens": 400, "completion_tokens": 100}
    rows = [at(1, **tokens), at(2, **tokens | {"prompt_tokens": 1_001}), at(60, **tokens)]
    found = asked(rows, tariffs=LIST)

    short, long, later = 0.0012 + 0.0002 + 0.0008, 0.004004 + 0.0016, 0.001 + 0.0003
    assert found.whole.totals.cost == pytest.approx(short + long + later)
    assert found.whole.series[START + 60].cost == pytest.approx(later)
    assert found.whole.totals.unpriced == 0


def test_what_is_unknown_is_counted_and_never_free() -> None:
    rows = [
        at(1, model="nobody-knows"),
        at(2, usage_source="unknown", prompt_tokens=0, completion_tokens=0),
        at(3, model="vectors", completion_tokens=0, prompt_tokens=1_000_000, cached_tokens=0),
        at(4, model="vectors", completion_tokens=5),
        at(5, provider="here", model="demo", usage_source="unknown"),
        at(6, model="nobody-knows", outcome="error", status=502, chunks=0),
    ]
    found = asked(rows, tariffs=LIST, group="model")

    assert found.whole.totals.unpriced == 3
    assert found.whole.totals.cost == pytest.approx(0.1)
    assert (found.groups["p/nobody-knows"].totals.cost, found.groups["p/m"].totals.cost) == (None, None)
    assert found.groups["here/demo"].totals.cost == 0


ROW = st.builds(
    at,
    st.floats(0, 99, allow_nan=False),
    model=st.sampled_from(["m", "vectors", "other"]),
    prompt_tokens=st.integers(0, 2000),
    cached_tokens=st.integers(0, 2000),
    completion_tokens=st.integers(0, 9),
    usage_source=st.sampled_from(["reported", "unknown"]),
)


@given(ROW)
def test_a_sum_says_of_one_request_what_its_row_says(one: UsageRow) -> None:
    found = asked([one], tariffs=LIST).whole.totals
    tariff = tariff_at(LIST.get((one.provider, one.model), ()), time=one.started, prompt_tokens=one.prompt_tokens)
    alone = cost(
        tariff,
        prompt_tokens=one.prompt_tokens,
        cached_tokens=one.cached_tokens,
        completion_tokens=one.completion_tokens,
        known=one.usage_source != "unknown",
    )

    assert found.cost == (None if alone is None else pytest.approx(alone))
    assert found.unpriced == (alone is None)


async def test_the_models_of_a_time() -> None:
    rows = [at(1), at(2), at(3, model="n"), at(200, model="late"), at(4, model="", provider="")]
    with closing(made(rows)) as database:
        assert sorted(usage_report.models(database, Query(START, START + 100, 10))) == [("p", "m"), ("p", "n")]

    assert await NoUsage().models(Query(0, 1, 1)) == []
