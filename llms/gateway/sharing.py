"""Equal requests that share one answer: at the same time by a flight, later by what is kept. Off unless a row asks.

A request counts as it stands in its client's dialect; the members of a flight, and what is kept, are one key's.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, final

from llms.config.model import Cache
from llms.gateway.answer import Whole
from llms.gateway.answering import Answering
from llms.gateway.exchange import Exchange
from llms.gateway.flight import Flight
from llms.gateway.identity import identity
from llms.gateway.joined import Joined
from llms.gateway.kept import Replayed, kept_of, whole_of
from llms.protocol.chat import ChatRequest
from llms.protocol.errors import ModelNotFound
from llms.stores.answers import AnswerStore, KeptAnswer
from llms.tasks import Tasks

if TYPE_CHECKING:
    from llms.gateway.fleet import Fleet
    from llms.gateway.gateway import Gateway

_NO_STORE: Final = "no-store"
_NO_CACHE: Final = "no-cache"


class _Way(NamedTuple):
    """What a request may share, and by which name."""

    key: str
    row: str
    single_flight: bool
    cache: Cache | None
    looks: bool
    """A kept answer will do."""


@final
class Sharing:
    """The flights under way and the answers that are kept."""

    def __init__(self, answers: AnswerStore) -> None:
        """Take where answers are kept."""
        self._answers = answers
        self._flights: dict[tuple[str, bool], list[Flight]] = {}
        self._tasks = Tasks()

    async def chat(self, gateway: Gateway, request: ChatRequest, *, route: str, key_id: str) -> Answering:
        """Return a committed stream, shared where the model's row says so; raise an LlmsError."""
        way = _way(gateway.fleet, request, key_id=key_id, stream=True)
        exchange = gateway.exchange(request, route=route, key_id=key_id, stream=True)
        if way is None:
            return await gateway.open(request, exchange)
        try:
            if (kept := await self._kept(way, exchange)) is not None:
                return Replayed(kept, request=request, exchange=exchange)
            flight = self._flight(gateway, request, way, exchange)
            try:
                answer = await flight.committed(exchange)
            except BaseException:
                await flight.leave(exchange)
                raise
        except BaseException as failure:
            exchange.failed(failure)
            raise
        exchange.ttft = exchange.elapsed()
        exchange.window = "streaming"
        return Joined(flight, answer, request=request, exchange=exchange)

    async def complete(self, gateway: Gateway, request: ChatRequest, *, route: str, key_id: str) -> Whole:
        """Return a whole answer, shared where the model's row says so; raise an LlmsError."""
        way = _way(gateway.fleet, request, key_id=key_id, stream=False)
        exchange = gateway.exchange(request, route=route, key_id=key_id, stream=False)
        if way is None:
            return await gateway.collect(request, exchange)
        exchange.window = "whole_answer"
        try:
            if (kept := await self._kept(way, exchange)) is not None:
                whole = whole_of(kept, exchange)
            else:
                flight = self._flight(gateway, request, way, exchange)
                try:
                    whole = Whole((await flight.completed(exchange)).completion, exchange)
                finally:
                    await flight.leave(exchange)
        except BaseException as failure:
            exchange.failed(failure)
            raise
        exchange.ttft = exchange.elapsed()
        exchange.finished = True
        exchange.end(committed=True)
        return whole

    async def close(self) -> None:
        """End all flights."""
        await self._tasks.close()
        await self._answers.close()

    async def _kept(self, way: _Way, exchange: Exchange) -> KeptAnswer | None:
        if way.cache is None:
            return None
        found = await self._answers.get(way.row, way.key) if way.looks else None
        exchange.cache = "miss" if found is None else "hit"
        return found

    def _flight(self, gateway: Gateway, request: ChatRequest, way: _Way, exchange: Exchange) -> Flight:
        """Return the flight that a request is a member of: one under way, or its own."""
        name = way.key, exchange.stream
        for flight in self._flights.get(name, ()) if way.single_flight else ():
            if flight.is_open and (flight.include_usage or not request.include_usage):
                flight.join(exchange)
                return flight
        flight = self._start(gateway, request, way, exchange)
        self._flights.setdefault(name, []).append(flight)
        flight.when_over(lambda: self._forget(name, flight))
        return flight

    def _start(self, gateway: Gateway, request: ChatRequest, way: _Way, exchange: Exchange) -> Flight:
        inner = gateway.exchange(request, route=exchange.route, key_id=exchange.key_id, stream=exchange.stream)
        gateway.live.discard(inner)
        flight = Flight(inner, include_usage=request.include_usage)
        flight.join(exchange)
        keep = partial(self._keep, way)
        alone = request._replace(progress=None)
        if exchange.stream:
            flight.start(flight.stream(lambda: gateway.open(alone, inner), keep), self._tasks)
        else:
            flight.start(flight.complete(lambda: gateway.collect(alone, inner), keep), self._tasks)
        return flight

    def _forget(self, name: tuple[str, bool], flight: Flight) -> None:
        self._flights[name].remove(flight)
        if not self._flights[name]:
            del self._flights[name]

    async def _keep(self, way: _Way, flight: Flight) -> None:
        if way.cache is None:
            return
        kept = kept_of(flight)
        if kept is not None:
            cache = way.cache
            await self._answers.put(way.row, way.key, kept, ttl=cache.ttl, max_size=cache.max_size)


def _way(fleet: Fleet, request: ChatRequest, *, key_id: str, stream: bool) -> _Way | None:
    """Return what a request may share; None where nothing."""
    try:
        route = fleet.catalog.resolve(request.model)
    except ModelNotFound:
        return None
    row = fleet.config.models.get(route.row)
    if row is None or not (row.single_flight or row.cache):
        return None
    said = {word.strip().lower() for word in request.cache_control.split(",")}
    key = None if _NO_STORE in said else identity(request, route, key_id=key_id, stream=stream)
    if key is None:
        return None
    return _Way(key, route.row, row.single_flight, row.cache, _NO_CACHE not in said)
