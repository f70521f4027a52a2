"""Anthropic's own API: chats are translated, and clients of Messages are passed on as they are."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, final
from urllib.parse import quote

from llms.config.section import field
from llms.config.values import Whole
from llms.protocol import json
from llms.protocol.chat import ChatRequest, Chunk, ModelInfo
from llms.protocol.dialects.messages.asking import body_of
from llms.protocol.dialects.messages.reader import MessagesReader
from llms.protocol.errors import UpstreamProtocolError
from llms.protocol.native import Original
from llms.providers._claude_facts import Facts, names_steering, unsteered
from llms.providers._http import Endpoint, Response
from llms.providers._http_options import Address, HttpOptions, Token, secrets_of
from llms.providers._native import NativeRelay
from llms.providers._translated import translated
from llms.providers.base import ProviderFactory, ProviderSettings, Relay, Resources

_VERSION: Final = "2023-06-01"
_OAUTH_BETA: Final = "oauth-2025-04-20"
_MAX_TOKENS: Final = 8192
"""What bounds an answer where neither the client nor the row nor the model's facts do; the API demands a bound."""
_MOST_BY_DEFAULT: Final = 32_000
"""Models that could say more are not asked to unless somebody wants it: rate limits count what could be said."""
_PAGE: Final = 1000
_MOST_PAGES: Final = 10


class Options(HttpOptions):
    """A row's own keys."""

    base_url: Address = field(default="https://api.anthropic.com/v1", description="Where the API's /v1 is.")
    api_key: Token | None = field(default=None, description="Sent as x-api-key; usually ${ANTHROPIC_API_KEY}.")
    auth_token: Token | None = field(
        default=None, description="An OAuth token, sent as a Bearer token instead of a key."
    )
    betas: tuple[str, ...] = field(default=(), description="Names of beta features to ask for with every request.")
    max_tokens: Annotated[int, Whole(minimum=1)] | None = field(
        default=None, description="Bounds answers that the client does not bound."
    )


@final
class Anthropic:
    """Ask for messages, give chunks."""

    def __init__(self, settings: ProviderSettings, resources: Resources) -> None:
        """Prepare addresses and headers; nothing is sent before the first chat."""
        options: Options = settings.options
        key = options.api_key.get_secret_value() if options.api_key else ""
        token = options.auth_token.get_secret_value() if options.auth_token else ""
        secrets = secrets_of(key, options.headers, {"authorization": token})
        self._settings = settings
        self._options = options
        self._now = resources.now
        self._endpoint = Endpoint(settings, resources, base_url=options.base_url, secrets=secrets)
        betas = (*options.betas, *([_OAUTH_BETA] if token else []))
        headers = {
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "llms",
            **({"Authorization": f"Bearer {token}"} if token else {"x-api-key": key} if key else {}),
            **({"anthropic-beta": ",".join(betas)} if betas else {}),
        }
        ours = {**headers, "anthropic-version": _VERSION}
        self._head = self._endpoint.head("POST", "messages", ours, options.headers)
        self._list_headers = (ours, options.headers)
        self._native = NativeRelay(
            self._endpoint,
            settings,
            {"messages": self._endpoint.head("POST", "messages", headers, options.headers)},
            clock=resources.clock,
            counting=self._endpoint.head("POST", "messages/count_tokens", headers, options.headers),
        )
        self._facts = Facts(clock=resources.clock)

    def speaks(self, original: Original, model: str) -> bool:
        """Tell whether a request to a model is sent on as its client wrote it."""
        return self._native.speaks(original, model)

    def chat(self, request: ChatRequest, *, stream: bool = True) -> AsyncGenerator[Chunk, None]:
        """Return the chunks of an answer; a client of Messages gets the upstream's own events."""
        return self._answer(request, stream=stream)

    def relay(self, request: ChatRequest, relay: Relay) -> AsyncGenerator[Chunk, None]:
        """Return what `chat` does, but for the events that are passed on as they arrive."""
        return self._answer(request, stream=True, relay=relay)

    async def count_tokens(self, request: ChatRequest) -> int | None:
        """Return what the upstream counts for a request of Messages."""
        return await self._native.count_tokens(request)

    async def models(self) -> Sequence[ModelInfo]:
        """List the configured models, or ask the upstream for all pages of its list."""
        if self._options.models is not None:
            return [ModelInfo(name, owned_by=self._settings.name) for name in self._options.models]
        found: list[ModelInfo] = []
        after = ""
        for _ in range(_MOST_PAGES):
            page = await self._list(after)
            found += [self._listed(row) for row in page["data"] if isinstance(row, dict) and row.get("id")]
            after = page.get("last_id") or ""
            if not page.get("has_more") or not after:
                break
        return found

    def _answer(self, request: ChatRequest, *, stream: bool, relay: Relay | None = None) -> AsyncGenerator[Chunk, None]:
        original = request.original
        if original is not None and self._native.speaks(original, request.model):
            return self._native.chat(request, original, stream=stream, relay=relay)
        return translated(
            self._endpoint,
            lambda: self._open(request, stream=stream),
            lambda _: self._reader(stream=stream),
            stream=stream,
            relay=relay,
        )

    def _reader(self, *, stream: bool) -> MessagesReader:
        return MessagesReader(
            provider=self._settings.name,
            max_event=self._settings.max_event,
            created=int(self._now()),
            secrets=self._endpoint.secrets,
            stream=stream,
        )

    async def _open(self, request: ChatRequest, *, stream: bool) -> Response:
        """Send the request; without temperature and its like where the model turns out to take none."""
        facts = self._facts.of(request.model)
        bound = self._options.max_tokens or min(facts.longest or _MAX_TOKENS, _MOST_BY_DEFAULT)
        body = body_of(request, stream=stream, default_max=bound, adaptive=facts.adaptive)
        if not facts.steered:
            body = unsteered(body)
        head = b"%bx-llms-hops: %d\r\n" % (self._head, request.hops + 1)
        while True:
            response = await self._endpoint.send(head, json.dumps(body))
            if response.status == 200:
                return response
            try:
                error = await self._endpoint.refuse(response)
            finally:
                response.close()
            less = unsteered(body)
            if error.http_status != 400 or len(less) == len(body) or not names_steering(error.message):
                raise error
            self._facts.refuses_steering(request.model)
            body = less

    async def _list(self, after: str) -> Mapping[str, Any]:
        query = f"limit={_PAGE}" + (f"&after_id={quote(after, safe='')}" if after else "")
        head = self._endpoint.head("GET", "models", *self._list_headers, query=query)
        async with self._endpoint.request(b"%bx-llms-hops: 1\r\n" % head) as response:
            if response.status != 200:
                raise await self._endpoint.refuse(response)
            listed = self._endpoint.decode(await response.whole(self._settings.max_answer))
        if not isinstance(listed, dict) or not isinstance(listed.get("data"), list):
            raise UpstreamProtocolError(f"{self._settings.name}: the upstream's model list is not a list")
        return listed

    def _listed(self, row: Mapping[str, Any]) -> ModelInfo:
        name = str(row["id"])
        self._facts.listed(name, row)
        return ModelInfo.of(name, {**row, "created": _seconds(row.get("created_at"))}, owner=self._settings.name)


def _seconds(moment: Any) -> int:
    """Return the Unix seconds of a date; 0 where there is none."""
    try:
        return max(0, int(datetime.fromisoformat(moment).timestamp()))
    except (TypeError, ValueError, OverflowError):
        return 0


_: ProviderFactory = Anthropic
