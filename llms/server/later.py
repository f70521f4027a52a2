"""Handlers whose code is imported when somebody asks for them."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from aiohttp import web

from llms.server.access import Access, Handler
from llms.server.services import Services


def handler_of(place: str, services: Services) -> Handler:
    """Return a handler that is looked up, as `module.Class.method` of this package, when it is first asked."""
    kind, _, method = place.rpartition(".")
    return handlers_of(kind, services)(method)


def handlers_of(place: str, *given: object) -> Callable[[str], Handler]:
    """Return what gives the handlers of one object by their names.

    `place` is its `module.Class`. It is imported, and made of what is given, when the first of them is asked.
    """
    module, _, kind = place.partition(".")
    made: list[object] = []

    def handler_named(method: str) -> Handler:
        async def handler(request: web.Request, access: Access) -> web.StreamResponse:
            if not made:
                made.append(getattr(importlib.import_module(f"llms.server.{module}"), kind)(*given))
            found: Handler = getattr(made[0], method)
            return await found(request, access)

        return handler

    return handler_named
