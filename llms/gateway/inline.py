"""The first attempt of a plain request, made inline: in the calls that bring the upstream's bytes, without a task.

It does what `commit`, `collect` and `Answer` do, for as long as nothing has to be waited for but the next bytes of a
clean answer. At everything else (a refusal, a cut, an error, a slow client, a wait that is due) it hands over, from
where the answer stands, to those who can wait; nothing was said to the client that they would have said otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NoReturn, final

from llms.gateway.answer import Answer, Whole
from llms.gateway.exchange import Exchange
from llms.gateway.receiving import completed, new_conform
from llms.gateway.short_cut import SILENT, ShortCut
from llms.gateway.started import Client, Opening, Started
from llms.protocol.chat import ChatRequest, Chunk, Usage
from llms.protocol.shape import Shape
from llms.protocol.stream import ChunkReader
from llms.providers.beginning import Begun
from llms.streaming.deadline import until_needed
from llms.streaming.lane import Lane, Unframed

if TYPE_CHECKING:
    from llms.gateway.gateway import Gateway

_NOTHING: Final[tuple[Any, ...]] = ()


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
        "_lane",
        "_lease",
        "_quiet",
        "_request",
        "_started",
        "_wait",
        "exchange",
    )

    def __init__(
        self, gateway: Gateway, request: ChatRequest, exchange: Exchange, started: Started, begun: Begun, client: Client
    ) -> None:
        """Listen to what arrives."""
        started.hold()
        self._gateway = gateway
        self._request = request
        self.exchange = exchange
        self._started = started
        self._lease = lease = started.lease
        self._begun = begun
        self._client = client
        self._conform = new_conform(lease, request, exchange, include_usage=request.include_usage)
        self._is_over = False
        self._lane: Lane | Unframed | None = None
        row = lease.member.row
        timeouts = row.timeouts
        self._quiet = 0.0
        """For so many seconds nothing had come when this ended."""
        self._deadline = lease.deadline
        self._idle = until_needed(timeouts.idle, row.heartbeat)
        """The silence that a stream bears before somebody has to do something about it."""
        patience = timeouts.first_chunk if request.stream else timeouts.answer
        # Before the first chunk nobody knows which row will answer, so that the default counts.
        beat = started.fleet.config.defaults.heartbeat if request.stream else 0
        self._wait = until_needed(patience, beat)
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
                self._client.leave()
            except Exception as defect:
                self._break(defect)

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
        begun = self._begun
        reader = begun.reader
        data = begun.arrived()
        assert reader is not None
        if data:
            if self._pass_by(data):
                self._open_lane(reader.steady)
            elif not self._feed(reader, data):
                return
        if reader.error is not None or begun.is_whole:
            self.cancel()

    def _pass_by(self, data: bytes) -> bool:
        """Pass on what only repeats; tell whether it is gone."""
        reader = self._begun.reader
        shape = None if reader is None or self._is_over else reader.steady
        if shape is None or not self._conform.lets_pass(shape) or not (count := self._client.pass_by(shape, data)):
            return False
        self._deadline.arm(self._idle, SILENT)
        self.exchange.chunks += count
        return True

    def _feed(self, reader: ChunkReader, data: bytes) -> bool:
        """Tell what has to be looked at; False when that was the end of this way."""
        self._close_lane()
        chunk = reader.feed(data)
        if chunk is not None and not self._take(chunk):
            return False
        if reader.done:
            self._end(None)
            return False
        return True

    def _open_lane(self, shape: Shape | None) -> None:
        """Let what comes next pass by, as far as it is of the same shape."""
        lane = self._lane
        if lane is None:
            lane = self._lane = self._client.lane(self.exchange) or Unframed(self._pass_by)
            if isinstance(lane, Lane):
                self._deadline.follow(lane)
            self._begun.lend(lane)
        if isinstance(lane, Lane):
            lane.shape = shape

    def _close_lane(self) -> None:
        if isinstance(self._lane, Lane):
            self._lane.shape = None

    def _take(self, chunk: Chunk) -> bool:
        """Tell one chunk; False when that was the end of this way."""
        exchange = self.exchange
        exchange.skipped += chunk.skipped
        seen = self._conform.apply(chunk)
        if exchange.ttft is None and seen is not None:
            self._commit()
            exchange.window = "streaming"
        if exchange.ttft is not None:  # until then the wait is for the first chunk, whatever else comes
            self._deadline.arm(self._idle, SILENT)
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
        self._started.let_go()
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
        """Go on with the client when the upstream's connection can be used again, as all others do."""
        self.exchange.finished = True
        self._is_over = True
        self._deadline.moved()
        self._begun.settle(self._settled)

    def _settled(self) -> None:
        try:
            self._let_go()
        finally:
            self._client.over()

    def _let_go(self) -> None:
        """End the account, and give back what was taken."""
        self._is_over = True
        self._lane = None  # which may hold this
        exchange = self.exchange
        if exchange.ttft is None:
            self._started.let_go()
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

    def _break(self, defect: Exception) -> None:
        """Stop the upstream; a task tells of a defect of ours, as of any other: in words, or by a cut."""
        if self.exchange.is_over:
            raise defect
        self._begun.abort()
        if self.exchange.ttft is None:
            self.exchange.failed(defect)
        self._let_go()
        self._client.go_on(partial(_raise, defect), quiet=0.0)

    def _hand_over(self, opening: Callable[[], Coroutine[Any, Any, Opening]]) -> None:
        self._is_over = True
        self._close_lane()
        self._lane = None
        self._quiet = self._deadline.waited(self._wait if self.exchange.ttft is None else self._idle)
        self._deadline.moved()
        self._client.go_on(opening, quiet=self._quiet)

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
            pending,
            lease=lease,
            conform=self._conform,
            exchange=exchange,
            progress=None,
            short_cut=short_cut,
            quiet=self._quiet,
        )


async def _raise(defect: Exception) -> NoReturn:
    raise defect
