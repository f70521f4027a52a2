"""Any endpoint that speaks OpenAI's chat completions and embeddings: the relay that a row describes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal, final
from urllib.parse import parse_qsl, urlsplit

from llms.config.section import field
from llms.protocol.chat import ChatRequest, Chunk, ModelInfo, StreamUsage
from llms.protocol.embeddings import EmbeddingRequest, Embeddings
from llms.protocol.errors import UpstreamProtocolError
from llms.protocol.fold import unfold
from llms.protocol.native import Original
from llms.protocol.passthrough import Area, Passed, PassRequest
from llms.protocol.refusals import error_for_event, is_error, request_id_of
from llms.protocol.stream import ChunkReader
from llms.providers._abilities import Abilities
from llms.providers._batches import MAX_INPUTS, Batches, MaxInputs, answer_limit, answered
from llms.providers._begun import BegunChat
from llms.providers._http import BROKEN, Endpoint, Response
from llms.providers._http_options import Address, HttpOptions, secrets_of
from llms.providers._passing import PASSES, Passing
from llms.providers._plainer import Plainer
from llms.providers._stored import StoredResponses
from llms.providers.base import ProviderFactory, ProviderSettings, Relay, Resources
from llms.providers.beginning import Begun

if TYPE_CHECKING:
    from llms.providers._native import NativeRelay

_LONGEST_ID: Final = 512


class Options(HttpOptions):
    """A row's own keys."""

    base_url: Address = field(description="Where the endpoint's /v1 is, for example http://localhost:11434/v1.")
    stream_usage: StreamUsage = field(
        default="ask", description="How a stream tells usage: ask (stream_options), native (by itself) or none."
    )
    stream: bool = field(
        default=True, description="False: the upstream cannot stream; its answers are sent on as chunks."
    )
    dialects: tuple[Literal["responses", "messages", "completions"], ...] = field(
        default=(),
        description="What the endpoint speaks besides chat completions, below base_url: such requests pass as is.",
    )
    max_inputs: MaxInputs = field(default=None, description=MAX_INPUTS)
    passes: tuple[Area, ...] | None = field(default=None, description=PASSES)


