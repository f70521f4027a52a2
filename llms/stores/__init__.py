"""Floor 2: where accounts and shared streams are kept.

`base.py` and `streams.py` are the seams, one file a kind; `open_usage_store` and `open_stream_store` choose.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from llms.stores.base import UsageStore
    from llms.stores.streams import StreamStore

_FILE: Final = "usage.sqlite3"


def open_usage_store(place: str, *, data_dir: Path) -> UsageStore:
    """Return the store of `stores.usage`: "sqlite" (in the data directory), "sqlite:///PATH" or "none"."""
    if place == "none":
        from llms.stores.base import NoUsage

        return NoUsage()
    from llms.stores.sqlite import SqliteUsage

    path = Path(place.removeprefix("sqlite:///")) if place.startswith("sqlite:///") else data_dir / _FILE
    return SqliteUsage(path.expanduser())


def open_stream_store(place: str) -> StreamStore | None:
    """Return the store of `stores.state`: a Redis by its address; None where streams stay in this process."""
    if place == "memory":
        return None
    from llms.stores.redis_streams import RedisStreams

    return RedisStreams(place)
