"""The providers in service under one configuration, and who still uses them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import structlog

from llms.config.model import Config, ProviderRow
from llms.policies.slots import Slots
from llms.protocol.chat import ModelInfo
from llms.protocol.errors import LlmsError, UpstreamError, UpstreamTimeout, UpstreamUnavailable
from llms.providers.base import Provider, SupportsClose
from llms.routing.catalog import Catalog
from llms.routing.planner import Planner

_log = structlog.get_logger()


@final
class Member:
    """One provider in service; closed when it is retired and its last request is over."""

    __slots__ = ("_retired", "asked_at", "listed", "problem", "provider", "row", "running", "slots")

    def __init__(self, row: ProviderRow, provider: Provider | None, *, problem: str = "") -> None:
        """Take a built provider, or the `problem` that kept it from being built."""
        self.row = row
        self.provider = provider
        self.problem = problem
        self.slots = Slots(name=row.name, concurrency=row.limits.concurrency, queue=row.limits.queue)
        self.running = 0
        self.listed: list[ModelInfo] | None = None
        """What it said it serves; None until it told."""
        self.asked_at: float | None = None
        self._retired = False

    def require(self) -> Provider:
        """Return the provider; raise when it could not be built."""
        if self.provider is None:
            raise UpstreamUnavailable(f"{self.row.name}: {self.problem}")
        return self.provider

    def enter(self) -> None:
        """Count a request in."""
        self.running += 1

    async def leave(self) -> None:
        """Count a request out; the last one out of a retired provider closes it."""
        self.running -= 1
        if self._retired and not self.running:
            await self._close()

    async def retire(self) -> None:
        """Take no new work; close now, or when the last request is over."""
        self._retired = True
        if not self.running:
            await self._close()

    async def list(self, *, patience: float) -> list[ModelInfo]:
        """Ask what it serves, for at most `patience` seconds; raise an LlmsError."""
        provider = self.require()
        try:
            async with asyncio.timeout(patience):
                return list(await provider.models())
        except TimeoutError:
            raise UpstreamTimeout(f"{self.row.name}: no model list within {patience:g} s") from None
        except LlmsError:
            raise
        except Exception as failure:
            _log.exception("provider failed to list models", provider=self.row.name)
            raise UpstreamError(f"{self.row.name}: {type(failure).__name__} while listing models") from failure

    async def _close(self) -> None:
        if isinstance(self.provider, SupportsClose):
            provider, self.provider = self.provider, None
            self.problem = "closed"
            await provider.close()


@final
@dataclass(frozen=True, slots=True)
class Fleet:
    """One consistent picture: configuration, providers, names. Swapped whole; never changed in place."""

    config: Config
    members: Mapping[str, Member]
    catalog: Catalog
    planner: Planner
