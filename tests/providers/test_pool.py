"""Connections are kept for a while, and no longer."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from llms.providers import _pool
from llms.providers._pool import Origin, Pool
from llms.testing.contract.setup import Setup
from llms.testing.fake_upstream import FakeUpstream, text_stream
from tests.providers.relayed import made


async def closed(upstream: FakeUpstream, left: int) -> None:
    async with asyncio.timeout(5):
        while upstream.open_connections > left:
            await asyncio.sleep(0.01)


async def several(setup: Setup, provider: object, upstream: FakeUpstream) -> None:
    """Chat five times at once, over as many connections."""
    upstream.script(text_stream().paced(0.05))
    await asyncio.gather(*(setup.ask(provider) for _ in range(5)))  # type: ignore[arg-type]


async def test_idle_connections_are_closed_without_another_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pool, "_IDLE_SECONDS", 0.3)
    setup = made()
    async with setup.ready() as (provider, upstream):
        await several(setup, provider, upstream)
        assert upstream.open_connections == 5
        await closed(upstream, 0)
        pool = setup.resources.pool

        assert not pool._idle
        assert not pool._open
        assert pool._timer is None, "it runs only while something is idle"


async def test_a_connection_in_use_is_not_closed_with_the_idle_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pool, "_IDLE_SECONDS", 0.3)
    setup = made()
    async with setup.ready() as (provider, upstream):
        await several(setup, provider, upstream)
        upstream.script(text_stream("a slow but whole answer").paced(0.1))
        chunks = await setup.ask(provider)

        assert setup.fold(chunks)["choices"][0]["finish_reason"] == "stop"


async def test_closing_leaves_no_timer() -> None:
    setup = made()
    async with setup.ready() as (provider, _):
        await setup.ask(provider)
        pool = setup.resources.pool
        assert pool._timer is not None
        await pool.close()

        assert pool._timer is None


async def test_an_address_where_nobody_is_reached_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    ports: list[int] = []
    asked: list[str] = []

    def addresses(host: str, *_: object, **__: object) -> list[object]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", ports[-1]))]

    monkeypatch.setattr(socket, "getaddrinfo", addresses)
    pool = Pool(clock=time.monotonic)
    moved = Origin("http", "moved.test", 80)
    async with FakeUpstream(refuses=True) as nobody, FakeUpstream() as upstream:
        ports.append(nobody.port)
        with pytest.raises(ConnectionRefusedError):
            await pool.connect(moved)
        ports.append(upstream.port)
        await pool.connect(moved)
        await pool.connect(moved)
        await pool.close()

    assert asked == ["moved.test"] * 2