@final
class OpenAICompatible:
    """Relay chat completions and embeddings over HTTP; each event is decoded once and its bytes are kept."""

    def __init__(self, settings: ProviderSettings, resources: Resources) -> None:
        """Prepare addresses and headers; nothing is sent before the first chat."""
        options: Options = settings.options
        key = options.api_key.get_secret_value() if options.api_key else ""
        query = urlsplit(options.base_url).query
        secrets = secrets_of(key, options.headers, dict(parse_qsl(query)))
        self._settings = settings
        self._options = options
        self._endpoint = Endpoint(settings, resources, base_url=options.base_url, secrets=secrets)
        headers = {
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "llms",
            **({"Authorization": f"Bearer {key}"} if key else {}),
        }
        self._chat_head = self._endpoint.head("POST", "chat/completions", headers, options.headers, query=query)
        self._embeddings_head = self._endpoint.head("POST", "embeddings", headers, options.headers, query=query)
        self._models_head = self._endpoint.head("GET", "models", headers, options.headers, query=query)
        self._abilities = Abilities(stream=options.stream, usage=options.stream_usage == "ask", clock=resources.clock)
        self._native = self._in_dialects(headers, query, resources.clock) if options.dialects else None
        self._plainer = Plainer(clock=resources.clock)
        self._stored = StoredResponses(
            self._endpoint,
            settings,
            lambda method, path, asked: self._endpoint.head(
                method, path, headers, options.headers, query="&".join(filter(None, (query, asked)))
            ),
        )
        self._batches = Batches(options.max_inputs, send=self._embed, clock=resources.clock)
        plain = {name: value for name, value in headers.items() if name != "Content-Type"}
        self._passing = Passing(self._endpoint, options.passes, headers=(plain, options.headers), query=query)

    def _in_dialects(self, headers: Mapping[str, str], query: str, clock: Callable[[], float]) -> NativeRelay:
        from llms.providers._native import NativeRelay

        def head(path: str) -> bytes:
            return self._endpoint.head("POST", path, headers, self._options.headers, query=query)

        return NativeRelay(
            self._endpoint,
            self._settings,
            {name: head(name) for name in self._options.dialects},
            clock=clock,
            stream=self._options.stream,
            translated=self._chat,
            counting=head("messages/count_tokens") if "messages" in self._options.dialects else None,
        )

    def chat(self, request: ChatRequest, *, stream: bool = True) -> AsyncGenerator[Chunk, None]:
        """Return the upstream's chunks, or its whole answer as one; in the client's own dialect where it speaks it."""
        original = request.original
        if original is not None and self._native is not None and self._native.speaks(original, request.model):
            return self._native.chat(request, original, stream=stream)
        return self._chat(request, stream=stream)

    def speaks(self, original: Original, model: str) -> bool:
        """Tell whether a request can be sent as it stands."""
        return self._native is not None and self._native.speaks(original, model)

    def stored(self, method: str, path: str, query: str, *, hops: int) -> AsyncGenerator[bytes, None]:
        """Return what the upstream says of a response that it keeps."""
        return self._stored.ask(method, path, query, hops=hops)

    def relay(self, request: ChatRequest, relay: Relay) -> AsyncGenerator[Chunk, None]:
        """Return the upstream's chunks but for those that are passed on as they arrive."""
        original = request.original
        if original is not None and self._native is not None and self._native.speaks(original, request.model):
            return self._native.chat(request, original, stream=True, relay=relay)
        return self._chat(request, stream=True, relay=relay)

    def begin(self, request: ChatRequest, *, stream: bool) -> BegunChat | None:
        """Send a chat at once, or have it sent on a new connection; None where more than that has to be done."""
        asking = self._abilities.asking(request.model, stream=stream)
        if asking.stream is not stream:
            return None
        body = self._plainer.of(request).encode(stream=stream, ask_usage=asking.usage)
        head = b"%bx-llms-hops: %d\r\nContent-Length: %d\r\n\r\n"
        begun = BegunChat(self._endpoint, asking=asking, stream=stream)
        begun.send(head % (self._chat_head, request.hops + 1, len(body)), body)
        return begun

    def resume(
        self, request: ChatRequest, begun: Begun, *, stream: bool, relay: Relay | None = None
    ) -> AsyncGenerator[Chunk, None]:
        """Return what is still to come of a chat that was begun."""
        assert isinstance(begun, BegunChat)
        return self._chat(request, stream=stream, relay=relay, begun=begun)

    async def _chat(
        self, request: ChatRequest, *, stream: bool, relay: Relay | None = None, begun: BegunChat | None = None
    ) -> AsyncGenerator[Chunk, None]:
        response = await self._open(request, stream=stream, begun=begun)
        upstream_id = request_id_of(response.headers, self._endpoint.secrets)
        try:
            if not response.streams(asked=stream):
                yield self._whole(await response.whole(self._settings.max_answer), upstream_id, stream=stream)
                return
            reader = begun.reader if begun is not None else None
            if reader is None:
                reader = self._reader()
            elif reader.error is not None:
                raise reader.error
            read = response.reader if stream else response.bounded(self._settings.max_answer)
            if relay is not None:
                read = response.offering(relay)
            while not reader.done:
                if relay is not None:
                    relay.expect(reader.steady)
                data = await read()
                chunk = reader.feed(data) if data else reader.close()
                if chunk is not None:
                    chunk.upstream_request_id = upstream_id
                    yield chunk
                if reader.error is not None:
                    raise reader.error
                if not data:
                    return
            await response.settle()
        except BROKEN as failure:
            raise response.broken(failure) from None
        finally:
            response.close()

    def _reader(self) -> ChunkReader:
        settings = self._settings
        return ChunkReader(provider=settings.name, max_event=settings.max_event, secrets=self._endpoint.secrets)

    def _head(self, request: ChatRequest) -> bytes:
        return b"%bx-llms-hops: %d\r\n" % (self._chat_head, request.hops + 1)

    async def count_tokens(self, request: ChatRequest) -> int | None:
        """Return what the upstream counts, where it speaks Messages."""
        return None if self._native is None else await self._native.count_tokens(request)

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        """Return the upstream's vectors as they came."""
        return await self._batches.ask(request)

    def passes(self, request: PassRequest) -> bool:
        """Tell whether the row lets such requests through."""
        return self._passing.passes(request)

    async def pass_on(self, request: PassRequest) -> Passed:
        """Return the upstream's answer as it comes."""
        return await self._passing.pass_on(request)

    async def models(self) -> Sequence[ModelInfo]:
        """List the configured models, or ask the upstream; lists of any shape in use are understood."""
        if self._options.models is not None:
            return [ModelInfo(name, owned_by=self._settings.name) for name in self._options.models]
        async with self._endpoint.request(b"%bx-llms-hops: 1\r\n" % self._models_head) as response:
            if response.status != 200:
                raise await self._endpoint.refuse(response)
            listed = self._endpoint.decode(await response.whole(self._settings.max_answer))
        return _models(listed, owner=self._settings.name)

    async def _embed(self, request: EmbeddingRequest) -> Embeddings:
        head = b"%bx-llms-hops: %d\r\n" % (self._embeddings_head, request.hops + 1)
        async with self._endpoint.request(head, request.encode()) as response:
            if response.status != 200:
                raise await self._endpoint.refuse(response)
            body = await response.whole(answer_limit(request, self._settings.max_answer))
            upstream_id = request_id_of(response.headers, self._endpoint.secrets)
        embeddings = answered(request, body, provider=self._settings.name, secrets=self._endpoint.secrets)
        return replace(embeddings, upstream_request_id=upstream_id)

    async def _open(self, request: ChatRequest, *, stream: bool, begun: BegunChat | None) -> Response:
        """Send the request; when the upstream refuses to stream, to tell usage, or a field, ask again without."""
        head = self._head(request)
        request = self._plainer.of(request)
        asking = self._abilities.asking(request.model, stream=stream) if begun is None else begun.asking
        first = asking
        sent = None if begun is None else await begun.take_over()
        while True:
            body = request.encode(stream=asking.stream, ask_usage=asking.usage)
            response = await self._endpoint.send(head, body, sent=sent)
            sent = None
            if response.status == 200:
                self._abilities.answered(request.model, first=first, last=asking)
                return response
            try:
                error = await self._endpoint.refuse(response)
            finally:
                response.close()
            plainer = self._plainer.after(request, error)
            less = asking if plainer is not None else asking.less(request, error)
            if less is None:
                raise error
            request, asking = plainer or request, less

    def _whole(self, body: bytes, upstream_id: str, *, stream: bool) -> Chunk:
        item = self._endpoint.decode(body)
        if is_error(item):
            raise error_for_event(item, provider=self._settings.name, secrets=self._endpoint.secrets)
        if not isinstance(item, dict) or not isinstance(item.get("choices"), list) or not item["choices"]:
            raise UpstreamProtocolError(f"{self._settings.name}: the upstream's answer holds no choices")
        chunk = Chunk(unfold(item)) if stream else Chunk([item], [body])
        chunk.upstream_request_id = upstream_id
        return chunk


def _models(listed: Any, *, owner: str) -> Sequence[ModelInfo]:
    """Read `{"data": [...]}`, `{"models": [...]}` or a bare list, of objects or of names."""
    rows = listed
    if isinstance(listed, dict):
        rows = listed.get("data", listed.get("models"))
    if not isinstance(rows, list):
        raise UpstreamProtocolError(f"{owner}: the upstream's model list is not a list")
    found: dict[str, ModelInfo] = {}
    for row in rows:
        item = row if isinstance(row, dict) else {"id": row}
        name = item.get("id") or item.get("name") or item.get("model")
        if isinstance(name, str) and 0 < len(name) <= _LONGEST_ID:
            found.setdefault(name, ModelInfo.of(name, item, owner=owner))
    return list(found.values())


_: ProviderFactory = OpenAICompatible
