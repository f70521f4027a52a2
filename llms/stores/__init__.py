"""Floor 2: where accounts are kept. `base.py` is the seam, one file a kind; `open_usage_store` chooses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from llms.stores.base import UsageStore

_FILE: Final = "usage.sqlite3"


def open_usage_store(place: str, *, data_dir: Path) -> UsageStore:
    """Return the store of `stores.usage`: "sqlite" (in the data directory), "sqlite:///PATH" or "none"."""
    if place == "none":
        from llms.stores.base import NoUsage

        return NoUsage()
    from llms.stores.sqlite import SqliteUsage

    path = Path(place.removeprefix("sqlite:///")) if place.startswith("sqlite:///") else data_dir / _FILE
    return SqliteUsage(path.expanduser())
