"""The first attempt of a plain request, made inline: in the calls that bring the upstream's bytes, without a task.

It does what `commit`, `collect` and `Answer` do, for as long as nothing has to be waited for but the next bytes of a
clean answer. At everything else (a refusal, a cut, an error, a slow client, a wait that is due) it hands over, from
where the answer stands, to those who can wait; nothing was said to the client that they would have said otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, final

from llms.gateway.answer import Answer, Whole
from llms.gateway.exchange import Exchange
from llms.gateway.lease import Lease
from llms.gateway.receiving import completed, new_conform
from llms.gateway.short_cut import SILENT, ShortCut
from llms.protocol.chat import ChatRequest, Chunk, Usage
from llms.protocol.errors import ModelNotFound
from llms.providers.beginning import Begun
from llms.routing.planner import Plan
from llms.streaming.deadline import Deadline

if TYPE_CHECKING:
    from llms.gateway.fleet import Fleet
    from llms.gateway.gateway import Gateway

_NOTHING: Final[tuple[Any, ...]] = ()
Opening = Answer | Whole
"""What an attempt comes to: a committed stream, or a whole answer."""


class Client(Protocol):
    """Who is told the answer, at once."""

    def answer(self, whole: Whole) -> None:
        """Send a whole answer. ConnectionError is raised here and below where the client is gone."""
        ...

    def tell(self, chunk: Chunk) -> bool:
        """Send a chunk of a stream; tell whether the client keeps up."""
        ...

    def pass_on(self, data: bytes) -> bool:
        """Send events as they came; False, and nothing sent, where that would have to wait."""
        ...

    def end(self, chunk: Chunk) -> None:
        """Send the final chunk, and whatever ends a whole stream."""
        ...

    def over(self) -> None:
        """Hear that the request is over."""
        ...

    def go_on(self, opening: Callable[[], Coroutine[Any, Any, Opening]], *, quiet: float) -> None:
        """Have a task wait for the rest of the answer, nothing of which came for `quiet` seconds."""
        ...


class Started(NamedTuple):
    """What an attempt that was begun stands on."""

    plan: Plan
    fleet: Fleet
    lease: Lease


def begin(gateway: Gateway, request: ChatRequest, client: Client, *, route: str, key_id: str) -> Inline | None:
    """Send a request to its first target; None, and nothing done, where that would have to wait for anything."""
    fleet = gateway.fleet
    if fleet.sharing is not None or request.progress is not None or request.original is not None:
        return None
    try:
        way = fleet.catalog.resolve(request.model)
    except ModelNotFound:
        return None
    if way.strategy == "round_robin" and len(way.targets) > 1:
        return None  # to plan is to take a turn
    plan = fleet.planner.plan(way)
    target = plan.targets[0]
    member = fleet.members[target.provider]
    if member.begin is None or member.count_slots is not None or not member.slots.take():
        return None
    exchange = gateway.exchange(request, route=route, key_id=key_id, stream=request.stream)
    begun = member.begin(request.for_model(target.model), stream=request.stream)
    if begun is None:
        exchange.forget()
        member.slots.release(None)
        return None
    exchange.attempted(target.provider, target.model, "first")
    exchange.overhead = exchange.elapsed()
    if not request.stream:
        exchange.window = "whole_answer"
    deadline = Deadline(gateway.ticker, total=member.row.timeouts.total)
    lease = Lease(target, member, None, health=gateway.health, deadline=deadline, clock=gateway.clock)
    lease.begun = begun
    return Inline(gateway, request, exchange, Started(plan, fleet, lease), begun, client)


@final
class Inline:
    """One request on its way; `leave` when its client has left."""

    __slots__ = (
        "_begun",
        "_client",
        "_conform",
        "_deadline",
        "_gateway",
        "_idle",
        "_is_over",
        "_lease",
        "_request",
        "_started",
        "_wait",
        "exchange",
    )

    def __init__(
        self, gateway: Gateway, request: ChatRequest, exchange: Exchange, started: Started, begun: Begun, client: Client
    ) -> None:
        """Listen to what arrives."""
        self._gateway = gateway
        self._request = request
        self.exchange = exchange
        self._started = started
        self._lease = lease = started.lease
        self._begun = begun
        self._client = client
        self._conform = new_conform(lease, request, exchange, include_usage=request.include_usage)
        self._is_over = False
        row = lease.member.row
        timeouts = row.timeouts
        self._deadline = lease.deadline
        self._idle = min(timeouts.idle or row.heartbeat, row.heartbeat or timeouts.idle)
        """The silence that a stream bears before somebody has to do something about it."""
        patience = timeouts.first_chunk if request.stream else timeouts.answer
        beat = row.heartbeat if request.stream else 0
        self._wait = min(patience or beat, beat or patience)
        self._deadline.watch(self.cancel)
        self._deadline.arm(self._wait, SILENT)
        begun.listen(self.arrived)

    @property
    def usage(self) -> Usage | None:
        """Return the upstream's usage as far as it was told."""
        return self._conform.told

    @property
    def seconds(self) -> float:
        """Return the time since the request began."""
        return self.exchange.elapsed()

    # -- what the upstream brings ------------------------------------------------------------------------

    def arrived(self) -> None:
        """Go on with what is there."""
        if self._is_over:
            return
        standing = self._begun.standing
        if standing == "odd":
            self.cancel()
        elif standing == "plain":
            try:
                if self._request.stream:
                    self._read()
                elif self._begun.is_whole:
                    self._finish()
            except ConnectionError:
                self.leave()

    def _finish(self) -> None:
        """Send a whole answer."""
        exchange, lease, answered = self.exchange, self._lease, self.exchange.elapsed()
        chunk = self._begun.answer()
        completion = None if chunk is None else completed(chunk, lease, self._request, exchange)
        if chunk is None or completion is None:
            self.cancel()
            return
        exchange.chunks += chunk.count
        exchange.answered = answered
        self._commit()
        exchange.usage = completion.usage or exchange.usage
        exchange.finish_reason = completion.object["choices"][0]["finish_reason"]
        self._client.answer(Whole(completion, exchange))
        self._close()

    def _read(self) -> None:
        """Tell what has come of a stream."""
        begun, exchange = self._begun, self.exchange
        reader = begun.reader
        data = begun.arrived()
        assert reader is not None
        if data:
            self._deadline.arm(self._idle, SILENT)
            shape = reader.steady
            if shape is not None and self._conform.lets_pass(shape) and (count := shape.count(data)):
                if not self._client.pass_on(data):
                    self._hand_over(partial(self._answer, Chunk.repeated(shape, count, data)))
                    return
                exchange.chunks += count
            elif (chunk := reader.feed(data)) is not None:
                if not self._take(chunk):
                    return
            elif reader.done:
                self._end(None)
                return
        if reader.error is not None or begun.is_whole:
            self.cancel()

    def _take(self, chunk: Chunk) -> bool:
        """Tell one chunk; False when that was the end of this way."""
        exchange = self.exchange
        exchange.skipped += chunk.skipped
        seen = self._conform.apply(chunk)
        if exchange.ttft is None and seen is not None:
            self._commit()
            exchange.window = "streaming"
        if chunk.final:
            self._end(seen)
            return False
        if seen is not None:
            exchange.chunks += seen.count
            if not self._client.tell(seen):
                self.cancel()
                return False
        return True

    def _commit(self) -> None:
        self.exchange.upstream_request_id = self._begun.upstream_id
        self._lease.committed()
        self.exchange.ttft = self.exchange.elapsed()

    def _end(self, seen: Chunk | None) -> None:
        """Send the end of a whole stream; one that is not whole is no plain one."""
        conform, exchange = self._conform, self.exchange
        if not conform.complete:
            pending = seen or Chunk(_NOTHING)
            pending.final = True
            self._hand_over(self._open() if exchange.ttft is None else partial(self._answer, pending))
            return
        chunk = conform.ending(seen)
        exchange.chunks += chunk.count
        chunk.final = True
        self._client.end(chunk)
        self._close()

    # -- how it ends -------------------------------------------------------------------------------------

    def _close(self) -> None:
        """End the account of a whole answer."""
        self.exchange.finished = True
        self._let_go()
        self._begun.settle()
        self._client.over()

    def _let_go(self) -> None:
        self._is_over = True
        exchange = self.exchange
        exchange.usage = self._conform.told or exchange.usage
        exchange.finish_reason = exchange.finish_reason or self._conform.finish
        self._deadline.close()
        self._lease.let_go()
        exchange.end(committed=exchange.ttft is not None)

    def leave(self) -> None:
        """Stop the upstream: the client has left."""
        if not self.exchange.is_over:
            self._begun.abort()
            self._let_go()

    def cancel(self) -> None:
        """Hand over to somebody who can wait."""
        if not self._is_over:
            self._hand_over(self._open() if self.exchange.ttft is None else partial(self._answer, Chunk(_NOTHING)))

    def _hand_over(self, opening: Callable[[], Coroutine[Any, Any, Opening]]) -> None:
        self._is_over = True
        quiet = self._deadline.waited(self._wait if self.exchange.ttft is None else self._idle)
        self._deadline.moved()
        self._client.go_on(opening, quiet=quiet)

    def _open(self) -> Callable[[], Coroutine[Any, Any, Opening]]:
        """Return the attempt as `Gateway` makes it, from here on."""
        if not self._request.stream:
            return partial(self._gateway.collect, self._request, self.exchange, self._started)
        self._lease.conform = self._conform
        return partial(self._gateway.open, self._request, self.exchange, self._started)

    async def _answer(self, pending: Chunk) -> Answer:
        """Return the rest of a committed stream, `pending` before all that is still to come."""
        lease, exchange = self._lease, self.exchange
        short_cut = ShortCut(lease, self._conform, exchange)
        lease.start(self._request, stream=True, relay=short_cut)
        return Answer(
            pending, lease=lease, conform=self._conform, exchange=exchange, progress=None, short_cut=short_cut
        )
