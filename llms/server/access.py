"""The front door: one function that every request passes, and one boundary where every error becomes an answer."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, final

import structlog
from aiohttp import HttpVersion10, HttpVersion11, web

from llms.policies.keys import ANYBODY, Caller, Keys
from llms.policies.sessions import COOKIE
from llms.protocol.errors import (
    InternalError,
    InvalidRequest,
    LlmsError,
    LoopDetected,
    PermissionDenied,
    excerpt,
)
from llms.protocol.events import HttpEnded
from llms.protocol.frames import let_go
from llms.providers.discover import SERVER_NAME
from llms.server.errors import INVALID_HTTP, respond, stopping
from llms.server.hosts import Hosts
from llms.server.plain_exchange import Asked, PlainExchange
from llms.server.request_ids import RequestIds
from llms.server.services import Services

_log = structlog.get_logger()
ANTHROPIC_VERSION: Final = "anthropic-version"
"""The header by which clients of Anthropic's API are known."""
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,128}", re.ASCII)
_VERSIONS: Final = (HttpVersion11, HttpVersion10)
_HOPS_LIMIT: Final = 4
_EXPOSED: Final = "x-request-id, x-llms-provider, x-llms-model, X-LLMS-Stream-Id, Retry-After"


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


class Admitted(NamedTuple):
    """What was found out about requests with one head, for as long as the same rules are in force."""

    caller: Caller
    hops: int
    keys: Keys
    hosts: Hosts


Handler = Callable[[Any, Access], Awaitable[web.StreamResponse]]
"""Takes a web.Request; those of chats take a PlainExchange as well."""
Guarded = Callable[[Asked], Awaitable[web.StreamResponse]]


@final
class Door:
    """Wrap handlers: admit the request, run the handler, turn what is raised into an answer."""

    def __init__(self, services: Services) -> None:
        """Take what requests are checked against."""
        self._services = services

    def guard(self, handler: Handler, *, public: bool = False, probe: bool = False, anthropic: bool = False) -> Guarded:
        """Return a handler for the router, or for the hot route; `public` routes need no key.

        A `probe` route answers health checks, too, which call a container by its address. Errors of an `anthropic`
        route are worded as Anthropic does, and so is what a client asks that names the version of its API.
        """
        services = self._services

        async def guarded(request: Asked) -> web.StreamResponse:
            started = services.clock()
            theirs = anthropic or ANTHROPIC_VERSION in request.headers
            known = request.access if isinstance(request, PlainExchange) else None
            access = known or _meet(request, services, anthropic=theirs)
            error: LlmsError | None = None
            try:
                if known is None:
                    _admit(request, access, services, public=public, probe=probe)
                response = await handler(request, access)
            except LlmsError as refused:
                error = refused
                response = respond(refused, access.headers, anthropic=theirs)
                let_go(refused)
            except ConnectionError:
                raise
            except Exception:
                _log.exception("request failed", request_id=access.request_id, path=request.path)
                _refuse_second_answer(request)
                error = InternalError("The server failed on this request; its log has the cause.")
                response = respond(error, access.headers, anthropic=theirs)
            if services.draining or (error is not None and _waits_to_send(request)):
                response.force_close()
            if not (access.reported or _is_siblings(request, services)):
                _report(request, access, services, response.status, error, started)
            return response

        return guarded

    def inline(
        self, begin: Callable[[PlainExchange, Access], bool], *, anthropic: bool = False
    ) -> Callable[[PlainExchange], bool]:
        """Return what answers inline; whoever is refused here is refused, in words, by a guarded handler."""
        services = self._services

        def guarded(request: PlainExchange) -> bool:
            access = _meet(request, services, anthropic=anthropic or ANTHROPIC_VERSION in request.headers)
            try:
                _admit_again(request, access, services)
                return begin(request, access)
            except LlmsError:
                return False
            except Exception:
                _log.exception("request not begun inline", request_id=access.request_id, path=request.path)
                return False

        return guarded


def _admit_again(request: PlainExchange, access: Access, services: Services) -> None:
    """Do as `_admit` does; of a head that was let in under the rules in force, the outcome is known."""
    head = request.head
    known = head.admitted
    if known is not None and known.keys is services.keys and known.hosts is services.hosts and not services.draining:
        access.caller, access.hops = known.caller, known.hops
        return
    _admit(request, access, services, public=False, probe=False)
    head.admitted = Admitted(access.caller, access.hops, services.keys, services.hosts)


