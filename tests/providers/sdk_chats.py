"""How the tests of the SDK provider build one and talk through it."""

from __future__ import annotations

import sys
import time
import traceback
import types
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from llms.protocol.chat import ChatRequest, Chunk
from llms.protocol.errors import LlmsError
from llms.providers import registry
from llms.providers._pool import Pool
from llms.providers.base import ProviderSettings, Resources
from llms.providers.sdk import SdkProvider
from llms.testing.fake_upstream import FakeUpstream

KEY = "sk-never-tell-anyone"
OPENAI = "openai:AsyncOpenAI"
AIR = "air:AsyncAIRefinery"


def provider(client: str, options: dict[str, Any], *, max_answer: int = 2**20, **row: Any) -> SdkProvider:
    parsed = registry.parse("sdk", {"client": client, "options": options, **row})
    settings = ProviderSettings(name="theirs", type="sdk", options=parsed, max_answer=max_answer)
    pool = Pool(clock=time.monotonic)
    return SdkProvider(settings, Resources(http=_no_session, pool=pool, clock=time.monotonic, now=time.time))


def _no_session() -> aiohttp.ClientSession:
    raise AssertionError("an SDK has its own connections")


@asynccontextmanager
async def opened(client: str, options: dict[str, Any], **row: Any) -> AsyncIterator[SdkProvider]:
    made = provider(client, options, **row)
    try:
        yield made
    finally:
        await made.close()


def openai_at(upstream: FakeUpstream, **options: Any) -> dict[str, Any]:
    return {"api_key": KEY, "base_url": upstream.url, **options}


def ask(**fields: Any) -> ChatRequest:
    sent = {"model": "alias", "messages": [{"role": "user", "content": "hi"}], "stream": True, **fields}
    return ChatRequest(sent, "fake-model", stream=True, hops=1)


async def chunks_of(made: SdkProvider, request: ChatRequest, *, stream: bool = True) -> list[Chunk]:
    return [chunk async for chunk in made.chat(request, stream=stream)]


def text_of(chunks: list[Chunk]) -> str:
    choices = [choice for chunk in chunks for item in chunk.objects for choice in item["choices"]]
    return "".join((choice.get("delta") or choice.get("message") or {}).get("content") or "" for choice in choices)


async def failure_of(made: SdkProvider, *, stream: bool = True, **fields: Any) -> LlmsError:
    with pytest.raises(LlmsError) as caught:
        await chunks_of(made, ask(**fields), stream=stream)
    assert KEY not in "".join(traceback.format_exception(caught.value))
    assert KEY not in repr(vars(caught.value))
    return caught.value


def install(monkeypatch: pytest.MonkeyPatch, name: str, **members: Any) -> None:
    """Make a module importable as `name`."""
    module = types.ModuleType(name)
    for member, value in members.items():
        setattr(module, member, value)
    monkeypatch.setitem(sys.modules, name, module)


def client_of(create: Callable[..., Any], **more: Any) -> Callable[..., Any]:
    """Return a constructor whose clients have this `chat.completions.create`."""
    completions = types.SimpleNamespace(create=create)
    return lambda **_: types.SimpleNamespace(chat=types.SimpleNamespace(completions=completions), **more)


def piece(text: str, finish: str | None = None, **extra: Any) -> dict[str, Any]:
    return {"id": "c1", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}], **extra}
