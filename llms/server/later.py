"""Handlers whose code is imported when somebody asks for them."""

from __future__ import annotations

import importlib

from aiohttp import web

from llms.server.access import Access, Handler
from llms.server.services import Services


def handler_of(place: str, services: Services) -> Handler:
    """Return a handler that is looked up, as `module.Class.method` of this package, when it is first asked."""
    module, kind, method = place.split(".")
    found: list[Handler] = []

    async def handler(request: web.Request, access: Access) -> web.StreamResponse:
        if not found:
            made = getattr(importlib.import_module(f"llms.server.{module}"), kind)(services)
            found.append(getattr(made, method))
        return await found[0](request, access)

    return handler
