"""The secret values of a configuration, for the log's redaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from llms.config.masking import hidden
from llms.config.model import Config
from llms.providers.known import KNOWN


def secrets_of(config: Config, environ: Mapping[str, str]) -> set[str]:
    """Return every value that must not be shown: keys of callers, keys of providers, known key variables."""
    found = {key.get_secret_value() for key in config.keys.static}
    found.update(environ[name] for row in KNOWN.values() for name in row.key_variables if environ.get(name))
    for name, row in config.providers.items():
        found.update(_hidden(("providers", name), row.options))
    return {value for value in found if len(value) > 3}


def _hidden(path: tuple[str | int, ...], value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _hidden((*path, str(key)), item)
    elif isinstance(value, list | tuple):
        for position, item in enumerate(value):
            yield from _hidden((*path, position), item)
    elif isinstance(value, str) and hidden(path, value):
        yield value
