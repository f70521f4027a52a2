"""The usage database: rows are there soon and whole, and trouble with the file never reaches a request."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from llms.stores.base import NoUsage, UsageRow
from llms.stores.sqlite import SqliteUsage

PATIENCE = 20.0


def row(number: int = 1) -> UsageRow:
    """Every figure of a row follows from its number, so that a torn one gives itself away."""
    return UsageRow(
        request_id=f"req-{number}",
        started=1_700_000_000.5 + number,
        route="/v1/chat/completions",
        key_id="key-1",
        asked_model="smart",
        provider="openai",
        model=f"model-{number}",
        stream=number % 2 == 1,
        status=200,
        outcome="ok",
        error_code=None,
        window=None,
        finish_reason="stop",
        prompt_tokens=number,
        completion_tokens=2 * number,
        cached_tokens=3 * number,
        reasoning_tokens=4 * number,
        usage_source="reported",
        attempts=2,
        retries=1,
        fallbacks=0,
        chunks=5 * number,
        skipped=0,
        queued=0.25,
        ttft=None,
        duration=1.5,
        upstream_request_id=f"up-{number}",
    )


@asynccontextmanager
async def opened(path: Path, *, bound: int = 10_000) -> AsyncIterator[SqliteUsage]:
    store = SqliteUsage(path, bound=bound)
    try:
        yield store
    finally:
        await store.close()


def stored(path: Path) -> list[str]:
    """Read the ids with a connection of our own, as any tool would."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return [name for (name,) in database.execute("SELECT request_id FROM requests ORDER BY id")]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.002)


async def until_stored(path: Path, count: int) -> None:
    def enough() -> bool:
        try:
            return len(stored(path)) >= count
        except sqlite3.Error:
            return False

    await until(enough)


async def test_a_row_is_there_for_other_connections_while_the_store_is_open(tmp_path: Path) -> None:
    path = tmp_path / "usage.sqlite3"
    async with opened(path) as store:
        store.add(row(7))
        await until_stored(path, 1)
        assert await store.recent() == [row(7)]


async def test_a_row_is_committed_within_50_ms(tmp_path: Path) -> None:
    path = tmp_path / "usage.sqlite3"
    delays = []
    async with opened(path) as store:
        store.add(row(0))
        await until_stored(path, 1)
        for count in range(2, 12):
            added = time.perf_counter()
            store.add(row(count))
            await until_stored(path, count)
            delays.append(time.perf_counter() - added)
    assert min(delays) < 0.05, delays  # the best of ten: the machine may be busy with others


async def test_recent_rows_come_newest_first_and_limited(tmp_path: Path) -> None:
    async with opened(tmp_path / "usage.sqlite3") as store:
        for number in range(1, 101):
            store.add(row(number))
        await until_stored(tmp_path / "usage.sqlite3", 100)
        newest = await store.recent(limit=3)
    assert newest == [row(100), row(99), row(98)]
    assert isinstance(newest[0].stream, bool)


async def test_closing_stores_what_was_added_a_moment_before(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "usage.sqlite3"
    async with opened(path) as store:
        for number in range(1, 78):
            store.add(row(number))
    assert stored(path) == [f"req-{number}" for number in range(1, 78)]


async def test_closing_twice_and_adding_after_it_are_harmless(tmp_path: Path) -> None:
    path = tmp_path / "usage.sqlite3"
    async with opened(path) as store:
        store.add(row(1))
        await store.close()
        store.add(row(2))
    assert stored(path) == ["req-1"]


async def test_a_second_run_adds_to_the_first(tmp_path: Path) -> None:
    path = tmp_path / "usage.sqlite3"
    for number in (1, 2):
        async with opened(path) as store:
            store.add(row(number))
    assert stored(path) == ["req-1", "req-2"]


async def test_two_processes_worth_of_stores_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "usage.sqlite3"
    async with opened(path) as one, opened(path) as other:
        for number in range(200):
            (one if number % 2 else other).add(row(number))
    assert sorted(stored(path)) == sorted(f"req-{number}" for number in range(200))


async def test_the_columns_are_plain_for_people(tmp_path: Path) -> None:
    path = tmp_path / "usage.sqlite3"
    async with opened(path) as store:
        store.add(row(1))
    with closing(sqlite3.connect(path)) as database:
        found = database.execute("SELECT time, model, prompt_tokens, duration FROM requests").fetchone()
        (mode,) = database.execute("PRAGMA journal_mode").fetchone()
    assert found == ("2023-11-14T22:13:21.500Z", "model-1", 1, 1.5)
    assert mode == "wal"


async def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "usage.sqlite3"
    async with opened(path):
        pass
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


CHILD = """
import sys, time
from pathlib import Path
from llms.stores.sqlite import SqliteUsage
from stores.test_sqlite import row

store = SqliteUsage(Path(sys.argv[1]))
for number in range(1, 100_000):
    store.add(row(number))
    print(number, time.monotonic(), flush=True)
    time.sleep(0.001)
"""


@pytest.mark.parametrize("survivors", [1, 150, 1200])
def test_kill_9_tears_no_row_and_loses_only_the_last_moment(tmp_path: Path, survivors: int) -> None:
    path = tmp_path / "usage.sqlite3"
    folders = os.pathsep.join([str(Path(__file__).parents[2]), str(Path(__file__).parents[1])])
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": folders},
    )
    assert child.stdout is not None
    said = [child.stdout.readline().split() for _ in range(survivors)]
    killed = time.monotonic()
    child.send_signal(signal.SIGKILL)
    child.wait(PATIENCE)
    child.stdout.close()

    with closing(sqlite3.connect(path)) as database:
        (verdict,) = database.execute("PRAGMA integrity_check").fetchone()
        columns = ", ".join(UsageRow._fields)
        has_table = database.execute("SELECT count(*) FROM sqlite_master WHERE name = 'requests'").fetchone()[0]
        found = [
            UsageRow._make(values)
            for values in (database.execute(f"SELECT {columns} FROM requests ORDER BY id") if has_table else ())
        ]
    assert verdict == "ok"
    assert found == [row(number) for number in range(1, len(found) + 1)]
    grace = 0.5  # 50 ms are promised of a machine that has time; this one may be busy
    assert len(found) >= sum(float(stamp) < killed - grace for _, stamp in said)


