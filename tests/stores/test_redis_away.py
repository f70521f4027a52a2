"""A Redis that is away is told as one error, whatever its client raises."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as Unreachable

from llms.stores.redis_streams import RedisStreams
from llms.stores.streams import StoreLost

URL = "redis://127.0.0.1:1"


@pytest.mark.parametrize(
    "raised",
    [Unreachable("away"), OSError("away"), TimeoutError("away"), RuntimeError("the handler is closed")],
    ids=lambda raised: type(raised).__name__,
)
async def test_all_of_it_is_a_lost_store(raised: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr(Redis, "execute_command", fails)
    store = RedisStreams(URL)
    with pytest.raises(StoreLost):
        await store.facts("stream_a")
    with pytest.raises(StoreLost):
        await store.first("stream_a")
    await store.close()
