"""What only a start can change, above all where the server listens."""

from __future__ import annotations

from typing import Final

from llms.config.model import Config

_FIXED: Final = (
    ("server", "host"),
    ("server", "port"),
    ("server", "workers"),
    ("server", "data_dir"),
    ("stores", "usage"),
    ("stores", "state"),
    ("responses", "store"),
    ("ui", "enabled"),
)


def as_started(config: Config, started: Config) -> tuple[Config, list[str]]:
    """Return a new configuration with all that as it was, and the settings that it would have changed."""
    kept: list[str] = []
    for section, key in _FIXED:
        value = getattr(getattr(started, section), key)
        found = getattr(config, section)
        if getattr(found, key) != value:
            kept.append(f"{section}.{key}")
            config = config.changed(**{section: found.changed(**{key: value})})
    return config, kept
