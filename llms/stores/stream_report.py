"""How streams went in a time up to now: what the usage rows of streams come to."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, final

from llms.stores.cells import Histogram, cell_of, percentile
from llms.stores.usage_report import WHERE, WRITES, between

SHARES: Final = (0.5, 0.9, 0.99)
_STREAMS: Final = f"{WHERE} AND stream"
_FAILED: Final = "total(outcome IN ('error', 'truncated'))"
_TOKENS: Final = "avg(CASE WHEN usage_source = 'reported' THEN completion_tokens END)"
_SUMS: Final = f"count(*), {_FAILED}, total(outcome = 'cancelled'), avg(duration), {_TOKENS}"
_STEPS: Final = f"CAST((started - :start) / :step AS INTEGER), count(*), {_FAILED}"
_SCALE: Final = 10.0
"""Rates are put into cells that were made for seconds: up to 6,000 tokens a second there is one for each."""
_RATE: Final = f"CASE WHEN {WRITES} AND completion_tokens > 0 THEN completion_tokens / (duration - ttft) / {_SCALE} END"


class Step(NamedTuple):
    """The streams that began in one step of a time."""

    time: float
    """Its beginning, Unix seconds."""
    streams: int
    failed: int


@final
@dataclass(frozen=True, slots=True)
class StreamFigures:
    """What the streams of one time come to; times are seconds, None where there is nothing to measure."""

    total: int = 0
    failed: int = 0
    cancelled: int = 0
    average_duration: float | None = None
    average_tokens: float | None = None
    """Of the answers whose tokens are known."""
    ttft: Sequence[float | None] = (None,) * len(SHARES)
    """At `SHARES`; as long as everything below."""
    rate: Sequence[float | None] = (None,) * len(SHARES)
    """Tokens a second while the text was written, so that the slowest are at the end."""


@final
@dataclass(frozen=True, slots=True)
class StreamReport:
    """Figures of some times that end at the same moment, and steps of one of them."""

    figures: Mapping[float, StreamFigures]
    """By the seconds that each time takes."""
    steps: Sequence[Step] = ()


def stream_report(
    database: sqlite3.Connection, *, end: float, spans: Sequence[float], steps: tuple[float, float]
) -> StreamReport:
    """Work out a report for the `spans` of seconds before `end`; `steps`: of which span, how long each."""
    span, step = steps
    values = {**between(database, end - span, end), "step": step}
    statement = f"SELECT {_STEPS} FROM requests WHERE {_STREAMS} GROUP BY 1 ORDER BY 1"  # noqa: S608
    found = [Step(end - span + at * step, count, int(bad)) for at, count, bad in database.execute(statement, values)]
    return StreamReport({each: _figures(database, end - each, end) for each in spans}, tuple(found))


def _figures(database: sqlite3.Connection, start: float, end: float) -> StreamFigures:
    values = between(database, start, end)
    statement = f"SELECT {_SUMS} FROM requests WHERE {_STREAMS}"  # noqa: S608
    total, failed, cancelled, duration, tokens = database.execute(statement, values).fetchone()
    ttfts, rates = _cells(database, "ttft", values), _cells(database, _RATE, values)
    rate = [percentile(rates, 1 - share) for share in SHARES]
    return StreamFigures(
        total=total,
        failed=int(failed),
        cancelled=int(cancelled),
        average_duration=duration,
        average_tokens=tokens,
        ttft=tuple(percentile(ttfts, share) for share in SHARES),
        rate=tuple(None if each is None else each * _SCALE for each in rate),
    )


def _cells(database: sqlite3.Connection, value: str, values: Mapping[str, object]) -> Histogram:
    source = f"(SELECT {value} AS v FROM requests WHERE {_STREAMS})"  # noqa: S608
    statement = f"SELECT {cell_of('v')}, count(*), min(v), max(v) FROM {source} WHERE v IS NOT NULL GROUP BY 1"  # noqa: S608
    return {cell: (count, least, most) for cell, count, least, most in database.execute(statement, values)}
