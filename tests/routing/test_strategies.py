from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.protocol import errors
from llms.routing.health import Health
from llms.routing.routes import Target
from llms.routing.strategies import order
from llms.testing.clock import Clock

STRATEGIES = ("ordered", "weighted", "round_robin", "least_busy", "fastest")
A, B, C = (Target(name, "m") for name in "abc")


@pytest.fixture
def health() -> Health:
    return Health(clock=Clock(), cooldown=lambda _: 30.0)


def firsts(targets: list[Target], strategy: str, health: Health, *, draws: int) -> Counter[str]:
    rng = random.Random(7)
    orders = (order(targets, strategy, health=health, rng=rng, turn=turn) for turn in range(draws))
    return Counter(ordered[0].provider for ordered in orders)


@given(
    weights=st.lists(st.integers(0, 5), min_size=1, max_size=6),
    strategy=st.sampled_from(STRATEGIES),
    turn=st.integers(0, 10**9),
    busy=st.lists(st.integers(0, 5), max_size=20),
)
def test_every_target_is_there_once_and_fallbacks_come_last(
    weights: list[int], strategy: str, turn: int, busy: list[int]
) -> None:
    targets = [Target(f"p{n}", "m", weight) for n, weight in enumerate(weights)]
    health = Health(clock=Clock(), cooldown=lambda _: 30.0)
    for n in busy:
        health.started(targets[n % len(targets)])
    ordered = order(targets, strategy, health=health, rng=random.Random(turn), turn=turn)
    assert sorted(ordered, key=lambda target: target.id) == targets
    if strategy == "ordered":
        assert ordered == targets
    else:
        positive = [target.weight > 0 for target in ordered]
        assert positive == sorted(positive, reverse=True)


def test_weighted_is_fair(health: Health) -> None:
    drawn = firsts([Target("a", "m", 3), Target("b", "m", 1), Target("c", "m", 0)], "weighted", health, draws=20_000)
    assert drawn["a"] / 20_000 == pytest.approx(0.75, abs=0.01)
    assert drawn["b"] / 20_000 == pytest.approx(0.25, abs=0.01)
    assert drawn["c"] == 0


def test_weighted_draws_the_second_by_weight_as_well(health: Health) -> None:
    targets = [Target("a", "m", 1), Target("b", "m", 3), Target("c", "m", 1)]
    rng = random.Random(5)
    orders = [order(targets, "weighted", health=health, rng=rng, turn=0) for _ in range(20_000)]
    seconds = Counter(found[1].provider for found in orders if found[0].provider == "a")
    assert seconds["b"] / seconds.total() == pytest.approx(0.75, abs=0.02)


def test_round_robin_takes_turns(health: Health) -> None:
    orders = [order([A, B, C], "round_robin", health=health, rng=random.Random(1), turn=turn) for turn in range(4)]
    assert ["".join(target.provider for target in found) for found in orders] == ["abc", "bca", "cab", "abc"]


def test_round_robin_keeps_weights(health: Health) -> None:
    targets = [Target("a", "m", 3), Target("b", "m", 1)]
    assert firsts(targets, "round_robin", health, draws=400) == {"a": 300, "b": 100}


def test_least_busy_counts_by_weight(health: Health) -> None:
    heavy, light = Target("heavy", "m", 4), Target("light", "m", 1)
    for _ in range(3):
        health.started(heavy)
    health.started(light)
    assert firsts([light, heavy], "least_busy", health, draws=50) == {"heavy": 50}
    health.started(heavy)
    health.started(heavy)
    assert firsts([light, heavy], "least_busy", health, draws=50) == {"light": 50}


def test_least_busy_spreads_idle_targets(health: Health) -> None:
    drawn = firsts([A, B], "least_busy", health, draws=1000)
    assert min(drawn["a"], drawn["b"]) > 400


def test_fastest_explores_then_prefers_the_fast_one(health: Health) -> None:
    for target, seconds in ((A, 2.0), (B, 0.5)):
        assert order([A, B], "fastest", health=health, rng=random.Random(1), turn=0)[0] == target
        health.started(target)
        health.committed(target, seconds)
        health.ended(target)
    assert order([A, B], "fastest", health=health, rng=random.Random(1), turn=0) == [B, A]


def test_fastest_sends_a_burst_elsewhere(health: Health) -> None:
    for target, seconds in ((A, 1.0), (B, 0.5)):
        health.started(target)
        health.committed(target, seconds)
        health.ended(target)
    taken: Counter[str] = Counter()
    for _ in range(6):
        target = order([A, B], "fastest", health=health, rng=random.Random(1), turn=0)[0]
        health.started(target)
        taken[target.provider] += 1
    assert taken == {"b": 4, "a": 2}


def test_fastest_does_not_insist_on_a_target_that_never_answered(health: Health) -> None:
    health.started(A)
    health.failed(A, errors.UpstreamRejected("no such model", status=404))
    health.ended(A)
    health.started(B)
    health.committed(B, 5.0)
    health.ended(B)
    assert order([A, B], "fastest", health=health, rng=random.Random(1), turn=0) == [B, A]


def test_an_unknown_strategy_is_named(health: Health) -> None:
    with pytest.raises(ValueError, match=r"'cheapest'.*ordered, weighted, round_robin, least_busy, fastest"):
        order([A, B], "cheapest", health=health, rng=random.Random(1), turn=0)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_row_of_fallbacks_only_still_has_an_order(strategy: str, health: Health) -> None:
    targets = [Target("a", "m", 0), Target("b", "m", 0)]
    assert order(targets, strategy, health=health, rng=random.Random(1), turn=3) == targets
