"""The clock stands still until it is moved."""

import pytest

from llms.testing.clock import Clock


def test_it_stands_until_it_is_moved():
    clock = Clock(10.0)

    assert [clock.now(), clock(), clock.advance(2.5), clock.now()] == [10.0, 10.0, 12.5, 12.5]


def test_it_may_jump_but_not_run_backward():
    clock = Clock(10.0)

    clock.set(3.0)

    assert clock() == 3.0
    with pytest.raises(ValueError, match="backward"):
        clock.advance(-1)
