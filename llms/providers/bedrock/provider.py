"""Ask Amazon Bedrock over HTTP, with a signature or a Bedrock API key; the words are the dialect's business."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Annotated, Final, final
from urllib.parse import quote

from llms.config.secret import SecretStr
from llms.config.section import field
from llms.config.values import Refusal
from llms.protocol import json
from llms.protocol.chat import ChatRequest, Chunk, ModelInfo
from llms.protocol.dialects import bedrock
from llms.providers._http import Endpoint, Response
from llms.providers._http_options import Address, HttpOptions, KeyId, Token, Word, secrets_of
from llms.providers._translated import translated
from llms.providers.base import NeedsBytes, ProviderFactory, ProviderSettings, Resources
from llms.providers.bedrock.signing import Credentials, signed

_SERVICE: Final = "bedrock"
_REGION: Final = Word(r"[a-z0-9-]+", "a region such as us-east-1")


class Options(HttpOptions):
    """A row's own keys."""

    region: Annotated[str, _REGION] = field(description="For example us-east-1.")
    base_url: Address | None = field(
        default=None, description="Another address than that of the region, for private endpoints."
    )
    api_key: Token | None = field(default=None, description="A Bedrock API key; instead of the three below.")
    access_key_id: Annotated[str, KeyId()] | None = field(default=None, description="Usually ${AWS_ACCESS_KEY_ID}.")
    secret_access_key: SecretStr | None = field(default=None, description="Usually ${AWS_SECRET_ACCESS_KEY}.")
    session_token: Token | None = field(default=None, description="Of temporary credentials.")
    models: tuple[str, ...] | None = field(default=None, description="Model ids and inference profiles to list.")

    def check(self) -> None:
        if bool(self.access_key_id) != bool(self.secret_access_key):
            raise Refusal("needs both `access_key_id` and `secret_access_key`")
        if bool(self.access_key_id) == bool(self.api_key):
            raise Refusal("needs either `api_key`, or `access_key_id` and `secret_access_key`")


@final
class Bedrock:
    """Chats by `Converse` and `ConverseStream`."""

    def __init__(self, settings: ProviderSettings, resources: Resources) -> None:
        """Prepare address and credentials; nothing is sent before the first chat."""
        options: Options = settings.options
        address = options.base_url or f"https://bedrock-runtime.{options.region}.amazonaws.com"
        key, secret, token = map(_plain, (options.api_key, options.secret_access_key, options.session_token))
        secrets = tuple(each for each in (token, secret, *secrets_of(key, options.headers)) if each)
        self._settings = settings
        self._options = options
        self._endpoint = Endpoint(settings, resources, base_url=address, secrets=secrets)
        self._now = resources.now
        self._credentials = Credentials(options.access_key_id or "", secret, token, options.region, _SERVICE)
        self._headers: Sequence[Mapping[str, str]] = (
            {"Content-Type": "application/json", "Accept-Encoding": "identity", "User-Agent": "llms"},
            {"Authorization": f"Bearer {key}"} if key else {},
            options.headers,
        )

    def chat(self, request: ChatRequest, *, stream: bool = True) -> AsyncGenerator[Chunk, None]:
        """Yield the answer as it comes, or all of it as one chunk."""
        return translated(
            self._endpoint,
            lambda: self._send(request, stream=stream),
            lambda upstream_id: self._reader(request, upstream_id or request.request_id),
            stream=stream,
            streams_as="application/vnd.amazon.eventstream",
            id_header="x-amzn-requestid",
        )

    async def models(self) -> Sequence[ModelInfo]:
        """List the configured models: what an account may ask stands in another service of AWS."""
        return [ModelInfo(name, owned_by=self._settings.name) for name in self._options.models or ()]

    def needs_bytes(self, model: str) -> bool:
        """Tell that Bedrock fetches no links, whatever the model."""
        return True

    def _reader(self, request: ChatRequest, answer_id: str) -> bedrock.AnswerReader:
        name = self._settings.name
        answer = bedrock.Answer(
            provider=name, model=request.model, answer_id=f"chatcmpl-{answer_id}", created=int(self._now())
        )
        return bedrock.AnswerReader(
            answer, provider=name, max_event=self._settings.max_event, secrets=self._endpoint.secrets
        )

    async def _send(self, request: ChatRequest, *, stream: bool) -> Response:
        body = json.dumps(bedrock.converse(request))
        path = f"model/{quote(request.model, safe='')}/{'converse-stream' if stream else 'converse'}"
        hops = {"x-llms-hops": str(request.hops + 1)}
        head = self._endpoint.head("POST", path, *self._headers, hops, self._signature(path, body))
        response = await self._endpoint.send(head, body)
        if response.status == 200:
            return response
        try:
            raise bedrock.error_of(await self._endpoint.refusal(response))
        finally:
            response.close()

    def _signature(self, path: str, body: bytes) -> Mapping[str, str]:
        if not self._credentials.key_id:
            return {}
        whole = f"{self._endpoint.path}/{path}"
        return signed(
            self._credentials, method="POST", host=self._endpoint.authority, path=whole, body=body, now=self._now()
        )


def _plain(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""


_: ProviderFactory = Bedrock
_needs: type[NeedsBytes] = Bedrock
