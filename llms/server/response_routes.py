"""The part of the URL table for responses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from llms.server.access import Handler
from llms.server.elsewhere import and_elsewhere, or_elsewhere
from llms.server.later import handlers_of
from llms.server.services import Services

_NOT_HERE: Final = (404, 409, 410)
"""What is answered by a worker that does not make the response: it is unknown, or its events are."""


def add_response_routes(route: Callable[[str, str, Handler], None], services: Services) -> None:
    """Fill it with `route(method, path, handler)`; one object serves all, for it knows what runs in the background."""
    later = handlers_of("responses.Responses", services)
    for v1 in ("/v1", ""):
        route("POST", f"{v1}/responses", later("post"))
        route("GET", f"{v1}/responses/{{id}}", or_elsewhere(later("get"), services, *_NOT_HERE))
        route("DELETE", f"{v1}/responses/{{id}}", and_elsewhere(later("delete"), services))
        route("POST", f"{v1}/responses/{{id}}/cancel", or_elsewhere(later("cancel"), services, *_NOT_HERE))
        route("GET", f"{v1}/responses/{{id}}/input_items", later("input_items"))
