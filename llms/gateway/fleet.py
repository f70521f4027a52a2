"""The providers in service under one configuration, and who still uses them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import structlog

from llms.config.model import Config, ProviderRow
from llms.policies.slots import Slots
from llms.protocol.chat import ChatRequest, Chunk, ModelInfo
from llms.protocol.errors import LlmsError, UpstreamError, UpstreamTimeout, UpstreamUnavailable
from llms.providers.base import NeedsBytes, Provider, Relay, SupportsClose, SupportsRelay, SupportsSlots
from llms.providers.beginning import Begun, SupportsBegin
from llms.routing.catalog import Catalog
from llms.routing.planner import Plan, Planner

if TYPE_CHECKING:
    from llms.gateway.sharing import Sharing
    from llms.stores.tally import Tally

_log = structlog.get_logger()


@final
class Member:
    """One provider in service; once retired it is closed when its last user has left."""

    __slots__ = (
        "_idle",
        "asked_at",
        "asks_bytes",
        "begin",
        "count_slots",
        "listed",
        "problem",
        "provider",
        "relay",
        "row",
        "running",
        "slots",
    )

    def __init__(
        self, row: ProviderRow, provider: Provider | None, *, problem: str = "", tally: Tally | None = None
    ) -> None:
        """Take a built provider, or the `problem` that kept it from being built; a tally shares its slots."""
        self.row = row
        self.provider = provider
        self.problem = problem
        limits = row.limits
        self.slots = Slots(name=row.name, concurrency=limits.concurrency, queue=limits.queue, tally=tally)
        self.count_slots: Callable[[str], int | None] | None = None
        """Tells how many requests a model takes at once, where the provider knows."""
        self.asks_bytes: Callable[[str], bool] | None = None
        """Tells whether a model takes bytes and no links, where the provider says so."""
        if isinstance(provider, SupportsSlots):
            self.count_slots = provider.slots
        if isinstance(provider, NeedsBytes):
            self.asks_bytes = provider.needs_bytes
        self.relay: Callable[[ChatRequest, Relay], AsyncGenerator[Chunk, None]] | None = None
        """Streams as the provider's `chat` does, where it can let plain bytes go on by themselves."""
        if isinstance(provider, SupportsRelay):
            self.relay = provider.relay
        self.begin: Callable[..., Begun | None] | None = None
        """Sends a plain chat at once, where the provider can; see SupportsBegin."""
        if isinstance(provider, SupportsBegin):
            self.begin = provider.begin
        self.running = 0
        self.listed: list[ModelInfo] | None = None
        """What it said it serves; None until it told."""
        self.asked_at: float | None = None
        self._idle: asyncio.Event | None = None

    def require(self) -> Provider:
        """Return the provider; raise when it could not be built."""
        if self.provider is None:
            raise UpstreamUnavailable(f"{self.row.name}: {self.problem}")
        return self.provider

    def slots_of(self, model: str) -> Slots | None:
        """Return the slots that one model has beside the provider's; None when it has none."""
        if self.count_slots is None:
            return None
        try:
            count = self.count_slots(model)
        except Exception:
            _log.exception("provider failed to tell its slots", provider=self.row.name)
            return None
        return self.slots.of(model, count) if count else None

    def needs_bytes(self, model: str) -> bool:
        """Tell whether links in a chat with a model must be fetched before its provider is asked."""
        if self.asks_bytes is None:
            return False
        try:
            return self.asks_bytes(model)
        except Exception:
            _log.exception("provider failed to tell whether it needs bytes", provider=self.row.name)
            return False

    def enter(self) -> None:
        """Count a user in: a request that may come to this provider, or an attempt at it."""
        self.running += 1

    def leave(self) -> None:
        """Count a user out."""
        self.running -= 1
        if self._idle is not None and not self.running:
            self._idle.set()

    @contextmanager
    def used(self) -> Generator[None, None, None]:
        """Count a user in for as long as this lasts."""
        self.enter()
        try:
            yield
        finally:
            self.leave()

    async def retire(self) -> None:
        """Wait for the last user to leave, then close; at once when this task is cancelled."""
        try:
            if self.running:
                self._idle = asyncio.Event()
                await self._idle.wait()
        finally:
            await self.close()

    async def close(self) -> None:
        """Let go of what the provider holds; a provider that fails at it is logged."""
        if not isinstance(self.provider, SupportsClose):
            return
        provider, self.provider = self.provider, None
        self.problem = "closed"
        try:
            await provider.close()
        except Exception:
            _log.exception("provider failed to close", provider=self.row.name)

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


@final
@dataclass(frozen=True, slots=True)
class Fleet:
    """One consistent picture: configuration, providers, names. Swapped whole; never changed in place."""

    config: Config
    members: Mapping[str, Member]
    catalog: Catalog
    planner: Planner
    sharing: Sharing | None = None
    """Has equal requests share an answer; None where no model's row asks for that."""

    def users(self, plan: Plan) -> list[Member]:
        """Return the providers that a request may come to; they are not closed while it might."""
        overflow = plan.route.overflow
        targets = plan.targets if overflow is None else (*plan.targets, overflow)
        return [self.members[target.provider] for target in targets]

    async def close(self) -> None:
        """Close every provider, and end what requests share."""
        for member in self.members.values():
            await member.close()
        if self.sharing is not None:
            await self.sharing.close()
