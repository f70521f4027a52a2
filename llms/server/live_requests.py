"""/api/requests: the model requests under way, and ending one of them.

All keys of `keys.static` are their owner's, so each of them sees, and may cancel, the requests of all.
"""

from __future__ import annotations

from typing import Any, Final, final

from aiohttp import web

from llms.gateway.exchange import Exchange
from llms.protocol import json
from llms.protocol.errors import Cancelled, NotFound, excerpt
from llms.protocol.events import Window
from llms.server.access import Access
from llms.server.elsewhere import lists_elsewhere
from llms.server.services import Services
from llms.server.whole_answer import WholeAnswer

_MOST: Final = 500
_STATES: Final[dict[Window, str]] = {
    "queued": "queued",
    "before_first_chunk": "waiting",
    "streaming": "writing",
    "whole_answer": "answering",
}


@final
class LiveRequests:
    """List and cancel."""

    def __init__(self, services: Services) -> None:
        """Take the requests under way."""
        self._services = services

    async def list_all(self, request: web.Request, access: Access) -> WholeAnswer:
        """Answer the requests, the oldest first; `total` counts those beyond the most that are listed, too."""
        live = sorted(self._services.gateway.live, key=lambda exchange: exchange.started)
        rows, count = [_row(exchange) for exchange in live[:_MOST]], len(live)
        for other in await lists_elsewhere(self._services, request, access):
            rows, count = sorted(rows + other["data"], key=lambda row: row["started"])[:_MOST], count + other["total"]
        told = {"object": "list", "data": rows, "total": count}
        return WholeAnswer(json.dumps(told), access.headers)

    async def cancel(self, request: web.Request, access: Access) -> WholeAnswer:
        """Stop a request: its upstream is let go, and its client gets the error `cancelled`."""
        wanted = request.match_info["id"]
        error = Cancelled("The owner of the server cancelled this request.")
        if not self._services.running.cancel(wanted, error):
            raise NotFound(f"No request {excerpt(wanted)!r} is under way here.", param="id")
        return WholeAnswer(json.dumps({"id": wanted, "object": "request", "cancelled": True}), access.headers)


def _row(exchange: Exchange) -> dict[str, Any]:
    return {
        "id": exchange.request_id,
        "object": "request",
        "route": exchange.route,
        "key_id": exchange.key_id,
        "asked_model": exchange.asked_model,
        "provider": exchange.provider or None,
        "model": exchange.model or None,
        "stream": exchange.stream,
        "state": _STATES[exchange.window],
        "started": round(exchange.started, 3),
        "elapsed": round(exchange.elapsed(), 3),
        "ttft": None if exchange.ttft is None else round(exchange.ttft, 4),
        "tokens": exchange.chunks,
        "attempts": exchange.attempts,
    }
