"""The part of the URL table for clients of Anthropic's API."""

from __future__ import annotations

from collections.abc import Callable

from llms.server.access import Access, Door
from llms.server.hot_route import Way
from llms.server.later import handler_of, made_later
from llms.server.plain_exchange import PlainExchange
from llms.server.services import Services


def add_message_routes(route: Callable[..., None], services: Services) -> None:
    """Fill it with `route(method, path, handler, anthropic=True)`; the code is imported when it is first asked."""
    post = handler_of("messages.Messages.post", services)
    count_tokens = handler_of("messages.Messages.count_tokens", services)
    for v1 in ("/v1", ""):
        route("POST", f"{v1}/messages", post, anthropic=True)
        route("POST", f"{v1}/messages/count_tokens", count_tokens, anthropic=True)


def message_way(door: Door, services: Services) -> Way:
    """Return how plain requests for a message are answered."""
    messages = made_later("messages.Messages", services)

    def begin(request: PlainExchange, access: Access) -> bool:
        found: bool = messages().begin(request, access)
        return found

    post = handler_of("messages.Messages.post", services)
    return Way(door.guard(post, anthropic=True), door.inline(begin, anthropic=True))
