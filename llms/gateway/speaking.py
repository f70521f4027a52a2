"""Which targets speak a client's dialect, for requests that a chat cannot ask for."""

from __future__ import annotations

from collections.abc import Callable

from llms.gateway.able import able_only
from llms.gateway.fleet import Fleet
from llms.protocol.chat import ChatRequest
from llms.protocol.native import Original
from llms.providers.base import Provider, SupportsDialects
from llms.routing.catalog import Route


def speaks(provider: Provider, original: Original, model: str) -> bool:
    """Tell whether a provider sends a request on as it stands."""
    return isinstance(provider, SupportsDialects) and provider.speaks(original, model)


def speaking(request: ChatRequest) -> Callable[[Route, Fleet], Route] | None:
    """Return what leaves out the targets that cannot take a request, or refuses it; None where all can."""
    original = request.original
    if original is None or original.refusal is None:
        return None
    asked, refusal = original, original.refusal

    def can(provider: Provider, model: str) -> bool:
        return speaks(provider, asked, model)

    def narrow(route: Route, fleet: Fleet) -> Route:
        found = able_only(route, fleet, can=can, lack=f"its provider does not speak {asked.dialect}")
        if found is None:
            raise refusal
        return found

    return narrow
