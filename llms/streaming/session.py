"""A generation that outlives its connection: its own task, numbered events, and any number of readers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Final, Literal, final

from llms.protocol.chat import Usage
from llms.protocol.errors import Cancelled, InternalError, InvalidRequest, LlmsError, ReplayExpired
from llms.protocol.frames import let_go
from llms.protocol.resuming import Resuming
from llms.streaming.caught_up import CaughtUp, Take
from llms.streaming.news import News
from llms.streaming.replay import Event, Replay
from llms.tasks import Tasks

Status = Literal["in_progress", "completed", "failed", "cancelled"]
Source = Callable[["StreamSession"], AsyncGenerator[bytes, None]]
"""Makes what brings the events of a session: whole events as bytes, one or more at a time; or an LlmsError."""

_STOPPED: Final = "The server stopped before the answer was whole."


@final
class StreamSession:
    """One generation. Its source never waits for a reader, and a reader never for another one."""

    __slots__ = (
        "_caught_up", "_changed", "_clock", "_ending", "_news", "_replay", "_task", "_tell",
        "began", "blame", "error", "finish_reason", "headers", "heartbeat", "id", "owner", "read", "readers", "returns",
        "status", "usage",
    )  # fmt: skip

    def __init__(
        self,
        stream_id: str,
        *,
        owner: str,
        replay: Replay,
        tell: Callable[[LlmsError], bytes],
        changed: Callable[[StreamSession, int], None],
        clock: Callable[[], float],
    ) -> None:
        """`tell` writes an error as an event; `changed` hears by how many bytes the buffer grew, 0 for other news.

        `clock` counts seconds.
        """
        self.id = stream_id
        self.owner = owner
        self.status: Status = "in_progress"
        self.error: LlmsError | None = None
        """Why it failed or was cancelled."""
        self.usage: Usage | None = None
        self.finish_reason: str | None = None
        """Why the answer ended; known once the source is at its end, as is the usage."""
        self.blame: Callable[[LlmsError], None] = _nobody
        """Notes in the accounts why somebody else than its client is about to cancel it; set by the source."""
        self.headers: Mapping[str, str] = {}
        """What readers get as headers of their answers; set by the source."""
        self.heartbeat: float | None = None
        """Seconds of silence after which readers want a sign of life, where the source knows better."""
        self.readers = 0
        self.returns = 0
        """How many times a client took it up again."""
        self.began = clock()
        self.read: float | None = None
        """When a reader was last given something."""
        self._clock = clock
        self._replay = replay
        self._tell = tell
        self._changed = changed
        self._news = News()
        self._caught_up = CaughtUp(replay)
        self._ending: LlmsError | None = None
        self._task: asyncio.Task[None] | None = None

    def run(self, source: Source, tasks: Tasks) -> None:
        """Start the generation in a task of its own."""
        self._task = tasks.spawn(self._run(source), name=f"stream {self.id}")
        self._task.add_done_callback(self._ran)

    def append(self, data: bytes) -> None:
        """Number one or more whole events, and show them to the readers."""
        replay = self._replay
        size, last = replay.size, replay.last
        replay.add(data)
        self._changed(self, replay.size - size)
        if self._caught_up.hand_on(last):
            self.read = self._clock()
        self._news.tell()

    async def follow(
        self, *, after: int = 0, counts: bool = True, take: Take | None = None
    ) -> AsyncGenerator[Sequence[Event], None]:
        """Yield the events that follow one, a few at a time, to the end of the stream; read it with `aclosing`.

        Who does not count as a reader does not keep the generation going. What comes while its reader waits for it goes
        through `take`, where there is one, instead of being yielded.

        Raise ReplayExpired where the next one is no longer kept: at the start, or when this reader is too slow;
        InvalidRequest for an id that was not sent yet; and the error of a stream that failed before its first event.
        """
        if after > self.last:
            raise InvalidRequest(f"This stream has sent {self.last} events so far, not {after}.", param="Last-Event-ID")
        self._count(+1 if counts else 0)
        try:
            while True:
                if after + 1 < self._replay.first:
                    raise self._expired(after)
                if events := self._replay.after(after):
                    after = events[-1].id
                    if counts:
                        self.read = self._clock()
                    yield events
                elif self.status != "in_progress":
                    break
                elif take is not None:
                    after = await self._caught_up.wait(after, take)
                else:
                    await self._news.wait()
            if self.error is not None and not self.last:
                raise self.error
        finally:
            self._count(-1 if counts else 0)

    def cancel(self, error: LlmsError) -> bool:
        """Stop the generation at once; its readers get the error. Return False when it was over."""
        if self.status != "in_progress" or self._ending is not None:
            return False
        self._ending = error
        if self._task is not None:
            self._task.cancel()
        return True

    def tell(self, error: LlmsError, *, after: int, resumable: bool = False) -> Event:
        """Return the event that ends a stream after an event, and says whether its reader may come back."""
        before, error.resuming = error.resuming, error.resuming or Resuming(self.id, after, resumable)
        event = Event(after + 1, self._tell(error))
        error.resuming = before
        return event

    @property
    def first(self) -> int:
        """Return the id of the oldest event that is kept."""
        return self._replay.first

    @property
    def last(self) -> int:
        """Return the id of the newest event; 0 before the first."""
        return self._replay.last

    @property
    def size(self) -> int:
        """Return the bytes in memory."""
        return self._replay.size

    @property
    def text(self) -> str:
        """Return the text so far."""
        return self._replay.text()

    @property
    def gone(self) -> str:
        """Return the text of the events that are no longer kept."""
        return self._replay.gone

    @property
    def text_is_whole(self) -> bool:
        """Tell whether `text` is all of it; only answers of some megabytes are longer than what is kept."""
        return self._replay.text_is_whole

    def shrink(self, size: int) -> None:
        """Give up the oldest events until no more than `size` bytes are kept."""
        before = self._replay.size
        self._replay.shrink(size)
        self._changed(self, self._replay.size - before)

    async def _run(self, source: Source) -> None:
        try:
            async with aclosing(source(self)) as events:
                async for data in events:
                    self.append(data)
        except LlmsError as error:
            self._end("cancelled" if isinstance(error, Cancelled) else "failed", error)
        except asyncio.CancelledError:
            if self._ending is None:
                raise
            self._end("cancelled", self._ending)
        else:
            self._end("completed")

    def _ran(self, task: asyncio.Task[None]) -> None:
        """End what its task could not: it was cancelled before it began, or with everything else, or has a defect."""
        if self.status == "in_progress":
            defect = not task.cancelled()
            error = InternalError("The stream broke; the server's log has the cause.") if defect else self._ending
            self._end("failed" if defect else "cancelled", error or Cancelled(_STOPPED))

    def _end(self, status: Status, error: LlmsError | None = None) -> None:
        self.error = error
        if error is not None:
            let_go(error)
            if self.last:
                self.append(self.tell(error, after=self.last).data)
        self.status = status
        self._replay.pack()
        self._task = None
        self.blame = _nobody
        self._changed(self, 0)
        self._caught_up.wake()
        self._news.tell()

    def _expired(self, after: int) -> ReplayExpired:
        error = ReplayExpired(
            f"The events from {after + 1} on are no longer kept, only those from {self.first} on. `partial` has the "
            "text so far; `resume.buffer` says how much is kept."
        )
        error.resuming = Resuming(self.id, after, partial=self.text)
        return error

    def _count(self, readers: int) -> None:
        self.readers += readers
        if readers:
            self._changed(self, 0)


def _nobody(error: LlmsError) -> None:
    """Tell nobody."""
