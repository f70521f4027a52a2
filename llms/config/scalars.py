"""Decide what an unquoted YAML scalar means, and refuse those that YAML readers disagree about.

YAML 1.1 turns `no` into false, `12:30` into 750, `010` into 8 and `2026-01-01` into a date; YAML 1.2 does not.
Whoever writes one of these is asked to say what is meant.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_WORDS = {"yes": "true", "on": "true", "no": "false", "off": "false"}

_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FRACTION = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,4})?")
_SPECIAL = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_DISPUTED = re.compile(
    r"[-+]?(?:0x[0-9a-fA-F_]+|0o[0-7_]+|0b[01_]+|[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?)"
)
_SEXAGESIMAL = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt \t].*)?")


@dataclass(frozen=True, slots=True)
class Surprise:
    """A scalar that could mean two things, and how to write the one that is meant."""

    message: str
    hint: str


def resolve(text: str) -> str | int | float | bool | Surprise | None:
    """Return what the unquoted scalar `text` means."""
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if text.lower() in _WORDS:
        meant = _WORDS[text.lower()]
        return Surprise(
            f"an unquoted {text} means {meant} to some YAML readers", f"write {meant}, or if it is text {_quoted(text)}"
        )
    if text[0] in "0123456789+-.":
        return _number(text)
    return text


def _number(text: str) -> str | int | float | Surprise:
    if _WHOLE.fullmatch(text):
        large = Surprise("this number is too large", f"if it is text, quote it: {_quoted(text[:80])}")
        return int(text) if len(text) <= 18 else large
    if _FRACTION.fullmatch(text):
        number = float(text)
        return number if math.isfinite(number) else Surprise("this number is too large", "write a smaller one")
    if _SPECIAL.fullmatch(text):
        return Surprise("this number has no value", f"if it is text, quote it: {_quoted(text)}")
    if _DISPUTED.fullmatch(text):
        how = f"write it in plain decimal digits, or quote it: {_quoted(text[:80])}"
        return Surprise("YAML readers disagree about this number", how)
    if _SEXAGESIMAL.fullmatch(text):
        return Surprise("some YAML readers take this for a number of base 60", f"quote it: {_quoted(text[:80])}")
    if _DATE.fullmatch(text):
        return Surprise("an unquoted date is not text", f"quote it: {_quoted(text[:80])}")
    return text


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
