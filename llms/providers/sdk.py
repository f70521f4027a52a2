"""Any SDK with `.chat.completions.create(stream=…)`: OpenAI's own, Azure's, AI Refinery's, and those made like them.

The row names the client as "module:Attribute"; nothing of it is imported before the first chat.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import Annotated, Any, Final, final

from llms.config.section import Section, field
from llms.config.values import Refusal
from llms.protocol import json
from llms.protocol.chat import ChatRequest, Chunk, ModelInfo, StreamUsage
from llms.protocol.embeddings import EmbeddingRequest, Embeddings
from llms.protocol.errors import LlmsError, NotSupported, UpstreamProtocolError
from llms.protocol.fold import unfold
from llms.protocol.passthrough import Passed, PassRequest
from llms.protocol.refusals import error_for_event, request_id_of
from llms.protocol.stream import ChunkReader
from llms.providers._abilities import Abilities, Asking
from llms.providers._batches import MAX_INPUTS, Batches, MaxInputs, answer_limit, answered
from llms.providers._sdk import Built, SdkClient, hidden, let_go, secrets_of
from llms.providers._sdk_failures import Failures
from llms.providers._sdk_objects import as_object, listed
from llms.providers._sdk_passing import SdkPassing
from llms.providers.base import ProviderFactory, ProviderSettings, Resources

_CLIENT: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_SETTLE_SECONDS: Final = 0.1


def _module_and_attribute(client: str) -> str:
    if not _CLIENT.fullmatch(client):
        raise Refusal('must be "module:Attribute", for example openai:AsyncOpenAI')
    return client


class Options(Section):
    """A row's own keys."""

    client: Annotated[str, _module_and_attribute] = field(
        description='Which client to build, as "module:Attribute", for example openai:AsyncOpenAI.'
    )
    options: Annotated[dict[str, Any], hidden] = field(
        default_factory=dict, description="What to build it with: api_key, base_url and whatever else it takes."
    )
    stream_usage: StreamUsage = field(
        default="ask", description="How a stream tells usage: ask (stream_options), native (by itself) or none."
    )
    models: tuple[str, ...] | None = field(default=None, description="Model ids to list, instead of asking the SDK.")
    max_inputs: MaxInputs = field(default=None, description=MAX_INPUTS)


