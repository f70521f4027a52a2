from __future__ import annotations

import random
import timeit
from collections import Counter
from itertools import product

import pytest

from llms.protocol.errors import UpstreamError
from llms.routing.health import Health
from llms.routing.planner import Planner
from llms.routing.routes import Route, Target
from llms.testing.clock import Clock

A, B, C = (Target(name, "m") for name in "abc")


class Bench:
    """A planner whose targets can be broken by hand."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.health = Health(clock=self.clock, cooldown=lambda _: 30.0)
        self.planner = Planner(health=self.health, rng=random.Random(3))

    def break_down(self, *targets: Target, failures: int = 5) -> None:
        for target in targets:
            for _ in range(failures):
                self.health.started(target)
                self.health.failed(target, UpstreamError("down"))
                self.health.ended(target)

    def plan(self, *targets: Target, strategy: str = "ordered") -> str:
        return "".join(target.provider for target in self.planner.plan(route(*targets, strategy=strategy)).targets)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def route(*targets: Target, strategy: str = "ordered", name: str = "m") -> Route:
    return Route(name, targets, strategy, None, "name in models")


def test_healthy_targets_stand_in_the_order_of_the_strategy(bench: Bench) -> None:
    assert bench.plan(A, B, C) == "abc"


def test_open_targets_are_the_last_resort_least_bad_first(bench: Bench) -> None:
    bench.break_down(A, failures=9)
    bench.break_down(B)
    assert bench.plan(A, B, C) == "cba"


def test_with_all_open_only_the_least_bad_is_tried(bench: Bench) -> None:
    bench.break_down(A, failures=7)
    bench.break_down(B, failures=5)
    bench.break_down(C, failures=6)
    plan = bench.planner.plan(route(A, B, C))
    assert plan.targets == (B,)
    assert [target for target, _ in plan.skipped] == [C, A]
    assert all("breaker open" in why for _, why in plan.skipped)


def test_the_only_target_is_tried_whatever_its_breaker_says(bench: Bench) -> None:
    bench.break_down(A)
    assert bench.plan(A) == "a"


def test_a_half_open_target_takes_its_place_for_one_probe(bench: Bench) -> None:
    bench.break_down(A)
    bench.clock.advance(30.0)
    assert bench.plan(A, B) == "ab"
    bench.health.started(A)
    assert bench.plan(A, B) == "ba"
    bench.health.committed(A, 0.1)
    assert bench.plan(A, B) == "ab"


def test_without_a_closed_target_at_most_two_are_tried(bench: Bench) -> None:
    bench.break_down(A, B, C)
    bench.clock.advance(30.0)
    assert bench.plan(A, B, C) == "ab"
    bench.health.started(A)
    bench.health.started(B)
    assert bench.plan(A, B, C)[0] == "c"
    bench.health.started(C)
    assert len(bench.plan(A, B, C)) == 1


def test_no_state_of_the_breakers_empties_the_plan(bench: Bench) -> None:
    for strategy, broken in product(("ordered", "weighted", "fastest"), product((0, 1, 5), repeat=3)):
        fresh = Bench()
        for target, failures in zip((A, B, C), broken, strict=True):
            fresh.break_down(target, failures=failures)
        plan = fresh.planner.plan(route(A, B, C, strategy=strategy))
        assert plan.targets
        healthy = {t for t, failures in zip((A, B, C), broken, strict=True) if failures < 5}
        if healthy:
            assert set(plan.targets[: len(healthy)]) == healthy
            assert len(plan.targets) == 3


def test_round_robin_turns_with_each_plan_and_each_route_by_itself(bench: Bench) -> None:
    one, two = route(A, B, strategy="round_robin", name="one"), route(A, B, strategy="round_robin", name="two")
    drawn: Counter[tuple[str, str]] = Counter()
    for _ in range(10):
        for each in (one, two):
            drawn[each.name, bench.planner.plan(each).targets[0].provider] += 1
    assert set(drawn.values()) == {5}


def test_a_turn_can_be_given_back(bench: Bench) -> None:
    way = route(A, B, strategy="round_robin")
    first = bench.planner.plan(way).targets
    bench.planner.give_back(way)
    assert bench.planner.plan(way).targets == first
    bench.planner.give_back(route(A, name="other"))  # which takes no turns


def test_what_the_catalog_left_out_is_said(bench: Bench) -> None:
    left_out = ((C, "needs C_KEY"),)
    one = Route("m", (A,), "ordered", None, "name in models", left_out)
    two = Route("m2", (A, B), "ordered", None, "name in models", left_out)
    assert bench.planner.plan(one).skipped == left_out
    assert bench.planner.plan(two).skipped == left_out


def test_a_new_configuration_is_not_answered_from_memory(bench: Bench) -> None:
    assert bench.plan(A) == "a"
    assert bench.plan(B) == "b"
    assert bench.plan(A, B) == "ab"


def test_names_invented_by_clients_do_not_fill_the_memory(bench: Bench) -> None:
    for n in range(5_000):
        bench.planner.plan(route(A, name=f"a/{n}"))
        bench.planner.plan(route(A, B, name=f"b{n}", strategy="round_robin"))
    assert len(bench.planner._only) <= 1024
    assert len(bench.planner._turns) <= 1024


def test_explain_names_every_target_and_takes_no_turn(bench: Bench) -> None:
    bench.break_down(B)
    left_out = ((Target("groq", "m"), "needs GROQ_API_KEY"),)
    targets = (Target("a", "m", 3), B)
    row = Route("fast", targets, "round_robin", Target("long", "m"), "name in models", left_out)
    lines = bench.planner.explain(row)
    assert lines == bench.planner.explain(row)
    assert lines[0] == "fast: name in models, strategy round_robin"
    assert lines[1] == "1. a/m, weight 3: not tried yet"
    assert lines[2].startswith("2. b/m, weight 1: breaker open for 30 s")
    assert lines[3] == "too long for these: long/m: not tried yet"
    assert lines[4] == "skipped groq/m: needs GROQ_API_KEY"
    assert len(lines) == 5


def test_a_single_target_costs_less_than_a_microsecond(bench: Bench) -> None:
    one = route(A)
    best = min(timeit.repeat(lambda: bench.planner.plan(one), number=10_000, repeat=7)) / 10_000
    assert best < 1e-6
