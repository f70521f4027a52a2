"""Build a provider of local models and ask it something."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import aclosing
from typing import Any, cast

import pytest

from llms.protocol.chat import ChatRequest
from llms.protocol.fold import Fold
from llms.providers.base import Provider, ProviderSettings, Resources
from llms.providers.llama_cpp import LlamaCpp, Options


class Lent:
    """What an application lends; a local model takes nothing but the time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock

    def __getattr__(self, name: str) -> Any:
        pytest.fail(f"a local model needs no {name}")


def row(**options: Any) -> LlamaCpp:
    settings = ProviderSettings("local", "llama_cpp", Options.read(options))
    return LlamaCpp(settings, cast(Resources, Lent()))


def asking(question: str, model: str = "demo", **fields: Any) -> ChatRequest:
    body = {"model": model, "messages": [{"role": "user", "content": question}], "temperature": 0, **fields}
    return ChatRequest(body, model)


async def answer(provider: Provider, request: ChatRequest, *, stream: bool = True) -> dict[str, Any]:
    whole = Fold()
    async with aclosing(provider.chat(request, stream=stream)) as chunks:
        async for chunk in chunks:
            if not stream:
                [completion] = chunk.objects
                return completion
            assert [json.loads(payload) for payload in chunk.payloads()] == list(chunk.objects)
            whole.add(chunk.objects)
    return whole.completion()


async def text(provider: Provider, question: str, model: str = "demo", **fields: Any) -> str:
    found = await answer(provider, asking(question, model, **fields))
    return str(found["choices"][0]["message"]["content"])
