"""Routing as a whole against simulated faults: success and amplification together."""

from __future__ import annotations

import pytest

from tests.routing.world import Fault, World

STRATEGIES = ("ordered", "weighted", "round_robin", "least_busy", "fastest")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_two_targets_that_fail_at_random_hide_it(strategy: str) -> None:
    """Six attempts that fail by 30 % each leave 0.07 % of the requests: nearly all failures must be such."""
    runs = [World({"a": 0.3, "b": 0.3}, seed=4, strategy=strategy).run(20_000, rate=rate) for rate in (1.0, 2.0, 50.0)]

    assert sum(run.succeeded for run in runs) / 60_000 >= 0.999
    for run in runs:
        assert run.attempts / run.requests < 1.5
        assert sum(failed for count, failed in run.failed_after.items() if count < 6) <= 6


@pytest.mark.parametrize("targets", [1, 2, 3, 5])
@pytest.mark.parametrize("rate", [1 / 300, 0.2, 100.0])
def test_a_total_outage_is_not_amplified(targets: int, rate: float) -> None:
    tally = World({f"t{n}": 1.0 for n in range(targets)}).run(3_000, rate=rate)

    assert tally.succeeded == 0
    assert tally.attempts <= 2.0 * tally.requests + 6 * targets
    if rate > 1:
        assert tally.attempts / tally.requests <= 1.2


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_dead_target_is_touched_by_few(strategy: str) -> None:
    world = World({"dead": 1.0, "good": 0.0}, strategy=strategy)
    tally = world.run(40, rate=10.0)

    assert tally.succeeded == 40
    assert tally.touched["dead"] <= 8


def test_a_dead_target_is_left_alone_for_longer_and_longer() -> None:
    tally = World({"dead": 1.0, "good": 0.0}).run(36_000, rate=10.0)

    assert tally.succeeded == tally.requests
    assert tally.touched["dead"] <= 5 + 3 + 3600 / 240 + 10


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("rate", [0.5, 5.0, 100.0])
def test_one_bad_target_beside_a_healthy_one_is_never_noticed(strategy: str, rate: float) -> None:
    tally = World({"bad": 0.6, "good": 0.0}, seed=2, strategy=strategy).run(5_000, rate=rate)

    assert tally.succeeded == tally.requests
    assert tally.attempts / tally.requests < (1.2 if rate < 10 else 1.6)


def test_taking_turns_in_being_down_is_never_noticed() -> None:
    def down(first: float) -> Fault:
        return lambda now: (now - first) % 10.0 < 3.0

    tally = World({"a": down(0.0), "b": down(5.0)}).run(20_000, rate=20.0)

    assert tally.succeeded / tally.requests >= 0.999
    assert tally.attempts / tally.requests < 1.5


def test_recovery_is_found_by_one_probe_at_a_time() -> None:
    world = World({"a": lambda now: now < 1_100.0, "b": 0.0})
    before = world.run(1_000, rate=10.0, seconds=1.0)
    down = before.touched["a"]
    assert before.succeeded == 1_000
    assert down < 30

    after = world.run(3_000, rate=10.0, seconds=1.0)
    assert after.succeeded == 3_000
    assert after.touched["a"] > 100


def test_a_half_open_target_has_one_request_at_a_time() -> None:
    world = World({"a": 1.0, "b": 0.0})
    world.run(50, rate=10.0)
    world.clock.advance(31.0)
    tally = world.run(200, rate=50.0, seconds=2.0)

    assert tally.touched["a"] == 1
    assert tally.most_at_once["a"] == 1


def test_one_good_attempt_after_an_outage_brings_everything_back() -> None:
    world = World({"a": lambda now: now < 1_060.0})
    assert world.run(600, rate=10.0).succeeded == 0
    tally = world.run(600, rate=10.0)

    assert tally.succeeded == tally.attempts == 600


def test_retries_of_a_busy_target_stay_within_the_budget() -> None:
    tally = World({"a": 0.4}, seed=1).run(6_000, rate=100.0)

    assert tally.retries > 500
    assert tally.retries <= 0.2 * tally.attempts + 10


def test_a_quiet_target_may_be_retried_as_configured() -> None:
    tally = World({"a": 0.3}, seed=1).run(2_000, rate=0.1)

    assert tally.succeeded / tally.requests > 0.95


@pytest.mark.parametrize("faults", [{"a": 1.0}, {"a": 1.0, "b": 1.0}, {"a": 0.9, "b": 0.9, "c": 0.9}])
def test_the_breakers_never_empty_the_plan(faults: dict[str, float]) -> None:
    world = World(faults, seed=3)
    for _ in range(300):
        assert world.planner.plan(world.route).targets
        world.run(3, rate=7.0)
