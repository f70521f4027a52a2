"""The generations of one process that outlive their connections: who may have how many, and for how long."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from llms.config.model import Resume
from llms.protocol.errors import Cancelled, LlmsError, NotFound, RateLimited, excerpt
from llms.streaming.giving_back import GivingBack, trim
from llms.streaming.returning import Returning
from llms.tasks import Tasks

if TYPE_CHECKING:
    from llms.stores.streams import StreamStore
    from llms.streaming.mirror import Mirror
    from llms.streaming.session import Source, StreamSession

_COST: Final = 2048
"""Bytes that a session takes in memory beside its events."""
_LEAST: Final = 64 * 1024
"""Bytes of a buffer that stay, however many there are."""
_PERIOD: Final = 0.1
"""Seconds between two looks at what is due."""


@dataclass(slots=True)
class _Held:
    session: StreamSession
    grace: float | None
    counts: bool = True
    """It is one of its key's generations under way."""
    due: float | None = None
    """When nobody will have read it for long enough, by the loop's clock."""
    number: int | None = None
    """By which it is remembered, where its client may take it up again."""


@final
class StreamSessions:
    """Start, find and forget sessions; each is known by its id, and to its owner alone."""

    def __init__(
        self,
        bounds: Callable[[], Resume],
        *,
        tasks: Tasks,
        new_id: Callable[[], str],
        clock: Callable[[], float] = time.monotonic,
        trim: Callable[[], None] = trim,
    ) -> None:
        """Take the configuration in force whenever it counts; `new_id` makes names that nobody can guess.

        `trim` gives free memory back to the system.
        """
        self._bounds = bounds
        self._tasks = tasks
        self._new_id = new_id
        self._held: dict[str, _Held] = {}
        self._running: Counter[str] = Counter()
        self._used = 0
        self._timer: asyncio.TimerHandle | None = None
        self._clock = clock
        self._giving_back = GivingBack(lambda: not self._running.total(), trim=trim)
        self.returning = Returning(clock)
        self.mirror: Mirror | None = None
        """Shows the sessions to other processes, where there is a store for that."""

    def start(
        self,
        source: Source,
        *,
        owner: str,
        tell: Callable[[LlmsError], bytes],
        text_of: Callable[[bytes], str],
        outlives: bool = False,
        mirrored: bool = False,
    ) -> StreamSession:
        """Start a generation for a key; raise RateLimited when it has too many.

        `tell` writes an error as an event, `text_of` reads the text that an event brings. Without a reader the
        generation is cancelled after the grace, unless it `outlives` that. Of a `mirrored` one others serve the events
        too, where there is a store.
        """
        from llms.streaming.replay import Replay
        from llms.streaming.session import StreamSession

        bounds = self._bounds()
        self._check(owner, bounds)
        replay = Replay(bounds.buffer, text_of=text_of)
        session = StreamSession(
            self._new_id(), owner=owner, replay=replay, tell=tell, changed=self._changed, clock=self._clock
        )
        number = self.returning.begin() if mirrored else None
        self._held[session.id] = _Held(session, None if outlives else bounds.grace, number=number)
        self._running[owner] += 1
        self._used += _COST
        session.run(source, self._tasks)
        self._wait(session)
        if mirrored and self.mirror is not None:
            self.mirror.take(session)
        return session

    def find(self, stream_id: str, *, owner: str) -> StreamSession:
        """Return a session; raise NotFound where there is none of this owner's."""
        held = self._held.get(stream_id)
        if held is None or held.session.owner != owner:
            raise NotFound(f"There is no stream {excerpt(stream_id)!r}, or no longer.", param="id")
        self._wait(held.session)
        return held.session

    def returned(self, session: StreamSession) -> None:
        """Remember that a client took a session up again."""
        session.returns += 1
        held = self._held.get(session.id)
        if held is not None and held.number is not None:
            self.returning.returned(held.number)

    def hear(self, message: str) -> None:
        """Take a message of a process that serves one of our sessions: `read ID`, somebody reads it, or `cancel ID`."""
        word, _, stream_id = message.partition(" ")
        held = self._held.get(stream_id)
        if held is None:
            return
        if word == "cancel":
            held.session.cancel(Cancelled("The client cancelled this stream."))
        elif word == "read":
            self._wait(held.session)

    def drop(self, session: StreamSession) -> None:
        """Stop a session that nobody knows of, and forget it."""
        session.cancel(Cancelled("The client left before it was told of the stream."))
        self._forget(session)

    @property
    def sessions(self) -> list[StreamSession]:
        """Return all of them, the oldest first."""
        return [held.session for held in self._held.values()]

    @property
    def readers(self) -> int:
        """Return how many readers there are."""
        return sum(held.session.readers for held in self._held.values())

    def share(self, store: StreamStore | None) -> None:
        """Show mirrored sessions to other processes from now on, through a store if there is one."""
        if store is not None:
            from llms.streaming.mirror import Mirror

            self.mirror = Mirror(store, node=self._new_id(), bounds=self._bounds, tasks=self._tasks, hear=self.hear)
            self.mirror.open()

    async def close(self) -> None:
        """Forget all of them; who runs the tasks ends those."""
        for session in self.sessions:
            self._forget(session)
        self._giving_back.close()
        if self._timer is not None:
            self._timer.cancel()
        if self.mirror is not None:
            await self.mirror.store.close()

    def _check(self, owner: str, bounds: Resume) -> None:
        whose = None
        if self._running[owner] >= bounds.streams_per_caller:
            whose = f"This key has {self._running[owner]}"
        elif self._running.total() >= bounds.streams:
            whose = f"The server has {self._running.total()}"
        if whose is not None:
            raise RateLimited(
                f"{whose} resumable streams under way, which is the limit. End some with DELETE /v1/streams/{{id}}, or "
                "send the request without `resumable`."
            )

    def _changed(self, session: StreamSession, growth: int) -> None:
        """Take the news of a session: its buffer grew, a reader came or left, it ended."""
        if session.id not in self._held:
            return
        if growth:
            self._used += growth
            if growth > 0 and self._used > self._bounds().memory:
                self._make_room(session)
        else:
            self._wait(session)

    def _make_room(self, session: StreamSession) -> None:
        """Forget finished sessions that nobody reads, the oldest first; else shorten the buffer that grew."""
        memory = self._bounds().memory
        for held in list(self._held.values()):
            if self._used <= memory:
                return
            if held.session.status != "in_progress" and not held.session.readers:
                self._forget(held.session)
        if self._used > memory:
            session.shrink(max(_LEAST, session.size // 2))

    def _wait(self, session: StreamSession) -> None:
        """Note until when a session without readers stays: its grace, or the time that a finished one is kept."""
        held = self._held[session.id]
        seconds = held.grace
        if session.status != "in_progress":
            self._ended(held)
            seconds = self._bounds().keep
        held.due = None
        if seconds is not None and not session.readers:
            held.due = asyncio.get_running_loop().time() + seconds
            self._look_at(held.due)

    def _look_at(self, moment: float) -> None:
        """Look at a moment of the loop what is due, unless that is done before.

        One timer serves all: thousands of them would be thousands of objects, some of which the loop keeps for reuse.
        """
        if self._timer is not None:
            if self._timer.when() <= moment:
                return
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(moment, self._look)

    def _look(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        for held in [held for held in self._held.values() if held.due is not None and held.due <= now]:
            held.due = None
            if held.session.status == "in_progress":
                self._abandon(held.session, held.grace or 0.0)
            else:
                self._forget(held.session)
        dues = [held.due for held in self._held.values() if held.due is not None]
        if dues:
            self._look_at(max(min(dues), now + _PERIOD))

    def _ended(self, held: _Held) -> None:
        if held.counts:
            held.counts = False
            self._running[held.session.owner] -= 1
            if held.number is not None:
                self.returning.ended(held.number, whole=held.session.status == "completed")

    def _abandon(self, session: StreamSession, seconds: float) -> None:
        error = Cancelled(f"Nobody read the stream for {seconds:g} s.", code="abandoned")
        session.blame(error)
        session.cancel(error)

    def _forget(self, session: StreamSession) -> None:
        held = self._held.pop(session.id, None)
        if held is None:
            return
        self._ended(held)
        self._used -= session.size + _COST
        self._giving_back.freed(session.size + _COST)


def new_stream_id() -> str:
    """Return a name that nobody can guess (128 bits)."""
    return f"stream_{secrets.token_hex(16)}"
