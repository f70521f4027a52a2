"""What this process generates, written into a store beside the generation, so that others can serve it too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing, suppress
from typing import Final, final

import structlog

from llms.config.model import Resume
from llms.protocol import json
from llms.protocol.envelope import envelope
from llms.protocol.errors import LlmsError, ReplayExpired
from llms.stores.streams import Facts, StoreLost, StreamStore, Taken
from llms.streaming.news import News
from llms.streaming.session import StreamSession
from llms.tasks import Tasks

_log = structlog.get_logger()
_GATHER: Final = 0.05
"""Seconds in which events gather for one write: how far others are behind."""
_PER_STREAM: Final = 0.0005
"""With many streams events gather for as many times this: all together make at most 2,000 writes a second."""
_BEAT: Final = 1.0
_AGAIN: Final = 0.2
"""Seconds before the next try."""
ALIVE: Final = 3.0
"""Seconds after its last sign of life for which a process counts as alive."""
_LEAST_TTL: Final = 3600.0
"""Seconds that a stream without any news is kept while it runs."""
_STAY: Final = 600.0
"""Seconds after which that time begins anew."""


@final
class Mirror:
    """Write sessions into a store, and hear what readers elsewhere want. While the store is lost, all else goes on."""

    def __init__(
        self, store: StreamStore, *, node: str, bounds: Callable[[], Resume], tasks: Tasks, hear: Callable[[str], None]
    ) -> None:
        """`node` names this process; `hear` takes each message to it."""
        self.store = store
        self.node = node
        self._bounds = bounds
        self._tasks = tasks
        self._hear = hear
        self._writing = 0
        self._round = News()
        self._is_due = False
        self._reached = asyncio.Event()
        self.is_lost = False
        """The store cannot be reached; what runs here can be resumed here only."""

    def open(self) -> None:
        """Begin to be there for others."""
        self._tasks.spawn(self._beat(), name="stream store: sign of life")
        self._tasks.spawn(self._listen(), name="stream store: messages")

    def take(self, session: StreamSession) -> None:
        """Write a session, from its first event to its end."""
        self._tasks.spawn(self._write(session), name=f"stream store: {session.id}")

    async def _beat(self) -> None:
        """Tell that we are alive; this alone decides whether the store counts as lost."""
        while True:
            try:
                await self.store.beat(self.node, seconds=ALIVE)
            except StoreLost as problem:
                self._lost(problem)
            else:
                self._found()
            await asyncio.sleep(_BEAT)

    async def _listen(self) -> None:
        while True:
            await self._reached.wait()
            with suppress(StoreLost):
                async with aclosing(self.store.messages(self.node)) as messages:
                    async for message in messages:
                        self._hear(message)
            await asyncio.sleep(_AGAIN)

    def _lost(self, problem: StoreLost) -> None:
        self._reached.clear()
        if not self.is_lost:
            self.is_lost = True
            _log.error("the stream store is lost; streams go on, and can be resumed here only", problem=str(problem))

    def _found(self) -> None:
        self._reached.set()
        if self.is_lost:
            self.is_lost = False
            _log.info("the stream store is back")

    async def _write(self, session: StreamSession) -> None:
        self._writing += 1
        try:
            await self._keep_writing(session)
        finally:
            self._writing -= 1

    async def _keep_writing(self, session: StreamSession) -> None:
        while True:
            await self._reached.wait()
            try:
                await self._write_all(session)
                return
            except Taken:
                _log.warning("another server took this one for dead and ended its stream", stream=session.id)
                return
            except StoreLost:
                await asyncio.sleep(_AGAIN)

    async def _write_all(self, session: StreamSession) -> None:
        """Write what the store does not have yet; it may have forgotten everything."""
        ttl = max(_LEAST_TTL, self._bounds().keep)
        after = await self._begin(session)
        first = session.first
        stays_until = 0.0
        clock = asyncio.get_running_loop().time
        await self.store.note(session.id, self._facts(session), ttl=ttl)
        try:
            async with aclosing(session.follow(after=after, counts=False)) as found:
                async for some in found:
                    if first != session.first:
                        first = session.first
                        await self.store.note(session.id, self._facts(session), ttl=ttl)
                    is_new = clock() >= stays_until
                    await self.store.write(session.id, some, ttl=ttl if is_new else None)
                    stays_until = clock() + _STAY if is_new else stays_until
                    await self._next_round()
        except ReplayExpired:
            raise StoreLost("it is slower than the stream") from None
        except LlmsError:
            pass  # it failed before its first event, as its facts will tell
        await self.store.end(session.id, self._facts(session), ttl=self._bounds().keep)

    async def _next_round(self) -> None:
        """Wait until it is time to write again, for all at once, so that what they write goes together."""
        if not self._is_due:
            self._is_due = True
            pause = max(_GATHER, _PER_STREAM * self._writing)
            asyncio.get_running_loop().call_later(pause, self._begin_round)
        await self._round.wait()

    def _begin_round(self) -> None:
        self._is_due = False
        self._round.tell()

    async def _begin(self, session: StreamSession) -> int:
        """Return after which event the store goes on; who finds the stream there must find us alive."""
        await self.store.beat(self.node, seconds=ALIVE)
        if await self.store.facts(session.id) is None:
            await self.store.forget(session.id)
            return session.first - 1
        return max(await self.store.top(session.id), session.first - 1)

    def _facts(self, session: StreamSession) -> Facts:
        is_over = session.status != "in_progress"
        return Facts(
            owner=session.owner,
            node=self.node,
            status=session.status,
            last=session.last if is_over else 0,
            first=session.first,
            gone=session.gone,
            gone_is_whole=session.text_is_whole,
            error=json.dumps(envelope(session.error)["error"]).decode() if session.error is not None else "",
            usage=json.dumps(session.usage._asdict()).decode() if session.usage is not None else "",
            finish_reason=session.finish_reason or "",
        )
