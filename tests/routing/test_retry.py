from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.protocol import errors
from llms.protocol.refusals import Refusal, error_for
from llms.routing.health import Health
from llms.routing.planner import Plan
from llms.routing.retry import Attempts, delay, falls_back, retries_same
from llms.routing.routes import Route, Target
from llms.testing.clock import Clock

A, B, C, LONG = (Target(name, "m") for name in ("a", "b", "c", "long"))
DOWN = errors.UpstreamUnreachable("down")
TOO_LONG = errors.ContextLengthExceeded("too long")


class Request:
    """One request whose attempts fail as told."""

    def __init__(
        self, *targets: Target, retries: int = 2, max_retry_after: float = 10.0, overflow: Target | None = None
    ) -> None:
        self.health = Health(clock=Clock(), cooldown=lambda _: 30.0)
        route = Route("m", targets, "ordered", overflow, "name in models")
        self.attempts = Attempts(
            Plan(route, targets, ()),
            retries=lambda _: retries,
            max_retry_after=lambda _: max_retry_after,
            health=self.health,
            rng=random.Random(1),
        )
        self.step = self.attempts.first()

    def fail(self, error: errors.LlmsError) -> str:
        """Fail the attempt under way; return the next as `kind provider`, or nothing."""
        self.health.started(self.step.target)
        self.health.failed(self.step.target, error)
        self.health.ended(self.step.target)
        step = self.attempts.after(error)
        if step is None:
            return ""
        self.step = step
        return f"{step.kind} {step.target.provider}"

    def fail_all(self, error: errors.LlmsError) -> list[str]:
        """Fail every attempt in the same way; return those that followed the first."""
        found = []
        while following := self.fail(error):
            found.append(following)
        return found


KINDS = [
    # error, the same target again, the next target
    (errors.UpstreamUnreachable("refused"), True, True),
    (errors.UpstreamTruncated("end before the first chunk"), True, True),
    (errors.UpstreamProtocolError("not JSON"), True, True),
    (errors.UpstreamUnavailable("503"), True, True),
    (errors.UpstreamOverloaded("429", status=429), True, True),
    (errors.UpstreamOverloaded("529", status=529), True, True),
    (errors.UpstreamOverloaded("no money", status=429, code="insufficient_quota"), False, True),
    (errors.UpstreamError("500", status=500), True, True),
    (errors.UpstreamTimeout("the upstream's own", status=408), True, True),
    (errors.UpstreamTimeout("first chunk"), False, True),
    (errors.UpstreamAuthenticationFailed("our key"), False, True),
    (errors.UpstreamRejected("forbidden", status=403), False, True),
    (errors.UpstreamRejected("no such model", status=404), False, True),
    (errors.UpstreamRejected("bad field", status=400), False, False),
    (errors.UpstreamRejected("bad field", status=422), False, False),
    (errors.UpstreamRejected("too large", status=413), False, False),
    (errors.QueueFull("full"), False, True),
    (errors.NotSupported("not this model"), False, True),
    (errors.RateLimited("the client's key"), False, False),
    (errors.InvalidRequest("bad"), False, False),
    (errors.ContextLengthExceeded("too long"), False, False),
    (errors.LoopDetected("loop"), False, False),
    (errors.Cancelled("left"), False, False),
    (errors.InternalError("ours"), False, False),
]


@pytest.mark.parametrize(("error", "same", "following"), KINDS, ids=lambda value: getattr(value, "message", None))
def test_which_errors_are_tried_again_and_where(error: errors.LlmsError, same: bool, following: bool) -> None:
    assert retries_same(error) is same
    assert falls_back(error) is following
    assert Request(A, retries=1).fail(error) == ("retry a" if same else "")
    assert Request(A, B).fail(error) == ("fallback b" if following else "")


@pytest.mark.parametrize(
    ("status", "body", "same", "following"),
    [
        (400, b"{}", False, False),
        (401, b"{}", False, True),
        (403, b"{}", False, True),
        (404, b"{}", False, True),
        (408, b"{}", True, True),
        (409, b"{}", False, False),
        (422, b"{}", False, False),
        (429, b"{}", True, True),
        (429, b'{"error": {"message": "pay", "code": "insufficient_quota"}}', False, True),
        (429, b'{"error": {"message": "pay", "type": "insufficient_quota"}}', False, True),
        (500, b"", True, True),
        (502, b"<html>", True, True),
        (503, b"", True, True),
        (529, b"", True, True),
    ],
)
def test_a_status_of_an_upstream_leads_to_the_right_attempt(
    status: int, body: bytes, same: bool, following: bool
) -> None:
    error = error_for(Refusal("a", status, body))
    assert (retries_same(error), falls_back(error)) == (same, following)


def test_untried_targets_come_first_and_at_once_then_round_by_round() -> None:
    request = Request(A, B)
    assert request.fail_all(DOWN) == ["fallback b", "retry a", "retry b", "retry a", "retry b"]
    assert (request.attempts.count, request.attempts.retries, request.attempts.fallbacks) == (6, 4, 1)


def test_a_fallback_does_not_wait_and_a_retry_does() -> None:
    request = Request(A, B)
    request.fail(DOWN)
    assert request.step.delay == 0.0
    request.fail(DOWN)
    assert 0.0 < request.step.delay < 0.25


def test_a_single_target_is_tried_as_often_as_configured() -> None:
    assert Request(A).fail_all(DOWN) == ["retry a", "retry a"]
    assert Request(A, retries=0).fail_all(DOWN) == []


def test_never_more_than_six_attempts() -> None:
    many = [Target(f"p{n}", "m") for n in range(9)]
    assert len(Request(*many).fail_all(DOWN)) == 5
    assert len(Request(A, B, C, retries=50).fail_all(DOWN)) == 5


