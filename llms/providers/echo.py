"""The reference provider: says what it was told. For demos, tests and as the shortest example of the seam."""

from __future__ import annotations

import asyncio
import hashlib
import math
import re
from collections.abc import AsyncGenerator, Sequence
from typing import Annotated, Any, Final, final

from llms.config.section import Section, field
from llms.config.values import Number
from llms.protocol.chat import ChatRequest, Chunk, ChunkObject, ModelInfo, Usage
from llms.protocol.embeddings import EmbeddingRequest, Embeddings
from llms.protocol.errors import InvalidRequest, NotSupported
from llms.providers.base import ProviderFactory, ProviderSettings, Resources, SupportsEmbeddings

_DIMENSIONS: Final = 16
_MOST_DIMENSIONS: Final = 4096


class Options(Section):
    """A row's own keys."""

    delay: Annotated[float, Number(minimum=0)] = field(default=0.0, description="Seconds between words.")
    models: tuple[str, ...] = field(default=("echo",), description="Model ids to list.")


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
        _check(request)
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

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        """Give each input a vector of length 1 that depends on nothing but the input."""
        wanted = request.dimensions or _DIMENSIONS
        if wanted > _MOST_DIMENSIONS:
            raise InvalidRequest(f"`dimensions` must be at most {_MOST_DIMENSIONS} here.", param="dimensions")
        tokens = sum(len(given.split() if isinstance(given, str) else given) for given in request.inputs)
        vectors = [_vector(given, wanted) for given in request.inputs]
        return Embeddings(vectors, model=request.model, usage=Usage(prompt_tokens=tokens, source="reported"))

    async def models(self) -> Sequence[ModelInfo]:
        """List the configured names."""
        return [ModelInfo(name, owned_by=self._name) for name in self._options.models]


def _check(request: ChatRequest) -> None:
    """Raise NotSupported for what nobody would get: a call that is forced, an answer to something else than text."""
    if request.body.get("tool_choice") not in (None, "auto", "none"):
        problem = "`tool_choice` must be auto or none: echo calls no tools."
        raise NotSupported(problem, param="tool_choice", status=400)
    content = (request.body.get("messages") or [{}])[-1].get("content")
    for at, part in enumerate(content if isinstance(content, list) else ()):
        if isinstance(part, dict) and part.get("type") not in ("text", "refusal", None):
            where = f"messages[-1].content[{at}]"
            raise NotSupported(f"`{where}` must be text: echo repeats text only.", param=where, status=400)


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


def _vector(given: str | Sequence[int], dimensions: int) -> list[float]:
    digest = hashlib.shake_256(repr(given).encode("utf-8", "surrogatepass")).digest(2 * dimensions)
    numbers = [int.from_bytes(digest[at : at + 2], "little") - 32767.5 for at in range(0, len(digest), 2)]
    length = math.hypot(*numbers)
    return [number / length for number in numbers]


_: ProviderFactory = Echo
_embeds: type[SupportsEmbeddings] = Echo
