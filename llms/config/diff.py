"""Show a configuration, or what changed between two, without a secret in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from llms.config.masking import MASK, hidden, mask_text
from llms.config.model import SECTIONS, Config, ProviderRow
from llms.config.problems import Path, dotted
from llms.config.secret import SecretStr
from llms.config.section import Section
from llms.config.values import REFERENCE, Unbuilt, Value

_LONGEST = 120


def masked(config: Config) -> dict[str, Any]:
    """Return the effective configuration as it could stand in a file, with `***` for every secret.

    A secret is known by its key (`api_key`, `password`, …), by the name of the variable it came from, or by
    its form (user and password in a URL, bearer tokens).
    """
    shown = _mask(_tree(config), (), config.secret_paths)
    assert isinstance(shown, dict)
    return shown


def secret_values(config: Config) -> frozenset[str]:
    """Return every secret text of the configuration, so that whoever writes logs can search for them."""
    left_out = {"providers": {name: _shown_row(row) for name, row in config.left_out.items()}}
    more = (text for text in _secrets(left_out, (), config.secret_paths) if not re.search(REFERENCE, text))
    return frozenset([*_secrets(_tree(config), (), config.secret_paths), *more])


def diff(old: Config, new: Config) -> list[str]:
    """Return one line a change, such as `server.port: 8000 -> 9000`; secrets are only said to have changed."""
    return list(_changes((), _tree(old), _tree(new), masked(old), masked(new)))


def _tree(config: Config) -> dict[str, Any]:
    return {
        "source": config.source,
        "discover": config.discover,
        **{name: _shown(getattr(config, name)) for name in SECTIONS},
        "providers": {name: _shown_row(row) for name, row in config.providers.items()},
        "models": {name: _shown(row) for name, row in config.models.items()},
        "skipped": dict(config.skipped),
    }


def _shown_row(row: ProviderRow) -> dict[str, Any]:
    shown = _shown(row)
    del shown["name"], shown["options"]
    return {"type": shown.pop("type"), **_plain(row.options, None), **shown}


def _shown(section: Section) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for name, field in section.fields().items():
        kind = field.kind if isinstance(field.kind, Value) else None
        if not isinstance(kind, Unbuilt):
            shown[name] = _plain(getattr(section, name), kind)
    return shown


def _plain(value: Any, kind: Value | None) -> Any:
    if isinstance(value, Section):
        return _shown(value)
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Mapping):
        return {str(key): _plain(item, None) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item, None) for item in value]
    return kind.show(value) if kind is not None and value is not None else value


def _mask(value: Any, path: Path, secret_paths: frozenset[Path]) -> Any:
    if isinstance(value, dict):
        return {key: _mask(item, (*path, key), secret_paths) for key, item in value.items()}
    if isinstance(value, list):
        return [_mask(item, (*path, position), secret_paths) for position, item in enumerate(value)]
    if _is_secret(value, path, secret_paths):
        return MASK
    return mask_text(value) if isinstance(value, str) else value


def _secrets(value: Any, path: Path, secret_paths: frozenset[Path]) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _secrets(item, (*path, key), secret_paths)
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _secrets(item, (*path, position), secret_paths)
    elif isinstance(value, str) and value and _is_secret(value, path, secret_paths):
        yield value


def _is_secret(value: Any, path: Path, secret_paths: frozenset[Path]) -> bool:
    return hidden(path, value) or any(path[:length] in secret_paths for length in range(1, len(path) + 1))


def _changes(path: Path, old: Any, new: Any, old_shown: Any, new_shown: Any) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*old, *new]):
            where = (*path, key)
            if key not in new:
                yield f"{dotted(where)}: removed"
            elif key not in old:
                yield f"{dotted(where)}: added {_written(new_shown[key])}"
            elif where != ("source",):
                yield from _changes(where, old[key], new[key], old_shown[key], new_shown[key])
    elif old != new or type(old) is not type(new):
        before, after = _written(old_shown), _written(new_shown)
        yield f"{dotted(path)}: {before} -> {after}" if before != after else f"{dotted(path)}: changed"


def _written(shown: Any) -> str:
    text = shown if isinstance(shown, str) and shown.isprintable() else json.dumps(shown, default=repr)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
