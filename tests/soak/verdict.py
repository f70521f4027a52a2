"""Whether a soak was passed, and what it found, in words."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import Final

from tests.soak.run import IDLE, Found
from tests.soak.watch import HELD, MIB, Slope, slope

SLOPE_SECONDS: Final = 600.0
"""A shorter time tells nothing of a slope."""
GROWTH: Final = 16 * MIB
"""Bytes that memory may grow after the warm-up, in a time that is too short for a slope."""


def violations(found: Found) -> Iterator[str]:
    """Tell everything that must not be."""
    yield from found.ledger.violations
    if (more := found.ledger.violated - len(found.ledger.violations)) > 0:
        yield f"{more} more answers that were wrong"
    for name in HELD:
        before, after = getattr(found.before, name), getattr(found.after, name)
        if after > before:
            yield f"{name} at rest: {after} after, {before} before"
    if found.plan.until_closed and found.after.upstream > IDLE:
        yield f"{found.after.upstream} connections to the upstream are still open"
    cases, counted = sum(found.ledger.ended.values()), found.counted["llms_requests_total"]
    if counted != cases:
        yield f"{cases} requests were made, {counted:g} were accounted for"
    yield from (f"the log complains: {line.strip()[:300]}" for line in found.complaints)
    yield from _growth(found)


def _growth(found: Found) -> Iterator[str]:
    rise = risen(found)
    if rise is not None:
        if rise.grows:
            yield f"memory grows by {_shown(rise)}"
    elif (grown := _grown(found)) > GROWTH:
        yield f"memory grew by {grown / MIB:.1f} MiB"


def risen(found: Found) -> Slope | None:
    """Return the slope of memory, if the time was long enough for one."""
    return slope(found.samples) if found.seconds - found.plan.warm_up >= SLOPE_SECONDS else None


def _grown(found: Found) -> float:
    third = max(1, len(found.samples) // 3)
    sizes = [one.memory for one in found.samples] or [0.0]
    return median(sizes[-third:]) - median(sizes[:third])


def _shown(rise: Slope) -> str:
    return f"{rise.per_hour:+.2f} ± {rise.margin:.2f} MiB an hour (95 %)"


def progress(found: Found) -> str:
    """Tell one sample in a line."""
    now, ledger = found.after, found.ledger
    return (
        f"{found.seconds:6.0f} s  {ledger.chunks:9,} chunks  {sum(ledger.ended.values()):7,} requests  "
        f"{now.active:4} active  {now.memory / MIB:6.1f} MiB  {now.tasks:4} tasks  {now.descriptors:4} fds, "
        f"{now.clients} of clients, + {now.upstream} upstream  {ledger.violated} violations"
    )


def report(found: Found) -> str:
    """Tell all figures."""
    ledger, before, after = found.ledger, found.before, found.after
    sizes = [one.memory / MIB for one in found.samples] or [0.0]
    rise = risen(found)
    wrong = list(violations(found))
    return "\n".join(
        (
            f"seconds under load   {found.seconds:,.0f}, the first {found.plan.warm_up:.0f} to warm up",
            f"chunks               {ledger.chunks:,}, all as sent; {ledger.chunks / found.seconds:,.0f} a second",
            f"requests             {sum(ledger.ended.values()):,}, {ledger.asked:,} to the upstream",
            *(f"  {count:7,}  {name}" for name, count in ledger.ended.most_common()),
            f"faults injected      {ledger.injected.total():,}",
            *(f"  {count:7,}  {name}" for name, count in ledger.injected.most_common()),
            f"wrong answers        {ledger.violated}",
            f"memory               {min(sizes):.1f} to {max(sizes):.1f} MiB under load",
            f"  its slope          {_shown(rise) if rise else f'(too short) {_grown(found) / MIB:+.1f} MiB'}",
            f"descriptors at rest  {before.descriptors} before, {after.descriptors} after; "
            f"upstream connections {before.upstream} before, {after.upstream} after",
            f"tasks at rest        {before.tasks} before, {after.tasks} after",
            *(f"VIOLATION  {each}" for each in wrong),
            "FAILED" if wrong else "passed",
        )
    )
