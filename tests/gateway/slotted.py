"""A provider whose models take a few requests at once, for tests of the lines before them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, cast

from llms.gateway import Member
from llms.protocol.chat import ChatRequest, Chunk, ModelInfo
from llms.providers.base import Provider
from tests.proxy import Proxy

TWO = "providers:\n  local: {type: echo}\n  other: {type: echo}\n"


class Slotted:
    """Answer `hi`, each request when the test lets it go on; note who came, in order."""

    def __init__(self, slots: Mapping[str, int | None]) -> None:
        """Take how many requests each model takes at once."""
        self.came: list[str] = []
        self.running = self.most = 0
        self._slots = slots
        self._turns = asyncio.Semaphore(0)

    def let_go(self, count: int = 1) -> None:
        """Let the next requests be answered."""
        for _ in range(count):
            self._turns.release()

    def slots(self, model: str) -> int | None:
        return self._slots.get(model)

    async def chat(self, request: ChatRequest, *, stream: bool = True) -> AsyncGenerator[Chunk, None]:
        self.came.append(request.request_id)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self._turns.acquire()
            yield Chunk.of(_one({"role": "assistant", "content": "hi"}))
            yield Chunk.of(_one({}, "stop"))
        finally:
            self.running -= 1

    async def models(self) -> Sequence[ModelInfo]:
        return [ModelInfo(name) for name in self._slots]


def _one(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def put(proxy: Proxy, provider: Provider, *, name: str = "local") -> Member:
    """Put a provider of the test's own in the place of a configured one."""
    fleet = proxy.engine.gateway.fleet
    member = Member(fleet.members[name].row, provider)
    cast(dict[str, Member], fleet.members)[name] = member
    return member
