"""The board of one answer: what is known is told, what is not known is absent."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.protocol.progress import Place, Progress
from llms.testing.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_board_on_which_nobody_wrote_tells_the_time_alone(clock: Clock) -> None:
    progress = Progress(clock=clock)
    clock.advance(0.25)
    assert progress.report() == {"elapsed_ms": 250}


def test_figures_follow_from_tokens_and_time(clock: Clock) -> None:
    progress = Progress.of({"max_tokens": 200}, clock=clock)
    clock.advance(0.5)
    progress.begin()
    progress.state("writing")
    progress.add(1)
    clock.advance(2.0)
    progress.add(49)
    assert progress.report() == {
        "state": "writing",
        "tokens": 50,
        "tokens_per_second": 24.5,
        "ttft_ms": 500,
        "elapsed_ms": 2500,
        "max_tokens": 200,
        "percent": 25.0,
        "eta_ms": 6122,
    }


@pytest.mark.parametrize(
    ("body", "limit"),
    [
        ({}, None),
        ({"max_tokens": None}, None),
        ({"max_tokens": 5}, 5),
        ({"max_completion_tokens": 7, "max_tokens": 5}, 7),
        ({"max_tokens": 5, "n": 3}, 15),
    ],
)
def test_the_limit_is_the_clients(clock: Clock, body: dict[str, object], limit: int | None) -> None:
    assert Progress.of(body, clock=clock).report().get("max_tokens") == limit


def test_a_speed_is_not_told_of_one_moment(clock: Clock) -> None:
    progress = Progress(clock=clock, limit=100)
    progress.begin()
    progress.add(40)
    clock.advance(0.05)
    progress.add(1)
    assert {"tokens_per_second", "eta_ms"}.isdisjoint(progress.report())


def test_the_upstreams_own_count_replaces_ours(clock: Clock) -> None:
    progress = Progress(clock=clock)
    progress.begin()
    progress.add(3)
    progress.used(9)
    assert progress.report()["tokens"] == 9
    progress.used(0)
    assert progress.report()["tokens"] == 9


def test_a_place_is_asked_for_when_somebody_looks(clock: Clock) -> None:
    progress = Progress(clock=clock)
    places = iter([Place(3, None), Place(2, 4.2), Place(1, 2.1)])
    progress.queue(lambda: next(places))
    assert progress.report() == {"elapsed_ms": 0, "state": "queued", "queue_position": 3}
    assert progress.report() == {"elapsed_ms": 0, "state": "queued", "queue_position": 2, "eta_ms": 4200}
    progress.state(None)
    assert progress.report() == {"elapsed_ms": 0}


def test_a_load_tells_how_far_it_is(clock: Clock) -> None:
    progress = Progress(clock=clock, limit=10)
    progress.state("loading", percent=12.345)
    assert progress.report() == {"elapsed_ms": 0, "state": "loading", "max_tokens": 10, "percent": 12.3}
    progress.begin()
    assert progress.report() == {"elapsed_ms": 0, "ttft_ms": 0, "max_tokens": 10}


def test_messages_are_told_once(clock: Clock) -> None:
    progress = Progress(clock=clock)
    progress.say("half-way")
    progress.warn("the first upstream failed")
    assert progress.report() == {"elapsed_ms": 0, "message": "half-way", "warning": "the first upstream failed"}
    assert progress.report() == {"elapsed_ms": 0}


def test_a_tool_is_told_while_it_is_at_work(clock: Clock) -> None:
    progress = Progress(clock=clock)
    progress.tool("search", "writing")
    assert progress.report() == {
        "elapsed_ms": 0,
        "state": "tool",
        "tool": {"name": "search", "status": "writing"},
    }
    progress.state("writing")
    assert "tool" not in progress.report()


def test_news_is_another_state_than_was_told(clock: Clock) -> None:
    progress = Progress(clock=clock)
    assert not progress.has_news
    progress.state("loading", percent=1)
    assert progress.has_news
    progress.report()
    progress.state("loading", percent=50)
    assert not progress.has_news
    progress.queue(lambda: Place(1, None))
    assert progress.has_news
    progress.report()
    assert not progress.has_news
    progress.state(None)
    progress.state("queued")
    progress.say("x")
    progress.warn("y")
    assert not progress.has_news
    progress.state(None)
    assert progress.has_news


def test_reports_are_due_once_a_second(clock: Clock) -> None:
    progress = Progress(clock=clock)
    assert progress.is_due
    progress.report()
    clock.advance(0.99)
    assert not progress.is_due
    clock.advance(0.01)
    assert progress.is_due


def test_the_last_report_is_of_a_whole_answer(clock: Clock) -> None:
    progress = Progress(clock=clock, limit=1000)
    progress.begin()
    progress.state("writing")
    progress.add(10)
    clock.advance(1)
    progress.used(11)
    assert progress.report(final=True) == {
        "state": "writing",
        "tokens": 11,
        "tokens_per_second": 1.0,
        "ttft_ms": 0,
        "elapsed_ms": 1000,
        "max_tokens": 1000,
        "percent": 100.0,
        "eta_ms": 0,
    }


@given(
    limit=st.none() | st.integers(1, 10**9),
    steps=st.lists(st.tuples(st.floats(0, 1000), st.integers(0, 10**6)), max_size=20),
)
def test_figures_are_never_absurd(limit: int | None, steps: list[tuple[float, int]]) -> None:
    clock = Clock()
    progress = Progress(clock=clock, limit=limit)
    progress.begin()
    for seconds, tokens in steps:
        clock.advance(seconds)
        progress.add(tokens)
        report: dict[str, Any] = {**progress.report()}
        assert 0 <= report.get("percent", 0) <= 100
        assert all(report.get(name, 0) >= 0 for name in ("eta_ms", "elapsed_ms", "ttft_ms", "tokens_per_second"))
