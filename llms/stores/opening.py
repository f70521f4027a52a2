"""Open the usage store that the configuration names."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from llms.stores.base import NoUsage, UsageStore
from llms.stores.sqlite import SqliteUsage

_FILE: Final = "usage.sqlite3"


def open_usage_store(place: str, *, data_dir: Path) -> UsageStore:
    """Return the store of `stores.usage`: "sqlite" (in the data directory), "sqlite:///PATH" or "none"."""
    if place == "none":
        return NoUsage()
    path = Path(place.removeprefix("sqlite:///")) if place.startswith("sqlite:///") else data_dir / _FILE
    return SqliteUsage(path.expanduser())
