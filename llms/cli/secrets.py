"""The secret values of a configuration and its environment, for the log's redaction."""

from __future__ import annotations

from collections.abc import Mapping

from llms.config.diff import secret_values
from llms.config.model import Config
from llms.providers.known import KNOWN


def secrets_of(config: Config, environ: Mapping[str, str]) -> set[str]:
    """Return every value that must not be shown: keys of callers, keys of providers, known key variables."""
    variables = ("LLMS_API_KEY", *(name for row in KNOWN.values() for name in row.key_variables))
    return {*secret_values(config), *(environ[name] for name in variables if environ.get(name))}
