"""Put the environment into parsed values: `${NAME}`, `${NAME:-default}`, `os.environ/NAME`; `$${` is a plain `${`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from llms.config.masking import hidden, is_secret
from llms.config.nodes import REFUSED, Node
from llms.config.problems import Path

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_REFERENCE = re.compile(
    rf"\$(?P<escape>\$)(?=\{{)|\$\{{(?P<name>{_NAME})(?::-(?P<default>[^{{}}]*))?\}}|(?P<broken>\$\{{)"
)
_WHOLE = re.compile(rf"os\.environ/({_NAME})")
_MISTAKEN_KEY = re.compile(rf"(?:\$|env\.)({_NAME})")
_SHORTEST_SECRET = 8


@dataclass(frozen=True, slots=True)
class Missing:
    """A variable that is needed at `path` and not set."""

    path: Path
    variable: str


@dataclass(slots=True)
class Expansion:
    """What came out: the plain value, and what is to be said about its parts."""

    value: Any = None
    missing: list[Missing] = field(default_factory=list)
    broken: list[tuple[Path, str, str]] = field(default_factory=list)
    """Path, message and hint of every text that cannot be expanded."""
    refused: list[Path] = field(default_factory=list)
    """Values that were reported while the file was parsed; None stands in their place."""
    secret_paths: set[Path] = field(default_factory=set)
    """Where a variable with a telling name went in."""
    secrets: set[str] = field(default_factory=set)


def expand(node: Node, path: Path, *, environ: Mapping[str, str]) -> Expansion:
    """Return the plain value of `node`, which stands at `path`; where a variable is missing, the text stays."""
    expansion = Expansion()
    expansion.value = _plain(node, path, environ, expansion)
    return expansion


def _plain(node: Node, path: Path, environ: Mapping[str, str], into: Expansion) -> Any:
    value = node.value
    if isinstance(value, dict):
        return {key: _plain(entry.node, (*path, key), environ, into) for key, entry in value.items()}
    if isinstance(value, list):
        return [_plain(item, (*path, position), environ, into) for position, item in enumerate(value)]
    if value is REFUSED:
        into.refused.append(path)
        return None
    if not isinstance(value, str):
        return value
    result = _expanded(value, path, environ, into)
    if len(result) >= _SHORTEST_SECRET and (path in into.secret_paths or hidden(path, result)):
        into.secrets.add(result)
    return result


def _expanded(text: str, path: Path, environ: Mapping[str, str], into: Expansion) -> str:
    whole = _WHOLE.fullmatch(text)
    written = f"${{{whole[1]}}}" if whole else text
    references = list(_REFERENCE.finditer(written))
    mistaken = _MISTAKEN_KEY.fullmatch(text) if path[-1:] == ("api_key",) else None
    if mistaken or any(found["broken"] for found in references):
        name = mistaken[1] if mistaken else "NAME"
        into.broken.append((path, "this is not a variable", f'write "${{{name}}}" or "${{{name}:-default}}"'))
        return text
    names = [found["name"] for found in references if found["name"]]
    if any(is_secret(name) for name in names):
        into.secret_paths.add(path)
    if path in into.secret_paths or hidden(path, text):
        into.secrets |= {value for name in names if len(value := environ.get(name, "")) >= _SHORTEST_SECRET}
    for name in names:
        if not _is_text(environ.get(name, "")):
            into.broken.append((path, f"the variable {name} is not text", "set it to UTF-8"))
            return text
    result = _REFERENCE.sub(lambda found: _replacement(found, environ), written)
    needed = [found["name"] for found in references if found["name"] and found["default"] is None]
    is_empty_key = path[-1:] == ("api_key",) and not result
    missing = [Missing(path, name) for name in needed if name not in environ or is_empty_key]
    into.missing.extend(missing)
    return text if missing else result


def _replacement(found: re.Match[str], environ: Mapping[str, str]) -> str:
    """Return the variable's value without the line end that files and pipes leave; empty means the default."""
    if found["escape"]:
        return "$"
    return environ.get(found["name"], "").rstrip("\r\n") or found["default"] or ""


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
