"""The reference provider: says what it was told. For demos, tests and as the shortest example of the seam."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from typing import Any, final

from pydantic import BaseModel, ConfigDict, Field

from llms.protocol.chat import ChatRequest, Chunk, ChunkObject, ModelInfo
from llms.providers.base import ProviderFactory, ProviderSettings, Resources


class Options(BaseModel):
    """A row's own keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    delay: float = Field(0.0, ge=0, description="Seconds between words.")
    models: tuple[str, ...] = Field(("echo",), description="Model ids to list.")


@final
class Echo:
    """Answer with the last message, word by word."""

    def __init__(self, settings: ProviderSettings, resources: Resources) -> None:
        """Keep the row; there is nothing to open."""
        self._name = settings.name
        self._options: Options = settings.options
        self._now = resources.now

    async def chat(self, request: ChatRequest, *, stream: bool = True) -> AsyncGenerator[Chunk, None]:
        """Yield one chunk a word, then the finish reason and usage."""
        words = _words(_last_text(request))
        head = {
            "id": f"chatcmpl-{request.request_id or 'echo'}",
            "object": "chat.completion.chunk",
            "created": int(self._now()),
            "model": request.model,
        }
        yield Chunk.of({**head, "choices": [_choice({"role": "assistant", "content": ""})]})
        for word in words:
            if self._options.delay:
                await asyncio.sleep(self._options.delay)
            yield Chunk.of({**head, "choices": [_choice({"content": word})]})
        yield Chunk.of({**head, "choices": [_choice({}, "stop")], "usage": _usage(request, len(words))})

    async def models(self) -> Sequence[ModelInfo]:
        """List the configured names."""
        return [ModelInfo(name, owned_by=self._name) for name in self._options.models]


def _choice(delta: dict[str, Any], finish_reason: str | None = None) -> ChunkObject:
    return {"index": 0, "delta": delta, "finish_reason": finish_reason}


def _last_text(request: ChatRequest) -> str:
    messages = request.body.get("messages") or [{}]
    content = messages[-1].get("content") or ""
    if isinstance(content, str):
        return content
    texts = [part.get("text") if isinstance(part, dict) else part for part in content]
    return " ".join(text for text in texts if isinstance(text, str))


def _words(text: str) -> list[str]:
    """Cut text after each space, so that joining gives it back."""
    return re.findall(r"[^ ]+ ?| ", text)


def _usage(request: ChatRequest, answered: int) -> dict[str, int]:
    asked = sum(len(str(message.get("content") or "").split()) for message in request.body.get("messages") or ())
    return {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}


_: ProviderFactory = Echo
