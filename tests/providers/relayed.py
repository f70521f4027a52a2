"""The OpenAI-compatible provider in front of a fake upstream, as its tests want it."""

from llms.providers.base import ProviderSettings
from llms.providers.openai_compatible import OpenAICompatible, Options
from llms.testing.contract.setup import Setup
from llms.testing.plain_client import text_of


class Made(Setup):
    """Makes the provider for the tests below."""

    options = None
    settings = None

    async def provider(self, upstream):
        options = Options(**{"base_url": upstream.url, "api_key": self.key, **(self.options or {})})
        return OpenAICompatible(
            ProviderSettings("up", "openai_compatible", options, **(self.settings or {})), self.resources
        )


def made(*, settings=None, **options):
    setup = Made()
    setup.options, setup.settings = options, settings
    return setup


def said(setup, chunks):
    return text_of(setup.conformed(chunks))