@final
class SdkProvider:
    """Speak to an upstream through its SDK; where the SDK shows its HTTP answer, the bytes are read as they are.

    Errors are raised outside of `except` blocks: what an SDK raised may hold a key, and must not hang on as context.
    """

    def __init__(self, settings: ProviderSettings, resources: Resources) -> None:
        """Keep the row; nothing is imported or built before the first chat."""
        options: Options = settings.options
        self._name = settings.name
        self._settings = settings
        self._abilities = Abilities(stream=True, usage=options.stream_usage == "ask", clock=resources.clock)
        self._batches = Batches(options.max_inputs, send=self._embed, clock=resources.clock)
        self._models = options.models
        self._failures = Failures(settings.name, options.client, secrets=secrets_of(options.options), now=resources.now)
        self._client = SdkClient(options.client, options.options, failures=self._failures)
        self._passing = SdkPassing(self._client, self._failures, limit=settings.max_answer)

    async def chat(self, request: ChatRequest, *, stream: bool = True) -> AsyncGenerator[Chunk, None]:
        """Yield the SDK's chunks, or its whole answer as one."""
        answer = await self._ask(request, stream=stream)
        answered = False
        error: LlmsError | None = None
        try:
            async with aclosing(self._read(answer, stream=stream)) as chunks:
                async for chunk in chunks:
                    answered = True
                    yield chunk
        except Exception as failure:
            error = self._failures.error(failure, answered=answered)
        finally:
            await self._let_go(answer)
        if error is not None:
            raise error

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        """Return the vectors that the SDK's `embeddings.create` gives."""
        return await self._batches.ask(request)

    def passes(self, request: PassRequest) -> bool:
        """Tell whether an SDK may have a method for such requests."""
        return self._passing.passes(request)

    async def pass_on(self, request: PassRequest) -> Passed:
        """Return the answer of the SDK's own method."""
        return await self._passing.pass_on(request)

    async def models(self) -> Sequence[ModelInfo]:
        """List the configured models, or ask the SDK."""
        if self._models is not None:
            return [ModelInfo(name, owned_by=self._name) for name in self._models]
        client = await self._client.built()
        try:
            return [model async for model in listed(client.sdk.models.list(), owner=self._name)]
        except Exception as failure:
            error = self._failures.listing(failure)
        raise error

    async def close(self) -> None:
        """Close the client, if one was built."""
        try:
            return await self._client.close()
        except Exception as failure:
            error = self._failures.error(failure)
        raise error

    async def _embed(self, request: EmbeddingRequest) -> Embeddings:
        client = (await self._client.built()).method("embeddings.create")
        if client is None:
            raise NotSupported(f"{self._name}: the SDK of this model has no embeddings.create")
        body = {**request.body, "model": request.model}
        try:
            found = client.create(**client.arguments_of(body, hops=request.hops, given=("model", "input")))
            return self._embeddings(await found if inspect.isawaitable(found) else found, request)
        except Exception as failure:
            error = self._failures.error(failure)
        raise error

    def _embeddings(self, found: Any, request: EmbeddingRequest) -> Embeddings:
        """Read the HTTP answer that an SDK shows, or its object."""
        body = getattr(found, "content", None)
        told = getattr(found, "headers", None) or {"x-request-id": str(getattr(found, "_request_id", None) or "")}
        if not isinstance(body, bytes):
            item = as_object(found)
            if item is None:
                raise UpstreamProtocolError(f"{self._name}: the SDK gave a {type(found).__name__}, not embeddings")
            body = json.dumps(item)
        if len(body) > answer_limit(request, self._settings.max_answer):
            raise self._too_large()
        embeddings = answered(request, body, provider=self._name, secrets=self._failures.secrets)
        return replace(embeddings, upstream_request_id=request_id_of(told, self._failures.secrets))

    async def _ask(self, request: ChatRequest, *, stream: bool) -> Any:
        """Ask, and ask again without what the upstream refuses to do: telling usage, or streaming at all."""
        client = await self._client.built()
        first = asking = self._abilities.asking(request.model, stream=stream)
        while True:
            try:
                answer = await self._create(client, request, asking)
            except LlmsError as error:
                less = asking.less(request, error)
                if less is None:
                    raise
                asking = less
            else:
                self._abilities.answered(request.model, first=first, last=asking)
                return answer

    async def _create(self, client: Built, request: ChatRequest, asking: Asking) -> Any:
        """Call `create` and return what it gives: a stream, a generator, a whole answer."""
        arguments = client.arguments(request, stream=asking.stream, ask_usage=asking.usage)
        try:
            answer = client.create(**arguments)
            return await answer if inspect.isawaitable(answer) else answer
        except Exception as failure:
            error = self._failures.error(failure)
        raise error

    def _read(self, answer: Any, *, stream: bool) -> AsyncGenerator[Chunk, None]:
        """Read whichever kind of answer came, whatever was asked for."""
        response = getattr(answer, "response", None)
        if stream and callable(getattr(response, "aiter_bytes", None)) and _is_plain(response):
            return self._read_bytes(response)
        if hasattr(answer, "__aiter__"):
            return self._read_objects(answer, limit=None if stream else self._settings.max_answer)
        return self._read_whole(answer, stream=stream)

    async def _read_bytes(self, response: Any) -> AsyncGenerator[Chunk, None]:
        """Read the HTTP answer behind an SDK's stream, past the SDK's own strict and slow decoding."""
        upstream_id = request_id_of(response.headers, self._failures.secrets)
        kind = response.headers.get("Content-Type", "")
        reader = ChunkReader(provider=self._name, max_event=self._settings.max_event, secrets=self._failures.secrets)
        async with aclosing(response.aiter_bytes()) as parts:
            if kind.startswith(("application/json", "text/html")):
                yield self._one(await self._decoded(parts), upstream_id, stream=True)
                return
            async for data in parts:
                if (chunk := reader.feed(data)) is not None:
                    chunk.upstream_request_id = upstream_id
                    yield chunk
                if reader.error is not None:
                    raise reader.error
                if reader.done:
                    await _settle(parts)
                    return
        if (chunk := reader.close()) is not None:
            chunk.upstream_request_id = upstream_id
            yield chunk
        if reader.error is not None:
            raise reader.error

    async def _decoded(self, parts: AsyncIterator[bytes]) -> Any:
        """Read one JSON body of bounded size."""
        body = bytearray()
        async for data in parts:
            body += data
            if len(body) > self._settings.max_answer:
                raise self._too_large()
        try:
            return json.loads(bytes(body))
        except ValueError:
            raise UpstreamProtocolError(f"{self._name}: the upstream's answer is not JSON") from None

    def _too_large(self) -> LlmsError:
        limit = self._settings.max_answer
        return UpstreamProtocolError(f"{self._name}: the upstream's answer is larger than {limit} bytes")

    async def _read_objects(self, answer: Any, *, limit: int | None) -> AsyncGenerator[Chunk, None]:
        """Read an SDK's own chunk objects, unknown fields included; `limit` is in bytes, for all of them."""
        iterator = aiter(answer)
        skipped = size = 0
        try:
            async for found in iterator:
                item = as_object(found) or {}
                if item.get("error"):
                    raise error_for_event(item, provider=self._name, secrets=self._failures.secrets)
                if "choices" not in item and "usage" not in item:
                    skipped += 1
                    continue
                chunk = Chunk.of(item)
                chunk.skipped, skipped = skipped, 0
                if limit is not None and (size := size + sum(map(len, chunk.payloads()))) > limit:
                    raise self._too_large()
                yield chunk
        finally:
            if iterator is not answer:
                await let_go(iterator, "aclose")

    async def _read_whole(self, answer: Any, *, stream: bool) -> AsyncGenerator[Chunk, None]:
        """Read one whole answer."""
        item = as_object(answer)
        if item is None:
            hint = "; name its asynchronous client in the row" if hasattr(answer, "__next__") else ""
            raise UpstreamProtocolError(f"{self._name}: the SDK gave a {type(answer).__name__}, not a completion{hint}")
        told = {"x-request-id": str(getattr(answer, "_request_id", None) or "")}
        upstream_id = request_id_of(told, self._failures.secrets)
        yield self._one(item, upstream_id, stream=stream)

    def _one(self, item: Any, upstream_id: str, *, stream: bool) -> Chunk:
        """Return a whole answer as a chunk: as it is, or as the chunks that would have streamed it."""
        if isinstance(item, dict) and item.get("error"):
            raise error_for_event(item, provider=self._name, secrets=self._failures.secrets)
        if not isinstance(item, dict) or not isinstance(item.get("choices"), list) or not item["choices"]:
            raise UpstreamProtocolError(f"{self._name}: the upstream's answer holds no choices")
        chunk = Chunk(unfold(item)) if stream else Chunk.of(item)
        chunk.upstream_request_id = upstream_id
        return chunk

    async def _let_go(self, answer: Any) -> None:
        """Stop the upstream's work; an answer that is broken already may refuse to be closed."""
        with suppress(Exception):
            await let_go(answer, "aclose", "close")


def _is_plain(response: Any) -> bool:
    """Tell a body that we can read from the binary framings that only its SDK knows."""
    return str(response.headers.get("Content-Type", "text/")).startswith(("text/", "application/json"))


async def _settle(parts: AsyncIterator[bytes]) -> None:
    """Wait a moment for the end of the body after `[DONE]`, so that the connection can be used again."""
    with suppress(Exception):
        async with asyncio.timeout(_SETTLE_SECONDS):
            async for _ in parts:
                pass


_: ProviderFactory = SdkProvider
