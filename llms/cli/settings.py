"""The configuration that a verb works with: the file that is found, or none, and what is secret in it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from llms.cli.output import fail
from llms.config.diff import secret_values
from llms.config.load import ConfigError, find, load, without_file
from llms.config.model import Config
from llms.config.secret import SecretStr
from llms.providers import registry
from llms.providers.known import KNOWN


def configuration(explicit: str | None) -> Config:
    """Return the configuration in force; print every problem and exit with 2 when there are any."""
    try:
        return read(explicit)
    except ConfigError as error:
        fail(str(error), lines=True)


def read(explicit: str | None) -> Config:
    """Return the configuration in force; raise ConfigError.

    A caller's key in LLMS_API_KEY counts wherever the file names none.
    """
    path = find(explicit, environ=os.environ, cwd=Path.cwd())
    config = without_file() if path is None else read_file(path)
    key = os.environ.get("LLMS_API_KEY", "").strip()
    if key and not config.keys.static:
        config = config.changed(keys=config.keys.changed(static=(SecretStr(key),)))
    return config


def read_file(path: Path) -> Config:
    """Return what one file says; raise ConfigError."""
    return load(path, environ=os.environ, validate_options=registry.validate, known_providers={*KNOWN, "local"})


def secrets_of(config: Config, environ: Mapping[str, str]) -> set[str]:
    """Return every value that must not be shown: keys of callers, keys of providers, known key variables."""
    variables = ("LLMS_API_KEY", *(name for row in KNOWN.values() for name in row.key_variables))
    return {*secret_values(config), *(environ[name] for name in variables if environ.get(name))}
