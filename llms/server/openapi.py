"""GET /openapi.json: the schema of what this server answers."""

from __future__ import annotations

from importlib import resources
from typing import final

from aiohttp import web

from llms.server.access import Access


@final
class OpenApi:
    """The packaged document, read once."""

    def __init__(self) -> None:
        """Read it."""
        self._document = (resources.files("llms.server") / "openapi.json").read_bytes()

    async def get(self, request: web.Request, access: Access) -> web.Response:
        """Answer the document."""
        return web.Response(body=self._document, headers={"Content-Type": "application/json", **access.headers})
