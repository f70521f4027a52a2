"""llms: one local command that gives every OpenAI and Anthropic client a dependable stream from any model.

What stands in `__all__` is what other packages may lean on. Each name is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from llms.app import Engine, create_app
    from llms.client import AsyncClient, Client, ClientError, StreamBroken, StreamingChunk
    from llms.config.load import ConfigError, load
    from llms.config.model import Config
    from llms.protocol.chat import ChatRequest, Chunk, Completion, ModelInfo, Usage
    from llms.protocol.errors import LlmsError, RequestError, UpstreamError
    from llms.providers.base import Provider, ProviderFactory, ProviderSettings, Resources

__version__ = "0.1.0"

__all__ = [
    "AsyncClient",
    "ChatRequest",
    "Chunk",
    "Client",
    "ClientError",
    "Completion",
    "Config",
    "ConfigError",
    "Engine",
    "LlmsError",
    "ModelInfo",
    "Provider",
    "ProviderFactory",
    "ProviderSettings",
    "RequestError",
    "Resources",
    "StreamBroken",
    "StreamingChunk",
    "UpstreamError",
    "Usage",
    "create_app",
    "load",
]

_HOMES: Final = {
    "llms.app": ("Engine", "create_app"),
    "llms.client": ("AsyncClient", "Client", "ClientError", "StreamBroken", "StreamingChunk"),
    "llms.config.load": ("ConfigError", "load"),
    "llms.config.model": ("Config",),
    "llms.protocol.chat": ("ChatRequest", "Chunk", "Completion", "ModelInfo", "Usage"),
    "llms.protocol.errors": ("LlmsError", "RequestError", "UpstreamError"),
    "llms.providers.base": ("Provider", "ProviderFactory", "ProviderSettings", "Resources"),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(home), name)
    raise AttributeError(f"module 'llms' has no attribute {name!r}")
