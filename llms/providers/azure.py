"""Azure OpenAI: OpenAI's dialect at addresses of its own, one for each deployment or the newer v1 for all.

Addresses and headers are those of "Azure OpenAI REST API reference" and "Azure OpenAI v1 API": with an `api_version`,
`/openai/deployments/NAME/…?api-version=…`; without, `/openai/v1/…`. A key goes into `api-key`, a token of Microsoft
Entra is a Bearer token.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Annotated, Final, final
from urllib.parse import quote

from llms.config.section import field
from llms.config.values import Refusal
from llms.protocol.chat import ChatRequest, Chunk, ModelInfo, StreamUsage
from llms.protocol.embeddings import EmbeddingRequest, Embeddings
from llms.providers import openai_compatible
from llms.providers._batches import MAX_INPUTS, MaxInputs
from llms.providers._http_options import HttpAddress, HttpOptions, Token, Word
from llms.providers.base import ProviderFactory, ProviderSettings, Resources, SupportsEmbeddings

_VERSION: Final = Word(r"[A-Za-z0-9.-]+", "a version such as 2024-10-21")
_MOST_DEPLOYMENTS: Final = 256
"""Remembered; clients choose their names."""


def _resource(address: str) -> str:
    """Take the address as the portal shows it, or with the path that some clients want."""
    if "?" in address:
        raise Refusal("must not hold parameters: the version goes into api_version")
    return address.removesuffix("/v1").removesuffix("/openai")


class Options(HttpOptions):
    """A row's own keys."""

    base_url: Annotated[str, HttpAddress(), _resource] = field(
        description="The resource, for example https://NAME.openai.azure.com."
    )
    api_key: Token | None = field(default=None, description="A key of the resource.")
    token: Token | None = field(default=None, description="A token of Microsoft Entra, instead of a key.")
    api_version: Annotated[str, _VERSION] | None = field(
        default=None,
        description="For example 2024-10-21: ask deployments by their own addresses. Null is the v1 API.",
    )
    stream_usage: StreamUsage = field(
        default="ask", description="How a stream tells usage: ask (stream_options), native (by itself) or none."
    )
    max_inputs: MaxInputs = field(default=None, description=MAX_INPUTS)

    def check(self) -> None:
        if self.api_key is not None and self.token is not None:
            raise Refusal("has both `api_key` and `token`: leave one of them out")


@final
class Azure:
    """Ask the deployment that is called like the model."""

    def __init__(self, settings: ProviderSettings, resources: Resources) -> None:
        """Keep the row; nothing is sent before the first chat."""
        self._settings = settings
        self._options: Options = settings.options
        self._resources = resources
        self._deployments: dict[str, openai_compatible.OpenAICompatible] = {}
        self._v1 = self._at("openai/v1") if self._options.api_version is None else None

    def chat(self, request: ChatRequest, *, stream: bool = True) -> AsyncGenerator[Chunk, None]:
        """Yield the deployment's chunks, or its whole answer as one."""
        return self._of(request.model).chat(request, stream=stream)

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        """Return the deployment's vectors as they came."""
        return await self._of(request.model).embed(request)

    async def models(self) -> Sequence[ModelInfo]:
        """List the configured names, or what the v1 API lists; old versions list models, which cannot be asked."""
        if self._options.models is None and self._v1 is not None:
            return await self._v1.models()
        return [ModelInfo(name, owned_by=self._settings.name) for name in self._options.models or ()]

    def _of(self, model: str) -> openai_compatible.OpenAICompatible:
        if self._v1 is not None:
            return self._v1
        known = self._deployments.pop(model, None)
        if known is None:
            path = f"openai/deployments/{quote(model, safe='')}?api-version={self._options.api_version}"
            known = self._at(path)
        self._deployments[model] = known
        if len(self._deployments) > _MOST_DEPLOYMENTS:
            del self._deployments[next(iter(self._deployments))]
        return known

    def _at(self, path: str) -> openai_compatible.OpenAICompatible:
        row = self._options
        key = {"api-key": row.api_key.get_secret_value()} if row.api_key else {}
        options = openai_compatible.Options.read(
            {
                "base_url": f"{row.base_url}/{path}",
                "api_key": row.token,
                "headers": {**key, **row.headers},
                "max_inputs": row.max_inputs,
                "stream_usage": row.stream_usage,
                "ca_file": row.ca_file,
                "proxy": row.proxy,
            }
        )
        return openai_compatible.OpenAICompatible(replace(self._settings, options=options), self._resources)


_: ProviderFactory = Azure
_embeds: type[SupportsEmbeddings] = Azure
