"""The part of the URL table for responses."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from aiohttp import web

from llms.server.access import Access, Handler
from llms.server.services import Services

if TYPE_CHECKING:
    from llms.server.responses import Responses


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
        route("GET", f"{v1}/responses/{{id}}", later("get"))
        route("DELETE", f"{v1}/responses/{{id}}", later("delete"))
        route("POST", f"{v1}/responses/{{id}}/cancel", later("cancel"))
        route("GET", f"{v1}/responses/{{id}}/input_items", later("input_items"))
