"""A stream that another process makes, read from the store: for its readers like one of our own."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any, Final, final

from llms.config.model import Resume
from llms.protocol import json
from llms.protocol.chat import Usage
from llms.protocol.envelope import envelope
from llms.protocol.errors import LlmsError, ReplayExpired, UpstreamError, UpstreamTruncated, UpstreamUnavailable
from llms.protocol.resuming import Resuming
from llms.stores.streams import Facts, StoreLost, StreamStore
from llms.streaming.caught_up import Take
from llms.streaming.replay import Event

_LOOK: Final = 1.0
"""Seconds between two looks whether the process that makes it is alive."""
_STAY: Final = 5.0
"""Seconds at most between two signs to it that there is a reader."""
_ID: Final = re.compile(r"[A-Za-z0-9_]{1,64}", re.ASCII)
_OUT_OF_REACH: Final = "The store of streams is out of reach; come again."


async def find_remote(
    store: StreamStore,
    stream_id: str,
    *,
    owner: str,
    bounds: Resume,
    tell: Callable[[LlmsError], bytes],
    text_of: Callable[[bytes], str],
) -> RemoteSession | None:
    """Look up a stream of this owner's in the store; raise UpstreamUnavailable while that is out of reach."""
    if not _ID.fullmatch(stream_id):
        return None
    try:
        facts = await store.facts(stream_id)
    except StoreLost:
        raise UpstreamUnavailable(_OUT_OF_REACH, retry_after=1) from None
    if facts is None or facts.owner != owner:
        return None
    return RemoteSession(stream_id, facts, store=store, bounds=bounds, tell=tell, text_of=text_of)


@final
class RemoteSession:
    """One stream of another process, as it was when it was looked up; what follows is read as it comes."""

    headers: Mapping[str, str] = {}
    heartbeat: float | None = None

    def __init__(
        self,
        stream_id: str,
        facts: Facts,
        *,
        store: StreamStore,
        tell: Callable[[LlmsError], bytes],
        text_of: Callable[[bytes], str],
        bounds: Resume,
    ) -> None:
        """`tell` writes an error as an event, `text_of` reads the text of one."""
        self.id = stream_id
        self.owner = facts.owner
        self.status = facts.status
        self.node = facts.node
        self.sent = 0
        """The last event that its one reader was given."""
        self._facts = facts
        self._store = store
        self._tell = tell
        self._text_of = text_of
        self._stay = min(_STAY, bounds.grace / 3)
        self._keep = bounds.keep

    @property
    def last(self) -> int:
        """Return the id of the last event where the stream was over; 0 where it was not."""
        return self._facts.last

    @property
    def text_is_whole(self) -> bool:
        """Tell whether the text that is kept is all of it."""
        return self._facts.gone_is_whole

    @property
    def usage(self) -> Usage | None:
        """Return what the answer took, where that is known."""
        return Usage(**json.loads(self._facts.usage.encode())) if self._facts.usage else None

    @property
    def finish_reason(self) -> str | None:
        """Return why the answer ended, where that is known."""
        return self._facts.finish_reason or None

    async def follow(self, *, after: int = 0, take: Take | None = None) -> AsyncGenerator[Sequence[Event], None]:
        """Yield the events that follow one, to the end; raise ReplayExpired, or what says whether to come back.

        When the process that makes the stream is gone, one more event tells so: to all readers the same.
        """
        self.sent = after
        looked = stayed = 0.0
        loop = asyncio.get_running_loop()
        try:
            if after + 1 < await self._store.first(self.id):
                raise await self._expired(after)
            while True:
                now = loop.time()
                if now - stayed >= self._stay:
                    stayed = now
                    await self._store.send(self.node, f"read {self.id}")
                if now - looked >= _LOOK:
                    looked = now
                    await self._check()
                found = await self._store.read(self.id, after=after, wait=min(_LOOK, self._stay))
                if found.events:
                    if found.events[0][0] > after + 1:
                        raise await self._expired(after)
                    self.sent = after = found.events[-1][0]
                    yield [Event(*event) for event in found.events]
                if found.is_over and not after:
                    raise await self._failure()
                if found.is_over:
                    return
        except StoreLost:
            raise self._out_of_reach(after) from None

    async def cancel(self) -> bool:
        """Have the stream cancelled by the process that makes it; False when it was over."""
        try:
            await self._check()
            if self.status != "in_progress":
                return False
            if await self._store.send(self.node, f"cancel {self.id}"):
                return True
        except StoreLost:
            pass
        raise self._out_of_reach(0)

    async def state(self) -> tuple[str, int, Mapping[str, Any] | None]:
        """Return the text so far, the id of the last event, and the error where there is one."""
        try:
            await self._check()
            text, last = await self._text()
        except StoreLost:
            raise self._out_of_reach(0) from None
        return text, last, json.loads(self._facts.error.encode()) if self._facts.error else None

    def tell(self, error: LlmsError, *, after: int, resumable: bool = False) -> Event:
        """Return the event that ends a stream after an event, and says whether its reader may come back."""
        before, error.resuming = error.resuming, error.resuming or Resuming(self.id, after, resumable)
        event = Event(after + 1, self._tell(error))
        error.resuming = before
        return event

    async def _check(self) -> None:
        """Close the stream where nobody makes it any more."""
        if self.status != "in_progress" or await self._store.is_alive(self.node):
            return
        facts = await self._known()
        if facts.status == "in_progress":
            text, last = await self._text()
            error = UpstreamTruncated("The server that made this answer is gone; `partial` is what there is of it.")
            error.resuming = Resuming(self.id, last, partial=text)
            event = self.tell(error, after=last)
            told = json.dumps(envelope(error)["error"]).decode()
            ended = facts._replace(status="failed", last=event.id, error=told)
            await self._store.end(self.id, ended, ttl=self._keep, event=event)
            facts = await self._known()
        self.status, self._facts = facts.status, facts

    async def _known(self) -> Facts:
        facts = await self._store.facts(self.id)
        if facts is None:
            raise StoreLost("the stream is gone")
        return facts

    async def _failure(self) -> LlmsError:
        """Return why a stream has no events at all."""
        told = (await self._known()).error
        if not told:
            return UpstreamError("The stream ended before its first event.")
        error = json.loads(told.encode())
        return UpstreamError(error["message"], code=error["code"])

    async def _text(self) -> tuple[str, int]:
        """Return the text so far, and the id of the last event."""
        facts = await self._known()
        texts = [facts.gone]
        after = await self._store.first(self.id) - 1
        while True:
            found = await self._store.read(self.id, after=after, wait=0)
            texts += [self._text_of(data) for at, data in found.events if facts.gone_is_whole and at >= facts.first]
            after = found.events[-1][0] if found.events else after
            if found.is_over or not found.events:
                return "".join(texts), after

    async def _expired(self, after: int) -> ReplayExpired:
        text, _ = await self._text()
        error = ReplayExpired(f"The events from {after + 1} on are no longer kept; `partial` has the text so far.")
        error.resuming = Resuming(self.id, after, partial=text)
        return error

    def _out_of_reach(self, after: int) -> UpstreamUnavailable:
        error = UpstreamUnavailable(_OUT_OF_REACH, retry_after=1)
        error.resuming = Resuming(self.id, after, resumable=True)
        return error
