"""One thing that `llms doctor` looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

Level = Literal["ok", "warn", "fail"]


@final
@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it is, and what to do about it."""

    subject: str
    level: Level
    text: str
    fix: str = ""
    """Empty where all is well."""


def ok(subject: str, text: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(subject, "ok", text)


def warn(subject: str, text: str, fix: str) -> Finding:
    """Return a finding that something could be better."""
    return Finding(subject, "warn", text, fix)


def bad(subject: str, text: str, fix: str) -> Finding:
    """Return a finding that something does not work."""
    return Finding(subject, "fail", text, fix)
