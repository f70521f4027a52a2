"""Handlers whose code is imported when somebody asks for them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from typing import Any

from aiohttp import web

from llms.server.access import Access, Handler
from llms.server.services import Services


def handler_of(place: str, services: Services) -> Handler:
    """Return a handler that is looked up, as `module.Class.method` of this package, when it is first asked."""
    kind, _, method = place.rpartition(".")
    return handlers_of(kind, services)(method)


def handlers_of(place: str, *given: object) -> Callable[[str], Handler]:
    """Return what gives the handlers of one object, as `made_later` makes it, by their names."""
    made = made_later(place, *given)

    def handler_named(method: str) -> Handler:
        async def handler(request: web.Request, access: Access) -> web.StreamResponse:
            found: Handler = getattr(made(), method)
            return await found(request, access)

        return handler

    return handler_named


def made_later(place: str, *given: object) -> Callable[[], Any]:
    """Return what gives an object of a `module.Class`: imported, and made of what is given, when it is first asked."""
    module, _, kind = place.partition(".")

    @cache
    def made() -> Any:
        return getattr(importlib.import_module(f"llms.server.{module}"), kind)(*given)

    return made