async def test_adding_never_waits_for_a_stuck_database_and_drops_the_oldest(tmp_path: Path) -> None:
    path = tmp_path / "usage.sqlite3"
    async with opened(path, bound=50) as store:
        store.add(row(0))
        await until_stored(path, 1)
        with closing(sqlite3.connect(path, isolation_level=None)) as foreigner, capture_logs() as logs:
            foreigner.execute("BEGIN IMMEDIATE")
            store.add(row(1))
            await until(lambda: any("lock" in line["event"] for line in logs))
            for number in range(2, 102):
                store.add(row(number))
            foreigner.execute("COMMIT")
        await until_stored(path, 52)
    assert store.dropped == 50
    assert stored(path) == ["req-0", "req-1", *(f"req-{number}" for number in range(52, 102))]
    assert [line["log_level"] for line in logs] == ["warning", "warning"], logs


async def test_closing_is_bounded_while_another_process_holds_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "usage.sqlite3"
    store = SqliteUsage(path)
    store.add(row(1))
    await until_stored(path, 1)
    with closing(sqlite3.connect(path, isolation_level=None)) as foreigner, capture_logs() as logs:
        foreigner.execute("BEGIN IMMEDIATE")
        store.add(row(2))
        async with asyncio.timeout(PATIENCE):
            await store.close()
    assert stored(path) == ["req-1"]
    assert logs[-1]["reason"] == "database is locked"


def no_database(path: Path) -> None:
    path.write_bytes(b"this is a diary, not a database\n" * 200)


def a_directory(path: Path) -> None:
    path.mkdir()


def below_a_file(path: Path) -> None:
    path.parent.rmdir()
    path.parent.write_text("a file where a directory should be")


def from_the_future(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 99")


def of_somebody_else(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE requests (wine TEXT)")


@pytest.mark.parametrize("spoil", [no_database, a_directory, below_a_file, from_the_future, of_somebody_else])
async def test_a_database_that_cannot_be_used_is_told_once_and_hurts_nobody(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    path = tmp_path / "stores" / "usage.sqlite3"
    path.parent.mkdir()
    spoil(path)
    with capture_logs() as logs:
        async with opened(path) as store:
            await until(lambda: bool(logs))
            for number in range(100):
                store.add(row(number))
            assert await store.recent() == []
    assert [line["log_level"] for line in logs] == ["error"]
    assert logs[0]["path"] == str(path)
    assert logs[0]["reason"]
    assert "stores.usage" in logs[0]["fix"]
    assert "exc_info" not in logs[0]


async def test_a_table_that_vanishes_while_running_turns_the_store_off(tmp_path: Path) -> None:
    path = tmp_path / "usage.sqlite3"
    with capture_logs() as logs:
        async with opened(path) as store:
            store.add(row(1))
            await until_stored(path, 1)
            with closing(sqlite3.connect(path)) as database:
                database.execute("DROP TABLE requests")
            store.add(row(2))
            await until(lambda: bool(logs))
            store.add(row(3))
    assert [line["log_level"] for line in logs] == ["error"]


async def test_reading_before_the_file_exists_finds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "usage.sqlite3"
    async with opened(path) as store:
        await until(path.exists)
        path.unlink()
        assert await store.recent() == []


async def test_no_store_takes_everything_and_keeps_nothing() -> None:
    store = NoUsage()
    store.add(row())
    assert await store.recent() == []
    await store.close()
