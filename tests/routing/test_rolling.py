from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from llms.routing.rolling import Rolling


def test_an_empty_window_counts_nothing() -> None:
    window = Rolling(10.0)
    window.forget(5.0)
    assert (window.plain, window.marked) == (0, 0)


def test_events_are_forgotten_after_the_window() -> None:
    window = Rolling(10.0)
    window.add(0.0, marked=False)
    window.add(5.0, marked=True)
    window.forget(9.9)
    assert (window.plain, window.marked) == (1, 1)
    window.forget(10.0)
    assert (window.plain, window.marked) == (0, 1)
    window.forget(15.0)
    assert (window.plain, window.marked) == (0, 0)


def test_clear_starts_again() -> None:
    window = Rolling(10.0)
    window.add(1.0, marked=True)
    window.clear()
    window.add(1.0, marked=False)
    assert (window.plain, window.marked) == (1, 0)


@given(st.lists(st.tuples(st.floats(0, 5), st.booleans()), max_size=200))
def test_counts_lie_between_nine_and_ten_tenths_of_the_window(steps: Iterable[tuple[float, bool]]) -> None:
    window, events, now = Rolling(10.0), [], 100.0
    for wait, marked in steps:
        now += wait
        window.add(now, marked=marked)
        events.append((now, marked))
        window.forget(now)
        for flag, counted in ((True, window.marked), (False, window.plain)):
            ages = [now - then for then, kind in events if kind is flag]
            assert sum(age < 9.0 for age in ages) <= counted <= sum(age <= 10.0 for age in ages)


def test_memory_does_not_grow_with_events() -> None:
    window = Rolling(10.0)
    for n in range(100_000):
        window.add(n / 100, marked=n % 2 == 0)
    assert len(window._slots) <= 11
