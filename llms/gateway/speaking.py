"""Which targets speak a client's dialect, for requests that a chat cannot ask for."""

from __future__ import annotations

from collections.abc import Callable

from llms.gateway.able import able_only
from llms.gateway.fleet import Fleet
from llms.protocol.chat import ChatRequest
from llms.providers.base import Provider, SupportsDialects
from llms.routing.catalog import Route


def speaks(provider: Provider, dialect: str) -> bool:
    """Tell whether a provider sends requests on as they stand in a dialect."""
    return isinstance(provider, SupportsDialects) and provider.speaks(dialect)


def speaking(request: ChatRequest) -> Callable[[Route, Fleet], Route] | None:
    """Return what leaves out the targets that cannot take a request, or refuses it; None where all can."""
    original = request.original
    if original is None or original.refusal is None:
        return None
    dialect, refusal = original.dialect, original.refusal

    def narrow(route: Route, fleet: Fleet) -> Route:
        lack = f"its provider does not speak {dialect}"
        found = able_only(route, fleet, can=lambda provider: speaks(provider, dialect), lack=lack)
        if found is None:
            raise refusal
        return found

    return narrow
