"""From a request to a committed answer: resolve, plan, try targets in turn, commit at the first chunk."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar, final

import structlog

from llms.gateway.answer import Answer, Whole
from llms.gateway.exchange import Exchange
from llms.gateway.fleet import Fleet, Member
from llms.gateway.lease import Lease
from llms.protocol import json
from llms.protocol.chat import ChatRequest, Chunk, Completion, CompletionObject
from llms.protocol.conform import Conform
from llms.protocol.errors import LlmsError, ModelNotFound, UpstreamProtocolError, UpstreamTruncated
from llms.protocol.events import Observer
from llms.protocol.fold import Fold
from llms.protocol.whole import conform_completion
from llms.routing.catalog import Route, Target
from llms.routing.health import Health
from llms.routing.planner import Plan
from llms.routing.retry import Attempts, Step
from llms.streaming.deadline import Deadline
from llms.streaming.ticker import Ticker

_log = structlog.get_logger()
_LIST_PATIENCE = 5.0
_LEAST_PATIENCE = 0.001
T = TypeVar("T")


@final
class Gateway:
    """Answer chats from the fleet in service. `fleet` may be swapped at any time: requests keep theirs."""

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
    ) -> None:
        """Take the fleet and what it reports to; `refresh` asks providers that never told what they serve."""
        self.fleet = fleet
        self.health = health
        self.live: set[Exchange] = set()
        self.ticker = Ticker()
        self._observers = observers
        self._clock = clock
        self._now = now
        self._rng = rng
        self._refresh = refresh

    async def chat(self, request: ChatRequest, *, route: str, key_id: str = "") -> Answer:
        """Return a committed stream; raise an LlmsError when no target gave a first chunk."""
        exchange = self._exchange(request, route=route, key_id=key_id, stream=True)
        try:
            return await self._try(request, exchange, self._commit)
        except BaseException as failure:
            exchange.failed(failure)
            raise

    async def complete(self, request: ChatRequest, *, route: str, key_id: str = "") -> Whole:
        """Return a whole answer; raise an LlmsError when no target gave one."""
        exchange = self._exchange(request, route=route, key_id=key_id, stream=False)
        exchange.window = "whole_answer"
        try:
            whole = await self._try(request, exchange, self._collect)
        except BaseException as failure:
            exchange.failed(failure)
            raise
        exchange.finished = True
        exchange.end(committed=True)
        return whole

    async def route(self, name: str) -> Route:
        """Resolve a model id; providers that never told what they serve are asked before giving up."""
        catalog = self.fleet.catalog
        try:
            return catalog.resolve(name)
        except ModelNotFound:
            if not catalog.unlisted():
                raise
        try:
            async with asyncio.timeout(_LIST_PATIENCE):
                await self._refresh()
        except TimeoutError:
            _log.info("model lists are still on their way", missing=sorted(catalog.unlisted()))
        return self.fleet.catalog.resolve(name)

    def _exchange(self, request: ChatRequest, *, route: str, key_id: str, stream: bool) -> Exchange:
        return Exchange(
            request,
            route=route,
            key_id=key_id,
            stream=stream,
            started=self._now(),
            clock=self._clock,
            observers=self._observers,
            live=self.live,
        )

    async def _try(
        self, request: ChatRequest, exchange: Exchange, attempt: Callable[[Lease, ChatRequest, Exchange], Awaitable[T]]
    ) -> T:
        """Make attempts over the plan until one is committed."""
        route = await self.route(request.model)
        fleet = self.fleet
        plan = fleet.planner.plan(route)
        attempts: Attempts | None = None
        deadline = Deadline(self.ticker, total=fleet.members[plan.targets[0].provider].row.timeouts.total)
        step = Step(plan.targets[0], "first", 0.0)
        try:
            while True:
                try:
                    return await self._attempt(step, fleet, deadline, request, exchange, attempt)
                except LlmsError as error:
                    attempts = attempts or self._attempts(fleet, plan)
                    following = attempts.after(error)
                    if following is None or following.delay >= deadline.remaining:
                        raise
                if following.delay:
                    await asyncio.sleep(following.delay)
                step = following
        except BaseException:
            deadline.close()
            raise

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
        request: ChatRequest,
        exchange: Exchange,
        attempt: Callable[[Lease, ChatRequest, Exchange], Awaitable[T]],
    ) -> T:
        """Make one attempt at one target; what it took is given back unless it is committed."""
        exchange.attempted(step.target.provider, step.target.model, step.kind)
        lease = await self._lease(step.target, fleet, deadline, exchange)
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

    async def _lease(self, target: Target, fleet: Fleet, deadline: Deadline, exchange: Exchange) -> Lease:
        """Take a slot of the target's provider, after waiting in line for it where there is a line."""
        member = fleet.members[target.provider]
        if member.slots.free:
            member.slots.take()
        else:
            await self._queue(member, deadline, exchange)
        return Lease(target, member, health=self.health, deadline=deadline, clock=self._clock)

    async def _queue(self, member: Member, deadline: Deadline, exchange: Exchange) -> None:
        window, exchange.window = exchange.window, "queued"
        since = self._clock()
        deadline.arm(0, f"{member.row.name}: no free slot in time")
        try:
            await member.slots.wait(exchange.key_id)
        except asyncio.CancelledError as cancelled:
            raise deadline.expired() or cancelled from None
        finally:
            deadline.disarm()
            exchange.queued += self._clock() - since
        exchange.window = window

    async def _commit(self, lease: Lease, request: ChatRequest, exchange: Exchange) -> Answer:
        """Wait for the first chunk that clients may see."""
        conform = Conform(
            model=lease.target.model,
            fallback_id=f"chatcmpl-{request.request_id}",
            created=int(exchange.started),
            include_usage=request.include_usage,
        )
        lease.start(request, stream=True)
        patience = lease.member.row.timeouts.first_chunk
        seen = None
        while seen is None:
            chunk = await lease.pull(patience, f"{lease.target.provider}: no first chunk within {patience:g} s")
            if chunk is None:
                raise UpstreamTruncated(f"{lease.target.provider}: the stream ended before its first chunk")
            exchange.skipped += chunk.skipped
            exchange.upstream_request_id = chunk.upstream_request_id or exchange.upstream_request_id
            seen = conform.apply(chunk)
        lease.committed()
        exchange.ttft = exchange.elapsed()
        exchange.window = "streaming"
        return Answer(seen, lease=lease, conform=conform, exchange=exchange)

    async def _collect(self, lease: Lease, request: ChatRequest, exchange: Exchange) -> Whole:
        """Wait for everything and fold it to one answer."""
        patience = lease.member.row.timeouts.answer
        silent = f"{lease.target.provider}: no answer within {patience:g} s"
        lease.start(request, stream=False)
        first = await lease.pull(patience, silent)
        if first is None:
            raise UpstreamProtocolError(f"{lease.target.provider}: the upstream ended without an answer")
        lease.committed()
        exchange.ttft = exchange.elapsed()
        exchange.chunks = first.count
        exchange.upstream_request_id = first.upstream_request_id
        item, payload = first.objects[0], first.bytes_of[0] if first.bytes_of else None
        if not _is_whole(item):
            item, payload = await self._fold(first, lease, request, exchange), None
        created = int(exchange.started)
        whole = conform_completion(
            item, model=lease.target.model, fallback_id=f"chatcmpl-{request.request_id}", created=created
        )
        completion = Completion(whole, payload if payload is not None and whole is item else json.dumps(whole))
        exchange.usage = completion.usage or exchange.usage
        exchange.finish_reason = whole["choices"][0]["finish_reason"]
        lease.deadline.close()
        await lease.close()
        return Whole(completion, exchange)

    async def _fold(self, first: Chunk, lease: Lease, request: ChatRequest, exchange: Exchange) -> CompletionObject:
        patience = lease.member.row.timeouts.answer
        silent = f"{lease.target.provider}: no whole answer within {patience:g} s"
        conform = Conform(
            model=lease.target.model,
            fallback_id=f"chatcmpl-{request.request_id}",
            created=int(exchange.started),
            include_usage=True,
        )
        fold = Fold()
        chunk: Chunk | None = first
        while chunk is not None:
            seen = conform.apply(chunk)
            if seen is not None:
                fold.add(seen.objects)
            chunk = await lease.pull(max(_LEAST_PATIENCE, patience - lease.seconds()), silent)
        if not conform.complete:
            raise UpstreamTruncated(f"{lease.target.provider}: the answer ended without a finish reason")
        if (last := conform.last()) is not None:
            fold.add(last.objects)
        return fold.completion()


def _is_whole(item: CompletionObject) -> bool:
    choices = item.get("choices")
    return isinstance(choices, list) and bool(choices) and isinstance(choices[0], dict) and "message" in choices[0]
