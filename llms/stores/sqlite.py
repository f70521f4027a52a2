"""The usage store in one SQLite file: a writer thread that commits rows in groups, 25 ms after the first of them."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from itertools import chain
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar, final

import structlog

from llms.stores import usage_report
from llms.stores.base import UsageRow, UsageStore, UsageTooMuch, UsageUnreadable
from llms.stores.stream_report import StreamReport, stream_report
from llms.stores.usage_report import Query, Report

T = TypeVar("T")

_log = structlog.get_logger()

_GATHER: Final = 0.025
"""Seconds that the first row of a group waits for others; with the commit it is on disk within 50 ms."""

_LOCK_WAIT: Final = 1.0
"""Seconds that one attempt waits for a writer of another process."""

_LOCK_PAUSE: Final = 0.1
_LAST_PAUSE: Final = 0.02
_LAST_WAIT: Final = 2.0
"""Seconds that rows wait for the lock when the store is being closed."""
_CLOSE_WAIT: Final = 5.0
_READ_SECONDS: Final = 20.0
_READ_STEPS: Final = 100_000
"""Of SQLite's machine, between two looks at the clock."""

_PACKS: Final = (512, 64, 8, 1)
"""Rows in one statement: each statement lets go of the interpreter once, and takes it back from a busy loop."""

_COLUMNS: Final = ", ".join(UsageRow._fields)
_VALUES: Final = f"({', '.join('?' * len(UsageRow._fields))})"
_INSERT: Final = f"INSERT INTO requests ({_COLUMNS}) VALUES {_VALUES}"  # noqa: S608
_INSERTS: Final = {size: _INSERT + f", {_VALUES}" * (size - 1) for size in _PACKS}
_RECENT: Final = f"SELECT {_COLUMNS} FROM requests ORDER BY id DESC LIMIT ?"  # noqa: S608
_PAGE: Final = f"SELECT id, {_COLUMNS} FROM requests WHERE id < ? ORDER BY id DESC LIMIT ?"  # noqa: S608
_NEWEST: Final = 2**63 - 1

_MIGRATIONS: Final = (
    """
    CREATE TABLE requests (
        id INTEGER PRIMARY KEY,
        request_id TEXT NOT NULL,
        started REAL NOT NULL,
        time TEXT GENERATED ALWAYS AS (strftime('%Y-%m-%dT%H:%M:%fZ', started, 'unixepoch')) VIRTUAL,
        route TEXT NOT NULL,
        key_id TEXT NOT NULL,
        asked_model TEXT NOT NULL,
        provider TEXT NOT NULL,
        model TEXT NOT NULL,
        stream INTEGER NOT NULL,
        status INTEGER NOT NULL,
        outcome TEXT NOT NULL,
        error_code TEXT,
        window TEXT,
        finish_reason TEXT,
        prompt_tokens INTEGER NOT NULL,
        completion_tokens INTEGER NOT NULL,
        cached_tokens INTEGER NOT NULL,
        reasoning_tokens INTEGER NOT NULL,
        usage_source TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        retries INTEGER NOT NULL,
        fallbacks INTEGER NOT NULL,
        chunks INTEGER NOT NULL,
        skipped INTEGER NOT NULL,
        queued REAL NOT NULL,
        ttft REAL,
        duration REAL NOT NULL,
        upstream_request_id TEXT NOT NULL
    )
    """,
    usage_report.INDEX,
)
"""One statement a schema version; `user_version` counts those that a file has seen."""


