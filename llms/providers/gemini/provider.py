"""Ask Google's Gemini API over HTTP; what is said, and what the answer means, is the dialect's business."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, final
from urllib.parse import parse_qsl, quote, urlsplit

from llms.config.section import field
from llms.protocol import json
from llms.protocol.chat import ChatRequest, Chunk, ModelInfo
from llms.protocol.dialects import gemini
from llms.protocol.embeddings import EmbeddingRequest, Embeddings
from llms.protocol.refusals import request_id_of
from llms.providers._batches import MAX_INPUTS, Batches, MaxInputs, answer_limit
from llms.providers._http import Endpoint, Response
from llms.providers._http_options import Address, HttpOptions, secrets_of
from llms.providers._translated import translated
from llms.providers.base import ProviderFactory, ProviderSettings, Relay, Resources, SupportsEmbeddings
from llms.providers.gemini.signatures import Signatures

_OPENAI_PATH: Final = "/openai"
"""What Google's OpenAI-compatible endpoint has at the end of its address, where rows of this type once led."""
_MOST_PAGES: Final = 20
_PLACE: Final = "{place}"


class Options(HttpOptions):
    """A row's own keys."""

    base_url: Address = field(
        default="https://generativelanguage.googleapis.com/v1beta",
        description="Where the API is, its version included.",
    )
    max_inputs: MaxInputs = field(default=100, description=MAX_INPUTS)


@final
class Gemini:
    """Chats by `generateContent` and `streamGenerateContent`, vectors by `batchEmbedContents`."""

    def __init__(self, settings: ProviderSettings, resources: Resources) -> None:
        """Prepare addresses and headers; nothing is sent before the first chat."""
        options: Options = settings.options
        key = options.api_key.get_secret_value() if options.api_key else ""
        parts = urlsplit(options.base_url)
        address = options.base_url.removesuffix(_OPENAI_PATH)
        secrets = secrets_of(key, options.headers, dict(parse_qsl(parts.query)))
        self._settings = settings
        self._options = options
        self._query = parts.query
        self._headers: Sequence[Mapping[str, str]] = (
            {"Content-Type": "application/json", "Accept-Encoding": "identity", "User-Agent": "llms"},
            {"x-goog-api-key": key} if key else {},
            options.headers,
        )
        self._endpoint = Endpoint(settings, resources, base_url=address, secrets=secrets)
        self._posted = self._head("POST", _PLACE)
        self._streamed = self._head("POST", _PLACE, "alt=sse")
        self._batches = Batches(options.max_inputs, send=self._embed, clock=resources.clock)
        self._signatures = Signatures()
        self._now = resources.now

    def chat(self, request: ChatRequest, *, stream: bool = True) -> AsyncGenerator[Chunk, None]:
        """Yield the answer as it comes, or all of it as one chunk."""
        return self._answer(request, stream=stream)

    def relay(self, request: ChatRequest, relay: Relay) -> AsyncGenerator[Chunk, None]:
        """Yield what `chat` does, but for the events that are passed on as they arrive."""
        return self._answer(request, stream=True, relay=relay)

    def _answer(self, request: ChatRequest, *, stream: bool, relay: Relay | None = None) -> AsyncGenerator[Chunk, None]:
        return translated(
            self._endpoint,
            lambda: self._send(request, stream=stream),
            lambda _: self._reader(request),
            stream=stream,
            relay=relay,
        )

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        """Return a vector for each text."""
        return await self._batches.ask(request)

    async def models(self) -> Sequence[ModelInfo]:
        """List the configured models, or ask the upstream for all pages of its list."""
        if self._options.models is not None:
            return [ModelInfo(name, owned_by=self._settings.name) for name in self._options.models]
        found: dict[str, ModelInfo] = {}
        token = ""
        for _ in range(_MOST_PAGES):
            page = await self._page(token)
            found |= {model.id: model for model in gemini.read_models(page, provider=self._settings.name)}
            token = gemini.next_page(page)
            if not token:
                break
        return list(found.values())

    def _reader(self, request: ChatRequest) -> gemini.AnswerReader:
        answer = gemini.Answer(
            provider=self._settings.name,
            model=request.model,
            fallback_id=f"chatcmpl-{request.request_id}",
            created=int(self._now()),
            remember=self._signatures.keep,
        )
        return gemini.AnswerReader(
            answer,
            provider=self._settings.name,
            max_event=self._settings.max_event,
            secrets=self._endpoint.secrets,
        )

    async def _send(self, request: ChatRequest, *, stream: bool) -> Response:
        body = gemini.generate_content(request, signature_of=self._signatures.of)
        verb = "streamGenerateContent" if stream else "generateContent"
        head = self._at(self._streamed if stream else self._posted, request.model, verb, request.hops)
        response = await self._endpoint.send(head, json.dumps(body))
        if response.status == 200:
            return response
        try:
            raise gemini.error_of(await self._endpoint.refusal(response))
        finally:
            response.close()

    async def _embed(self, request: EmbeddingRequest) -> Embeddings:
        body = gemini.embed_requests(request, path=gemini.resource(request.model))
        head = self._at(self._posted, request.model, "batchEmbedContents", request.hops)
        async with self._endpoint.request(head, json.dumps(body)) as response:
            if response.status != 200:
                raise gemini.error_of(await self._endpoint.refusal(response))
            answered = self._endpoint.decode(await response.whole(answer_limit(request, self._settings.max_answer)))
            upstream_id = request_id_of(response.headers, self._endpoint.secrets)
        embeddings = gemini.read_embeddings(answered, request, provider=self._settings.name)
        return replace(embeddings, upstream_request_id=upstream_id)

    async def _page(self, token: str) -> Any:
        query = f"pageSize=1000{'&pageToken=' + quote(token, safe='') if token else ''}"
        head = b"%bx-llms-hops: 1\r\n" % self._head("GET", "models", query)
        async with self._endpoint.request(head) as response:
            if response.status != 200:
                raise gemini.error_of(await self._endpoint.refusal(response))
            return self._endpoint.decode(await response.whole(self._settings.max_answer))

    def _head(self, method: str, path: str, query: str = "") -> bytes:
        query = "&".join(filter(None, (self._query, query)))
        return self._endpoint.head(method, path, *self._headers, query=query)

    def _at(self, head: bytes, model: str, verb: str, hops: int) -> bytes:
        """Return a prepared head, led to a model's method."""
        place = f"{quote(gemini.resource(model), safe='/')}:{verb}"
        return b"%bx-llms-hops: %d\r\n" % (head.replace(_PLACE.encode(), place.encode(), 1), hops + 1)


_: ProviderFactory = Gemini
_embeds: type[SupportsEmbeddings] = Gemini
