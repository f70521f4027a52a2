"""Rates of resumable streams that were taken up again."""

from __future__ import annotations

from llms.streaming.returning import Rates, Returning
from llms.testing.clock import Clock


def test_of_nothing_there_are_no_rates() -> None:
    assert Returning(Clock()).rates(60) == Rates(None, None)


def test_rates_are_those_of_the_time() -> None:
    clock = Clock()
    returning = Returning(clock)
    old = returning.begin()
    returning.returned(old)
    returning.ended(old, whole=True)
    clock.advance(100)
    first, second, third, _ = [returning.begin() for _ in range(4)]
    returning.returned(first)
    returning.returned(second)
    returning.ended(first, whole=True)
    returning.ended(second, whole=False)
    returning.ended(third, whole=True)

    assert returning.rates(50) == Rates(0.5, 0.5)
    assert returning.rates(500) == Rates(0.6, 2 / 3)


def test_what_still_runs_is_not_lost_yet() -> None:
    returning = Returning(Clock())
    returning.returned(returning.begin())
    assert returning.rates(60) == Rates(1.0, None)


def test_only_the_newest_are_remembered() -> None:
    clock = Clock()
    returning = Returning(clock)
    old = returning.begin()
    for _ in range(20_000):
        clock.advance(1)
        number = returning.begin()
    returning.returned(old)
    assert returning.rates(1e9) == Rates(0.0, None)
    returning.returned(number)
    returning.ended(number, whole=True)
    assert returning.rates(0) == Rates(1.0, 1.0)
    assert returning.rates(1e9) == Rates(1 / 20_000, 1.0)
