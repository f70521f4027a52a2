"""A real server process: it ends in order when told, and leaves whole books when it is killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from llms.testing.answers import chunk
from llms.testing.fake_upstream import FakeUpstream, answer, event, pause, stall, text_stream, whole
from tests.e2e.process import Process, children_of, running
from tests.proxy import RawClient, chat, one_upstream

ENDINGS = [signal.SIGTERM, signal.SIGINT]
_FIRST = event(chunk({"role": "assistant", "content": "a"}))
_ENDLESS = answer(_FIRST, stall())


def _get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


async def _begun(server: Process) -> RawClient:
    """Start a stream and wait for its first text."""
    client = await server.client()
    await client.send(chat())
    await client.until(b'"content": "a"')
    return client


# -- the end -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ENDINGS)
async def test_open_requests_are_finished_before_the_end(ending: signal.Signals, tmp_path: Path) -> None:
    said = asyncio.Event()
    async with FakeUpstream() as upstream:
        slow = text_stream("one two three four five").paced(0.1)
        upstream.on(lambda seen: slow if seen.stream else answer(pause(0.5), *whole("whole").steps, framing="length"))
        async with running(one_upstream(upstream), tmp_path) as server:
            clients = [await server.client() for _ in range(21)]
            for place, client in enumerate(clients):
                await client.send(chat(stream=place > 0))
            await upstream.arrived(21)
            server.signal(ending)
            said.set()
            replies = await asyncio.gather(*(client.reply() for client in clients))
            assert await server.ended() == 0
            for client in clients:
                client.close()
        assert b'"whole"' in replies[0].body
        assert all((reply.text, reply.done) == ("one two three four five", True) for reply in replies[1:])


async def test_nothing_new_is_taken_while_open_requests_finish(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream:
        go_on = asyncio.Event()
        upstream.script(answer(_FIRST, stall()))
        async with running(one_upstream(upstream, more="server: {drain: 10s}"), tmp_path) as server:
            kept, watching = await server.client(), await server.client()
            for client in (kept, watching):
                client.writer.write(_get("/ready"))
                assert (await client.reply()).status == 200
            open_stream = await _begun(server)
            server.signal(signal.SIGTERM)
            await server.logged("draining")

            await kept.send(chat())
            refused = await kept.reply()
            assert (refused.status, refused.error["code"]) == (503, "server_stopping")
            assert int(refused.headers["retry-after"]) >= 1
            assert await kept.reader.read() == b""

            watching.writer.write(_get("/ready"))
            ready = await watching.reply()
            assert (ready.status, ready.body) == (503, b'{"status":"draining"}')
            with pytest.raises(ConnectionError):
                await server.client()

            go_on.set()
            open_stream.close()
            assert await server.ended(patience=5) == 0
            kept.close()
            watching.close()
        assert len(upstream.chats) == 1


@pytest.mark.parametrize("ending", ENDINGS)
async def test_requests_without_an_end_are_told_when_the_time_is_over(ending: signal.Signals, tmp_path: Path) -> None:
    async with FakeUpstream() as upstream:
        upstream.on(lambda seen: _ENDLESS if seen.stream and seen.json.get("seed") != 1 else answer(stall()))
        async with running(one_upstream(upstream, more="server: {drain: 300ms}"), tmp_path) as server:
            mid, before, whole_one = await _begun(server), await server.client(), await server.client()
            await before.send(chat(seed=1))
            await whole_one.send(chat(stream=False))
            await upstream.arrived(3)
            since = time.monotonic()
            server.signal(ending)
            rest = await mid.until(b'"code":"server_stopping"')
            assert b"[DONE]" not in rest
            for client in (before, whole_one):
                reply = await client.reply()
                assert (reply.status, reply.error["code"]) == (503, "server_stopping")
            assert await server.ended() == 0
            assert time.monotonic() - since > 0.25
            for client in (mid, before, whole_one):
                client.close()
        assert "Traceback" not in server.log


async def test_a_client_that_does_not_read_cannot_keep_the_server(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream:
        big = event(chunk({"content": "x" * 60_000}))
        upstream.script(answer(*[big] * 400, stall()))
        async with running(one_upstream(upstream, more="server: {drain: 200ms}"), tmp_path) as server:
            client = await server.client()
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            await client.send(chat())
            await upstream.arrived()
            await asyncio.sleep(0.3)
            server.signal(signal.SIGTERM)
            assert await server.ended(patience=12) == 0
            client.reset()


async def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream:
        upstream.script(_ENDLESS)
        async with running(one_upstream(upstream, more="server: {drain: 60s}"), tmp_path) as server:
            client = await _begun(server)
            server.signal(signal.SIGINT)
            await server.logged("draining")
            server.signal(signal.SIGINT)
            assert await server.ended(patience=5) == 130
            client.reset()


async def test_idle_connections_do_not_delay_the_end(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream, running(one_upstream(upstream), tmp_path) as server:
        clients = [await server.client() for _ in range(20)]
        for client in clients[:10]:
            await client.send(chat(stream=False))
            assert (await client.reply()).status == 200
        for client in clients[10:15]:
            client.writer.write(b"GET /hea")
        since = time.monotonic()
        server.signal(signal.SIGTERM)
        assert await server.ended() == 0
        assert time.monotonic() - since < 20
        for client in clients:
            client.close()


# -- the books -----------------------------------------------------------------------------------------------------


async def test_the_books_are_whole_after_three_kills(tmp_path: Path) -> None:
    books = tmp_path / "data" / "usage.sqlite3"
    async with FakeUpstream() as upstream:
        upstream.on(lambda seen: text_stream("one two three", usage=seen.asked_usage))
        counted, kept = 0, 0
        for _ in range(3):
            async with running(one_upstream(upstream), tmp_path) as server:
                load = [asyncio.create_task(_load(server)) for _ in range(8)]
                kept = await _rows_beyond(books, kept + 100)
                server.signal(signal.SIGKILL)
                assert await server.ended() == -signal.SIGKILL
                counted += sum(await asyncio.gather(*load))
            assert len(_rows(books)) >= kept
        async with running(one_upstream(upstream), tmp_path) as server:
            assert (await server.ask(chat())).done
            server.signal(signal.SIGTERM)
            assert await server.ended() == 0
    with closing(sqlite3.connect(books)) as opened:
        assert opened.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    rows = _rows(books)
    finished = [row for row in rows if row == (200, "ok", "up", "real-model", 1)]
    # A row that was written stays; one that is written had an answer, which at each kill 8 clients may have missed.
    assert kept + 1 <= len(rows)
    assert len(finished) <= counted + 1 + 3 * 8
    assert {row[1] for row in rows} <= {"ok", "cancelled", "error"}


def _rows(books: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(books, timeout=20)) as opened:
        return opened.execute("SELECT status, outcome, provider, model, attempts FROM requests").fetchall()


async def _rows_beyond(books: Path, count: int) -> int:
    """Wait until the books on the disk hold more than `count` rows; return how many."""
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(sqlite3.OperationalError):  # not made yet
                if (rows := len(await asyncio.to_thread(_rows, books))) > count:
                    return rows
            await asyncio.sleep(0.02)


async def _load(server: Process) -> int:
    """Ask until the server is gone; return how many whole answers came."""
    count = 0
    try:
        while True:
            count += (await server.ask(chat())).done
    except (ConnectionError, asyncio.IncompleteReadError):
        return count


# -- loops, workers, event loops -----------------------------------------------------------------------------------


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("stream", [True, False])
async def test_a_row_that_leads_back_to_us_is_found_out(stream: bool, tmp_path: Path) -> None:
    port = _free_port()
    text = (
        f'providers:\n  self: {{type: openai_compatible, base_url: "http://localhost:{port}/v1"}}\n'
        "models:\n  m: {targets: [self/m]}\n"
    )
    async with running(text, tmp_path, "--port", str(port)) as server:
        assert server.port == port
        reply = await server.ask(chat(stream=stream))
        assert (reply.status, reply.error["code"]) == (508, "loop_detected")
        assert "providers.yaml" in reply.error["message"]
        server.signal(signal.SIGTERM)
        assert await server.ended() == 0
        assert len([line for line in server.events if line["event"] == "request"]) == 4


async def test_a_row_that_leads_back_to_us_does_not_hold_up_the_list(tmp_path: Path) -> None:
    port = _free_port()
    row = f'self: {{type: openai_compatible, base_url: "http://localhost:{port}/v1"}}'
    text = f"providers:\n  {row}\n  e: {{type: echo}}\n"
    async with running(text, tmp_path, "--port", str(port)) as server:
        client = await server.client()
        client.writer.write(_get("/v1/models"))
        reply = await client.reply(patience=20)
        assert reply.status == 200
        assert b"e/echo" in reply.body
        client.close()


async def test_two_workers_serve_and_end(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream:
        upstream.on(lambda seen: text_stream("hi", usage=seen.asked_usage))
        async with running(one_upstream(upstream), tmp_path, "--workers", "2") as server:
            for _ in range(10):
                assert (await server.ask(chat())).text == "hi"
            os.kill(server.process.pid, signal.SIGTERM)
            assert await server.ended() == 0
            with pytest.raises(ConnectionError):
                await server.client()
        with closing(sqlite3.connect(tmp_path / "data" / "usage.sqlite3")) as books:
            assert books.execute("SELECT count(*) FROM requests WHERE outcome = 'ok'").fetchone() == (10,)


async def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream, running(one_upstream(upstream), tmp_path, "--workers", "2") as server:
        workers = children_of(server.process.pid)
        assert len(workers) == 2
        server.signal(signal.SIGKILL)
        await server.ended()
        async with asyncio.timeout(10):
            while any(Path(f"/proc/{pid}").exists() for pid in workers):
                await asyncio.sleep(0.02)
        with socket.socket() as again:
            again.bind(("127.0.0.1", server.port))


async def test_it_serves_without_uvloop(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream:
        upstream.script(text_stream("hi"), _ENDLESS)
        environ = {"LLMS_LOOP": "asyncio"}
        async with running(one_upstream(upstream, more="server: {drain: 100ms}"), tmp_path, environ=environ) as server:
            assert (await server.ask(chat())).text == "hi"
            client = await _begun(server)
            server.signal(signal.SIGTERM)
            await client.until(b'"code":"server_stopping"')
            assert await server.ended() == 0
            client.close()
