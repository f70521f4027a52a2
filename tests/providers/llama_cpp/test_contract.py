"""The contract of providers, held by local models with each library that is installed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from llms.protocol.chat import ChatRequest
from llms.providers import discover
from llms.providers.base import Provider, ProviderSettings
from llms.providers.llama_cpp import LlamaCpp, Options
from llms.testing.contract import ProviderContract
from llms.testing.fake_upstream import FakeUpstream

LIBRARIES = discover.libraries()
pytestmark = pytest.mark.local


class LocalContract(ProviderContract):
    """The parts of the contract that a model on this machine can be held to."""

    speaks_http = says_what_is_scripted = has_key = has_tools = has_reasoning = False
    keeps_unknown_fields = lists_upstream_models = False
    model = "demo"
    loaded_by: str

    async def provider(self, upstream: FakeUpstream) -> Provider:
        options = Options.read({"library": self.loaded_by})
        return LlamaCpp(ProviderSettings("local", "llama_cpp", options), self.resources)

    def request(self, text: str = "Hello world", *, more: Mapping[str, Any] | None = None) -> ChatRequest:
        return super().request(text, more={"temperature": 0, **(more or {})})


@pytest.mark.skipif("xllamacpp" not in LIBRARIES, reason="needs xllamacpp: pip install 'llms[local]'")
class TestXllamacpp(LocalContract):
    """The library that needs no compiler."""

    loaded_by = "xllamacpp"


@pytest.mark.skipif("llama-cpp-python" not in LIBRARIES, reason="needs llama-cpp-python: pip install 'llms[llama-cpp]'")
class TestLlamaCppPython(LocalContract):
    """The library that stops while it reads."""

    loaded_by = "llama-cpp-python"
