"""POST and DELETE /api/session: sign a browser in with a key, or with the link that `llms serve` printed."""

from __future__ import annotations

from typing import Final, final

from aiohttp import web

from llms.policies.keys import Caller
from llms.policies.sessions import COOKIE, LIFETIME
from llms.protocol import json
from llms.protocol.errors import AuthenticationFailed, InvalidRequest
from llms.server.access import Access
from llms.server.body import read_json
from llms.server.services import Services

_LONGEST: Final = 16 * 1024
"""Bytes of a body: everybody may send one here, without a key."""


@final
class Session:
    """Exchange a key for a cookie that scripts cannot read."""

    def __init__(self, services: Services) -> None:
        """Take the keys and the open sessions."""
        self._services = services

    async def open(self, request: web.Request, access: Access) -> web.Response:
        """Sign in: `{"key": "..."}` or `{"link": "..."}`."""
        caller = self._redeem(_read(await read_json(request, self._services, limit=_LONGEST)))
        response = web.Response(status=204, headers=access.headers)
        response.set_cookie(
            COOKIE,
            self._services.sessions.open(caller),
            max_age=int(LIFETIME),
            httponly=True,
            samesite="Strict",
            secure=request.secure,
            path="/",
        )
        return response

    async def close(self, request: web.Request, access: Access) -> web.Response:
        """Sign out."""
        self._services.sessions.close(request.cookies.get(COOKIE, ""))
        response = web.Response(status=204, headers=access.headers)
        response.del_cookie(COOKIE, path="/", httponly=True, samesite="Strict")
        return response

    def _redeem(self, given: dict[str, str]) -> Caller:
        if "link" in given:
            caller = self._services.sessions.redeem(given["link"])
            problem = "The sign-in link was used before or is too old."
        else:
            caller = self._services.keys.caller_of(given["key"])
            problem = "The API key is not one of this server's."
        if caller is None:
            raise AuthenticationFailed(problem)
        return caller


def _read(raw: bytes) -> dict[str, str]:
    try:
        body = json.loads(raw)
    except ValueError:
        raise InvalidRequest("The body is not JSON.") from None
    for name in ("link", "key"):
        if isinstance(body, dict) and isinstance(body.get(name), str):
            return {name: body[name]}
    raise InvalidRequest('The body must be {"key": "..."} or {"link": "..."}.', param="key")
