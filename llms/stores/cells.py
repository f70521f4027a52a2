"""Percentiles of many values without all of them: a histogram whose cells are 24 % wide, made by SQL."""

from __future__ import annotations

import math
from collections.abc import Iterator

_LEAST, _WIDTH, _CELLS = 0.001, 1.24, 64
"""The first cell ends at 0.001, the last but one at 600: a millisecond and ten minutes."""
Cell = tuple[int, float, float]
"""How many values, the least and the greatest."""
Histogram = dict[int, Cell]


def joined(one: Cell, other: Cell) -> Cell:
    """Return one cell of the values of two."""
    return one[0] + other[0], min(one[1], other[1]), max(one[2], other[2])


def percentile(cells: Histogram, share: float) -> float | None:
    """Return the value that this share of all values does not exceed (nearest rank)."""
    rank = math.ceil(share * sum(count for count, _, _ in cells.values()))
    for place in sorted(cells):
        count, least, greatest = cells[place]
        if rank <= count:
            return least + (greatest - least) * (rank - 1) / max(1, count - 1)
        rank -= count
    return None


def cell_of(value: str) -> str:
    """Return SQL for the number of the cell that a value falls into: a tree of comparisons, as there is no log()."""
    bounds = [_LEAST * _WIDTH**number for number in range(_CELLS - 1)]

    def tree(low: int, high: int) -> Iterator[str]:
        if low == high:
            yield str(low)
            return
        middle = (low + high) // 2
        yield f"CASE WHEN {value} < {bounds[middle]:.6g} THEN "
        yield from tree(low, middle)
        yield " ELSE "
        yield from tree(middle + 1, high)
        yield " END"

    return "".join(tree(0, _CELLS - 1))
