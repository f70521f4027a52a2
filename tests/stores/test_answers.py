"""Stores of answers keep what is asked for, within their bytes and its time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.stores.answers import AnswerStore, KeptAnswer, MemoryAnswers
from llms.testing.clock import Clock
from tests.redis_server import redis_server


def answer(size: int = 100, *, body: bytes = b"") -> KeptAnswer:
    return KeptAnswer("up", "model/ü", body or b"x" * size, b"[1]")


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AnswerStore]:
    if request.param == "memory":
        yield MemoryAnswers(clock=asyncio.get_running_loop().time)
        return
    from llms.stores.redis_answers import RedisAnswers

    async with redis_server(tmp_path) as server:
        answers = RedisAnswers(server.url)
        yield answers
        await answers.close()


async def put(store: AnswerStore, key: str, kept: KeptAnswer, *, ttl: float = 60, most: int = 10_000) -> None:
    await store.put("m", key, kept, ttl=ttl, max_size=most)


async def test_what_is_put_is_found(store: AnswerStore) -> None:
    assert await store.get("m", "a") is None
    kept = answer(body=bytes(range(256)))
    await put(store, "a", kept)
    assert await store.get("m", "a") == kept
    assert await store.get("other", "a") is None
    await put(store, "a", answer(7))
    assert await store.get("m", "a") == answer(7)


async def test_the_oldest_go_first(store: AnswerStore) -> None:
    for key in "abcd":
        await put(store, key, answer(1000), most=3 * answer(1000).size)
    assert [key for key in "abcd" if await store.get("m", key)] == ["b", "c", "d"]
    await put(store, "e", answer(2 * answer(1000).size - 303), most=3 * answer(1000).size)
    assert [key for key in "abcde" if await store.get("m", key)] == ["d", "e"]


async def test_put_again_an_answer_counts_once(store: AnswerStore) -> None:
    for _ in range(5):
        for key in "abc":
            await put(store, key, answer(1000), most=3 * answer(1000).size)
    assert [key for key in "abc" if await store.get("m", key)] == ["a", "b", "c"]


async def test_what_is_larger_than_all_is_not_kept(store: AnswerStore) -> None:
    await put(store, "a", answer())
    await put(store, "b", answer(20_000))
    assert await store.get("m", "a") is not None
    assert await store.get("m", "b") is None


@pytest.mark.redis
async def test_time_runs_out_in_redis(tmp_path: Path) -> None:
    from llms.stores.redis_answers import RedisAnswers

    async with redis_server(tmp_path) as server:
        store = RedisAnswers(server.url)
        await put(store, "a", answer(), ttl=0.02)
        async with asyncio.timeout(5):
            while await store.get("m", "a") is not None:
                await asyncio.sleep(0.01)
        await server.stop()
        assert await store.get("m", "a") is None
        await put(store, "a", answer())
        await server.start()
        await put(store, "a", answer())
        assert await store.get("m", "a") == answer()
        await store.close()


async def test_time_runs_out_in_memory() -> None:
    clock = Clock()
    store = MemoryAnswers(clock=clock)
    await put(store, "a", answer(), ttl=10)
    clock.advance(9.9)
    assert await store.get("m", "a") is not None
    clock.advance(0.2)
    assert await store.get("m", "a") is None


async def test_what_is_asked_for_stays() -> None:
    store = MemoryAnswers(clock=Clock())
    for key in "ab":
        await put(store, key, answer(), most=2 * answer().size)
    await store.get("m", "a")
    await put(store, "c", answer(), most=2 * answer().size)
    assert [key for key in "abc" if await store.get("m", key)] == ["a", "c"]


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 3000)), max_size=40))
def test_the_bound_holds(puts: list[tuple[str, int]]) -> None:
    async def run() -> None:
        store = MemoryAnswers(clock=Clock())
        for key, size in puts:
            await put(store, key, answer(size), most=5000)
            kept = [found for each in "abcde" if (found := await store.get("m", each))]
            assert sum(found.size for found in kept) <= 5000
            assert (await store.get("m", key) is not None) == (answer(size).size <= 5000)

    asyncio.run(run())
