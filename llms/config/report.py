"""Collect every problem of one file, with the place where it stands."""

from __future__ import annotations

import re
from collections.abc import Iterable

from llms.config.masking import MASK, hidden, mask_line
from llms.config.nodes import Node, Refused
from llms.config.problems import ConfigError, Path, Problem, dotted
from llms.config.source import Source

_MOST = 1000
_WIDTH = 160
_LINE_END = 2**20
_REFERENCE = re.compile(r"\$\{|^os\.environ/|^(?:\$|env\.)[A-Z][A-Z0-9_]*$")


class Report:
    """The problems found so far in `source`; `root` is its node tree as soon as there is one."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.root: Node | None = None
        self.secrets: set[str] = set()
        self._found: dict[tuple[int, int, str], tuple[Path, str | None]] = {}
        self._settled: set[Path] = set()

    @property
    def crowded(self) -> bool:
        """Tell whether there are so many problems that looking for suggestions costs more than it helps."""
        return len(self._found) > 100

    def at(self, line: int, column: int, message: str, hint: str | None = None, *, path: Path = ()) -> None:
        """Add a problem whose place is known; one message is kept once for a place."""
        if len(self._found) < _MOST:
            self._found.setdefault((line, column, message), (path, hint))

    def add(self, path: Path, message: str, hint: str | None = None) -> None:
        """Add a problem of the value at `path`, or of its nearest parent that stands in the file.

        The place of a mapping, a list or nothing is its key. A value that was refused before is not reported
        a second time.
        """
        if any(path[:length] in self._settled for length in range(len(path) + 1)):
            return
        line, column, known = self._locate(path, at_key=message.startswith("unknown key"))
        self.at(line, column, message, hint, path=known)

    def settle(self, paths: Iterable[Path]) -> None:
        """Take note that the values at `paths` were refused: whatever else is wrong with them follows from it."""
        self._settled.update(paths)

    def raise_if_any(self) -> None:
        """Raise ConfigError with all problems, in the order of the file."""
        if self._found:
            raise self.error()

    def error(self) -> ConfigError:
        """Return the error with the problems found so far, to be raised where the rest cannot be read."""
        return ConfigError(self._problems(), filename=self.source.filename)

    def _locate(self, path: Path, *, at_key: bool) -> tuple[int, int, Path]:
        """Return line, column and the part of `path` that stands in the file."""
        node = self.root
        line, column = (node.line, node.column) if node else (1, 1)
        for depth, step in enumerate(path):
            value = node.value if node else None
            if isinstance(value, dict) and step in value:
                entry = value[str(step)]
                node, is_last = entry.node, depth == len(path) - 1
                at_name = (is_last and at_key) or not node.text
                line, column = (entry.line, entry.column) if at_name else (node.line, node.column)
            elif isinstance(value, list) and isinstance(step, int) and step < len(value):
                node = value[step]
                line, column = node.line, node.column
            else:
                return line, column, path[:depth]
        return line, column, path

    def _problems(self) -> list[Problem]:
        spans = _secret_spans(self.root) if self.root else {}
        lines = {line: self._without_secrets(line, spans) for line in {place[0] for place in self._found}}
        found = sorted(self._found.items(), key=lambda item: item[0])
        return [
            Problem(
                line,
                column,
                dotted(path),
                self._scrub(message),
                self._scrub(hint) if hint else None,
                _cut(lines[line], column),
            )
            for (line, column, message), (path, hint) in found
        ]

    def _scrub(self, text: str) -> str:
        for secret in self.secrets:
            text = text.replace(secret, MASK)
        return text

    def _without_secrets(self, line: int, spans: dict[int, set[tuple[int, int]]]) -> str:
        """Return the line of the file; what is not in the node tree is recognised as secret by its look alone."""
        text, parts, rest = self.source.lines[line - 1], [], 0
        for start, end in sorted(spans.get(line, ())):
            parts += [text[rest:start], MASK]
            rest = end
        return mask_line("".join([*parts, text[rest:]]), before=self.source.lines[max(0, line - 51) : line - 1])


def _cut(line: str, column: int) -> str:
    """Shorten a long line to what stands around the column."""
    if len(line) <= _WIDTH:
        return line
    start = max(0, column - _WIDTH // 2)
    return ("…" if start else "") + line[start : start + _WIDTH] + ("…" if start + _WIDTH < len(line) else "")


def _secret_spans(root: Node) -> dict[int, set[tuple[int, int]]]:
    """Return, by line, the columns where the file itself holds a secret; a mere `${NAME}` is none."""
    spans: dict[int, set[tuple[int, int]]] = {}
    for path, node in root.scalars():
        value = node.text if isinstance(node.value, (str, Refused)) else node.value
        if not node.text or not hidden(path, value) or _REFERENCE.search(node.text):
            continue
        for line in range(node.line, node.end_line + 1):
            start = node.column - 1 if line == node.line else 0
            end = node.end_column - 1 if line == node.end_line else _LINE_END
            if start < end:
                spans.setdefault(line, set()).add((start, end))
    return spans
