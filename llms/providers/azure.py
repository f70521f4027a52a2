"""Azure OpenAI: OpenAI's dialect at addresses of its own, one for each deployment or the newer v1 for all.

Addresses and headers are those of "Azure OpenAI REST API reference" and "Azure OpenAI v1 API": with an `api_version`,
`/openai/deployments/NAME/…?api-version=…`; without, `/openai/v1/…`. A key goes into `api-key`, a token of Microsoft
Entra is a Bearer token.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Final, Self, final
from urllib.parse import quote

from pydantic import Field, SecretStr, field_validator, model_validator

from llms.protocol.chat import ChatRequest, Chunk, ModelInfo, StreamUsage
from llms.protocol.embeddings import EmbeddingRequest, Embeddings
from llms.providers import openai_compatible
from llms.providers._batches import MaxInputs
from llms.providers._http_options import HttpOptions
from llms.providers.base import ProviderFactory, ProviderSettings, Resources, SupportsEmbeddings

_MOST_DEPLOYMENTS: Final = 256
"""Remembered; clients choose their names."""


class Options(HttpOptions):
    """A row's own keys."""

    base_url: str = Field(description="The resource, for example https://NAME.openai.azure.com.")
    api_key: SecretStr | None = Field(None, description="A key of the resource.")
    token: SecretStr | None = Field(None, description="A token of Microsoft Entra, instead of a key.")
    api_version: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9.-]+$",
        description="For example 2024-10-21: ask deployments by their own addresses. Null is the v1 API.",
    )
    stream_usage: StreamUsage = Field(
        "ask", description="How a stream tells usage: ask (stream_options), native (by itself) or none."
    )
    max_inputs: MaxInputs = None

    @field_validator("base_url")
    @classmethod
    def _resource(cls, value: str) -> str:
        """Take the address as the portal shows it, or with the path that some clients want."""
        if "?" in value:
            raise ValueError("must not hold parameters: the version goes into api_version")
        return value.removesuffix("/v1").removesuffix("/openai")

    @model_validator(mode="after")
    def _one_credential(self) -> Self:
        if self.api_key is not None and self.token is not None:
            raise ValueError("has both `api_key` and `token`: leave one of them out")
        return self


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
        options = openai_compatible.Options.model_validate(
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
