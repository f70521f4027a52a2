"""POST /v1/completions: texts that go on where prompts end, as clients asked before there were chats."""

from __future__ import annotations

from typing import final

from aiohttp import web

from llms.protocol.dialects.completions.dialect import CompletionsDialect
from llms.server.access import Access
from llms.server.chat import Chat
from llms.server.services import Services


@final
class Completions:
    """Answer prompts."""

    def __init__(self, services: Services) -> None:
        """Take what chats take."""
        self._services = services

    async def post(self, request: web.Request, access: Access) -> web.StreamResponse:
        """Answer as the body's `stream` says."""
        return await Chat(self._services, CompletionsDialect()).post(request, access)
