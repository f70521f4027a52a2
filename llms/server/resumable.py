"""Chats whose stream outlives the connection: the generation is a session, the connection one of its readers."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import aclosing, contextmanager
from typing import ClassVar, Final, final

from aiohttp import web

from llms.gateway import Answering
from llms.protocol.chat import ChatRequest, Chunk
from llms.protocol.dialects import Telling
from llms.protocol.dialects.chat import text_of
from llms.protocol.dialects.passed import Passed
from llms.protocol.errors import LlmsError, ReplayExpired
from llms.protocol.sse import PING_AMONG_IDS
from llms.server.access import Access
from llms.server.event_stream import EventStream
from llms.server.routing_headers import routing_headers
from llms.server.services import Services
from llms.server.sinks import told
from llms.streaming.progress import Waiting
from llms.streaming.remote import RemoteSession
from llms.streaming.replay import Event
from llms.streaming.session import StreamSession

STREAM_ID: Final = "X-LLMS-Stream-Id"


async def answer(
    request: web.Request, access: Access, generation: Generation, *, services: Services
) -> web.StreamResponse:
    """Start a generation and be its first reader; as long as its client was told nothing, both end together."""
    session = services.streams.start(
        generation.run, owner=access.caller.key_id, tell=generation.telling.error, text_of=text_of, mirrored=True
    )
    access.reported = True
    events = event_stream(request, access, session, services)
    try:
        await relay(session, events, after=0, asks=True)
    finally:
        events.close()
        if not events.committed:
            services.streams.drop(session)
    return events.response


def event_stream(
    request: web.Request, access: Access, session: StreamSession | RemoteSession, services: Services
) -> EventStream:
    """Return what writes a session to one reader."""
    named = {STREAM_ID: session.id}
    return EventStream(request, access, services, headers=named, heartbeat=session.heartbeat, ping=PING_AMONG_IDS)


async def relay(session: StreamSession | RemoteSession, events: EventStream, *, after: int, asks: bool = False) -> None:
    """Send the events that follow one, to the end; raise an LlmsError while there is no status yet.

    Who `asks` for the answer itself wants no events of the past: where it outran its first reader, that is told as an
    event, which names the stream and what there is of the text.
    """

    def take(some: Sequence[Event]) -> bool:
        nonlocal after
        if not (events.committed and events.pass_on(_numbered(some))):
            return False
        after = some[-1].id
        return True

    try:
        async with aclosing(session.follow(after=after, take=take)) as found:
            async for some in found:
                if not events.committed:
                    await events.commit(session.headers)
                events.heartbeat = events.heartbeat if session.heartbeat is None else session.heartbeat
                after = some[-1].id
                await events.write(_numbered(some))
        await events.commit(session.headers)
        await events.done(b"")
    except LlmsError as error:
        if asks and isinstance(error, ReplayExpired):
            await events.commit(session.headers)
        await events.fail(error, lambda failure: b"id: %d\n%b" % session.tell(failure, after=after))


def _numbered(events: Sequence[Event]) -> bytes:
    return b"".join([b"id: %d\n%b" % event for event in events])


@final
class Generation:
    """One chat as the source of a session: accounted for once, whoever reads it."""

    def __init__(
        self,
        chat: ChatRequest,
        *,
        route: str,
        access: Access,
        telling: Telling,
        services: Services,
        wire: Callable[[bytes], bytes] | None = None,
        batched: bool = False,
    ) -> None:
        """Take what the gateway has to know, and who tells the answer; `wire` tells an upstream's own events."""
        self.telling = telling
        self._chat = chat
        self._route = route
        self._request_id = access.request_id
        self._key_id = access.caller.key_id
        self._wire = wire
        self._batched = batched
        self._services = services

    async def run(self, session: StreamSession) -> AsyncGenerator[bytes, None]:
        """Yield the events of the answer; end with an error where the owner of the server ends it."""
        session.blame = self._blame
        with self._services.running.request(self._request_id):
            async with aclosing(self._events(session)) as events:
                async for data in events:
                    yield data

    async def _events(self, session: StreamSession) -> AsyncGenerator[bytes, None]:
        with self._waiting(session):
            answer = await self._services.gateway.chat(self._chat, route=self._route, key_id=self._key_id)
        try:
            async with answer:
                session.headers = routing_headers(answer.exchange)
                session.heartbeat = answer.heartbeat
                if answer.native:
                    self.telling = Passed(self.telling)
                if self._batched:
                    await self._append_batched(answer, session)
                else:
                    self._shorten(answer, session)
                    async for chunk in answer.chunks():
                        if data := self._told(chunk, answer):
                            yield data
        finally:
            session.usage, session.finish_reason = answer.usage, answer.exchange.finish_reason

    def _blame(self, error: LlmsError) -> None:
        own = self._request_id, self._key_id
        for exchange in self._services.gateway.live:
            if (exchange.request_id, exchange.key_id) == own:
                exchange.error = error

    def _shorten(self, answer: Answering, session: StreamSession) -> None:
        """Let what only repeats come to the readers without waking the generation."""
        short_cut = answer.short_cut
        if short_cut is not None and not answer.native and self._services.config.server.fast_path:
            short_cut.sink = told(_Buffer(session), self.telling, self._wire)

    async def _append_batched(self, answer: Answering, session: StreamSession) -> None:
        from llms.streaming.batching import in_batches

        async def send(chunk: Chunk) -> None:
            if data := self._told(chunk, answer):
                session.append(data)

        batch = self._services.config.batch
        await in_batches(answer.chunks(), send, batch=batch, tasks=self._services.tasks)

    def _told(self, chunk: Chunk, answer: Answering) -> bytes:
        return self.telling.end(chunk, answer) if chunk.final else self.telling.chunk(chunk)

    @contextmanager
    def _waiting(self, session: StreamSession) -> Generator[None, None, None]:
        """Tell what goes on before the first chunk, where the client wants to know."""
        progress = self._chat.progress
        if progress is None:
            yield
            return
        created = int(self._services.now())
        waiting = Waiting(progress, request_id=self._request_id, model=self._chat.model, created=created)
        ticker = self._services.gateway.ticker
        teller = _Teller(waiting, session)
        ticker.add(teller)
        try:
            yield
        finally:
            ticker.discard(teller)


@final
class _Buffer:
    """What takes all that comes: a session keeps it for its readers."""

    __slots__ = ("_session",)
    keeps_up: ClassVar[bool] = True

    def __init__(self, session: StreamSession) -> None:
        self._session = session

    def pass_on(self, data: bytes) -> bool:
        self._session.append(data)
        return True


@final
class _Teller:
    __slots__ = ("_session", "_waiting")

    def __init__(self, waiting: Waiting, session: StreamSession) -> None:
        self._waiting = waiting
        self._session = session

    def tick(self, now: float) -> bool:
        if (event := self._waiting.event()) is not None:
            self._session.append(event)
        return True
