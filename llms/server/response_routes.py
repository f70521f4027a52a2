"""The part of the URL table for responses."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from aiohttp import web

from llms.server.access import Access, Handler
from llms.server.elsewhere import and_elsewhere, or_elsewhere
from llms.server.services import Services

if TYPE_CHECKING:
    from llms.server.responses import Responses

_NOT_HERE: Final = (404, 409, 410)
"""What is answered by a worker that does not make the response: it is unknown, or its events are."""


def add_response_routes(route: Callable[[str, str, Handler], None], services: Services) -> None:
    """Fill it with `route(method, path, handler)`.

    One object serves all of them, as it knows what is made in the background; imported when the first is asked.
    """
    made: list[Responses] = []

    def later(method: str) -> Handler:
        async def handler(request: web.Request, access: Access) -> web.StreamResponse:
            if not made:
                from llms.server.responses import Responses

                made.append(Responses(services))
            answer: web.StreamResponse = await getattr(made[0], method)(request, access)
            return answer

        return handler

    for v1 in ("/v1", ""):
        route("POST", f"{v1}/responses", later("post"))
        route("GET", f"{v1}/responses/{{id}}", or_elsewhere(later("get"), services, *_NOT_HERE))
        route("DELETE", f"{v1}/responses/{{id}}", and_elsewhere(later("delete"), services))
        route("POST", f"{v1}/responses/{{id}}/cancel", or_elsewhere(later("cancel"), services, *_NOT_HERE))
        route("GET", f"{v1}/responses/{{id}}/input_items", later("input_items"))
