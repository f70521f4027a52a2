"""Responses that are made while nobody waits: each is a session, fetched and followed by whoever made it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final, final

from aiohttp import web

from llms.protocol import json
from llms.protocol.dialects.responses.asked import Asked
from llms.protocol.dialects.responses.telling import error_event
from llms.protocol.errors import Cancelled, Conflict, InvalidRequest, LlmsError, NotFound, ReplayExpired, excerpt
from llms.protocol.sse import escape_separators
from llms.server.access import Access
from llms.server.event_stream import EventStream
from llms.server.response_making import Making
from llms.server.services import Services
from llms.server.whole_answer import WholeAnswer
from llms.stores.responses import StoredResponse
from llms.streaming.session import StreamSession

_DIGITS: Final = 15
_UNDER_WAY: Final = ("queued", "in_progress")


@final
class Background:
    """The responses that this process makes in the background, or made not long ago."""

    def __init__(self, services: Services) -> None:
        """Take the sessions."""
        self._services = services
        self._runs: dict[str, tuple[StreamSession, Making]] = {}

    async def start(self, request: web.Request, access: Access, asked: Asked, making: Making) -> web.StreamResponse:
        """Begin, and answer at once; or answer the stream, which the response outlives."""
        self._sweep()
        queued = making.queue()
        answer = making.telling.response

        async def source(session: StreamSession) -> AsyncGenerator[bytes, None]:
            try:
                yield queued
                async with aclosing(making.events(session)) as events:
                    async for data in events:
                        yield data
            finally:
                making.let_go()

        session = self._services.streams.start(
            source, owner=access.caller.key_id, tell=making.telling.error, text_of=_no_text, outlives=True
        )
        session.blame = making.break_off
        access.reported = True
        self._runs[asked.id] = (session, making)
        await making.keep()
        if asked.stream:
            return await self._relay(request, access, session, after=0)
        return _answer(answer, access)

    def has(self, response_id: str, *, owner: str) -> bool:
        """Tell whether a response of a key is made here, or was not long ago."""
        return self._run(response_id, owner) is not None

    async def get(self, request: web.Request, access: Access, response_id: str) -> web.StreamResponse:
        """Answer a response that was found, as it stands, or the events after one."""
        run = self._run(response_id, access.caller.key_id)
        assert run is not None
        session, making = run
        if not wants_stream(request):
            return _answer(making.telling.response, access)
        return await self._relay(request, access, session, after=_after(request))

    def cancel(self, response_id: str, *, owner: str) -> Any:
        """Stop a response; return it as it stands, None where nobody here makes it."""
        run = self._run(response_id, owner)
        if run is None:
            return None
        session, making = run
        if not making.telling.over:
            error = Cancelled("The response was cancelled by its client.")
            session.blame(error)
            session.cancel(error)
        return making.telling.response

    def forget(self, response_id: str, *, owner: str) -> None:
        """Stop a response, and know nothing of it any more."""
        run = self._run(response_id, owner)
        if run is not None:
            self.cancel(response_id, owner=owner)
            self._services.streams.drop(run[0])
            del self._runs[response_id]

    def _run(self, response_id: str, owner: str) -> tuple[StreamSession, Making] | None:
        run = self._runs.get(response_id)
        if run is None or run[0].owner != owner:
            return None
        try:
            self._services.streams.find(run[0].id, owner=owner)
        except NotFound:
            del self._runs[response_id]
            return None
        return run

    def _sweep(self) -> None:
        known = {session.id for session in self._services.streams.sessions}
        self._runs = {name: run for name, run in self._runs.items() if run[0].id in known}

    async def _relay(
        self, request: web.Request, access: Access, session: StreamSession, *, after: int
    ) -> web.StreamResponse:
        events = EventStream(request, access, self._services)
        try:
            async with aclosing(session.follow(after=after)) as found:
                async for some in found:
                    await events.commit(session.headers)
                    after = some[-1].id
                    await events.write(b"".join([event.data for event in some]))
            await events.commit(session.headers)
            await events.done(b"")
        except LlmsError as error:
            await events.fail(error, lambda failure: error_event(failure, number=after))
        finally:
            events.close()
        return events.response


def wants_stream(request: web.Request) -> bool:
    """Tell whether a stored response is to be told as a stream."""
    return request.query.get("stream") == "true"


def without_events(row: StoredResponse, *, stream: bool) -> Any:
    """Return a response that nobody here makes; raise ReplayExpired where its events are wanted."""
    if stream:
        raise ReplayExpired(
            "The events of this response are not kept: only those of a response in the background are, until a while "
            "after its end (`resume.keep`). Fetch it without `stream`."
        )
    return row.response


def settled(row: StoredResponse) -> Any:
    """Return a response that cannot be cancelled any more; raise an LlmsError where it cannot be cancelled at all."""
    assert row.response is not None
    if not row.response.get("background"):
        raise InvalidRequest("Only a response that is made in the background can be cancelled.", param="response_id")
    if row.response["status"] in _UNDER_WAY:
        raise Conflict("The response is made by another process of this server, which alone can cancel it.")
    return row.response


def _after(request: web.Request) -> int:
    """Return the id of the event after which a client goes on: they are numbered from 1, sequence numbers from 0."""
    given = request.query.get("starting_after", "")
    if not given:
        return 0
    if not (given.isascii() and given.isdigit() and len(given) <= _DIGITS):
        raise InvalidRequest(
            f"`starting_after` must be the sequence number of an event, found {excerpt(given, 40)!r}.",
            param="starting_after",
        )
    return int(given) + 1


def _no_text(event: bytes) -> str:
    """Keep no text of events that are gone: the response has it."""
    return ""


def _answer(value: Any, access: Access) -> WholeAnswer:
    return WholeAnswer(escape_separators(json.dumps(value)), access.headers)
