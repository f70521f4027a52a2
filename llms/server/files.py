"""/v1/files: what providers keep for this server's keys, each of which sees its own only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any, Final, final

from aiohttp import web

from llms.gateway.passing_on import Relay, addressed
from llms.protocol import json
from llms.protocol.errors import InternalError, InvalidRequest, NotFound, UpstreamProtocolError, excerpt
from llms.protocol.passthrough import PassRequest
from llms.protocol.sse import escape_separators
from llms.server.access import Access
from llms.server.passthrough import SAFE, Passthrough
from llms.server.routing_headers import routing_headers
from llms.server.services import Services
from llms.server.whole_answer import WholeAnswer
from llms.stores.file_owners import FileOwners, OwnersBroken

_FILE_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,256}", re.ASCII)
_MOST: Final = 16 * 2**20
"""Bytes of an answer that is read: a list of ten thousand files has a few millions."""
_BROKEN: Final = "The owners of files cannot be read or kept at the moment; the server's log has the cause."


@final
class Files:
    """Pass requests about files on; where there are several callers, about those that the caller's key gave."""

    def __init__(self, services: Services) -> None:
        """Take what passes requests on, and the folder of what is remembered."""
        self._services = services
        self._passthrough = Passthrough(services)
        self._owners = FileOwners(services.data_dir / "files.sqlite3")

    async def add(self, request: web.Request, access: Access) -> web.StreamResponse:
        """Give a provider a file, and remember whose it is."""
        asked = await self._passthrough.form(request, access)

        async def tell(relay: Relay) -> web.StreamResponse:
            told, wire = await _read(relay)
            if isinstance(told, dict) and isinstance(told.get("id"), str):
                await self._note(relay.exchange.provider, told["id"], access)
            return _answer(wire, access, relay)

        return await self._passthrough.answer(request, access, asked, tell=tell)

    async def list_all(self, request: web.Request, access: Access) -> web.StreamResponse:
        """Answer a provider's list of files, without those of others."""
        asked = self._passthrough.request(request, access)
        if not self._is_shared:
            return await self._passthrough.answer(request, access, asked)

        async def tell(relay: Relay) -> web.StreamResponse:
            told, _ = await _read(relay)
            found = told.get("data") if isinstance(told, dict) else None
            if not isinstance(found, list):
                raise UpstreamProtocolError(f"{relay.exchange.provider}: the upstream's list of files is not a list")
            own = await self._own(relay.exchange.provider, [_id(row) for row in found], access)
            shown = {**told, "data": [row for row in found if _id(row) in own]}
            return _answer(json.dumps(shown), access, relay)

        return await self._passthrough.answer(request, access, asked, tell=tell)

    async def one(self, request: web.Request, access: Access) -> web.StreamResponse:
        """Pass on a request about one file; to all keys but its own it is not there."""
        name = request.match_info["id"]
        if not _FILE_ID.fullmatch(name) or not name.strip("."):
            raise InvalidRequest(f"{excerpt(name)!r} is no id of a file.", param="id")
        asked = self._passthrough.request(request, access)
        provider = self._provider(asked)
        if self._is_shared and not await self._own(provider, [name], access):
            raise NotFound(f"There is no file {excerpt(name)!r} that this key gave to {provider}.", param="id")
        response = await self._passthrough.answer(request, access, asked)
        if request.method == "DELETE":
            await self._forget(provider, name)
        return response

    @property
    def _is_shared(self) -> bool:
        """Tell whether there is more than one caller whose files could be told apart."""
        keys = self._services.keys
        return len(keys.callers) + (not keys.required) > 1

    def _provider(self, asked: PassRequest) -> str:
        return addressed(asked, self._services.gateway.fleet).targets[0].provider

    async def _own(self, provider: str, names: list[str], access: Access) -> set[str]:
        try:
            return await self._owners.owned(provider, names, owner=access.caller.key_id)
        except OwnersBroken:
            raise InternalError(_BROKEN) from None

    async def _note(self, provider: str, name: str, access: Access) -> None:
        """Remember an owner, also while there is one key only; without any there is nobody to remember."""
        if not self._services.keys.callers:
            return
        try:
            await self._owners.note(provider, name, owner=access.caller.key_id)
        except OwnersBroken:
            if self._is_shared:
                raise InternalError(_BROKEN) from None

    async def _forget(self, provider: str, name: str) -> None:
        try:
            await self._owners.forget(provider, name)
        except OwnersBroken:
            return


async def _read(relay: Relay) -> tuple[Any, bytes]:
    """Return an answer that is JSON, decoded and as it came."""
    body = bytearray()
    async with aclosing(relay.pieces()) as pieces:
        async for piece in pieces:
            body += piece
            if len(body) > _MOST:
                raise UpstreamProtocolError(f"{relay.exchange.provider}: the answer is larger than {_MOST} bytes")
    try:
        return json.loads(bytes(body)), bytes(body)
    except ValueError:
        raise UpstreamProtocolError(f"{relay.exchange.provider}: the upstream's answer is not JSON") from None


def _id(row: Any) -> str:
    found = row.get("id") if isinstance(row, Mapping) else None
    return found if isinstance(found, str) else ""


def _answer(body: bytes, access: Access, relay: Relay) -> WholeAnswer:
    return WholeAnswer(escape_separators(body), {**SAFE, **access.headers, **routing_headers(relay.exchange)})
