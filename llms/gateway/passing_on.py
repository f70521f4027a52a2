"""Requests that are passed on as they are: who can take one, and its answer as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from types import TracebackType
from typing import Final, NoReturn, Self, final

from llms.gateway.able import able_only
from llms.gateway.exchange import Exchange
from llms.gateway.fleet import Fleet
from llms.gateway.lease import Lease, provider_error
from llms.protocol.errors import InvalidRequest, LlmsError, NotSupported, UpstreamProtocolError, excerpt
from llms.protocol.passthrough import Passed, PassRequest, Upload, usage_in
from llms.protocol.sse import Decoder, EventTooLong
from llms.providers.base import Provider, SupportsPassthrough
from llms.routing.catalog import Route, Target

_NO_ANSWER: Final = "no answer within {:g} s"
_SILENT: Final = "the upstream sent nothing for {:g} s"
_MOST_NAMED: Final = 12
_MOST_READ: Final = 256 * 1024
"""Bytes of a JSON answer that are kept until its end, to read the usage that it tells."""


@final
class Relay:
    """An answer whose head has come. Use it as `async with`; leaving stops the upstream."""

    __slots__ = ("_answer", "_events", "_lease", "_told", "exchange")

    def __init__(self, answer: Passed, *, lease: Lease, exchange: Exchange) -> None:
        """Take over the lease of the attempt that brought the answer."""
        self._answer = answer
        self._lease = lease
        kind = answer.headers.get("content-type", "").lower()
        self._told: bytearray | None = bytearray() if "json" in kind else None
        limit = lease.member.row.limits.max_event
        self._events = Decoder(max_event=limit) if kind.startswith("text/event-stream") else None
        self.exchange = exchange

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._answer.close()
        self._lease.deadline.close()
        self.exchange.usage = usage_in(bytes(self._told or b"")) or self.exchange.usage
        try:
            await self._lease.close()
        finally:
            self.exchange.end(committed=True)

    @property
    def status(self) -> int:
        """Return the upstream's status: one of success."""
        return self._answer.status

    @property
    def headers(self) -> Mapping[str, str]:
        """Return the head of the upstream's answer, by lower-case names."""
        return self._answer.headers

    @property
    def is_stream(self) -> bool:
        """Tell whether the body is a stream of events."""
        return self._events is not None

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Yield the body as it comes, of events whole ones; raise one LlmsError when the upstream fails on the way."""
        lease, deadline = self._lease, self._lease.deadline
        deadline.moved()
        idle = lease.member.row.timeouts.idle
        try:
            deadline.arm(idle, _SILENT)
            while data := await self._answer.read():
                deadline.disarm()
                self._note(data)
                if piece := self._whole_events(data):
                    yield piece
                deadline.arm(idle, _SILENT)
        except asyncio.CancelledError:
            error = deadline.caught(lease.target.provider)
            if error is None:
                raise
            self._fail(error)
        except Exception as failure:
            self._fail(provider_error(failure, provider=lease.target.provider))
        finally:
            deadline.disarm()
        if self._events is not None and (rest := self._events.rest()):
            yield rest
        self.exchange.finished = True

    def _whole_events(self, data: bytes) -> bytes:
        """Return the events that a piece ends, as half of one could not be followed by an error; other bytes as is."""
        if self._events is None:
            return data
        try:
            return self._events.frames(data)
        except EventTooLong as problem:
            raise UpstreamProtocolError(f"{self._lease.target.provider}: {problem}") from None

    def _note(self, data: bytes) -> None:
        self.exchange.chunks += 1
        if self._told is None:
            return
        self._told += data
        if len(self._told) > _MOST_READ:
            self._told = None

    def _fail(self, error: LlmsError) -> NoReturn:
        self.exchange.error = error
        self._lease.failed(error)
        raise error from None


async def hand_on(lease: Lease, request: PassRequest, exchange: Exchange) -> Relay:
    """Send a request and wait for the head of its answer; after a failure nothing follows what cannot be repeated."""
    provider = lease.member.require()
    assert isinstance(provider, SupportsPassthrough)
    patience = lease.member.row.timeouts.answer
    asked = request.for_model(lease.target.model)
    if asked.upload is not None:
        asked = replace(asked, upload=_Watched(asked.upload, lease, patience))
    try:
        answer = await lease.wait(provider.pass_on(asked), patience, _NO_ANSWER)
    finally:
        exchange.repeatable = request.repeatable
    lease.committed()
    exchange.ttft = exchange.elapsed()
    exchange.window = "streaming"
    return Relay(answer, lease=lease, exchange=exchange)


@final
class _Watched:
    """A body on its way: only what the upstream takes of the time counts for its deadline."""

    def __init__(self, upload: Upload, lease: Lease, patience: float) -> None:
        self._upload = upload
        self._deadline = lease.deadline
        self._patience = patience
        self.length = upload.length

    @property
    def repeatable(self) -> bool:
        return self._upload.repeatable

    async def pieces(self, model: str) -> AsyncGenerator[bytes, None]:
        deadline = self._deadline
        async with aclosing(self._upload.pieces(model)) as pieces:
            deadline.disarm()
            async for piece in pieces:
                deadline.arm(self._patience, _NO_ANSWER)
                yield piece
                deadline.disarm()
        deadline.arm(self._patience, _NO_ANSWER)


def passing(request: PassRequest) -> Callable[[Route, Fleet], Route]:
    """Return what leaves out the targets whose provider has no such route, and refuses where none is left."""

    def narrow(route: Route, fleet: Fleet) -> Route:
        def can(provider: Provider, model: str) -> bool:
            return _can(provider, request)

        found = able_only(route, fleet, can=can, lack=f"its provider has no {request.area}")
        if found is None:
            raise _not_supported(f'The model "{excerpt(route.name)}" has no {request.area}.', request, fleet)
        return found

    return narrow


def addressed(request: PassRequest, fleet: Fleet) -> Route:
    """Return the route of a request that names no model: to the provider that it names, or to the only one."""
    providers = _able(request, fleet)
    name = request.provider or (providers[0] if len(providers) == 1 else "")
    if request.provider and name not in fleet.members:
        raise InvalidRequest(f"There is no provider {excerpt(name)!r} here.{_choice(providers)}", param="provider")
    if not providers or (request.provider and name not in providers):
        raise _not_supported(
            f"No {request.area} here." if not name else f"{name} has no {request.area}.", request, fleet
        )
    if not name:
        raise InvalidRequest(
            f"The request names no model, so it has to say whose {request.area} it is about: by ?provider= or the "
            f"header x-llms-provider.{_choice(providers)}",
            param="provider",
        )
    return Route(name, (Target(name, ""),), "ordered", None, "provider")


def _able(request: PassRequest, fleet: Fleet) -> list[str]:
    return [name for name, member in fleet.members.items() if member.provider and _can(member.provider, request)]


def _can(provider: Provider, request: PassRequest) -> bool:
    return isinstance(provider, SupportsPassthrough) and provider.passes(request)


def _not_supported(told: str, request: PassRequest, fleet: Fleet) -> NotSupported:
    providers = _able(request, fleet)
    if not providers:
        return NotSupported(f"{told} No provider of this server has; the key `passes` of a row says what it has.")
    return NotSupported(f"{told}{_choice(providers)}", param="model" if request.model else "provider")


def _choice(providers: list[str]) -> str:
    return f" Providers that can be asked: {', '.join(providers[:_MOST_NAMED])}." if providers else ""
