"""What usage rows come to: sums and percentiles over a time, in steps and by group. Only SQL that any SQLite knows.

A request counts at the time it began. Percentiles are read from a histogram whose cells are 24 % wide, between the
least and the greatest value of the cell: exact where a cell holds one value, a few percent off at most.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, final

from llms.protocol.tariff import Tariff
from llms.stores.cells import Histogram, cell_of, joined, percentile

Group = Literal["model", "provider", "key"]
_NAMES: Final[Mapping[Group, str]] = {
    "model": "CASE WHEN model = '' THEN '' ELSE provider || '/' || model END",
    "provider": "provider",
    "key": "key_id",
}
SPARSE: Final = 64
"""Every so many rows one is in the index of times: one of all rows would make storing a row a fifth dearer."""
_STRETCH: Final = 2 * SPARSE
"""Ids between two rows of the index that count, where one between them was stored under a wrong clock."""
INDEX: Final = f"CREATE INDEX requests_ended ON requests (started + duration) WHERE id % {SPARSE} = 0"
_ENDED: Final = f"SELECT min(id), max(id) FROM requests WHERE id % {SPARSE} = 0 AND started + duration"  # noqa: S608
"""Asked for both at once, SQLite reads them from the index; for one of them it would walk through the table."""
_SLACK: Final = 3600.0
"""Seconds by which rows may be stored out of the order in which their requests ended."""
_LONGEST: Final = 86_400.0
"""Seconds that a request may have run to be found in a time long gone."""
WHERE: Final = "id BETWEEN :first AND :last AND started >= :start AND started < :end"
_SHORTEST: Final = 0.1
"""Seconds of writing from which on its speed means anything."""
WRITES: Final = f"outcome = 'ok' AND stream AND duration - ttft >= {_SHORTEST}"
_AGAIN: Final = "min(cached_tokens, prompt_tokens)"
_COST: Final = (
    "CASE WHEN input = 0 AND output = 0 OR usage_source IN ('shared', 'cached') THEN 0.0"
    " WHEN usage_source != 'unknown' THEN"
    f" ((prompt_tokens - {_AGAIN}) * input + {_AGAIN} * coalesce(cached, input)"
    " + CASE completion_tokens WHEN 0 THEN 0 ELSE completion_tokens * output END) / 1e6 END"
)
"""US dollars, NULL where they are unknown; as `tariff.cost` says it."""
_BILLED: Final = "(outcome = 'ok' OR chunks > 0)"
_SUMS: Final = (
    "count(*)",
    "sum(outcome IN ('error', 'truncated'))",
    "sum(outcome = 'cancelled')",
    "total(prompt_tokens)",
    "total(completion_tokens)",
    "total(cached_tokens)",
    "total(reasoning_tokens)",
    f"sum({_BILLED} AND {_COST} IS NULL)",
    f"count({_COST})",
    f"total({_COST})",
    f"total(CASE WHEN {WRITES} THEN completion_tokens END)",
    f"total(CASE WHEN {WRITES} THEN duration - ttft END)",
)
"""In the order of `Figures`; then requests with a cost, their cost, tokens and seconds of writing.

Upstreams tell tokens: no sum of them may overflow.
"""
_TARIFFS: Final = (
    "CREATE TEMP TABLE tariffs (of_provider, of_model, input, cached, output, since, until, day_from, day_until,"
    " above, upto)"
)
_PRICED: Final = (
    "requests LEFT JOIN tariffs ON of_provider = provider AND of_model = model"
    " AND started >= since AND started < until AND CAST(started AS INTEGER) % 86400 >= day_from"
    " AND CAST(started AS INTEGER) % 86400 < day_until AND prompt_tokens > above AND prompt_tokens <= upto"
)
"""A request has one tariff at most."""
_TTFT: Final = "CASE WHEN stream THEN ttft END"
"""Of a whole answer nobody sees a first token."""
_DURATION: Final = "CASE WHEN outcome = 'ok' THEN duration END"


@final
@dataclass(frozen=True, slots=True)
class Query:
    """What is asked: the time from `start` up to `end`, in Unix seconds, in steps of `step` seconds."""

    start: float
    end: float
    step: float
    group: Group | None = None
    only: str | None = None
    """The one group that counts."""
    most_groups: int = 50
    tariffs: Mapping[tuple[str, str], Sequence[Tariff]] = field(default_factory=dict)
    """What models cost, by provider and upstream's id; of others the price is unknown."""


@final
@dataclass(frozen=True, slots=True)
class Figures:
    """What some requests come to; times are seconds, None where there is nothing to measure."""

    requests: int = 0
    errors: int = 0
    cancelled: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    unpriced: int = 0
    """Answered requests whose cost is unknown: their price is, or their tokens are."""
    cost: float | None = None
    """US dollars of the others, None where there are none."""
    ttft_p50: float | None = None
    ttft_p95: float | None = None
    duration_p50: float | None = None
    duration_p95: float | None = None
    tokens_per_second: float | None = None
    """While the text of a stream is written, waiting left out."""


@final
@dataclass(frozen=True, slots=True)
class Part:
    """The whole, or one group of it: figures of all of it, and of each step that has any, by its start."""

    totals: Figures = Figures()
    series: Mapping[float, Figures] = field(default_factory=dict)


@final
@dataclass(frozen=True, slots=True)
class Report:
    """The answer to a query; groups by their name, the one with most requests first."""

    whole: Part = Part()
    groups: Mapping[str, Part] = field(default_factory=dict)
    rest: Part | None = None
    """Groups beyond the most that were asked for, taken together."""


