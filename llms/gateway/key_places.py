"""Where the keys of a provider's row stand: finding them, telling where they came from, filling in one that lacks."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, Literal, cast

from llms.config.masking import hidden
from llms.config.model import ProviderRow
from llms.config.problems import Path
from llms.config.values import REFERENCE

_NAME: Final = "api_key"
_REFERENCE: Final = re.compile(REFERENCE)


def key_state(row: ProviderRow, secret_paths: Collection[Path]) -> Literal["none", "environment", "file"]:
    """Tell where the keys of a row come from; `secret_paths` are the places that a variable was put into."""
    paths = list(_keys(row.options, ("providers", row.name)))
    if not paths:
        return "none"
    return "environment" if any(path in secret_paths for path in paths) else "file"


def has_key(options: Mapping[str, Any]) -> bool:
    """Tell whether the own keys of a row hold a secret."""
    return any(True for _ in _keys(options, ("providers", "")))


def lacks_one_key(row: ProviderRow, reason: str) -> bool:
    """Tell whether a row is left out, for this `reason`, for want of one key and of nothing else."""
    is_one = reason.startswith("needs ") and " and " not in reason
    return is_one and all(path[-1] == _NAME for path, text in _texts(row.options, ()) if _REFERENCE.search(text))


def with_key(options: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return the own keys of a row with `key` where one waits for its variable, else as its `api_key`."""
    waits = any(_REFERENCE.search(text) for _, text in _texts(options, ()))
    return cast(Mapping[str, Any], _filled(options, key)) if waits else {**options, _NAME: key}


def _filled(value: Any, key: str) -> Any:
    if isinstance(value, Mapping):
        return {
            name: key if name == _NAME and isinstance(item, str) and _REFERENCE.search(item) else _filled(item, key)
            for name, item in value.items()
        }
    return [_filled(item, key) for item in value] if isinstance(value, list) else value


def _keys(options: Mapping[str, Any], path: Path) -> Iterator[Path]:
    return (where for where, text in _texts(options, path) if text and hidden(where, text))


def _texts(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _texts(item, (*path, str(name)))
    elif isinstance(value, list | tuple):
        for position, item in enumerate(value):
            yield from _texts(item, (*path, position))
    elif isinstance(value, str):
        yield path, value
