"""POST /v1/embeddings: vectors of texts."""

from __future__ import annotations

from typing import final

from aiohttp import web

from llms.protocol.embeddings import parse_embeddings
from llms.protocol.sse import escape_separators
from llms.server.access import Access
from llms.server.body import read_json
from llms.server.routing_headers import routing_headers
from llms.server.services import Services
from llms.server.whole_answer import WholeAnswer


@final
class Embeddings:
    """Answer requests for embeddings."""

    def __init__(self, services: Services) -> None:
        """Take the gateway."""
        self._services = services

    async def post(self, request: web.Request, access: Access) -> web.StreamResponse:
        """Answer with a vector for each input."""
        services = self._services
        raw = await read_json(request, services)
        asked = parse_embeddings(raw, request_id=access.request_id, hops=access.hops)
        access.reported = True
        with services.running.request(access.request_id):
            found = await services.gateway.embed(asked, route=request.path, key_id=access.caller.key_id)
        return WholeAnswer(escape_separators(found.payload), {**access.headers, **routing_headers(found.exchange)})
