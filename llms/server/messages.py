"""POST /v1/messages and /v1/messages/count_tokens: Anthropic's API."""

from __future__ import annotations

from typing import Final, final

from aiohttp import web

from llms.protocol import json
from llms.protocol.dialects.messages.counting import estimate
from llms.protocol.dialects.messages.dialect import PING, MessagesDialect
from llms.server.access import ANTHROPIC_VERSION, Access
from llms.server.body import read_json
from llms.server.chat import Chat
from llms.server.plain_exchange import Asked, PlainExchange
from llms.server.services import Services

_FIRST_VERSION: Final = "2023-06-01"
_BETA: Final = "anthropic-beta"


@final
class Messages:
    """Answer messages, and count the tokens of what would be asked."""

    def __init__(self, services: Services) -> None:
        """Take what chats take."""
        self._services = services

    async def post(self, request: Asked, access: Access) -> web.StreamResponse:
        """Answer as the body's `stream` says."""
        return await self._chat(request).post(request, access)

    def begin(self, request: PlainExchange, access: Access) -> bool:
        """Answer inline, as chats do."""
        return self._chat(request).begin(request, access)

    def _chat(self, request: Asked) -> Chat:
        """Return what answers a request; the dialect of one that was begun knows what was asked."""
        begun = request.inline if isinstance(request, PlainExchange) else None
        return Chat(self._services, _dialect(request) if begun is None else begun.dialect, ping=PING)

    async def count_tokens(self, request: web.Request, access: Access) -> web.Response:
        """Answer how many tokens a request has: as its provider counts them, else by an estimate that says so."""
        raw = await read_json(request, self._services)
        asked = _dialect(request).parse(raw, request_id=access.request_id, hops=access.hops, stream=False)
        counted = await self._services.gateway.count_tokens(asked)
        told = {"input_tokens": counted}
        headers = {}
        if counted is None:
            told = {"input_tokens": estimate(asked.original.body if asked.original is not None else {})}
            headers = {"x-llms-estimated": "true"}
        return web.Response(
            body=json.dumps(told), headers={"Content-Type": "application/json", **access.headers, **headers}
        )


def _dialect(request: Asked) -> MessagesDialect:
    """Return the dialect of one request, with what its client says of version and betas."""
    headers = request.headers
    if isinstance(request, web.Request):
        betas = request.headers.getall(_BETA, [])
    else:
        betas = [headers[_BETA]] if _BETA in headers else []
    version = headers.get(ANTHROPIC_VERSION, _FIRST_VERSION)
    return MessagesDialect(((ANTHROPIC_VERSION, version), *((_BETA, beta) for beta in betas)))
