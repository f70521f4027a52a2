from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.routing.breaker import Breaker


def opened(now: float = 0.0, *, cooldown: float = 30.0) -> Breaker:
    breaker = Breaker(cooldown=cooldown)
    for _ in range(5):
        breaker.failed(now)
    return breaker


def test_it_starts_closed() -> None:
    breaker = Breaker(cooldown=30.0)
    assert breaker.allows(0.0)
    assert breaker.state(0.0) == "closed"
    assert breaker.open_for(0.0) == 0.0


def test_five_failures_in_a_row_open_it() -> None:
    breaker = Breaker(cooldown=30.0)
    for second in range(4):
        breaker.failed(second * 100.0)
        assert breaker.state(second * 100.0) == "closed"
    breaker.failed(400.0)
    assert breaker.state(400.0) == "open"
    assert not breaker.allows(429.9)
    assert breaker.open_for(410.0) == 20.0


def test_a_success_ends_the_row() -> None:
    breaker = Breaker(cooldown=30.0)
    for _ in range(4):
        breaker.failed(0.0)
    breaker.succeeded(0.0)
    for _ in range(4):
        breaker.failed(0.0)
    assert breaker.state(0.0) == "closed"


def test_half_of_ten_requests_open_it() -> None:
    breaker = Breaker(cooldown=30.0)
    for _ in range(4):
        breaker.succeeded(1.0)
        breaker.failed(1.0)
    breaker.succeeded(1.0)
    assert breaker.state(1.0) == "closed"
    breaker.failed(1.0)
    assert breaker.state(1.0) == "open"


def test_less_than_half_does_not_open_it() -> None:
    breaker = Breaker(cooldown=30.0)
    for _ in range(100):
        breaker.succeeded(1.0)
        breaker.succeeded(1.0)
        breaker.failed(1.0)
    assert breaker.state(1.0) == "closed"


def test_old_requests_do_not_count() -> None:
    breaker = Breaker(cooldown=30.0)
    for turn in range(20):
        breaker.succeeded(turn * 3.0)
        breaker.failed(turn * 3.0)
    assert breaker.state(60.0) == "closed"


def test_it_half_opens_with_a_single_probe() -> None:
    breaker = opened()
    assert breaker.state(30.0) == "half_open"
    assert breaker.allows(30.0)
    breaker.started(30.0)
    assert not breaker.allows(30.0)
    assert not breaker.allows(59.0)


def test_a_probe_that_never_reports_blocks_for_a_cooldown_only() -> None:
    breaker = opened()
    breaker.started(30.0)
    assert breaker.allows(60.0)


def test_a_probe_without_a_verdict_is_released() -> None:
    breaker = opened()
    breaker.started(30.0)
    breaker.released()
    assert breaker.allows(30.0)


def test_an_attempt_at_an_open_one_is_no_probe() -> None:
    breaker = opened()
    breaker.started(10.0)
    assert breaker.allows(30.0)


@pytest.mark.parametrize("when", [1.0, 10.0, 30.0, 1000.0])
def test_any_success_closes_it(when: float) -> None:
    breaker = opened()
    breaker.succeeded(when)
    assert breaker.state(when) == "closed"
    assert breaker.badness(when) == 0.0
    for _ in range(4):
        breaker.failed(when)
    assert breaker.state(when) == "closed"


def test_repeats_make_it_longer_up_to_eightfold() -> None:
    breaker = opened()
    now, lengths = 0.0, []
    for _ in range(6):
        lengths.append(breaker.open_for(now))
        now += breaker.open_for(now)
        breaker.started(now)
        breaker.failed(now)
    assert lengths == [30.0, 60.0, 120.0, 240.0, 240.0, 240.0]


def test_growth_is_forgotten_after_a_quiet_time() -> None:
    breaker = opened()
    breaker.failed(30.0)
    breaker.succeeded(40.0)
    for _ in range(5):
        breaker.failed(45.0)
    assert breaker.open_for(45.0) == 120.0
    breaker.succeeded(50.0)
    for _ in range(5):
        breaker.failed(50.0 + 240.0)
    assert breaker.open_for(290.0) == 30.0


def test_failures_while_open_do_not_lengthen_it() -> None:
    breaker = opened()
    for _ in range(50):
        breaker.failed(10.0)
    assert breaker.open_for(10.0) == 20.0


def test_retry_after_lengthens_an_opening_within_bounds() -> None:
    breaker = Breaker(cooldown=30.0)
    breaker.failed(0.0, retry_after=100.0)
    assert breaker.state(0.0) == "closed"
    for _ in range(4):
        breaker.failed(0.0, retry_after=100.0)
    assert breaker.open_for(0.0) == 100.0
    patient = Breaker(cooldown=30.0)
    for _ in range(5):
        patient.failed(0.0, retry_after=float("inf"))
    assert patient.open_for(0.0) == 240.0


def test_badness_orders_by_failures_in_a_row_then_by_waiting_time() -> None:
    worse = opened(0.0)
    worse.failed(0.0)
    later, sooner = opened(20.0), opened(0.0)
    assert sooner.badness(25.0) < later.badness(25.0) < worse.badness(25.0)


def test_without_a_cooldown_every_request_is_a_probe() -> None:
    breaker = opened(cooldown=0.0)
    assert breaker.allows(0.0)
    breaker.started(0.0)
    breaker.failed(0.0)
    assert breaker.allows(0.0)


@given(st.lists(st.tuples(st.sampled_from(["started", "succeeded", "failed", "released"]), st.floats(0, 100))))
def test_whatever_happens_it_lets_a_request_through_within_the_longest_opening(moves: list[tuple[str, float]]) -> None:
    breaker, now = Breaker(cooldown=30.0), 0.0
    for move, wait in moves:
        now += wait
        if move == "released":
            breaker.released()
        else:
            getattr(breaker, move)(now)
        if move == "succeeded":
            assert breaker.state(now) == "closed"
        assert breaker.open_for(now) <= 240.0
        assert (breaker.state(now) == "open") == (breaker.open_for(now) > 0)
        assert breaker.allows(now + 240.0)
