"""A client, a server of ours and its upstream, with a proxy between that breaks connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from llms.client import AsyncClient, Patience
from llms.testing.fake_upstream import FakeUpstream
from tests.client.fault_proxy import FaultProxy
from tests.proxy import Proxy, one_upstream, serving


@dataclass
class Pauses:
    """Waits no time, and knows for how long it should have."""

    asked: list[float] = field(default_factory=list)

    async def __call__(self, seconds: float) -> None:
        self.asked.append(seconds)
        await asyncio.sleep(0)


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
def patience(pauses: Pauses) -> Patience:
    return Patience(sleep=pauses, random=lambda: 1.0)


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream() as running:
        yield running


@pytest.fixture
async def proxy(upstream: FakeUpstream) -> AsyncIterator[Proxy]:
    async with serving(one_upstream(upstream, row="retries: 0")) as running:
        yield running


@pytest.fixture
async def faults(proxy: Proxy) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(proxy.port) as running:
        yield running


@pytest.fixture
async def client(faults: FaultProxy, patience: Patience) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(faults.url, model="m", patience=patience) as opened:
        yield opened
