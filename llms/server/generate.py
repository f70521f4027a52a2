"""POST /generate and /generate/stream: LlamaNet's own routes, a prompt in and text out."""

from __future__ import annotations

from typing import final

from aiohttp import web

from llms.protocol.dialects.generate import GenerateDialect
from llms.server.access import Access
from llms.server.chat import Chat
from llms.server.services import Services


@final
class Generate:
    """Answer prompts; where none is named, by the default model or the only one."""

    def __init__(self, services: Services) -> None:
        """Take what chats take."""
        self._services = services
        self._chat = Chat(services, GenerateDialect(default_model=self._default_model))

    async def post(self, request: web.Request, access: Access) -> web.StreamResponse:
        """Answer with the whole text."""
        return await self._chat.post_whole(request, access)

    async def post_stream(self, request: web.Request, access: Access) -> web.StreamResponse:
        """Answer with the text as it grows."""
        return await self._chat.post_stream(request, access)

    def _default_model(self) -> str | None:
        default = self._services.config.defaults.model
        if default is not None:
            return default
        names = [name for name, _, _ in self._services.gateway.fleet.catalog.entries()]
        return names[0] if len(names) == 1 else None
