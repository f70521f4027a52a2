"""From a request to a committed answer: resolve, plan, try targets in turn, commit at the first chunk."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, final

from llms.gateway.answer import Answer, Whole
from llms.gateway.answering import Answering
from llms.gateway.attaching import Attaching
from llms.gateway.exchange import Exchange
from llms.gateway.fleet import Fleet, Member
from llms.gateway.lease import Lease
from llms.gateway.leasing import take_lease
from llms.gateway.receiving import collect, commit
from llms.gateway.speaking import speaking
from llms.protocol.chat import ChatRequest
from llms.protocol.embeddings import EmbeddingRequest
from llms.protocol.errors import LlmsError, ModelNotFound
from llms.protocol.events import Observer
from llms.protocol.passthrough import PassRequest
from llms.routing.catalog import Route
from llms.routing.health import Health
from llms.routing.planner import Plan
from llms.routing.retry import Attempts, Step
from llms.streaming.deadline import Deadline
from llms.streaming.ticker import Ticker

if TYPE_CHECKING:
    from llms.attachments.fetch import Fetcher
    from llms.gateway.embedding import Embedded
    from llms.gateway.passing_on import Relay
    from llms.gateway.started import Started

_LIST_PATIENCE = 5.0
Request = ChatRequest | EmbeddingRequest | PassRequest
R = TypeVar("R", ChatRequest, EmbeddingRequest, PassRequest)
T = TypeVar("T")
Prepare = Callable[[Member, str, Fleet, Deadline], Awaitable[R]]


@final
class Gateway:
    """Answer requests from the fleet in service. `fleet` may be swapped at any time: requests keep theirs."""

    def __init__(
        self,
        fleet: Fleet,
        *,
        health: Health,
        observers: Sequence[Observer],
        clock: Callable[[], float],
        now: Callable[[], float],
        rng: random.Random,
        refresh: Callable[[], Coroutine[Any, Any, None]],
        fetcher: Fetcher | None = None,
    ) -> None:
        """Take the fleet and what it reports to; `refresh` asks providers that never told what they serve.

        `fetcher` gets what links lead to, for providers that take bytes only.
        """
        self.fleet = fleet
        self.health = health
        self.live: set[Exchange] = set()
        self.ticker = Ticker()
        self._observers = observers
        self.clock = clock
        self._now = now
        self._rng = rng
        self._refresh = refresh
        self._fetcher = fetcher

    def chat(self, request: ChatRequest, *, route: str, key_id: str = "") -> Coroutine[Any, Any, Answering]:
        """Return a committed stream; raise an LlmsError when no target gave a first chunk."""
        if self.fleet.sharing is not None:
            return self.fleet.sharing.chat(self, request, route=route, key_id=key_id)
        return self.open(request, self.exchange(request, route=route, key_id=key_id, stream=True))

    async def open(self, request: ChatRequest, exchange: Exchange, started: Started | None = None) -> Answer:
        """Do what `chat` does for one request alone, on an account of its own; its first attempt may have `started`."""
        narrow, prepare = speaking(request), self._attaching(request)
        try:
            return await self._try(request, exchange, commit, narrow=narrow, prepare=prepare, started=started)
        except BaseException as failure:
            exchange.failed(failure)
            raise

    def complete(self, request: ChatRequest, *, route: str, key_id: str = "") -> Coroutine[Any, Any, Whole]:
        """Return a whole answer; raise an LlmsError when no target gave one."""
        if self.fleet.sharing is not None:
            return self.fleet.sharing.complete(self, request, route=route, key_id=key_id)
        return self.collect(request, self.exchange(request, route=route, key_id=key_id, stream=False))

    def collect(
        self, request: ChatRequest, exchange: Exchange, started: Started | None = None
    ) -> Coroutine[Any, Any, Whole]:
        """Do what `complete` does for one request alone, as `open` does."""
        narrow, prepare = speaking(request), self._attaching(request)
        trying = self._try(request, exchange, collect, narrow=narrow, prepare=prepare, started=started)
        return self._finish(exchange, trying)

    async def embed(self, request: EmbeddingRequest, *, route: str, key_id: str = "") -> Embedded:
        """Return vectors as the client asked for them; raise an LlmsError when no target gave any."""
        from llms.gateway.embedding import able, embed

        exchange = self.exchange(request, route=route, key_id=key_id, stream=False)
        return await self._finish(exchange, self._try(request, exchange, embed, narrow=able))

    async def count_tokens(self, request: ChatRequest) -> int | None:
        """Return how many tokens a request has; None where no provider of its model counts. Raise an LlmsError."""
        from llms.gateway.counting import counted

        return await counted(await self.route(request.model), self.fleet, request)

    async def pass_on(self, request: PassRequest, *, route: str, key_id: str = "") -> Relay:
        """Return an answer whose head has come; raise an LlmsError when no target gave one."""
        from llms.gateway.passing_on import addressed, hand_on, passing

        exchange = self.exchange(request, route=route, key_id=key_id, stream=False)
        exchange.window = "whole_answer"
        try:
            way = None if request.model else addressed(request, self.fleet)
            return await self._try(request, exchange, hand_on, narrow=passing(request), route=way)
        except BaseException as failure:
            exchange.failed(failure)
            raise

    async def route(self, name: str) -> Route:
        """Resolve a model id; providers whose list is unknown or old are asked before giving up."""
        catalog = self.fleet.catalog
        try:
            return catalog.resolve(name)
        except ModelNotFound:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LIST_PATIENCE):
                    await self._refresh()
        return self.fleet.catalog.resolve(name)

    def _attaching(self, request: ChatRequest) -> Prepare[ChatRequest]:
        return Attaching(request, self._fetcher).request_for

    def exchange(self, request: Request, *, route: str, key_id: str, stream: bool) -> Exchange:
        """Begin the account of a request."""
        return Exchange(
            request,
            route=route,
            key_id=key_id,
            stream=stream,
            started=self._now(),
            clock=self.clock,
            observers=self._observers,
            live=self.live,
        )

    async def _finish(self, exchange: Exchange, trying: Awaitable[T]) -> T:
        """Wait for an answer that is whole, and end its account."""
        exchange.window = "whole_answer"
        try:
            whole = await trying
        except BaseException as failure:
            exchange.failed(failure)
            raise
        exchange.finished = True
        exchange.end(committed=True)
        return whole

    async def _try(
        self,
        request: R,
        exchange: Exchange,
        attempt: Callable[[Lease, R, Exchange], Awaitable[T]],
        narrow: Callable[[Route, Fleet], Route] | None = None,
        prepare: Prepare[R] | None = None,
        route: Route | None = None,
        started: Started | None = None,
    ) -> T:
        """Make attempts over the plan until one is committed; `narrow` leaves out the targets that cannot do it.

        `prepare` makes the request fit for a provider that has asked for it; the `route` is that of the model's id,
        unless one is given.
        """
        if started is None:
            route = route or await self.route(request.model)
            fleet = self.fleet
            plan = fleet.planner.plan(route if narrow is None else narrow(route, fleet))
            lease = None
        else:
            plan, fleet, lease = started
        attempts: Attempts | None = None
        members = fleet.users(plan)
        deadline = lease.deadline if lease else Deadline(self.ticker, total=members[0].row.timeouts.total)
        step = Step(plan.targets[0], "first", 0.0)
        if started is None:  # which holds them already
            for member in members:
                member.enter()
        try:
            while True:
                try:
                    first, lease = lease, None
                    return await self._attempt(step, fleet, deadline, request, exchange, attempt, prepare, first)
                except LlmsError as error:
                    attempts = attempts or self._attempts(fleet, plan)
                    following = attempts.after(error)
                    if following is None or not exchange.repeatable or following.delay >= deadline.remaining:
                        raise
                    if request.progress is not None:
                        request.progress.state(None)
                        request.progress.warn(error.message)
                if following.delay:
                    await asyncio.sleep(following.delay)
                step = following
        except BaseException:
            deadline.close()
            raise
        finally:
            for member in members:
                member.leave()

    def _attempts(self, fleet: Fleet, plan: Plan) -> Attempts:
        """Return who decides what follows a failed first attempt."""
        members = fleet.members
        attempts = Attempts(
            plan,
            retries=lambda target: members[target.provider].row.retries,
            max_retry_after=lambda target: members[target.provider].row.max_retry_after,
            health=self.health,
            rng=self._rng,
        )
        attempts.first()
        return attempts

    async def _attempt(
        self,
        step: Step,
        fleet: Fleet,
        deadline: Deadline,
        request: R,
        exchange: Exchange,
        attempt: Callable[[Lease, R, Exchange], Awaitable[T]],
        prepare: Prepare[R] | None,
        lease: Lease | None,
    ) -> T:
        """Make one attempt at one target; what it took is given back unless it is committed.

        There is a `lease` where it was begun before.
        """
        if lease is None:
            exchange.attempted(step.target.provider, step.target.model, step.kind)
            member = fleet.members[step.target.provider]
            if prepare is not None and member.asks_bytes is not None:
                request = await prepare(member, step.target.model, fleet, deadline)
            lease = await take_lease(
                step.target, fleet, deadline, exchange, request.progress, health=self.health, clock=self.clock
            )
            if exchange.attempts == 1:
                exchange.overhead = exchange.elapsed() - exchange.queued
        try:
            return await attempt(lease, request, exchange)
        except BaseException as failure:
            if isinstance(failure, LlmsError):
                lease.failed(failure)
                exchange.attempt_failed(step.kind, lease.seconds(), failure)
            await lease.close()
            raise
