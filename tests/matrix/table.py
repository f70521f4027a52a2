"""The table that a run of the matrix ends with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

NAME = "matrix"


def lines(reports: Sequence[Any]) -> Iterator[str]:
    """Yield the lines of the table, of what the reports of tests tell of cells; nothing when no cell was tried."""
    rows: dict[tuple[str, str], dict[str, list[str]]] = {}
    for report in reports:
        for name, value in getattr(report, "user_properties", ()):
            if name == NAME:
                target, client, case, outcome = value
                rows.setdefault((target, client), {}).setdefault(case, []).append(outcome)
    if not rows:
        return
    cases = list(dict.fromkeys(case for row in rows.values() for case in row))
    told = [["provider", "dialect", *cases]]
    told += [[*row, *(_cell(found.get(case, [])) for case in cases)] for row, found in sorted(rows.items())]
    widths = [max(len(row[at]) for row in told) for at in range(len(told[0]))]
    for row in told:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _cell(outcomes: Sequence[str]) -> str:
    """Return one word where both ways end alike, else that of the stream and that of the whole answer."""
    return "/".join(dict.fromkeys(outcomes)) or "-"
