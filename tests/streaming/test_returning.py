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
    old.returned = old.completed = True
    clock.advance(100)
    records = [returning.begin() for _ in range(4)]
    records[0].returned, records[0].completed = True, True
    records[1].returned, records[1].completed = True, False
    records[2].completed = True

    assert returning.rates(50) == Rates(0.5, 0.5)
    assert returning.rates(500) == Rates(0.6, 2 / 3)


def test_what_still_runs_is_not_lost_yet() -> None:
    returning = Returning(Clock())
    returning.begin().returned = True
    assert returning.rates(60) == Rates(1.0, None)
