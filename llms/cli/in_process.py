"""Answers from an engine in this process."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final, final

from llms.app import Engine
from llms.cli.running_engine import ask_all, running_engine
from llms.config.model import Config
from llms.protocol import json
from llms.protocol.chat import ChunkObject
from llms.protocol.fold import unfold
from llms.protocol.parse import parse_chat

_ROUTE: Final = "cli"
"""The route under which usage is kept."""


@final
class InProcess:
    """Ask the gateway directly."""

    place = "in process"

    def __init__(self, engine: Engine) -> None:
        """Take an engine that runs."""
        self._engine = engine

    async def chat(self, body: Mapping[str, Any]) -> AsyncGenerator[ChunkObject, None]:
        """Yield the chunks of an answer."""
        request = parse_chat(json.dumps(body))
        gateway = self._engine.gateway
        if not request.stream:
            whole = await gateway.complete(request, route=_ROUTE)
            for item in unfold(whole.completion.object):
                yield item
            return
        async with await gateway.chat(request, route=_ROUTE) as answer, aclosing(answer.chunks()) as chunks:
            async for chunk in chunks:
                for item in chunk.objects:
                    yield item

    async def models(self) -> Sequence[str]:
        """List the ids; the providers are asked only where no name is configured."""
        named = [name for name, _, provider in self._engine.gateway.fleet.catalog.entries() if not provider]
        if named:
            return named
        await ask_all(self._engine)
        return [name for name, _, _ in self._engine.gateway.fleet.catalog.entries()]


@asynccontextmanager
async def in_process(config: Config) -> AsyncIterator[InProcess]:
    """Run an engine to talk to."""
    async with running_engine(config, keeps_usage=True) as engine:
        yield InProcess(engine)
