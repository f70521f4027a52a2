"""The provider's contract, in front of an upstream that speaks Gemini's dialect."""

from __future__ import annotations

from llms.testing.contract import ProviderContract
from tests.providers.gemini_answers import GeminiScripts


class TestGemini(GeminiScripts, ProviderContract):
    pass
