"""What every provider must hold, as tests to inherit.

    class TestMine(ProviderContract):
        async def provider(self, upstream):
            options = Options(base_url=upstream.url, api_key=self.key)
            return Mine(ProviderSettings("mine", "mine", options), self.resources)

Run it with pytest and pytest-asyncio. What cannot apply is switched off by an attribute (`has_tools = False`,
`speaks_http = False` for an engine in the process), and `makes_embeddings = True` switches on what not every provider
does; a provider whose upstream speaks a dialect of its own overrides
the `script_…` hooks, which say each thing the way that upstream says it.
"""

from __future__ import annotations

from llms.testing.contract.answers import Answers
from llms.testing.contract.departures import Departures
from llms.testing.contract.embeddings import Embedding
from llms.testing.contract.failures import Failures
from llms.testing.contract.secrets import Secrets

__all__ = ["ProviderContract"]


class ProviderContract(Answers, Failures, Departures, Secrets, Embedding):
    """The whole contract; give `provider` and run it."""
