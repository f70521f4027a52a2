"""Explain in plain words why a text is not YAML, and what to change."""

from __future__ import annotations

import re

import yaml

from llms.config.source import Source

_REFERENCE = re.compile(r"\$\{[^}\s]*\}?")
_RESERVED = "*&!%@`"

_BY_WORDS = (
    ("escape character", "this escape is not known", "write \\\\ for a backslash, or use single quotes"),
    ("escape code", "this escape stands for no character", "remove it"),
    ("quoted scalar", "a quoted text is not closed", "close the quote{opened}"),
    ("mapping values are not allowed", 'a ":" is not expected here', "quote the value, or check the indentation"),
    ("block sequence entries", 'a "-" is not expected here', "put the list on lines of its own"),
    ("expected ',' or '}'", 'a "," or "}" is missing', "close the mapping{opened}"),
    ("expected ',' or ']'", 'a "," or "]" is missing', "close the list{opened}"),
    ("expected key", "this line does not fit the lines above", "check its indentation and the quotes above"),
    ("expected <block end>", "this line does not fit the lines above", "check its indentation and the quotes above"),
    ("'-' indicator", "this line does not fit the list above", "check its indentation"),
    ("expected ':'", 'a ":" is missing after this name', 'write "name: value"'),
    ("document start", "nothing may stand after the end of the top mapping", "check brackets and indentation"),
    ("incompatible YAML", "this YAML version is not known", "remove the %YAML line"),
)


def syntax_problem(error: yaml.YAMLError, source: Source) -> tuple[int, int, str, str]:
    """Return line and column (from 1) of a syntax error, what is wrong and the fix."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return 1, 1, "this is not YAML", "check that it is the right file"
    mark = error.problem_mark
    line, column = _inside(source, mark.line, mark.column)
    message, hint = _explained(f"{error.context or ''} {error.problem or ''}")
    shown = source.lines[line]
    unquoted = _REFERENCE.match(shown, max(0, column - 1))
    if unquoted:
        name = unquoted[0] if unquoted[0].endswith("}") else "${NAME}"
        return line + 1, column, 'an unquoted "${" is read as a mapping here', f'quote it: "{name}"'
    if "\t" in shown[: len(shown) - len(shown.lstrip())]:
        return line + 1, shown.index("\t") + 1, "a tab cannot indent", "indent with spaces"
    at = shown[column : column + 1]
    if error.context == "while scanning an alias" or (at in _RESERVED and at):
        return line + 1, column + 1, "a value cannot start like this", 'quote it: "…"'
    opened = error.context_mark.line if error.context_mark is not None else line
    where = f" that was opened in line {opened + 1}" if opened != line else ""
    return line + 1, column + 1, message, hint.replace("{opened}", where)


def _inside(source: Source, line: int, column: int) -> tuple[int, int]:
    """Return the place, or the end of the last written line where the place is past the end of the text."""
    last = len(source.lines) - 1
    while last > 0 and not source.lines[last].strip():
        last -= 1
    if line > last:
        return last, len(source.lines[last])
    return line, min(column, len(source.lines[line]))


def _explained(words: str) -> tuple[str, str]:
    for part, message, hint in _BY_WORDS:
        if part in words:
            return message, hint
    return "this is not YAML", "check the quotes, brackets and indentation around it"
