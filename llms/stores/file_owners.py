"""Whose files the providers keep: the keys that gave them, in one SQLite file that is opened for each question."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Collection
from contextlib import closing
from pathlib import Path
from typing import Final, TypeVar, final

import structlog

T = TypeVar("T")

_log = structlog.get_logger()
_LOCK_WAIT: Final = 5.0
_TABLE: Final = """
    CREATE TABLE IF NOT EXISTS files (provider TEXT, file TEXT, owner TEXT NOT NULL, PRIMARY KEY (provider, file))
    WITHOUT ROWID
"""


class OwnersBroken(Exception):
    """Owners cannot be read or noted; the message says why."""


@final
class FileOwners:
    """Remember who gave which file to which provider; every method raises OwnersBroken."""

    def __init__(self, path: Path) -> None:
        """Take the file, which is made when the first owner is noted or asked for."""
        self._path = path

    async def note(self, provider: str, file: str, *, owner: str) -> None:
        """Remember a file's owner."""
        await self._run(
            lambda database: database.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", (provider, file, owner))
        )

    async def forget(self, provider: str, file: str) -> None:
        """Forget a file that is gone."""
        statement = "DELETE FROM files WHERE provider = ? AND file = ?"
        await self._run(lambda database: database.execute(statement, (provider, file)))

    async def owned(self, provider: str, files: Collection[str], *, owner: str) -> set[str]:
        """Return those of a provider's files that are an owner's."""
        statement = "SELECT 1 FROM files WHERE provider = ? AND file = ? AND owner = ?"

        def look(database: sqlite3.Connection) -> set[str]:
            return {name for name in files if database.execute(statement, (provider, name, owner)).fetchone()}

        return await self._run(look)

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return await asyncio.to_thread(self._work, work)
        except (sqlite3.Error, OSError) as error:
            _log.error("the owners of files cannot be kept or read", path=str(self._path), reason=str(error))
            raise OwnersBroken(str(error)) from None

    def _work(self, work: Callable[[sqlite3.Connection], T]) -> T:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.touch(mode=0o600)
        with closing(sqlite3.connect(self._path, timeout=_LOCK_WAIT)) as database, database:
            database.execute(_TABLE)
            return work(database)
