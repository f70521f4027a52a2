"""Whatever no route answers: 404, 405 with Allow, and the preflights of listed origins."""

from __future__ import annotations

import re
from typing import Final, final

from aiohttp import web

from llms.protocol.errors import MethodNotAllowed, NotFound, PermissionDenied, excerpt
from llms.server.access import Access

_HEADER_NAMES: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,500}", re.ASCII)
_USUAL_HEADERS: Final = "authorization, content-type, x-api-key"


class Everything(web.DynamicResource):
    """Match whatever is asked for, also what no pattern of a path matches: `*`, an authority, line breaks."""

    def _match(self, path: str) -> dict[str, str]:
        return {}


@final
class Unrouted:
    """The last routes of the table, for every method and path."""

    async def any(self, request: web.Request, access: Access) -> web.Response:
        """Say what is wrong with the path or the method."""
        methods = await self._methods(request)
        if not methods:
            raise NotFound(f"There is no {excerpt(request.path)!r} here. GET /openapi.json lists what is.")
        allowed = ", ".join(sorted(methods))
        error = MethodNotAllowed(f"{request.method} is not allowed here; {allowed} is.")
        error.allow = allowed
        raise error

    async def options(self, request: web.Request, access: Access) -> web.Response:
        """Say which methods a path takes; the preflight of a foreign page is refused unless its origin is listed."""
        methods = {*await self._methods(request), "OPTIONS"}
        if request.headers.get("Origin") is None:
            return web.Response(status=204, headers={**access.headers, "Allow": ", ".join(sorted(methods))})
        if "Access-Control-Allow-Origin" not in access.headers:
            raise PermissionDenied("This origin may not call the server.", code="origin_not_allowed")
        asked = request.headers.get("Access-Control-Request-Headers", "")
        return web.Response(
            status=204,
            headers={
                **access.headers,
                "Access-Control-Allow-Methods": ", ".join(sorted({*methods, "GET", "POST"})),
                "Access-Control-Allow-Headers": asked if _HEADER_NAMES.fullmatch(asked) else _USUAL_HEADERS,
                "Access-Control-Max-Age": "600",
            },
        )

    async def _methods(self, request: web.Request) -> set[str]:
        """Return the methods that other routes of the table take on this path."""
        found: set[str] = set()
        for resource in request.app.router.resources():
            _, methods = await resource.resolve(request)
            found |= methods
        return found - {"*", "OPTIONS"}
