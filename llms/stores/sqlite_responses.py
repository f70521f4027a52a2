"""The store of responses in one SQLite file, worked on by one thread in the order of asking."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar, final

import structlog

from llms.config.model import Responses
from llms.protocol import json
from llms.stores.responses import ChainTooLong, ResponseStore, StoreBroken, StoredResponse

T = TypeVar("T")

_log = structlog.get_logger()
_LOCK_WAIT: Final = 5.0
_LONGEST_CHAIN: Final = 1000
"""Responses."""
_UNDER_WAY: Final = ("queued", "in_progress")
_CUT: Final = {"code": "server_error", "message": "The server stopped before the answer was whole."}
_COLUMNS: Final = "id, owner, created, previous, provider, model, response, items, sealed"
_GET: Final = f"SELECT {_COLUMNS}, size, pid, boot FROM responses WHERE id = ? AND owner = ?"  # noqa: S608
_PUT: Final = f"""
    INSERT INTO responses ({_COLUMNS}, size, pid, boot) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET provider = excluded.provider, model = excluded.model, response = excluded.response,
        items = excluded.items, sealed = excluded.sealed, size = excluded.size, pid = excluded.pid, boot = excluded.boot
    WHERE owner = excluded.owner
"""  # noqa: S608
_OLDEST: Final = "DELETE FROM responses WHERE id = (SELECT id FROM responses ORDER BY created, rowid LIMIT 1)"
_MIGRATIONS: Final = (
    """
    CREATE TABLE responses (
        id TEXT NOT NULL PRIMARY KEY,
        owner TEXT NOT NULL,
        created REAL NOT NULL,
        previous TEXT,
        provider TEXT NOT NULL,
        model TEXT NOT NULL,
        response BLOB,
        items BLOB NOT NULL,
        sealed BLOB NOT NULL,
        size INTEGER NOT NULL,
        pid INTEGER NOT NULL,
        boot TEXT NOT NULL
    )
    """,
    "CREATE INDEX by_age ON responses (created)",
    """
    CREATE TABLE parts (owner TEXT NOT NULL, item TEXT NOT NULL, response TEXT NOT NULL, PRIMARY KEY (owner, item))
        WITHOUT ROWID
    """,
    "CREATE INDEX parts_of ON parts (response)",
    "CREATE TABLE writers (pid INTEGER PRIMARY KEY, boot TEXT NOT NULL)",
    "CREATE TABLE totals (count INTEGER NOT NULL, size INTEGER NOT NULL)",
    "INSERT INTO totals VALUES (0, 0)",
    """
    CREATE TRIGGER added AFTER INSERT ON responses
        BEGIN UPDATE totals SET count = count + 1, size = size + new.size; END
    """,
    """
    CREATE TRIGGER changed AFTER UPDATE OF size ON responses
        BEGIN UPDATE totals SET size = size + new.size - old.size; END
    """,
    """
    CREATE TRIGGER gone AFTER DELETE ON responses
        BEGIN
            UPDATE totals SET count = count - 1, size = size - old.size;
            DELETE FROM parts WHERE response = old.id;
        END
    """,
)
"""One statement a schema version; `user_version` counts those that a file has seen."""


@final
class SqliteResponses:
    """Responses in one file, made when the first is kept or looked for. `boot` names this run of the process."""

    def __init__(self, path: Path, *, bounds: Callable[[], Responses], now: Callable[[], float], boot: str) -> None:
        """Take how much may be kept whenever it counts."""
        self._path = path
        self._bounds = bounds
        self._now = now
        self._boot = boot
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="llms-responses")
        self._database: sqlite3.Connection | None = None

    async def put(self, row: StoredResponse) -> None:
        """Keep a response, and forget the oldest ones that are too many."""
        await self._run(lambda database: self._put(database, row))

    def note(self, row: StoredResponse) -> None:
        """Keep a response without waiting; what goes wrong is logged."""
        self._thread.submit(self._noted, row)

    async def get(self, response_id: str, *, owner: str) -> StoredResponse | None:
        """Return a response."""
        return await self._run(lambda database: self._get(database, response_id, owner))

    async def chain(self, response_id: str, *, owner: str, size: int) -> list[StoredResponse] | None:
        """Return a response and all that it continues, the first of them first."""
        return await self._run(lambda database: self._chain(database, response_id, owner, size))

    async def find_items(self, ids: Collection[str], *, owner: str) -> dict[str, dict[str, Any]]:
        """Return items by their ids."""
        return await self._run(lambda database: self._find_items(database, ids, owner))

    async def delete(self, response_id: str, *, owner: str) -> bool:
        """Forget a response."""
        statement = "DELETE FROM responses WHERE id = ? AND owner = ?"
        return await self._run(lambda database: database.execute(statement, (response_id, owner)).rowcount > 0)

    async def close(self) -> None:
        """Close the file after what was asked before."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown(wait=False)

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Work in the thread; what was begun is done to its end when the caller leaves."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._work, work)
        except (sqlite3.Error, OSError, UnicodeError) as error:
            _log.error("responses cannot be kept or read", path=str(self._path), reason=str(error))
            raise StoreBroken(str(error)) from None

    def _noted(self, row: StoredResponse) -> None:
        try:
            self._work(lambda database: self._put(database, row))
        except (sqlite3.Error, OSError, UnicodeError) as error:
            _log.error("responses cannot be kept or read", path=str(self._path), reason=str(error))

    def _work(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._database is None:
            self._database = self._open()
        with self._database as database:
            database.execute("BEGIN IMMEDIATE")
            return work(database)

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.touch(mode=0o600)
        database = sqlite3.connect(self._path, timeout=_LOCK_WAIT, isolation_level=None, check_same_thread=False)
        try:
            for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "secure_delete = FAST"):
                database.execute(f"PRAGMA {pragma}")
            with database:
                database.execute("BEGIN IMMEDIATE")
                _migrate(database)
                database.execute("INSERT OR REPLACE INTO writers VALUES (?, ?)", (os.getpid(), self._boot))
        except sqlite3.Error:
            database.close()
            raise
        return database

    def _close(self) -> None:
        if self._database is not None:
            self._database.close()

    def _put(self, database: sqlite3.Connection, row: StoredResponse) -> None:
        response = None if row.response is None else json.dumps(row.response)
        items, sealed = json.dumps(list(row.items)), json.dumps(dict(row.sealed))
        size = len(response or b"") + len(items) + len(sealed)
        bounds = self._bounds()
        if size > bounds.max_size:
            _log.warning("a response is too large to be kept", response=row.id, size=size, max_size=bounds.max_size)
            database.execute("DELETE FROM responses WHERE id = ? AND owner = ?", (row.id, row.owner))
            return
        values = (row.id, row.owner, row.created, row.previous, row.provider, row.model, response, items, sealed)
        database.execute(_PUT, (*values, size, os.getpid(), self._boot))
        parts = [(row.owner, item, row.id) for item in _ids(row)]
        database.executemany("INSERT OR REPLACE INTO parts VALUES (?, ?, ?)", parts)
        self._forget(database, bounds)

    def _forget(self, database: sqlite3.Connection, bounds: Responses) -> None:
        database.execute("DELETE FROM responses WHERE created < ?", (self._now() - bounds.keep,))
        while True:
            count, size = database.execute("SELECT count, size FROM totals").fetchone()
            if count <= bounds.max and size <= bounds.max_size:
                return
            database.execute(_OLDEST)

    def _get(self, database: sqlite3.Connection, response_id: str, owner: str) -> StoredResponse | None:
        found = database.execute(_GET, (response_id, owner)).fetchone()
        if found is None or found[2] < self._now() - self._bounds().keep:
            return None
        return self._row(database, found)

    def _chain(
        self, database: sqlite3.Connection, response_id: str, owner: str, size: int
    ) -> list[StoredResponse] | None:
        chain: list[StoredResponse] = []
        following: str | None = response_id
        while following is not None:
            found = database.execute(_GET, (following, owner)).fetchone()
            if found is None:
                return None
            size -= found[9]
            if size < 0 or len(chain) >= _LONGEST_CHAIN:
                raise ChainTooLong(f"the conversation has over {len(chain)} responses, or is too long")
            chain.append(self._row(database, found))
            following = chain[-1].previous if not chain[-1].provider else None
        return chain[::-1]

    def _find_items(self, database: sqlite3.Connection, ids: Collection[str], owner: str) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for item_id in ids:
            if item_id in found:
                continue
            place = database.execute("SELECT response FROM parts WHERE owner = ? AND item = ?", (owner, item_id))
            for (response_id,) in place.fetchall():
                row = self._get(database, response_id, owner)
                if row is not None:
                    items = [*row.items, *row.output]
                    found |= {item["id"]: dict(item) for item in items if isinstance(item.get("id"), str)}
        return {item_id: item for item_id, item in found.items() if item_id in ids}

    def _row(self, database: sqlite3.Connection, values: Sequence[Any]) -> StoredResponse:
        *head, response, items, sealed, _, pid, boot = values
        decoded = None if response is None else json.loads(response)
        if decoded is not None and decoded["status"] in _UNDER_WAY and not self._is_alive(database, pid, boot):
            decoded = {**decoded, "status": "failed", "error": _CUT}
        return StoredResponse._make((*head, decoded, json.loads(items), json.loads(sealed)))

    def _is_alive(self, database: sqlite3.Connection, pid: int, boot: str) -> bool:
        """Tell whether a run of a server still goes on."""
        if boot == self._boot:
            return True
        known = database.execute("SELECT boot FROM writers WHERE pid = ?", (pid,)).fetchone()
        if known is None or known[0] != boot:
            return False
        try:
            os.kill(pid, 0)
        except PermissionError:
            return True
        except OSError:
            return False
        return True


def _migrate(database: sqlite3.Connection) -> None:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version > len(_MIGRATIONS):
        raise sqlite3.DatabaseError(f"its schema version {version} is newer than this llms knows")
    for statement in _MIGRATIONS[version:]:
        database.execute(statement)
    database.execute(f"PRAGMA user_version = {len(_MIGRATIONS)}")


def _ids(row: StoredResponse) -> Iterator[str]:
    output: Sequence[Mapping[str, Any]] = () if row.response is None else row.response["output"]
    for item in (*row.items, *output):
        if isinstance(item.get("id"), str):
            yield item["id"]


_: type[ResponseStore] = SqliteResponses
