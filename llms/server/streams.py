"""/v1/streams/{id}: take up a stream again, ask how far it is, or cancel it."""

from __future__ import annotations

from typing import Any, Final, final

from aiohttp import web

from llms.protocol import json
from llms.protocol.chat import Usage
from llms.protocol.dialects.chat import tell_error, text_of
from llms.protocol.envelope import envelope
from llms.protocol.errors import Cancelled, InvalidRequest, LlmsError, NotFound, excerpt
from llms.protocol.sse import escape_separators
from llms.server.access import Access
from llms.server.event_stream import EventStream
from llms.server.resumable import event_stream, relay
from llms.server.services import Services
from llms.server.whole_answer import WholeAnswer
from llms.streaming.remote import RemoteSession, find_remote
from llms.streaming.session import StreamSession

_AFTER: Final = ("starting_after", "last-event-id")
_DIGITS: Final = 15


@final
class Streams:
    """Serve the streams of the caller's own key."""

    def __init__(self, services: Services) -> None:
        """Take the sessions."""
        self._services = services

    async def get(self, request: web.Request, access: Access) -> web.StreamResponse:
        """Answer what follows an event, to the end of the stream; or, asked for JSON, how far the stream is.

        204 tells an EventSource, which would come again and again, that nothing follows.
        """
        session = await self._find(request, access)
        if _wants_json(request):
            return WholeAnswer(escape_separators(json.dumps(await self._state(session))), access.headers)
        after = _after(request)
        if session.status != "in_progress" and 0 < session.last == after:
            return web.Response(status=204, headers=access.headers)
        events = event_stream(request, access, session, self._services)
        try:
            await self._relay(session, events, after=after)
        finally:
            events.close()
            if events.committed:
                self._services.count_resumed()
                if isinstance(session, StreamSession):
                    self._services.streams.returned(session)
        return events.response

    async def delete(self, request: web.Request, access: Access) -> WholeAnswer:
        """Stop the generation: its upstream is let go, and its readers get the error `cancelled`."""
        session = await self._find(request, access)
        if isinstance(session, RemoteSession):
            cancelled = await session.cancel()
        else:
            cancelled = session.cancel(Cancelled("The client cancelled this stream."))
        told = {"id": session.id, "object": "stream", "cancelled": cancelled}
        return WholeAnswer(json.dumps(told), access.headers)

    async def _find(self, request: web.Request, access: Access) -> StreamSession | RemoteSession:
        """Return a stream of the caller's, of this process or of another one."""
        streams, stream_id, owner = self._services.streams, request.match_info["id"], access.caller.key_id
        try:
            return streams.find(stream_id, owner=owner)
        except NotFound:
            if streams.mirror is None:
                raise
            bounds, store = self._services.config.resume, streams.mirror.store
            found = await find_remote(store, stream_id, owner=owner, bounds=bounds, tell=tell_error, text_of=text_of)
            if found is None:
                raise
            return found

    async def _relay(self, session: StreamSession | RemoteSession, events: EventStream, *, after: int) -> None:
        """Send a stream to its reader; where another process makes it, the end of this one is not its end."""
        if isinstance(session, StreamSession):
            await relay(session, events, after=after)
            return
        running = self._services.running
        with running.request() as task:
            try:
                with running.told(task):
                    await relay(session, events, after=after)
            except LlmsError as error:
                await events.fail(
                    error,
                    lambda failure: b"id: %d\n%b" % session.tell(failure, after=session.sent, resumable=True),
                )

    async def _state(self, session: StreamSession | RemoteSession) -> dict[str, Any]:
        """Return how far a stream is."""
        if isinstance(session, RemoteSession):
            text, last, error = await session.state()
            resumable = True
        else:
            mirror = self._services.streams.mirror
            resumable = mirror is None or not mirror.is_lost
            text, last = session.text, session.last
            error = None if session.error is None else envelope(session.error)["error"]
        return {
            "id": session.id,
            "object": "stream",
            "status": session.status,
            "resumable": resumable,
            "text": text,
            "text_is_whole": session.text_is_whole,
            "last_event_id": last,
            "finish_reason": session.finish_reason,
            "usage": None if session.usage is None else _usage(session.usage),
            "error": error,
        }


def _wants_json(request: web.Request) -> bool:
    accept = request.headers.get("Accept", "").lower()
    return "application/json" in accept and "text/event-stream" not in accept


def _after(request: web.Request) -> int:
    """Return the id of the last event that the client has.

    The header counts before the address: an EventSource that comes again sends both, and its address is an old one.
    """
    name, given = "Last-Event-ID", request.headers.get("Last-Event-ID", "")
    for query in _AFTER:
        if not given:
            name, given = query, request.query.get(query, "")
    if not given:
        return 0
    if not (given.isascii() and given.isdigit() and len(given) <= _DIGITS):
        raise InvalidRequest(f"`{name}` must be the id of an event, found {excerpt(given)!r}.", param=name)
    return int(given)


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
