from __future__ import annotations

from math import inf

import pytest

from llms.protocol import errors
from llms.routing.health import Health, blames
from llms.routing.routes import Target
from llms.testing.clock import Clock

A = Target("a", "m")
B = Target("b", "m")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health(clock=clock, cooldown=lambda _: 30.0)


def fail(health: Health, target: Target, error: errors.LlmsError, *, times: int = 1) -> None:
    for _ in range(times):
        health.started(target)
        health.failed(target, error)
        health.ended(target)


def succeed(health: Health, target: Target, seconds: float = 0.1) -> None:
    health.started(target)
    health.committed(target, seconds)
    health.ended(target)


def test_an_unknown_target_is_allowed_and_idle(health: Health) -> None:
    assert health.allows(A)
    assert health.state(A) == "closed"
    assert health.inflight(A) == 0
    assert health.latency(A) is None
    assert not health.dead(A)
    assert health.badness(A) == 0.0
    assert health.may_retry(A)
    assert health.describe(A) == "not tried yet"
    health.committed(A, 0.1)
    health.failed(A, errors.UpstreamError("x"))
    health.ended(A)
    assert health.inflight(A) == 0


def test_inflight_counts_from_start_to_end(health: Health) -> None:
    health.started(A)
    health.started(A)
    health.committed(A, 0.1)
    assert health.inflight(A) == 2
    health.ended(A)
    assert health.inflight(A) == 1
    assert health.inflight(B) == 0


@pytest.mark.parametrize(
    "error",
    [
        errors.UpstreamUnreachable("x"),
        errors.UpstreamProtocolError("x"),
        errors.UpstreamTruncated("x"),
        errors.UpstreamTimeout("x"),
        errors.UpstreamOverloaded("x", status=429),
        errors.UpstreamUnavailable("x"),
        errors.UpstreamError("x", status=500),
        errors.UpstreamAuthenticationFailed("x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_a_target_is_to_blame_for_opens_its_breaker(health: Health, error: errors.LlmsError) -> None:
    assert blames(error)
    fail(health, A, error, times=5)
    assert not health.allows(A)
    assert health.dead(A)
    assert health.allows(B)


@pytest.mark.parametrize(
    "error",
    [
        errors.UpstreamRejected("x", status=400),
        errors.UpstreamRejected("x", status=404),
        errors.ContextLengthExceeded("x"),
        errors.QueueFull("x"),
        errors.Cancelled("x"),
        errors.LoopDetected("x"),
        errors.InternalError("x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_it_is_not_to_blame_for_does_not(health: Health, error: errors.LlmsError) -> None:
    assert not blames(error)
    fail(health, A, error, times=50)
    assert health.state(A) == "closed"


def test_a_failure_after_the_first_chunk_counts_too(health: Health) -> None:
    for _ in range(10):
        health.started(A)
        health.committed(A, 0.1)
        health.failed(A, errors.UpstreamTruncated("cut"))
        health.ended(A)
    assert health.state(A) == "open"


def test_a_probe_whose_client_left_frees_the_next(health: Health, clock: Clock) -> None:
    fail(health, A, errors.UpstreamError("x"), times=5)
    clock.advance(30.0)
    assert health.allows(A)
    health.started(A)
    assert not health.allows(A)
    health.ended(A)
    assert health.allows(A)


def test_a_probe_that_the_client_spoiled_frees_the_next(health: Health, clock: Clock) -> None:
    health.started(A)
    fail(health, A, errors.UpstreamError("x"), times=5)
    clock.advance(30.0)
    health.started(A)
    assert not health.allows(A)
    health.failed(A, errors.UpstreamRejected("bad request"))
    assert health.allows(A)


def test_a_new_cooldown_holds_from_the_next_failure(clock: Clock) -> None:
    seconds = {"a": 30.0}
    health = Health(clock=clock, cooldown=seconds.__getitem__)
    fail(health, A, errors.UpstreamError("x"))
    seconds["a"] = 5.0
    fail(health, A, errors.UpstreamError("x"), times=4)
    assert not health.allows(A)
    clock.advance(5.0)
    assert health.allows(A)


def test_latency_takes_a_peak_at_once_and_forgets_it_slowly(health: Health, clock: Clock) -> None:
    succeed(health, A, 1.0)
    succeed(health, A, 9.0)
    assert health.latency(A) == 9.0
    clock.advance(1.0)
    succeed(health, A, 1.0)
    first = health.latency(A)
    assert first is not None
    assert 8.0 < first < 9.0
    for _ in range(60):
        clock.advance(5.0)
        succeed(health, A, 1.0)
    assert health.latency(A) == pytest.approx(1.0, rel=0.01)


def test_latency_fades_while_nobody_measures_it(health: Health, clock: Clock) -> None:
    succeed(health, A, 8.0)
    clock.advance(30.0)
    assert health.latency(A) == pytest.approx(7.24, rel=0.01)
    clock.advance(3000.0)
    assert health.latency(A) == pytest.approx(0.0, abs=0.01)


def test_cost_counts_the_request_itself(health: Health) -> None:
    succeed(health, A, 2.0)
    assert health.cost(A) == 2.0
    health.started(A)
    assert health.cost(A) == 4.0


def test_cost_explores_an_unmeasured_target_once_at_a_time(health: Health, clock: Clock) -> None:
    assert health.cost(A) == 0.0
    health.started(A)
    assert health.cost(A) == inf
    health.failed(A, errors.UpstreamRejected("no such model", status=404))
    health.ended(A)
    assert health.cost(A) == inf
    clock.advance(30.0)
    assert health.cost(A) == 0.0


def test_the_retry_budget_has_a_floor_of_ten(health: Health, clock: Clock) -> None:
    health.started(A)
    assert [health.may_retry(A) for _ in range(12)] == [True] * 10 + [False] * 2
    clock.advance(61.0)
    assert health.may_retry(A)


def test_the_retry_budget_is_a_fifth_of_the_requests(health: Health) -> None:
    for _ in range(200):
        health.started(A)
    assert sum(health.may_retry(A) for _ in range(200)) == 40


def test_budgets_are_apart(health: Health) -> None:
    health.started(A)
    health.started(B)
    for _ in range(10):
        assert health.may_retry(A)
    assert not health.may_retry(A)
    assert health.may_retry(B)


def test_describe_says_what_matters(health: Health, clock: Clock) -> None:
    health.started(A)
    assert health.describe(A) == "no answer yet, 1 in flight"
    health.committed(A, 0.25)
    assert health.describe(A) == "healthy, 1 in flight, first chunk after 0.25 s"
    health.ended(A)
    fail(health, A, errors.UpstreamError("x"), times=2)
    assert health.describe(A).startswith("failures in a row: 2, ")
    fail(health, A, errors.UpstreamError("x"), times=3)
    assert health.describe(A).startswith("breaker open for 30 s (failures in a row: 5), ")
    clock.advance(30.0)
    assert health.describe(A).startswith("breaker half-open")


def test_names_invented_by_clients_do_not_fill_the_memory(health: Health) -> None:
    succeed(health, A)
    fail(health, B, errors.UpstreamError("x"), times=5)
    health.started(Target("c", "busy"))
    for n in range(20_000):
        fail(health, Target("openai", f"invented-{n}"), errors.UpstreamRejected("unknown", status=404))
    assert len(health._records) <= 4096
    assert health.latency(A) is not None
    assert health.state(B) == "open"
    assert health.inflight(Target("c", "busy")) == 1


def test_targets_that_differ_in_weight_are_the_same(health: Health) -> None:
    health.started(Target("a", "m", 3))
    assert health.inflight(A) == 1