def report(database: sqlite3.Connection, query: Query) -> Report:
    """Work out a report; raise sqlite3.Error."""
    values = _values(database, query)
    _lay_out(database, query)
    name = _NAMES[query.group] if query.group is not None else "''"
    where = f"{WHERE} AND {name} = :only" if query.only is not None and query.group is not None else WHERE
    names = _most_used(database, name, where, values | {"most": query.most_groups})
    chosen = f"CASE WHEN {name} IN ({', '.join(f':g{at}' for at in range(len(names)))}) THEN {name} END"
    values |= {f"g{at}": each for at, each in enumerate(names)}
    tallies = _tallies(database, chosen, where, values)
    whole = _part(tallies.items(), query)
    if query.group is None:
        return Report(whole)
    parts = {each: _part(((at, t) for at, t in tallies.items() if at[0] == each), query) for each in names}
    rest = [(at, tally) for at, tally in tallies.items() if at[0] is None]
    return Report(whole, parts, _part(rest, query) if rest else None)


def models(database: sqlite3.Connection, query: Query) -> list[tuple[str, str]]:
    """Return the models that were asked in a time, as providers and upstreams' ids; raise sqlite3.Error."""
    statement = f"SELECT DISTINCT provider, model FROM requests WHERE {WHERE} AND model != ''"  # noqa: S608
    return list(database.execute(statement, _values(database, query)))


def _lay_out(database: sqlite3.Connection, query: Query) -> None:
    """Write the tariffs where statements can join them; it is gone with the connection."""
    database.execute(_TARIFFS)
    database.execute("CREATE INDEX temp.tariffs_of ON tariffs (of_provider, of_model)")
    rows = [(*model, *tariff) for model, tariffs in query.tariffs.items() for tariff in tariffs]
    database.executemany(f"INSERT INTO tariffs VALUES ({', '.join('?' * (2 + len(Tariff._fields)))})", rows)  # noqa: S608


def _values(database: sqlite3.Connection, query: Query) -> dict[str, object]:
    """Return the values of the statements, with the ids between which all rows of the time lie."""
    return {
        **between(database, query.start, query.end),
        "step": query.step,
        "only": query.only,
    }


def between(database: sqlite3.Connection, start: float, end: float) -> dict[str, object]:
    """Return the values of `WHERE`: a time, and the ids between which all its rows lie."""
    first, newest = database.execute(f"{_ENDED} >= ?", (start - _SLACK,)).fetchone()
    _, last = database.execute(f"{_ENDED} < ?", (end + _LONGEST,)).fetchone()
    if first is None:
        [newest] = database.execute("SELECT max(id) FROM requests").fetchone()
    return {
        "first": (first or newest or 0) - _STRETCH,
        "last": (last or 0) + _STRETCH,
        "start": start,
        "end": end,
    }


def _most_used(database: sqlite3.Connection, name: str, where: str, values: Mapping[str, object]) -> list[str]:
    statement = f"SELECT {name}, count(*) FROM requests WHERE {where} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT :most"  # noqa: S608
    return [each for each, _ in database.execute(statement, values)]


@final
class _Tally:
    """Sums and histograms of some rows, which can be added to others."""

    __slots__ = ("durations", "sums", "ttfts")

    def __init__(self) -> None:
        self.sums: list[float] = [0] * len(_SUMS)
        self.ttfts: Histogram = {}
        self.durations: Histogram = {}

    def add(self, other: _Tally) -> None:
        self.sums = [one + more for one, more in zip(self.sums, other.sums, strict=True)]
        for mine, others in ((self.ttfts, other.ttfts), (self.durations, other.durations)):
            for place, cell in others.items():
                known = mine.get(place)
                mine[place] = cell if known is None else joined(cell, known)

    def figures(self) -> Figures:
        *counts, priced, dollars, tokens, seconds = self.sums
        times = [percentile(cells, share) for cells in (self.ttfts, self.durations) for share in (0.5, 0.95)]
        speed = tokens / seconds if seconds and tokens else None
        values: list[Any] = [*map(int, counts), dollars if priced else None, *times, speed]
        return Figures(*values)


_Place = tuple[str | None, int]
"""A group, None for the rest, and the number of a step."""


def _tallies(
    database: sqlite3.Connection, chosen: str, where: str, values: Mapping[str, object]
) -> dict[_Place, _Tally]:
    place = f"{chosen}, CAST((started - :start) / :step AS INTEGER)"
    tallies: dict[_Place, _Tally] = {}
    statement = f"SELECT {place}, {', '.join(_SUMS)} FROM {_PRICED} WHERE {where} GROUP BY 1, 2"  # noqa: S608
    for group, step, *sums in database.execute(statement, values):
        tally = tallies[group, step] = _Tally()
        tally.sums = sums
    for value, histogram in ((_TTFT, "ttfts"), (_DURATION, "durations")):
        cells = f"{place}, {cell_of('v')}, count(*), min(v), max(v)"
        source = f"(SELECT *, {value} AS v FROM requests WHERE {where})"  # noqa: S608
        statement = f"SELECT {cells} FROM {source} WHERE v IS NOT NULL GROUP BY 1, 2, 3"  # noqa: S608
        for group, step, cell, *found in database.execute(statement, values):
            getattr(tallies[group, step], histogram)[cell] = found
    return tallies


def _part(tallies: Iterable[tuple[_Place, _Tally]], query: Query) -> Part:
    totals = _Tally()
    steps: dict[int, _Tally] = {}
    for (_, step), tally in tallies:
        totals.add(tally)
        steps.setdefault(step, _Tally()).add(tally)
    series = {query.start + step * query.step: steps[step].figures() for step in sorted(steps)}
    return Part(totals.figures(), series)
