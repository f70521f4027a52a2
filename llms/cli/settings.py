"""The configuration that a verb works with: the file that is found, or none, and what flags change."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

from pydantic import SecretStr

from llms.config.load import ConfigError, find, load, without_file
from llms.config.model import Config
from llms.providers import registry
from llms.providers.known import KNOWN


def configuration(explicit: str | None) -> Config:
    """Return the configuration in force; print every problem and exit with 2 when there are any."""
    try:
        return read(explicit)
    except ConfigError as error:
        fail(str(error))


def read(explicit: str | None) -> Config:
    """Return the configuration in force; raise ConfigError."""
    path = find(explicit, environ=os.environ, cwd=Path.cwd())
    if path is not None:
        return load(path, environ=os.environ, validate_options=registry.validate, known_providers={*KNOWN, "local"})
    config = without_file()
    key = os.environ.get("LLMS_API_KEY")
    if key:
        config = config.model_copy(update={"keys": config.keys.model_copy(update={"static": (SecretStr(key),)})})
    return config


def fail(message: str, *, code: int = 2) -> NoReturn:
    """Print one clear message on stderr and exit."""
    print(message, file=sys.stderr)
    raise SystemExit(code)
