"""GET /health, /ready and /metrics: what monitors ask."""

from __future__ import annotations

from typing import final

from aiohttp import web

from llms.server.access import Access
from llms.server.elsewhere import page_of_all
from llms.server.services import Services


@final
class Status:
    """Tell how the server is, without asking any upstream."""

    def __init__(self, services: Services) -> None:
        """Take the draining flag and the metrics page."""
        self._services = services

    async def health(self, request: web.Request, access: Access) -> web.Response:
        """Answer 200 while the event loop runs."""
        return _json(b'{"status":"ok"}', access)

    async def ready(self, request: web.Request, access: Access) -> web.Response:
        """Answer 200 while new requests are taken."""
        if self._services.draining:
            return _json(b'{"status":"draining"}', access, status=503)
        return _json(b'{"status":"ready"}', access)

    async def metrics(self, request: web.Request, access: Access) -> web.Response:
        """Answer the Prometheus page, of all workers."""
        page, kind = self._services.exposition()
        page = await page_of_all(self._services, request, access, page)
        return web.Response(body=page, headers={"Content-Type": kind, **access.headers})


def _json(body: bytes, access: Access, *, status: int = 200) -> web.Response:
    return web.Response(status=status, body=body, headers={"Content-Type": "application/json", **access.headers})
