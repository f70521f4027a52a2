"""Hold what is wrong with a configuration: one problem, all problems, and their report."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from llms.config.values import Refusal

Path: TypeAlias = tuple[str | int, ...]
"""Where a value stands: keys and list positions from the top of the file."""

_PLAIN_NAME = re.compile(r"[\w*-]{1,80}", re.ASCII)
_SHOWN = 100


@dataclass(frozen=True, slots=True)
class OptionProblem:
    """One thing wrong inside a mapping; `path` starts at that mapping."""

    path: Path
    message: str
    hint: str | None = None


class Invalid(ValueError):
    """A mapping that does not fit; `problems` are all of them. No value is quoted: it may be a secret."""

    def __init__(self, problems: Sequence[OptionProblem]) -> None:
        super().__init__("; ".join(_said(each) for each in problems))
        self.problems = tuple(problems)


def _said(problem: OptionProblem) -> str:
    what = f"{problem.message}, {problem.hint}" if problem.hint else problem.message
    return f"{dotted(problem.path)}: {what}" if problem.path else what


class Problems:
    """What is wrong with one mapping or list, collected."""

    def __init__(self) -> None:
        self._found: list[OptionProblem] = []

    def attempt(self, path: Path, work: Callable[..., Any], *given: object) -> Any:
        """Return what `work` makes of what is given; what it raises is a problem of the value at `path`."""
        try:
            return work(*given)
        except Refusal as refusal:
            self.add(path, refusal.message, refusal.hint)
        except Invalid as invalid:
            self._found += [OptionProblem((*path, *each.path), each.message, each.hint) for each in invalid.problems]
        return None

    def add(self, path: Path, message: str, hint: str | None = None) -> None:
        """Add a problem of the value at `path`."""
        self._found.append(OptionProblem(path, message, hint))

    def raise_if_any(self) -> None:
        """Raise Invalid with all problems."""
        if self._found:
            raise Invalid(self._found)


class Complaint(Protocol):
    """Anything that says as much as an OptionProblem."""

    @property
    def path(self) -> Path: ...
    @property
    def message(self) -> str: ...
    @property
    def hint(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a file. Lines and columns count from 1; line 0 means the file as a whole."""

    line: int
    column: int
    path: str
    message: str
    hint: str | None
    source_line: str

    def render(self, filename: str) -> str:
        """Return the two lines of the report: where and what, and the line of the file."""
        what = f"{self.message}, {self.hint}" if self.hint else self.message
        where = f"{self.path}: " if self.path else ""
        if not self.line:
            return f"{filename}: {where}{what}"
        return f"{filename}:{self.line}:{self.column}: {where}{what}\n    {self.line} | {self.source_line}"


class ConfigError(Exception):
    """A configuration that cannot be used; `problems` are all of them, in the order of the file."""

    def __init__(self, problems: Sequence[Problem], *, filename: str) -> None:
        super().__init__(filename)
        self.problems = tuple(problems)
        self.filename = filename

    def __str__(self) -> str:
        shown = [problem.render(self.filename) for problem in self.problems[:_SHOWN]]
        if len(self.problems) > _SHOWN:
            shown.append(f"{self.filename}: and {len(self.problems) - _SHOWN} more problems")
        return "\n".join(shown)


def dotted(path: Path) -> str:
    """Return `path` for people: `providers.azure-eu.limits`; a name that is not plain stands in quotes."""
    return ".".join(_step(step) for step in path)


def _step(step: str | int) -> str:
    if isinstance(step, int) or _PLAIN_NAME.fullmatch(step):
        return str(step)
    return json.dumps(step if len(step) <= 80 else step[:79] + "…", ensure_ascii=False)
