"""How many threads a local model may take: what the container grants, never every core of a shared machine."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from llms.providers.llama_cpp.control_groups import groups, read

_ROOT: Final = Path("/")


def default_threads(*, root: Path = _ROOT, cores: Collection[int] | None = None) -> int:
    """Return 1 on up to two cores, else one less than the cores that may be used.

    A thread too many costs far more than one too few: the library's threads wait for each other by spinning, so
    speed collapses 10 to 30 times as soon as one of them has to share its core. `root` and `cores` (the numbers
    of those that may be used) are read from this machine unless given.
    """
    usable = _allowed() if cores is None else cores
    available = min(_physical(root, usable), _quota(root))
    return 1 if available <= 2 else available - 1


def _allowed() -> Collection[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return range(os.cpu_count() or 1)


def _physical(root: Path, cores: Collection[int]) -> int:
    """Count cores, taking the hyper-threads of one for one; all of them where the kernel does not tell."""
    siblings = {read(root / f"sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list") for core in cores}
    return len(cores) if "" in siblings else len(siblings)


def _quota(root: Path) -> int:
    """Return the cores that the control groups grant, rounded up; a huge number when they set no limit."""
    return min(_quotas(root), default=2**31)


def _quotas(root: Path) -> Iterator[int]:
    for group in groups(root, "cpu"):
        quota, _, period = read(group / "cpu.max").partition(" ")
        yield from _cores(quota, period)
        yield from _cores(read(group / "cpu.cfs_quota_us"), read(group / "cpu.cfs_period_us"))


def _cores(quota: str, period: str) -> Iterator[int]:
    """Yield quota through period (microseconds both), unless it says "max", -1 or nothing."""
    if quota.isdigit() and period.isdigit() and int(quota) and int(period):
        yield math.ceil(int(quota) / int(period))
