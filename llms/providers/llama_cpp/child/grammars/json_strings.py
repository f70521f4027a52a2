"""Strings of some format, pattern or length as grammars."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from llms.providers.llama_cpp.child.grammars.grammar import repeated
from llms.providers.llama_cpp.child.grammars.pattern import pattern_rule
from llms.providers.llama_cpp.child.grammars.schema_parts import Schema

_DATE: Final = (
    '[1-9] [0-9]{3} "-" (("0" [13578] | "1" [02]) "-" ("0" [1-9] | [12] [0-9] | "3" [01])'
    ' | ("0" [469] | "11") "-" ("0" [1-9] | [12] [0-9] | "30") | "02-" ("0" [1-9] | "1" [0-9] | "2" [0-8]))'
)
"""The 29th of February is left out: it would be wrong in three years of four."""
_HOUR: Final = '([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9]'
_TIME: Final = f'{_HOUR} ":" [0-5] [0-9] ("." [0-9]{{1,6}})? ("Z" | [-+] {_HOUR})'
_FORMATS: Final = {
    "date": _DATE,
    "time": _TIME,
    "date-time": f'{_DATE} "T" {_TIME}',
    "uuid": '[0-9a-f]{8} "-" [0-9a-f]{4} "-" [0-9a-f]{4} "-" [0-9a-f]{4} "-" [0-9a-f]{12}',
}


def string_rule(schema: Schema, low: int, high: int | None, missed: Callable[[str], None]) -> str:
    """Return a body for the strings of a schema with `low` to `high` characters.

    Of pattern, length and format the first one counts; `missed` is told what does not. A format counts last, because
    validators take it for a remark.
    """
    body = _matching(schema["pattern"], missed) if "pattern" in schema else None
    if (low, high) != (0, None):
        if body is None:
            return f'"\\"" {repeated("char", low, high)} "\\""'
        missed("minLength" if low else "maxLength")
    if body is None and schema.get("format") in _FORMATS:
        return f'"\\"" {_FORMATS[schema["format"]]} "\\""'
    return body or "string"


def _matching(pattern: str, missed: Callable[[str], None]) -> str | None:
    try:
        return pattern_rule(pattern)
    except (ValueError, RecursionError):
        missed("pattern")
        return None
