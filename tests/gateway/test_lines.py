"""Models with slots of their own: a line for each, fair, in order, without gaps, and no trouble for anybody else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
import pytest

from tests.gateway.slotted import TWO, Slotted, put
from tests.proxy import Proxy, RawClient, Reply, ask, chat, serving

KEYS = 'keys: {static: ["sk-llms-first-key-0123456789abcdef", "sk-llms-second-key-0123456789abcde"]}\n'


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not reached():
            await asyncio.sleep(0.002)


def to(target: str, *, stream: bool = True) -> dict[str, Any]:
    return {**chat(stream=stream), "model": target}


async def finished(client: RawClient) -> Reply:
    """Return an answer, and leave."""
    try:
        return await client.reply()
    finally:
        client.close()


async def begin(
    proxy: Proxy, name: str, reached: Callable[[], bool], *, headers: Mapping[str, str] | None = None, **body: Any
) -> RawClient:
    """Send a request under a name, and wait until it stands where it should."""
    client = await RawClient.to(proxy)
    await client.send({**to("local/one"), **body}, headers={"x-request-id": name, **(headers or {})})
    await until(reached)
    return client


@pytest.mark.parametrize("stream", [True, False])
async def test_twenty_clients_of_one_slot_are_answered_in_order_of_arrival(stream: bool) -> None:
    async with serving(TWO) as proxy:
        provider = Slotted({"one": 1, "two": 1})
        member = put(proxy, provider)
        first = await begin(proxy, "r0", lambda: len(provider.came) == 1, stream=stream)
        clients = [first]
        for number in range(1, 20):
            there = lambda number=number: member.slots.waiting == number  # noqa: E731
            clients.append(await begin(proxy, f"r{number}", there, stream=stream))
        two = await begin(proxy, "elsewhere", lambda: "elsewhere" in provider.came, model="local/two")
        assert (await ask(proxy, to("other/echo"))).text == "hello"
        assert provider.came == ["r0", "elsewhere"]
        provider.let_go(21)
        replies = [await finished(client) for client in [*clients, two]]
        assert [reply.status for reply in replies] == [200] * 21
        assert provider.came == ["r0", "elsewhere", *(f"r{number}" for number in range(1, 20))]
        assert provider.most == 2
        ended = {event.request_id: event for event in await proxy.all_ended(22)}
        assert ended["r0"].queued == 0
        assert ended["r19"].queued > 0
        assert (member.slots.waiting, member.running) == (0, 0)


async def test_keys_take_turns_in_a_models_line() -> None:
    first, second = ({"Authorization": f"Bearer {key}"} for key in KEYS.split('"')[1::2])
    async with serving(KEYS + TWO) as proxy:
        provider = Slotted({"one": 1})
        member = put(proxy, provider)
        clients = [await begin(proxy, "a1", lambda: bool(provider.came), headers=first)]
        for number, (name, headers) in enumerate((("a2", first), ("a3", first), ("b1", second))):
            there = lambda number=number: member.slots.waiting == number + 1  # noqa: E731
            clients.append(await begin(proxy, name, there, headers=headers))
        provider.let_go(4)
        for client in clients:
            assert (await finished(client)).text == "hi"
        assert provider.came == ["a1", "a2", "b1", "a3"]


async def test_who_leaves_the_line_never_reaches_the_upstream_and_leaves_no_gap() -> None:
    async with serving(TWO) as proxy:
        provider = Slotted({"one": 1})
        member = put(proxy, provider)
        clients = [await begin(proxy, "r0", lambda: bool(provider.came))]
        for number in (1, 2, 3):
            there = lambda number=number: member.slots.waiting == number  # noqa: E731
            clients.append(await begin(proxy, f"r{number}", there))
        clients[1].reset()
        await until(lambda: member.slots.waiting == 2)
        provider.let_go(3)
        for client in (clients[0], clients[2], clients[3]):
            assert (await finished(client)).done
        assert provider.came == ["r0", "r2", "r3"]
        left = next(event for event in await proxy.all_ended(4) if event.request_id == "r1")
        assert (left.outcome, left.window) == ("cancelled", "queued")


async def test_a_full_line_is_refused_with_the_wait_and_the_depth() -> None:
    text = TWO.replace("local: {type: echo}", "local: {type: echo, limits: {queue: 2}}")
    async with serving(text) as proxy:
        provider = Slotted({"one": 1, "two": 1})
        member = put(proxy, provider)
        clients = [await begin(proxy, "r0", lambda: bool(provider.came))]
        for number in (1, 2):
            there = lambda number=number: member.slots.waiting == number  # noqa: E731
            clients.append(await begin(proxy, f"r{number}", there))
        refused = await ask(proxy, to("local/one"), headers={"X-LLMS-Stream": "progress"})
        assert (refused.status, refused.error["code"]) == (429, "queue_full")
        assert refused.headers["x-llms-queue-depth"] == "2"
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        provider.let_go(4)
        assert (await ask(proxy, to("local/two"))).status == 200
        for client in clients:
            assert (await finished(client)).done


async def test_a_full_line_sends_to_the_next_target() -> None:
    text = TWO.replace("local: {type: echo}", "local: {type: echo, limits: {queue: 0}}")
    async with serving(text + "models: {m: {targets: [local/one, other/echo]}}\n") as proxy:
        provider = Slotted({"one": 1})
        put(proxy, provider)
        client = await begin(proxy, "r0", lambda: bool(provider.came))
        reply = await ask(proxy, chat())
        assert (reply.text, reply.headers["x-llms-provider"]) == ("hello", "other")
        provider.let_go()
        assert (await finished(client)).done


async def test_the_metrics_count_those_who_wait_for_a_model() -> None:
    async with serving(TWO) as proxy, aiohttp.ClientSession() as session:

        async def depth() -> str:
            async with session.get(f"http://127.0.0.1:{proxy.port}/metrics") as answer:
                page = await answer.text()
            return next(line for line in page.splitlines() if line.startswith("llms_queue_depth "))

        provider = Slotted({"one": 1})
        member = put(proxy, provider)
        clients = [await begin(proxy, "r0", lambda: bool(provider.came))]
        clients.append(await begin(proxy, "r1", lambda: member.slots.waiting == 1))
        assert await depth() == "llms_queue_depth 1.0"
        provider.let_go(2)
        for client in clients:
            await finished(client)
        assert await depth() == "llms_queue_depth 0.0"


async def test_the_rows_limit_holds_beside_the_models_slots() -> None:
    text = TWO.replace("local: {type: echo}", "local: {type: echo, limits: {concurrency: 1}}")
    async with serving(text) as proxy:
        provider = Slotted({"one": 1, "two": 1})
        member = put(proxy, provider)
        first = await begin(proxy, "r0", lambda: bool(provider.came))
        other = await begin(proxy, "r1", lambda: member.slots.waiting == 1, model="local/two")
        same = await begin(proxy, "r2", lambda: member.slots.waiting == 2)
        other.reset()
        await until(lambda: member.slots.waiting == 1)
        again = await begin(proxy, "r3", lambda: member.slots.waiting == 2, model="local/two")
        provider.let_go(3)
        for client in (first, same, again):
            assert (await finished(client)).done
        assert provider.most == 1
        assert sorted(provider.came) == ["r0", "r2", "r3"]
        await proxy.all_ended(4)
        assert (member.slots.busy, member.slots.waiting, member.running) == (0, 0, 0)


@pytest.mark.parametrize("slots", [None, 0])
async def test_a_model_without_a_number_has_no_line(slots: int | None) -> None:
    async with serving(TWO) as proxy:
        provider = Slotted({"one": slots})
        put(proxy, provider)
        clients = [await begin(proxy, f"r{n}", lambda n=n: len(provider.came) == n + 1) for n in range(3)]  # type: ignore[misc]
        provider.let_go(3)
        for client in clients:
            assert (await finished(client)).done


async def test_a_provider_that_fails_to_tell_serves_nevertheless() -> None:
    class Broken(Slotted):
        def slots(self, model: str) -> int | None:
            raise LookupError(model)

    async with serving(TWO) as proxy:
        provider = Broken({})
        put(proxy, provider)
        provider.let_go()
        assert (await ask(proxy, to("local/one"))).text == "hi"
