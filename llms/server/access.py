"""The front door: one function that every request passes, and one boundary where every error becomes an answer."""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, final

import structlog
from aiohttp import web

from llms.policies.keys import ANYBODY, Caller
from llms.policies.sessions import COOKIE
from llms.protocol.errors import (
    InternalError,
    InvalidRequest,
    LlmsError,
    LoopDetected,
    PermissionDenied,
    RequestTooLarge,
    UpstreamUnavailable,
    excerpt,
)
from llms.protocol.events import HttpEnded
from llms.providers.discover import SERVER_NAME
from llms.server.errors import respond
from llms.server.services import Services

_log = structlog.get_logger()
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,128}", re.ASCII)
_HOPS_LIMIT: Final = 4
_PREFIX: Final = secrets.token_hex(4)
_COUNT: Final = itertools.count(1)


@final
@dataclass(slots=True)
class Access:
    """What the front door found out about one request."""

    request_id: str
    caller: Caller = ANYBODY
    hops: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    """For the answer, whatever it will be: the request id, CORS."""
    reported: bool = False
    """The gateway accounts for this request."""


Handler = Callable[[web.Request, Access], Awaitable[web.StreamResponse]]
Guarded = Callable[[web.Request], Awaitable[web.StreamResponse]]


@final
class Door:
    """Wrap handlers: admit the request, run the handler, turn what is raised into an answer."""

    def __init__(self, services: Services) -> None:
        """Take what requests are checked against."""
        self._services = services

    def guard(
        self, handler: Handler, *, public: bool = False
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Return a handler for the router; `public` routes need no key."""
        services = self._services

        async def guarded(request: web.Request) -> web.StreamResponse:
            started = services.clock()
            access = Access(_request_id(request))
            access.headers["Server"] = SERVER_NAME
            access.headers["x-request-id"] = access.request_id
            error: LlmsError | None = None
            try:
                _admit(request, access, services, public=public)
                response = await handler(request, access)
            except LlmsError as refused:
                error = refused
                response = respond(refused, access.headers)
            except web.HTTPRequestEntityTooLarge:
                error = RequestTooLarge("The body is larger than server.max_body.")
                response = respond(error, access.headers)
            except ConnectionError:
                raise
            except Exception:
                _log.exception("request failed", request_id=access.request_id, path=request.path)
                error = InternalError("The server failed on this request; its log has the cause.")
                response = respond(error, access.headers)
            if services.draining:
                response.force_close()
            if not access.reported:
                _report(request, access, services, response.status, error, started)
            return response

        return guarded


def _request_id(request: web.Request) -> str:
    given = request.headers.get("x-request-id")
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given
    return f"req_{_PREFIX}{next(_COUNT):08x}"


def _admit(request: web.Request, access: Access, services: Services, *, public: bool) -> None:
    """Check host, origin, hops and key, in this order; raise an LlmsError."""
    headers = request.headers
    host = headers.get("Host", "")
    if not services.hosts.allows(host):
        raise PermissionDenied(
            f"The Host header {excerpt(host)!r} is not one of this server's names. "
            "Add it to server.allowed_hosts if it should be.",
            code="host_not_allowed",
        )
    origin = headers.get("Origin")
    if origin is not None:
        _check_origin(request, access, services, origin, host, public=public)
    if services.draining and not public:
        raise UpstreamUnavailable("The server is shutting down; send the request again.", retry_after=1)
    hops = headers.get("x-llms-hops")
    if hops is not None:
        access.hops = _check_hops(hops)
    if not public:
        access.caller = _caller(request, services, origin, host)


def _check_origin(
    request: web.Request, access: Access, services: Services, origin: str, host: str, *, public: bool
) -> None:
    if services.hosts.same(origin, host):
        return
    if services.hosts.listed(origin):
        access.headers["Access-Control-Allow-Origin"] = origin
        access.headers["Access-Control-Expose-Headers"] = "x-request-id, x-llms-provider, x-llms-model, Retry-After"
        access.headers["Vary"] = "Origin"
        return
    if not (public and request.method in ("GET", "HEAD")):
        raise PermissionDenied(
            f"Pages of {excerpt(origin)!r} may not call this server. server.cors_origins lists who may.",
            code="origin_not_allowed",
        )


def _check_hops(value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 4):
        raise InvalidRequest("x-llms-hops must be a small number.", param="x-llms-hops")
    if int(value) >= _HOPS_LIMIT:
        raise LoopDetected(
            f"The request has passed {value} llms servers: an upstream in providers.yaml leads back to this server."
        )
    return int(value)


def _caller(request: web.Request, services: Services, origin: str | None, host: str) -> Caller:
    """Return who calls: by key, or by the cookie of a signed-in page of our own."""
    headers = request.headers
    bearer, api_key = headers.get("Authorization"), headers.get("x-api-key")
    if services.keys.required and bearer is None and api_key is None and "Cookie" in headers:
        own = services.hosts.same(origin, host) if origin else headers.get("Sec-Fetch-Site") == "same-origin"
        found = services.sessions.caller_of(request.cookies.get(COOKIE, "")) if own else None
        if found is not None:
            return found
    return services.keys.check(bearer, api_key)


def _report(
    request: web.Request, access: Access, services: Services, status: int, error: LlmsError | None, started: float
) -> None:
    services.emit(
        HttpEnded(
            request_id=access.request_id,
            method=request.method,
            path=request.path,
            status=status,
            error_code=None if error is None else error.code,
            duration=services.clock() - started,
        )
    )
