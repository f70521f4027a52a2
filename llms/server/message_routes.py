"""The part of the URL table for clients of Anthropic's API."""

from __future__ import annotations

from collections.abc import Callable

from llms.server.later import handler_of
from llms.server.services import Services


def add_message_routes(route: Callable[..., None], services: Services) -> None:
    """Fill it with `route(method, path, handler, anthropic=True)`; the code is imported when it is first asked."""
    post = handler_of("messages.Messages.post", services)
    count_tokens = handler_of("messages.Messages.count_tokens", services)
    for v1 in ("/v1", ""):
        route("POST", f"{v1}/messages", post, anthropic=True)
        route("POST", f"{v1}/messages/count_tokens", count_tokens, anthropic=True)
