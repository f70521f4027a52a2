"""How streams went: every figure against a count by hand."""

from __future__ import annotations

import math
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.stores.base import UsageRow
from llms.stores.stream_report import Step, StreamFigures, StreamReport, stream_report
from tests.stores.test_usage_report import START, at, made

NOW = START + 100


def asked(*rows: UsageRow) -> StreamReport:
    with closing(made(rows)) as database:
        return stream_report(database, end=NOW, spans=(10.0, 100.0), steps=(100.0, 50.0))


def test_nothing_comes_to_nothing() -> None:
    assert asked() == StreamReport({10.0: StreamFigures(), 100.0: StreamFigures()})


def test_one_stream_is_told_exactly() -> None:
    found = asked(at(95))
    assert found.steps == (Step(START + 50, 1, 0),)
    assert found.figures[10.0] == found.figures[100.0]
    figures = found.figures[10.0]
    assert (figures.total, figures.failed, figures.cancelled) == (1, 0, 0)
    assert (figures.average_duration, figures.average_tokens) == (1.2, 10)
    assert figures.ttft == (0.2,) * 3
    assert figures.rate == pytest.approx((10,) * 3)


def test_windows_outcomes_and_whole_answers_are_told_apart() -> None:
    found = asked(
        at(10),
        at(20, outcome="error", ttft=None, completion_tokens=0, usage_source="unknown"),
        at(60, outcome="truncated"),
        at(92, outcome="cancelled"),
        at(93, stream=False, outcome="error"),
        at(-5),
        at(100),
    )
    whole, last = found.figures[100.0], found.figures[10.0]
    assert (whole.total, whole.failed, whole.cancelled) == (4, 2, 1)
    assert (last.total, last.failed, last.cancelled) == (1, 0, 1)
    assert whole.average_tokens == 10
    assert found.steps == (Step(START, 2, 1), Step(START + 50, 2, 1))


def test_shared_answers_do_not_lower_the_mean_of_tokens() -> None:
    found = asked(at(10), at(11, usage_source="shared", completion_tokens=0))
    assert (found.figures[100.0].total, found.figures[100.0].average_tokens) == (2, 10)


@given(st.lists(st.floats(0.002, 300), min_size=1, max_size=60))
def test_percentiles_are_right_to_the_width_of_a_cell(times: list[float]) -> None:
    found = asked(*[at(50, ttft=each, duration=each + 1.0) for each in times]).figures[100.0]
    ordered = sorted(times)
    for share, value in zip((0.5, 0.9, 0.99), found.ttft, strict=True):
        exact = ordered[math.ceil(share * len(ordered)) - 1]
        assert value is not None
        assert exact / 1.24 <= value <= exact * 1.24


def test_the_slowest_streams_are_at_the_end() -> None:
    rows = [at(50, completion_tokens=speed, ttft=0.5, duration=1.5) for speed in range(100, 1100, 10)]
    half, most, nearly_all = asked(*rows).figures[100.0].rate
    assert half == pytest.approx(590, rel=0.1)
    assert most == pytest.approx(190, rel=0.1)
    assert nearly_all == pytest.approx(100, rel=0.1)