def test_a_target_that_cannot_be_retried_is_passed_over() -> None:
    request = Request(A, B)
    assert request.fail(errors.UpstreamAuthenticationFailed("key")) == "fallback b"
    assert request.fail_all(DOWN) == ["retry b", "retry b"]


def test_the_error_may_change_from_attempt_to_attempt() -> None:
    request = Request(A, B)
    assert request.fail(DOWN) == "fallback b"
    assert request.fail(DOWN) == "retry a"
    assert request.fail(errors.UpstreamRejected("bad field")) == ""


def test_retry_after_is_obeyed_up_to_a_limit() -> None:
    request = Request(A)
    assert request.fail(errors.UpstreamOverloaded("busy", retry_after=7.0)) == "retry a"
    assert 7.0 <= request.step.delay <= 7.25
    assert request.fail(errors.UpstreamOverloaded("busy", retry_after=10.1)) == ""


def test_the_target_that_asks_for_less_patience_is_retried_first() -> None:
    request = Request(A, B)
    request.fail(errors.UpstreamOverloaded("busy", retry_after=9.0))
    assert request.fail(DOWN) == "retry b"
    assert request.fail(DOWN) == "retry a"
    assert request.step.delay >= 9.0


def test_a_target_that_asks_for_too_much_patience_leaves_the_others() -> None:
    request = Request(A, B)
    request.fail(errors.UpstreamOverloaded("busy", retry_after=3600.0))
    assert request.fail_all(DOWN) == ["retry b", "retry b"]


def test_a_prompt_that_is_too_long_goes_to_the_overflow_target_once() -> None:
    request = Request(A, B, overflow=LONG)
    assert request.fail(TOO_LONG) == "fallback long"
    assert request.step.delay == 0.0
    assert request.fail(DOWN) == ""
    assert request.attempts.count == 2
    assert request.attempts.fallbacks == 1


def test_the_overflow_target_is_also_reached_after_other_failures() -> None:
    request = Request(A, B, overflow=LONG)
    assert request.fail(DOWN) == "fallback b"
    assert request.fail(TOO_LONG) == "fallback long"
    assert request.fail(TOO_LONG) == ""


def test_an_overflow_target_that_was_tried_is_not_tried_again() -> None:
    assert Request(A, overflow=A).fail(TOO_LONG) == ""
    request = Request(A, B, overflow=A)
    request.fail(DOWN)
    assert request.fail(TOO_LONG) == ""
    assert Request(A, B, overflow=B).fail(TOO_LONG) == "fallback b"


def test_a_target_that_only_fails_is_not_retried() -> None:
    request = Request(A)
    for _ in range(4):
        request.health.started(A)
        request.health.failed(A, DOWN)
        request.health.ended(A)
    assert request.fail(DOWN) == ""


def test_a_dead_target_beside_one_that_refuses_is_not_retried_either() -> None:
    request = Request(B, A)
    for _ in range(4):
        request.health.started(A)
        request.health.failed(A, DOWN)
        request.health.ended(A)
    assert request.fail(errors.UpstreamRejected("no such model", status=404)) == "fallback a"
    assert request.fail(DOWN) == ""


def test_an_empty_budget_ends_retries_but_not_fallbacks() -> None:
    request = Request(A, B)
    for target in (A, B):
        request.health.started(target)
        while request.health.may_retry(target):
            pass
        request.health.committed(target, 0.1)
        request.health.ended(target)
    assert request.fail_all(DOWN) == ["fallback b"]


@given(st.integers(1, 10_000), st.integers(0, 2**32))
def test_delays_are_jittered_and_bounded(round: int, seed: int) -> None:
    wait = delay(round, DOWN, max_retry_after=10.0, rng=random.Random(seed))
    assert wait is not None
    assert 0.0 <= wait < min(8.0, 0.25 * 2 ** min(round - 1, 20))


def test_delays_use_the_whole_range() -> None:
    rng = random.Random(1)
    waits = [delay(3, DOWN, max_retry_after=10.0, rng=rng) or 0.0 for _ in range(1000)]
    assert min(waits) < 0.05
    assert max(waits) > 0.95


@pytest.mark.parametrize("patience", [float("nan"), float("inf"), 1e300, 10.001])
def test_absurd_patience_is_the_clients_to_hear_of(patience: float) -> None:
    error = errors.UpstreamOverloaded("busy", retry_after=patience)
    assert delay(1, error, max_retry_after=10.0, rng=random.Random(1)) is None


ERRORS = st.sampled_from([error for error, _, _ in KINDS])


@given(
    targets=st.integers(1, 5),
    retries=st.integers(0, 4),
    failures=st.lists(ERRORS, min_size=20, max_size=20),
    overflow=st.booleans(),
)
def test_no_sequence_of_failures_breaks_the_bounds(
    targets: int, retries: int, failures: list[errors.LlmsError], overflow: bool
) -> None:
    names = [Target(f"p{n}", "m") for n in range(targets)]
    request = Request(*names, retries=retries, overflow=LONG if overflow else None)
    tried = [request.step.target]
    for error in failures:
        if not request.fail(error):
            break
        tried.append(request.step.target)
        assert request.step.delay >= 0.0
    assert len(tried) == request.attempts.count <= 6
    assert request.attempts.count == 1 + request.attempts.retries + request.attempts.fallbacks
    assert all(tried.count(target) <= retries + 1 for target in names)
    assert tried.count(LONG) <= 1
    fresh = [target for n, target in enumerate(tried) if target not in tried[:n] and target != LONG]
    assert fresh == names[: len(fresh)]