@final
class SqliteUsage:
    """Rows in table `requests`; a database that cannot be written turns the store off and harms nobody.

    A group is one transaction in a write-ahead log, so a killed process loses at most the last group and
    tears no row. While another process holds the lock, rows wait; over `bound` the oldest are dropped.
    """

    def __init__(self, path: Path, *, bound: int = 10_000) -> None:
        """Start the writer, which makes the file where there is none; nothing is waited for."""
        self._path = path
        self._bound = bound
        self._rows: SimpleQueue[UsageRow | None] = SimpleQueue()
        self._takes_rows = True
        self._closing = threading.Event()
        self._begun = threading.Event()
        self.dropped = 0
        """Rows that gave way because the writer did not keep up."""
        self._writer = threading.Thread(target=self._write, name="llms-usage", daemon=True)
        self._writer.start()

    def add(self, row: UsageRow) -> None:
        """Hand a row to the writer; never waits and never raises."""
        if self._takes_rows:
            if self._rows.qsize() >= self._bound:
                self._drop_oldest()
            self._rows.put(row)

    def _drop_oldest(self) -> None:
        try:
            self._rows.get_nowait()
        except Empty:
            return
        self.dropped += 1
        if self.dropped == 1:
            _log.warning("usage rows are dropped: the database does not keep up", path=str(self._path))

    def _write(self) -> None:
        """Open the database and store groups until closed: the life of the writer's thread."""
        try:
            with closing(self._patiently(self._open)) as database:
                self._begun.set()
                while group := self._next_group():
                    self._patiently(lambda: _insert(database, group))
        except (sqlite3.Error, OSError, UnicodeError, OverflowError) as error:
            self._turn_off(error)

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.touch(mode=0o600)
        database = sqlite3.connect(self._path, timeout=_LOCK_WAIT, isolation_level=None)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            _migrate(database)
        except sqlite3.Error:
            database.close()
            raise
        return database

    def _next_group(self) -> list[UsageRow]:
        """Wait for a row, then a little for more; an empty group is the end."""
        first = self._rows.get()
        if first is None:
            return []
        group = [first]
        self._closing.wait(_GATHER)
        for _ in range(self._rows.qsize()):
            row = self._rows.get()
            if row is None:
                self._rows.put(None)
                break
            group.append(row)
        return group

    def _patiently(self, work: Callable[[], T]) -> T:
        """Repeat work for as long as another process holds the lock; raise what else goes wrong."""
        waits = False
        last = float("inf")
        while True:
            try:
                return work()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > last:
                    raise
            if self._closing.is_set():
                last = min(last, time.monotonic() + _LAST_WAIT)
                time.sleep(_LAST_PAUSE)
                continue
            if not waits:
                _log.warning("usage rows wait: another process holds the lock of the database", path=str(self._path))
                waits = True
            self._closing.wait(_LOCK_PAUSE)

    def _turn_off(self, error: Exception) -> None:
        self._takes_rows = False
        self._begun.set()
        self._rows = SimpleQueue()
        _log.error(
            "usage is not stored: the database cannot be used",
            path=str(self._path),
            reason=str(error),
            fix="make the file writable, move it away, or set stores.usage to another path or to none",
        )

    async def recent(self, limit: int = 100) -> list[UsageRow]:
        """Return the committed rows, the newest first; empty while there is no readable database."""
        return await asyncio.to_thread(self._read, limit)

    def _read(self, limit: int) -> list[UsageRow]:
        try:
            with closing(self._reader()) as database:
                return [_row(values) for values in database.execute(_RECENT, (limit,))]
        except sqlite3.Error:
            return []

    async def page(self, *, limit: int, before: int | None = None) -> list[tuple[int, UsageRow]]:
        """Return rows with their numbers, the newest first, of those below `before`; raise UsageUnreadable."""
        return await self._read_apart(lambda database: _page(database, limit, before))

    async def models(self, query: Query) -> list[tuple[str, str]]:
        """Return the models that were asked in a time: provider and upstream's id; raise UsageUnreadable."""
        return await self._read_apart(lambda database: usage_report.models(database, query))

    async def report(self, query: Query) -> Report:
        """Return what the rows of a time come to; raise UsageUnreadable."""
        return await self._read_apart(lambda database: usage_report.report(database, query))

    async def streams(self, *, end: float, spans: Sequence[float], steps: tuple[float, float]) -> StreamReport:
        """Return how streams went, as `stream_report` does; raise UsageUnreadable."""
        return await self._read_apart(lambda database: stream_report(database, end=end, spans=spans, steps=steps))

    async def _read_apart(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Read in a thread; whoever leaves ends the reading."""
        left = threading.Event()
        try:
            return await asyncio.to_thread(self._asked, work, left)
        finally:
            left.set()

    def _asked(self, work: Callable[[sqlite3.Connection], T], left: threading.Event) -> T:
        """Read one state of the database, for some seconds at most; a new one has its table in a moment."""
        deadline = time.monotonic() + _READ_SECONDS
        self._begun.wait(_LOCK_WAIT)
        try:
            with closing(self._reader()) as database:
                database.set_progress_handler(lambda: left.is_set() or time.monotonic() > deadline, _READ_STEPS)
                database.execute("BEGIN")
                return work(database)
        except sqlite3.Error as error:
            if time.monotonic() > deadline:
                raise UsageTooMuch(f"reading takes over {_READ_SECONDS:g} s") from None
            raise UsageUnreadable(str(error)) from None

    def _reader(self) -> sqlite3.Connection:
        """Connect beside the writer, which is not kept from writing."""
        address = f"{self._path.absolute().as_uri()}?mode=ro"
        return sqlite3.connect(address, uri=True, timeout=_LOCK_WAIT, isolation_level=None)

    async def close(self) -> None:
        """Store what waits and end the writer, in some seconds at most."""
        self._takes_rows = False
        self._closing.set()
        self._rows.put(None)
        await asyncio.to_thread(self._writer.join, _CLOSE_WAIT)


def _migrate(database: sqlite3.Connection) -> None:
    with database:
        database.execute("BEGIN IMMEDIATE")
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version > len(_MIGRATIONS):
            raise sqlite3.DatabaseError(f"its schema version {version} is newer than this llms knows")
        for statement in _MIGRATIONS[version:]:
            database.execute(statement)
        database.execute(f"PRAGMA user_version = {len(_MIGRATIONS)}")


def _insert(database: sqlite3.Connection, group: Sequence[UsageRow]) -> None:
    with database:
        database.execute("BEGIN IMMEDIATE")
        start = 0
        for size in _PACKS:
            while len(group) - start >= size:
                rows = group[start : start + size]
                database.execute(_INSERTS[size], tuple(chain.from_iterable(rows)))
                start += size


def _page(database: sqlite3.Connection, limit: int, before: int | None) -> list[tuple[int, UsageRow]]:
    rows = database.execute(_PAGE, (_NEWEST if before is None else before, limit))
    return [(number, _row(values)) for number, *values in rows]


def _row(values: Iterable[Any]) -> UsageRow:
    row = UsageRow._make(values)
    return row._replace(stream=bool(row.stream))


_: type[UsageStore] = SqliteUsage
