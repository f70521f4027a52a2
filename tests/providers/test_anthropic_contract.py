"""The contract of providers, held by that of Anthropic's API in front of an upstream of its own dialect."""

from llms.testing.contract import ProviderContract
from tests.providers.anthropic_scripts import AnthropicScripts


class TestAnthropic(AnthropicScripts, ProviderContract):
    """All that every provider must hold."""
