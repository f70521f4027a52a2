"""The part of the URL table for responses."""

from __future__ import annotations

from collections.abc import Callable

from llms.server.access import Handler
from llms.server.later import handlers_of
from llms.server.services import Services


def add_response_routes(route: Callable[[str, str, Handler], None], services: Services) -> None:
    """Fill it with `route(method, path, handler)`; one object serves all, for it knows what runs in the background."""
    later = handlers_of("responses.Responses", services)
    for v1 in ("/v1", ""):
        route("POST", f"{v1}/responses", later("post"))
        route("GET", f"{v1}/responses/{{id}}", later("get"))
        route("DELETE", f"{v1}/responses/{{id}}", later("delete"))
        route("POST", f"{v1}/responses/{{id}}/cancel", later("cancel"))
        route("GET", f"{v1}/responses/{{id}}/input_items", later("input_items"))
