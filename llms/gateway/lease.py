"""One attempt's hold on a target: slot, health count, provider and its generator, let go together."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final, TypeVar, final

import structlog

from llms.gateway.fleet import Member
from llms.gateway.speaking import speaks
from llms.policies.slots import Slots
from llms.protocol.chat import ChatRequest, Chunk
from llms.protocol.conform import Conform
from llms.protocol.errors import LlmsError, UpstreamError
from llms.providers.base import Relay
from llms.providers.beginning import Begun, SupportsBegin
from llms.providers.several import as_chats
from llms.routing.catalog import Target
from llms.routing.health import Health
from llms.streaming.deadline import Deadline

_log = structlog.get_logger()
_SETTLE_SECONDS: Final = 1.0
_LEAST_PATIENCE: Final = 0.001
T = TypeVar("T")


@final
class Lease:
    """Hold a target from the start of an attempt to the end of its answer."""

    __slots__ = (
        "_clock",
        "_closed",
        "_health",
        "_own",
        "_since",
        "begun",
        "conform",
        "deadline",
        "member",
        "source",
        "target",
    )

    def __init__(
        self,
        target: Target,
        member: Member,
        own: Slots | None,
        *,
        health: Health,
        deadline: Deadline,
        clock: Callable[[], float],
    ) -> None:
        """Hold slots that were taken before: the provider's, and the model's `own` where it has some."""
        self.target = target
        self.member = member
        self._own = own
        self.deadline = deadline
        self._health = health
        self._clock = clock
        self._since = clock()
        self._closed = False
        self.source: AsyncGenerator[Chunk, None] | None = None
        self.begun: Begun | None = None
        """The request, where it went out already."""
        self.conform: Conform | None = None
        """What has seen chunks of its stream already."""
        member.enter()
        health.started(target)

    def start(self, request: ChatRequest, *, stream: bool, relay: Relay | None = None) -> None:
        """Begin the provider's work; a stream's bytes may go on through `relay` where the provider knows how."""
        provider = self.member.require()
        asked = request.for_model(self.target.model)
        relayed = self._relayed(relay)
        if self.begun is not None and isinstance(provider, SupportsBegin):
            self.source = provider.resume(asked, self.begun, stream=stream, relay=relay)
        elif asked.original is not None and not speaks(provider, asked.original, asked.model):
            self.source = as_chats(provider.chat, asked, stream=stream, relay=relayed)
        elif relayed is not None:
            self.source = relayed(asked)
        else:
            self.source = provider.chat(asked, stream=stream)

    def _relayed(self, relay: Relay | None) -> Callable[[ChatRequest], AsyncGenerator[Chunk, None]] | None:
        relaying = self.member.relay
        if relay is None or relaying is None:
            return None
        return lambda request: relaying(request, relay)

    async def pull(self, patience: float, what: str) -> Chunk | None:
        """Wait for one chunk, until `patience` seconds after the attempt's start; None at the end.

        Raises an LlmsError, whatever the provider raised; `what` is as for `Deadline.arm`.
        """
        assert self.source is not None
        self.deadline.arm(max(_LEAST_PATIENCE, patience - self.seconds()), what, of=patience)
        try:
            return await self.source.__anext__()
        except StopAsyncIteration:
            return None
        except asyncio.CancelledError as cancelled:
            raise self.deadline.caught(self.target.provider) or cancelled from None
        except Exception as failure:
            raise provider_error(failure, provider=self.target.provider) from None
        finally:
            self.deadline.disarm()

    async def wait(self, work: Awaitable[T], patience: float, what: str) -> T:
        """Wait for a provider's answer that is no stream, by the rules of `pull`."""
        self.deadline.arm(max(_LEAST_PATIENCE, patience - self.seconds()), what, of=patience)
        try:
            return await work
        except asyncio.CancelledError as cancelled:
            raise self.deadline.caught(self.target.provider) or cancelled from None
        except Exception as failure:
            raise provider_error(failure, provider=self.target.provider) from None
        finally:
            self.deadline.disarm()

    async def settle(self) -> None:
        """Let the provider end in its own way after the last chunk, so that it can keep its connection."""
        assert self.source is not None
        self.deadline.arm(_SETTLE_SECONDS, "")
        try:
            async for _ in self.source:
                pass
        except asyncio.CancelledError:
            if self.deadline.caught(self.target.provider) is None:
                raise
        except Exception as failure:
            _log.debug("provider failed after its last chunk", provider=self.target.provider, error=str(failure))
        finally:
            self.deadline.disarm()

    def committed(self) -> None:
        """Note that the first chunk is there."""
        self._health.committed(self.target, self._clock() - self._since)

    def failed(self, error: LlmsError) -> None:
        """Note that the target failed."""
        self._health.failed(self.target, error)

    def seconds(self) -> float:
        """Return the seconds since the attempt began."""
        return self._clock() - self._since

    async def close(self) -> None:
        """Stop the upstream's work and let go of everything; a second call does nothing."""
        try:
            if self.source is not None and not self._closed:
                with contextlib.suppress(Exception):
                    await self.source.aclose()
            if self.begun is not None:
                self.begun.abort()  # unless the source has taken it over
        finally:
            self.let_go()

    def let_go(self) -> None:
        """Give back what was taken; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        self._health.ended(self.target)
        seconds = self._clock() - self._since
        if self._own is not None:
            self._own.release(seconds)
        self.member.slots.release(seconds)
        self.member.leave()


def provider_error(failure: Exception, *, provider: str) -> LlmsError:
    """Return an error of ours as it is, and one for any other exception of a provider, which is logged."""
    if isinstance(failure, LlmsError):
        return failure
    _log.error("provider raised", provider=provider, exc_info=failure)
    return UpstreamError(f"{provider}: the provider failed with {type(failure).__name__}")
