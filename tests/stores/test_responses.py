"""The store of responses: what is kept, for whom, for how long, and what a dead server left."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from llms.config.model import Responses
from llms.stores import open_response_store
from llms.stores.responses import ChainTooLong, StoreBroken, StoredResponse
from llms.stores.sqlite_responses import SqliteResponses


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def opened(
    place: Path, *, now: Callable[[], float] = lambda: 1_000_000.0, boot: str = "a", **bounds: Any
) -> AsyncGenerator[SqliteResponses, None]:
    store = SqliteResponses(place / "r.sqlite3", bounds=lambda: Responses(**bounds), now=now, boot=boot)
    try:
        yield store
    finally:
        await store.close()


def row(name: str, *, owner: str = "me", status: str = "completed", **fields: Any) -> StoredResponse:
    output = [{"id": f"out_{name}", "type": "message"}]
    items = [{"id": f"in_{name}", "type": "message"}]
    given: dict[str, Any] = {"created": 1_000_000.0, "items": items, **fields}
    return StoredResponse(name, owner, response={"id": name, "status": status, "output": output}, **given)


class TestKeeping:
    async def test_what_is_kept_comes_back(self, tmp_path: Path) -> None:
        kept = row("a", sealed={"out_a": "x"}, previous="b", provider="p", model="m")
        async with opened(tmp_path) as store:
            await store.put(kept)
            assert await store.get("a", owner="me") == kept
            assert await store.get("a", owner="you") is None
            assert await store.get("b", owner="me") is None

        assert (tmp_path / "r.sqlite3").stat().st_mode & 0o777 == 0o600

    async def test_the_last_word_counts(self, tmp_path: Path) -> None:
        async with opened(tmp_path) as store:
            store.note(row("a", status="in_progress"))
            await store.put(row("a"))
            found = await store.get("a", owner="me")

        assert found is not None
        assert found.response is not None
        assert found.response["status"] == "completed"

    async def test_nobody_overwrites_what_is_anothers(self, tmp_path: Path) -> None:
        async with opened(tmp_path) as store:
            await store.put(row("a"))
            await store.put(row("a", owner="you", status="failed"))
            assert await store.get("a", owner="me") == row("a")
            assert await store.get("a", owner="you") is None

    async def test_what_is_deleted_is_gone_with_its_items(self, tmp_path: Path) -> None:
        async with opened(tmp_path) as store:
            await store.put(row("a"))
            assert not await store.delete("a", owner="you")
            assert await store.delete("a", owner="me")
            assert not await store.delete("a", owner="me")
            assert await store.find_items(["in_a", "out_a"], owner="me") == {}

    async def test_items_are_found_by_their_ids(self, tmp_path: Path) -> None:
        async with opened(tmp_path) as store:
            await store.put(row("a", sealed={"out_a": "x"}))
            found = await store.find_items(["in_a", "out_a", "nobody"], owner="me")
            assert await store.find_items(["in_a"], owner="you") == {}

        assert found == {
            "in_a": {"id": "in_a", "type": "message"},
            "out_a": {"id": "out_a", "type": "message", "encrypted_content": "x"},
        }

    async def test_no_file_is_made_before_there_is_one_to_keep(self, tmp_path: Path) -> None:
        async with opened(tmp_path):
            pass
        async with open_response_store(lambda: Responses(store=False), data_dir=tmp_path) as nothing:
            assert nothing() is None

        assert not list(tmp_path.iterdir())


class TestChains:
    async def test_the_first_comes_first(self, tmp_path: Path) -> None:
        async with opened(tmp_path) as store:
            await store.put(row("a"))
            await store.put(row("b", previous="a"))
            await store.put(row("c", previous="b"))
            found = await store.chain("c", owner="me", size=10**6)

        assert found is not None
        assert [one.id for one in found] == ["a", "b", "c"]

    async def test_one_with_a_gap_is_none(self, tmp_path: Path) -> None:
        async with opened(tmp_path) as store:
            await store.put(row("b", previous="a"))
            assert await store.chain("b", owner="me", size=10**6) is None
            await store.put(row("a", owner="you"))
            assert await store.chain("b", owner="me", size=10**6) is None

    async def test_one_that_is_too_long_is_refused(self, tmp_path: Path) -> None:
        async with opened(tmp_path) as store:
            await store.put(row("a"))
            with pytest.raises(ChainTooLong):
                await store.chain("a", owner="me", size=10)

    async def test_one_that_bites_its_tail_is_refused(self, tmp_path: Path) -> None:
        async with opened(tmp_path) as store:
            await store.put(row("a", previous="a"))
            with pytest.raises(ChainTooLong):
                await store.chain("a", owner="me", size=10**9)


class TestBounds:
    async def test_the_oldest_go_when_there_are_too_many(self, tmp_path: Path) -> None:
        async with opened(tmp_path, max=3) as store:
            for number in range(6):
                await store.put(row(f"r{number}", created=1_000_000.0 + number))
            kept = [number for number in range(6) if await store.get(f"r{number}", owner="me")]

        assert kept == [3, 4, 5]

    async def test_the_oldest_go_when_they_are_too_large(self, tmp_path: Path) -> None:
        big = [{"id": "i", "text": "x" * 4000}]
        async with opened(tmp_path, max_size=10_000) as store:
            for number in range(6):
                await store.put(row(f"r{number}", created=1_000_000.0 + number, items=big))
            kept = [number for number in range(6) if await store.get(f"r{number}", owner="me")]
            await store.put(row("huge", items=[{"id": "i", "text": "x" * 20_000}]))
            assert await store.get("huge", owner="me") is None
            assert await store.get("r5", owner="me") is not None

        assert kept == [4, 5]

    async def test_nothing_is_kept_for_longer_than_it_may(self, tmp_path: Path) -> None:
        clock = Clock()
        async with opened(tmp_path, now=clock, keep="1h") as store:
            await store.put(row("a"))
            clock.now += 3601
            assert await store.get("a", owner="me") is None
            await store.put(row("b", created=clock.now))

        with closing(sqlite3.connect(tmp_path / "r.sqlite3")) as database:
            assert database.execute("SELECT id FROM responses").fetchall() == [("b",)]


class TestDeadServers:
    async def test_what_another_run_of_this_process_left_has_failed(self, tmp_path: Path) -> None:
        async with opened(tmp_path) as first:
            await first.put(row("a", status="in_progress"))
            found = await first.get("a", owner="me")
            assert found is not None
            assert found.response is not None
            assert found.response["status"] == "in_progress"
        async with opened(tmp_path, boot="b") as second:
            left = await second.get("a", owner="me")

        assert left is not None
        assert left.response is not None
        assert left.response["status"] == "failed"
        assert "stopped" in left.response["error"]["message"]

    async def test_what_a_killed_process_left_has_failed(self, tmp_path: Path) -> None:
        code = f"""
import asyncio, os, signal, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from tests.stores.test_responses import opened, row
async def main():
    async with opened(Path({str(tmp_path)!r}), boot="dead") as store:
        await store.put(row("a", status="in_progress"))
        os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""
        await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code], check=False)
        async with opened(tmp_path) as store:
            left = await store.get("a", owner="me")

        assert left is not None
        assert left.response is not None
        assert left.response["status"] == "failed"


class TestBrokenFiles:
    async def test_one_that_is_no_database_is_said(self, tmp_path: Path) -> None:
        (tmp_path / "r.sqlite3").write_bytes(b"no database at all" * 100)
        async with opened(tmp_path) as store:
            store.note(row("a"))
            with pytest.raises(StoreBroken):
                await store.put(row("a"))
            with pytest.raises(StoreBroken):
                await store.get("a", owner="me")

    async def test_one_of_a_newer_llms_is_left_alone(self, tmp_path: Path) -> None:
        with closing(sqlite3.connect(tmp_path / "r.sqlite3")) as database:
            database.execute("PRAGMA user_version = 999")
        async with opened(tmp_path) as store:
            with pytest.raises(StoreBroken, match="newer"):
                await store.get("a", owner="me")
