"""/api/streams: the resumable streams, for the server's owner: whose they are, who reads them, ending one."""

from __future__ import annotations

from typing import Any, Final, final

from aiohttp import web

from llms.protocol import json
from llms.protocol.errors import Cancelled, NotFound, excerpt
from llms.server.access import Access
from llms.server.elsewhere import lists_elsewhere
from llms.server.services import Services
from llms.server.whole_answer import WholeAnswer
from llms.streaming.session import StreamSession

_MOST: Final = 500


@final
class LiveStreams:
    """List and cancel."""

    def __init__(self, services: Services) -> None:
        """Take the sessions."""
        self._services = services

    async def list_all(self, request: web.Request, access: Access) -> WholeAnswer:
        """Answer the streams, the newest of each worker first; `total` and `bytes` count those beyond the most, too."""
        sessions = self._services.streams.sessions
        own = {
            "data": [self._row(session) for session in sessions[: -_MOST - 1 : -1]],
            "total": len(sessions),
            "bytes": sum(session.size for session in sessions),
        }
        lists = [own, *await lists_elsewhere(self._services, request, access)]
        told = {
            "object": "list",
            "data": [row for each in lists for row in each["data"]][:_MOST],
            "total": sum(each["total"] for each in lists),
            "bytes": sum(each["bytes"] for each in lists),
        }
        return WholeAnswer(json.dumps(told), access.headers)

    async def cancel(self, request: web.Request, access: Access) -> WholeAnswer:
        """Stop a stream, whosever it is: its upstream is let go, and its readers get the error `cancelled`."""
        wanted = request.match_info["id"]
        session = next((each for each in self._services.streams.sessions if each.id == wanted), None)
        if session is None:
            raise NotFound(f"There is no stream {excerpt(wanted)!r} here.", param="id")
        error = Cancelled("The owner of the server cancelled this stream.")
        session.blame(error)
        cancelled = session.cancel(error)
        return WholeAnswer(json.dumps({"id": wanted, "object": "stream", "cancelled": cancelled}), access.headers)

    def _row(self, session: StreamSession) -> dict[str, Any]:
        return {
            "id": session.id,
            "object": "stream",
            "owner": session.owner,
            "status": session.status,
            "provider": session.headers.get("x-llms-provider"),
            "model": session.headers.get("x-llms-model"),
            "connected_at": self._date(session.began),
            "last_ping": None if session.read is None else self._date(session.read),
            "readers": session.readers,
            "reconnect_count": session.returns,
            "tokens_sent": session.last if session.usage is None else session.usage.completion_tokens,
            "last_event_id": session.last,
            "bytes": session.size,
        }

    def _date(self, moment: float) -> float:
        """Return a moment of the clock as Unix seconds."""
        return round(self._services.now() - self._services.clock() + moment, 3)
