"""Numbers between bounds as grammars."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, final

from llms.providers.llama_cpp.child.grammars.grammar import either
from llms.providers.llama_cpp.child.grammars.schema_parts import Schema

_MOST_DIGITS: Final = 16
_FRACTION: Final = '"." [0-9]{0,9} [1-9]'
"""Never zero, so that what has one lies strictly between two integers."""


@final
@dataclass(frozen=True, slots=True)
class Bounds:
    """Between which numbers; None is no bound."""

    low: float | None
    high: float | None
    above: bool = False
    """Not `low` itself."""
    below: bool = False
    """Not `high` itself."""

    @classmethod
    def of(cls, schema: Schema) -> Bounds:
        """Read the bounds of a schema, in the old way too, in which the exclusive ones are true or false."""
        low, above = schema.get("minimum"), schema.get("exclusiveMinimum", False)
        high, below = schema.get("maximum"), schema.get("exclusiveMaximum", False)
        if not isinstance(above, bool):
            low, above = (above, True) if low is None or above >= low else (low, False)
        if not isinstance(below, bool):
            high, below = (below, True) if high is None or below <= high else (high, False)
        return cls(low, high, above, below)

    def first(self) -> int | None:
        """Return the lowest integer."""
        if self.low is None:
            return None
        return math.floor(self.low) + 1 if self.above else math.ceil(self.low)

    def last(self) -> int | None:
        """Return the highest integer."""
        if self.high is None:
            return None
        return math.ceil(self.high) - 1 if self.below else math.floor(self.high)


def integer_rule(bounds: Bounds) -> str | None:
    """Return a body for the integers within bounds; None when there are none."""
    low, high = bounds.first(), bounds.last()
    bodies = []
    if high is None or high >= 0:
        bodies.append(_natural(max(low or 0, 0), high))
    if low is None or low < 0:
        bodies.append(_negative(_natural(1 if high is None else max(1, -high), None if low is None else -low)))
    return either(body for body in bodies if body) or None


def number_rule(bounds: Bounds) -> str | None:
    """Return a body for numbers within bounds; None when none is found.

    Of those with a fraction only the ones that lie between two integers within the bounds.
    """
    low, high = bounds.low, bounds.high
    bodies = [integer_rule(bounds)]
    if high is None or high >= 1:
        up = _natural(0 if low is None else max(0, math.ceil(low)), None if high is None else math.floor(high) - 1)
        bodies.append(up and f"({up}) {_FRACTION}")
    if low is None or low <= -1:
        down = _natural(0 if high is None else max(0, math.ceil(-high)), None if low is None else math.floor(-low) - 1)
        bodies.append(down and f"{_negative(down)} {_FRACTION}")
    return either(body for body in bodies if body) or None


def _negative(natural: str | None) -> str:
    return f'"-" ({natural})' if natural else ""


def _natural(low: int, high: int | None) -> str | None:
    """Return a body for the integers from `low`, at least 0, to `high`."""
    if high is not None and high < low:
        return None
    bodies = []
    digits = len(str(low))
    last = len(str(high)) if high is not None else digits
    for length in range(digits, last + 1):
        first = max(low, 10 ** (length - 1) if length > 1 else 0)
        final = 10**length - 1 if high is None else min(high, 10**length - 1)
        bodies.append(_same_length(str(first), str(final)))
    if high is None:
        bodies.append(f"[1-9] [0-9]{{{digits},{max(digits, _MOST_DIGITS - 1)}}}")
    return either(bodies)


def _same_length(low: str, high: str) -> str:
    """Return a body for what lies between two texts of as many digits."""
    if not low:
        return '""'
    if set(low[1:]) <= {"0"} and set(high[1:]) <= {"9"}:
        return f"{_digit(low[0], high[0])}{f' [0-9]{{{len(low) - 1}}}' if len(low) > 1 else ''}"
    if low[0] == high[0]:
        return f'"{low[0]}" ({_same_length(low[1:], high[1:])})'
    rest = len(low) - 1
    bodies = [f'"{low[0]}" ({_same_length(low[1:], "9" * rest)})']
    if int(high[0]) - int(low[0]) > 1:
        between = _digit(str(int(low[0]) + 1), str(int(high[0]) - 1))
        bodies.append(f"{between} [0-9]{{{rest}}}")
    bodies.append(f'"{high[0]}" ({_same_length("0" * rest, high[1:])})')
    return either(bodies)


def _digit(low: str, high: str) -> str:
    return f'"{low}"' if low == high else f"[{low}-{high}]"