def _is_siblings(request: Asked, services: Services) -> bool:
    """Tell whether another worker of this server asks; the client's own request is reported there."""
    siblings = services.siblings
    return siblings is not None and isinstance(request, web.Request) and siblings.ask_for(request)


def _meet(request: Asked, services: Services, *, anthropic: bool) -> Access:
    headers = own_headers(request, services.ids)
    if anthropic:
        headers["request-id"] = headers["x-request-id"]
    return Access(headers["x-request-id"], headers=headers)


def own_headers(request: web.BaseRequest | PlainExchange, ids: RequestIds) -> dict[str, str]:
    """Return what every answer carries: the request id (the client's where it is fit to be one) and our name."""
    given = request.headers.get("x-request-id")
    fit = given is not None and _REQUEST_ID.fullmatch(given)
    return {"Server": SERVER_NAME, "x-request-id": given if given and fit else ids.new()}


def _refuse_second_answer(request: Asked) -> None:
    """Cut a connection on which an answer has begun; a client must not take an error for a part of it."""
    if request.begun if isinstance(request, PlainExchange) else request.writer.output_size > 0:
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError("the answer had begun")


def _waits_to_send(request: Asked) -> bool:
    """Tell whether a refused client holds its body back, so that nobody knows what follows on the connection."""
    return isinstance(request, web.Request) and "expect" in request.headers and not request.content.is_eof()


def _admit(request: Asked, access: Access, services: Services, *, public: bool, probe: bool) -> None:
    """Check host, origin, hops and key, in this order; raise an LlmsError."""
    if request.version not in _VERSIONS:
        raise InvalidRequest("Only HTTP/1.1 is spoken here.", code=INVALID_HTTP)
    headers = request.headers
    host = headers.get("host", "")
    if not (probe and services.hosts.allows_probe(host)):
        _check_host(host, services)
    if isinstance(request, web.Request) and not request.raw_path.startswith("/") and "://" in request.raw_path:
        # A request line may name a host itself, which then counts (RFC 9112, 3.2.2).
        _check_host(request.url.raw_authority, services)
    origin = headers.get("origin")
    if origin is not None:
        _check_origin(request, access, services, origin, host, public=public)
    if services.draining and not public:
        raise stopping()
    hops = headers.get("x-llms-hops")
    if hops is not None:
        access.hops = _check_hops(hops)
    if not public:
        access.caller = _caller(request, services, origin, host)


def _check_host(host: str, services: Services) -> None:
    if not services.hosts.allows(host):
        raise PermissionDenied(
            f"The host {excerpt(host)!r} is not one of this server's names. "
            "Add it to server.allowed_hosts if it should be.",
            code="host_not_allowed",
        )


def _check_origin(request: Asked, access: Access, services: Services, origin: str, host: str, *, public: bool) -> None:
    if services.hosts.same(origin, host):
        return
    if services.hosts.listed(origin):
        access.headers["Access-Control-Allow-Origin"] = origin
        access.headers["Access-Control-Expose-Headers"] = _EXPOSED
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


def _caller(request: Asked, services: Services, origin: str | None, host: str) -> Caller:
    """Return who calls: by key, or by the cookie of a signed-in page of our own."""
    headers = request.headers
    bearer, api_key = headers.get("authorization"), headers.get("x-api-key")
    if services.keys.required and bearer is None and api_key is None and "cookie" in headers:
        own = services.hosts.same(origin, host) if origin else _is_own_read(request)
        found = services.sessions.caller_of(request.cookies.get(COOKIE, "")) if own else None
        if found is not None:
            return found
    return services.keys.check(bearer, api_key)


def _is_own_read(request: Asked) -> bool:
    """Tell whether a request without Origin comes from our own page.

    Over plain HTTP to another machine browsers say nothing of the page that reads; SameSite keeps other sites out.
    """
    site = request.headers.get("sec-fetch-site")
    return site == "same-origin" or (site is None and request.method in ("GET", "HEAD"))


def _report(
    request: Asked,
    access: Access,
    services: Services,
    status: int,
    error: LlmsError | None,
    started: float,
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
