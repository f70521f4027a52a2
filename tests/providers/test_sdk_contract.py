"""The provider's contract, through OpenAI's own client."""

from __future__ import annotations

from llms.providers.base import Provider
from llms.testing.contract import ProviderContract
from llms.testing.fake_upstream import FakeUpstream
from tests.providers.sdk_chats import OPENAI, provider


class TestOpenAI(ProviderContract):
    makes_embeddings = True

    async def provider(self, upstream: FakeUpstream) -> Provider:
        return provider(OPENAI, {"api_key": self.key, "base_url": upstream.url})
