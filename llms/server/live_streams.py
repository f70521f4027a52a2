"""/api/streams: the resumable streams, for the server's owner: whose they are, who reads them, their size."""

from __future__ import annotations

from typing import Any, Final, final

from aiohttp import web

from llms.protocol import json
from llms.server.access import Access
from llms.server.elsewhere import lists_elsewhere
from llms.server.services import Services
from llms.server.whole_answer import WholeAnswer
from llms.streaming.session import StreamSession

_MOST: Final = 500


@final
class LiveStreams:
    """List them."""

    def __init__(self, services: Services) -> None:
        """Take the sessions."""
        self._services = services

    async def list_all(self, request: web.Request, access: Access) -> WholeAnswer:
        """Answer the streams, the newest of each worker first; `total` and `bytes` count those beyond the most, too."""
        sessions = self._services.streams.sessions
        own = {
            "data": [_row(session) for session in sessions[: -_MOST - 1 : -1]],
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


def _row(session: StreamSession) -> dict[str, Any]:
    return {
        "id": session.id,
        "object": "stream",
        "key_id": session.owner,
        "status": session.status,
        "provider": session.headers.get("x-llms-provider"),
        "model": session.headers.get("x-llms-model"),
        "readers": session.readers,
        "last_event_id": session.last,
        "bytes": session.size,
    }
