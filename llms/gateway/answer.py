"""What the gateway hands out: a committed stream, or a whole answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from types import TracebackType
from typing import Any, Final, NamedTuple, NoReturn, Self, final

from llms.gateway.exchange import Exchange
from llms.gateway.lease import Lease, provider_error
from llms.gateway.short_cut import SILENT, ShortCut
from llms.protocol.chat import Chunk, Completion, Usage
from llms.protocol.conform import Conform
from llms.protocol.errors import LlmsError, UpstreamProtocolError, UpstreamTimeout, UpstreamTruncated
from llms.protocol.passing import Passing
from llms.protocol.progress import Progress
from llms.streaming.progress import with_progress

_BREAKS: Final = (UpstreamTruncated, UpstreamTimeout, UpstreamProtocolError)
"""How a stream ends when the upstream tells of nothing."""


class Whole(NamedTuple):
    """A whole answer and where it came from."""

    completion: Completion
    exchange: Exchange

    @property
    def usage(self) -> Usage | None:
        """Return the upstream's usage, if it told any."""
        return self.completion.usage

    @property
    def seconds(self) -> float:
        """Return the time since the request began."""
        return self.exchange.elapsed()


@final
class Answer:
    """A committed stream: its first chunk has arrived. Use it as `async with`; leaving stops the upstream."""

    __slots__ = ("_conform", "_first", "_generator", "_lease", "_progress", "_quiet", "exchange", "short_cut")

    def __init__(
        self,
        first: Chunk,
        *,
        lease: Lease,
        conform: Conform | Passing,
        exchange: Exchange,
        progress: Progress | None,
        short_cut: ShortCut | None,
        quiet: float = 0.0,
    ) -> None:
        """Take over the lease of the attempt that brought the first chunk, nothing having come for `quiet` seconds."""
        self._quiet = quiet
        self._first = first
        self._lease = lease
        self._conform = conform
        self._progress = progress
        self.short_cut = short_cut
        """Where chunks that only repeat may go on by; None where every chunk is looked at."""
        self.exchange = exchange
        self._generator: AsyncGenerator[Chunk, None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    @property
    def heartbeat(self) -> float:
        """Return the seconds of silence after which the target's row wants a sign of life; 0 for never."""
        return self._lease.member.row.heartbeat

    @property
    def native(self) -> bool:
        """Tell whether the chunks hold the answer in the client's own dialect."""
        return self._first.native is not None

    @property
    def usage(self) -> Usage | None:
        """Return the upstream's usage as far as it was told."""
        return self._conform.told

    @property
    def reported(self) -> Mapping[str, Any] | None:
        """Return the same as the upstream wrote it, of an answer that is no other dialect's."""
        return self._conform.usage if isinstance(self._conform, Conform) else None

    @property
    def finish(self) -> str | None:
        """Return the finish reason, once there is one."""
        return self._conform.finish

    @property
    def seconds(self) -> float:
        """Return the time since the request began."""
        return self.exchange.elapsed()

    def chunks(self) -> AsyncGenerator[Chunk, None]:
        """Yield what clients may see; raise one LlmsError when the upstream fails on the way.

        The chunk that is `final` ends a whole stream, and every whole stream has one.
        """
        chunks = self._chunks()
        if self._progress is not None:
            chunks = with_progress(chunks, self._progress, usage=lambda: self._conform.told)
        self._generator = chunks
        return chunks

    async def _chunks(self) -> AsyncGenerator[Chunk, None]:
        lease, exchange, apply = self._lease, self.exchange, self._conform.apply
        source, deadline = lease.source, lease.deadline
        assert source is not None
        deadline.moved()
        arm, disarm = deadline.arm, deadline.disarm
        idle = lease.member.row.timeouts.idle
        seen: Chunk | None = self._first
        try:
            if not self._first.final:
                exchange.chunks += self._first.count
                yield self._first
                deadline.go_on(idle, SILENT, waited=self._quiet)
                async for chunk in source:
                    disarm()
                    exchange.skipped += chunk.skipped
                    seen = apply(chunk)
                    if chunk.final:
                        break
                    if seen is not None:
                        exchange.chunks += seen.count
                        yield seen
                    arm(idle, SILENT)
                else:
                    disarm()
                    seen = None
        except asyncio.CancelledError:
            disarm()
            error = deadline.caught(lease.target.provider)
            if error is None:
                raise
            self._break_off(error)
            seen = None
        except Exception as failure:
            disarm()
            self._break_off(provider_error(failure, provider=lease.target.provider))
            seen = None
        if not self._conform.complete:
            if seen is not None:
                seen.final = False
                yield seen
            self._fail(UpstreamTruncated(f"{lease.target.provider}: the stream ended without a finish reason"))
        yield self._ending(seen)
        exchange.finished = True
        await lease.settle()

    def _ending(self, seen: Chunk | None) -> Chunk:
        """Return the final chunk, counted."""
        chunk = self._conform.ending(seen)
        self.exchange.chunks += chunk.count
        chunk.final = True
        return chunk

    def _break_off(self, error: LlmsError) -> None:
        """Raise the error, but for a break after the finish reason: what the client has is whole."""
        if not (self._conform.complete and isinstance(error, _BREAKS)):
            self._fail(error)

    def _fail(self, error: LlmsError) -> NoReturn:
        self.exchange.error = error
        self._lease.failed(error)
        raise error from None

    async def aclose(self) -> None:
        """Stop the upstream, release its slot, and close the account."""
        try:
            if self._generator is not None:
                await self._generator.aclose()
        finally:
            self._lease.deadline.close()
            self.exchange.usage = self._conform.told or self.exchange.usage
            self.exchange.finish_reason = self.finish
            try:
                await self._lease.close()
            finally:
                self.exchange.end(committed=True)
