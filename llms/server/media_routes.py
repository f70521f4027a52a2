"""The part of the URL table for what is not chat: legacy completions, and all that is passed on as it is."""

from __future__ import annotations

from collections.abc import Callable

from llms.server.access import Handler
from llms.server.later import handler_of
from llms.server.services import Services


def add_media_routes(route: Callable[[str, str, Handler], None], services: Services) -> None:
    """Fill it with `route(method, path, handler)`, below /v1 and without it."""
    completions = handler_of("completions.Completions.post", services)
    for v1 in ("/v1", ""):
        route("POST", f"{v1}/completions", completions)
