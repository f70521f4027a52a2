"""The slope of memory: one that is there is found, noise and a plateau are none."""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.soak.watch import BLOCKS, MIB, Sample, slope


def samples(memory: Callable[[float], float], *, minutes: int = 27) -> list[Sample]:
    return [Sample(at, memory(at / 3600) * MIB, 30, 90, 200, 90, 100) for at in range(0, minutes * 60, 5)]


def test_what_rises_is_found() -> None:
    rng = random.Random(1)
    found = slope(samples(lambda hours: 100 + 12 * hours + rng.gauss(0, 0.5)))

    assert found is not None
    assert found.grows
    assert abs(found.per_hour - 12) < 3 * found.margin


def test_noise_is_no_slope() -> None:
    verdicts = []
    for seed in range(200):
        rng = random.Random(seed)
        found = slope(samples(lambda hours, rng=rng: 100 + rng.gauss(0, 1)))  # type: ignore[misc]
        assert found is not None
        verdicts.append(found.grows)
    assert sum(verdicts) <= 12, "2.5 % are to be expected"


def test_a_constant_has_no_slope() -> None:
    found = slope(samples(lambda hours: 100.0))

    assert found is not None
    assert (found.per_hour, found.grows) == (0.0, False)


def test_too_few_samples_tell_nothing() -> None:
    assert slope(samples(lambda hours: 100.0)[: BLOCKS - 1]) is None
