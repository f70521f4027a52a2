"""Which core the proxies get and which the load and the upstream."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cores:
    """One core each where there are two or more, else None: nothing is pinned."""

    load: int | None = None
    proxy: int | None = None

    def __str__(self) -> str:
        if self.load is None:
            return "nothing pinned"
        return f"proxies on core {self.proxy}, load and upstream on core {self.load}"


def choose_cores() -> Cores:
    """Take the first two cores that this process may use."""
    if sys.platform != "linux":
        return Cores()
    allowed = sorted(os.sched_getaffinity(0))
    return Cores(*allowed[:2]) if len(allowed) > 1 else Cores()


@contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """Stay on one core meanwhile; processes started here inherit it."""
    if core is None or sys.platform != "linux":
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
