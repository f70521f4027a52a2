"""What the server holds while it runs: memory, descriptors, tasks; and whether memory grows."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Callable, Sequence
from statistics import NormalDist, fmean
from typing import Final, NamedTuple

BLOCKS: Final = 20
"""Samples that follow each other are alike, so the slope is taken from the means of so many blocks of them."""
CONFIDENCE: Final = 0.95
MIB: Final = 2**20
HELD: Final = ("descriptors", "tasks", "active")
"""What a server that is at rest holds no more of than before."""
_SAMPLE: Final = re.compile(rb"^(\w+)(?:\{([^}]*)\})? ([0-9.eE+-]+)$", re.MULTILINE)


class Sample(NamedTuple):
    """What the server held at a moment."""

    at: float
    """Seconds of a monotonic clock."""
    memory: float
    """Bytes."""
    descriptors: int
    """All but the connections to the upstream, which may be kept idle."""
    upstream: int
    """Connections to the upstream."""
    tasks: int
    active: int
    """Requests under way."""
    clients: int
    """Connections of clients."""

    def least(self, other: Sample) -> Sample:
        """Return the lesser of what two moments held."""
        held = {name: min(getattr(self, name), getattr(other, name)) for name in HELD}
        return other._replace(**held)

    def at_most(self, other: Sample) -> bool:
        """Tell whether no more is held than at another moment."""
        return all(getattr(self, name) <= getattr(other, name) for name in HELD)


class Slope(NamedTuple):
    """How fast memory grows, in MiB an hour: the slope of least squares, and half its confidence interval."""

    per_hour: float
    margin: float

    @property
    def grows(self) -> bool:
        """Tell whether the whole interval is above zero."""
        return self.per_hour - self.margin > 0


async def figures(port: int) -> dict[str, float]:
    """Return the sums of all metrics by their names."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        page = await reader.read()
    finally:
        writer.close()
    found: dict[str, float] = {}
    for name, _, value in _SAMPLE.findall(page):
        found[name.decode()] = found.get(name.decode(), 0.0) + float(value)
    return found


async def sample(port: int, *, upstream: Callable[[], int], clients: Callable[[], int]) -> Sample:
    """Ask the server what it holds."""
    found, connections = await figures(port), upstream()
    return Sample(
        asyncio.get_running_loop().time(),
        found["process_resident_memory_bytes"],
        int(found["process_open_fds"]) - connections,
        connections,
        int(found["llms_tasks"]),
        int(found["llms_active_requests"]),
        clients(),
    )


def slope(samples: Sequence[Sample]) -> Slope | None:
    """Return how fast memory grows; None of too few samples."""
    size = len(samples) // BLOCKS
    if not size:
        return None
    blocks = [samples[at : at + size] for at in range(len(samples) - size * BLOCKS, len(samples), size)]
    hours = [fmean(one.at for one in block) / 3600 for block in blocks]
    sizes = [fmean(one.memory for one in block) / MIB for block in blocks]
    middle, mean = fmean(hours), fmean(sizes)
    spread = sum((hour - middle) ** 2 for hour in hours)
    rise = sum((hour - middle) * (each - mean) for hour, each in zip(hours, sizes, strict=True)) / spread
    rest = sum((each - mean - rise * (hour - middle)) ** 2 for hour, each in zip(hours, sizes, strict=True))
    return Slope(rise, _quantile(BLOCKS - 2) * math.sqrt(rest / (BLOCKS - 2) / spread))


def _quantile(freedom: int) -> float:
    """Return Student's t for the confidence, by the first terms of its expansion from the normal quantile."""
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
