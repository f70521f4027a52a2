"""Audio, images, moderations and rankings: handed to an upstream that has them, and its answer handed back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import Final, final
from urllib.parse import parse_qsl, urlencode

from aiohttp import HttpVersion11, web

from llms.gateway.passing_on import Relay
from llms.protocol.errors import InvalidRequest, LlmsError, UnsupportedMediaType
from llms.protocol.multipart import Form, boundary_of
from llms.protocol.parse import parse_object
from llms.protocol.passthrough import PassRequest
from llms.protocol.sse import encode
from llms.server.access import Access
from llms.server.body import read_json
from llms.server.departure import Departure
from llms.server.errors import body
from llms.server.routing_headers import routing_headers
from llms.server.services import Services
from llms.server.untaken import Taking
from llms.server.upload import FormUpload

_FORM: Final = "multipart/form-data"
_PROVIDER: Final = "provider"
_HEADER: Final = "x-llms-provider"
_LONGEST_MODEL: Final = 512
_KEPT: Final = ("Content-Type", "Content-Disposition")
SAFE: Final = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'"}
"""What an upstream sends must not become a page of ours."""

Tell = Callable[[Relay], Awaitable[web.StreamResponse]]


@final
class Passthrough:
    """Pass requests on; each to the target of its model, or to the provider that it names."""

    def __init__(self, services: Services) -> None:
        """Take the gateway."""
        self._services = services

    async def post(self, request: web.Request, access: Access) -> web.StreamResponse:
        """Pass on a request with a body of JSON, or with a form."""
        if _kind(request) == _FORM:
            return await self.answer(request, access, await self.form(request, access))
        fields = parse_object(await read_json(request, self._services))
        model = fields.get("model")
        if model is not None and not _is_model(model):
            raise InvalidRequest(f"`model` must be 1 to {_LONGEST_MODEL} printable characters.", param="model")
        asked = self.request(request, access, model=model or "")
        asked = replace(asked, fields=fields, content_type="application/json")
        return await self.answer(request, access, asked)

    async def form(self, request: web.Request, access: Access) -> PassRequest:
        """Return the request of a client that sends a form, as far as its model; raise an LlmsError."""
        if _kind(request) != _FORM:
            raise UnsupportedMediaType(f"Content-Type must be {_FORM}.")
        server = self._services.config.server
        kind = request.headers["Content-Type"]
        boundary = boundary_of(kind)
        is_file = request.path.endswith("/files")
        upload = FormUpload(request, None if is_file else Form(boundary), limit=server.max_upload)
        model = await upload.begin(limit=server.max_body)
        return replace(self.request(request, access, model=model), upload=upload, content_type=kind)

    def request(self, request: web.Request, access: Access, *, model: str = "") -> PassRequest:
        """Return the request of a client, without its body."""
        query = parse_qsl(request.rel_url.raw_query_string, keep_blank_values=True)
        named = next((value for name, value in query if name == _PROVIDER), request.headers.get(_HEADER, ""))
        return PassRequest(
            request.method,
            request.path.removeprefix("/v1").lstrip("/"),
            model=model,
            provider=named,
            query=urlencode([(name, value) for name, value in query if name != _PROVIDER]),
            hops=access.hops,
            request_id=access.request_id,
        )

    async def answer(
        self, request: web.Request, access: Access, asked: PassRequest, *, tell: Tell | None = None
    ) -> web.StreamResponse:
        """Send a request on; `tell` makes the answer of the upstream's, which else goes back as it comes."""
        services = self._services
        access.reported = True
        with services.running.request(access.request_id):
            with Departure(request, services.gateway.ticker) if asked.upload is not None else nullcontext():
                relay = await services.gateway.pass_on(asked, route=request.path, key_id=access.caller.key_id)
            async with relay:
                if tell is not None:
                    return await tell(relay)
                with Taking(request, services.gateway.ticker):
                    return await _relay(request, access, relay)


async def _relay(request: web.Request, access: Access, relay: Relay) -> web.StreamResponse:
    told = relay.headers
    kept = {name: told[name.lower()] for name in _KEPT if name.lower() in told}
    headers = {**kept, **SAFE, **access.headers, **routing_headers(relay.exchange)}
    response = web.StreamResponse(status=relay.status, headers=headers)
    length = told.get("content-length", "")
    if length.isdigit() and not relay.is_stream and told.get("content-encoding", "identity") == "identity":
        response.content_length = int(length)
    elif request.version < HttpVersion11:
        response.headers["Connection"] = "close"
        response.force_close()
    await response.prepare(request)
    try:
        async for data in relay.pieces():
            await response.write(data)
    except LlmsError as error:
        if not relay.is_stream:
            _cut(request)
        await response.write(encode(body(error)))
    await response.write_eof()
    return response


def _cut(request: web.Request) -> None:
    """End the connection in the middle of an answer, so that nobody takes it for whole."""
    if request.transport is not None:
        request.transport.abort()
    raise ConnectionResetError("the answer broke off")


def _kind(request: web.Request) -> str:
    return request.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _is_model(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_MODEL and value.isprintable()
